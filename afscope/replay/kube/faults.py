"""Trouble on demand: what a cluster does to its clients on a bad day, armed by tests or over HTTP."""

import re
from collections.abc import Callable
from threading import Lock
from typing import Literal

import msgspec

from afscope.replay.kube.status import ApiError, expired, unauthorized

Kind = Literal["401", "403", "410", "429", "500", "hang", "cut", "drip", "half_open", "huge", "skew"]
"""What goes wrong: refusals with a Status object; `hang` never answers; `cut` closes the connection in the middle of
the body or frame, `drip` sends it a few bytes at a time, `half_open` stops sending without closing; `huge` adds an
object of `size` bytes to a list or a watch; `skew` moves the Date header and all times in bodies by `seconds`."""

REFUSALS: tuple[Kind, ...] = ("401", "403", "410", "429", "500", "hang")
TRANSPORT: tuple[Kind, ...] = ("cut", "drip", "half_open")


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault and the requests that it hits; without `path` and `verb` all of them, without `count` until cleared."""

    fault: Kind
    path: str = ""
    """Regular expression, searched in the path and query of the request."""
    verb: Literal["", "list", "watch", "get", "log", "post", "other"] = ""
    count: int | None = None
    """How many times it strikes: requests, and for what happens while a watch is open, frames."""
    seconds: float = 1.0
    """429: Retry-After; drip: real seconds between two pieces; skew: how far the server's clock is ahead."""
    size: int = 10_000_000
    """huge: bytes of the object; drip: bytes of a piece, at most 16."""


_DRIP_BYTES = 16


def piece(fault: Fault) -> int:
    """Bytes at a time of a `drip`."""
    return max(1, min(fault.size, _DRIP_BYTES))


class Faults:
    """The armed faults; safe to share between threads. The one that was armed first strikes first."""

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, re.Pattern[str], list[int | None]]] = []
        self._lock = Lock()
        self.changed: Callable[[], None] = lambda: None
        """Called after each change, so that open watches look at it."""

    def arm(self, fault: Fault) -> None:
        """Adds a fault. Raises ValueError for a path that is no regular expression, or a count below 1."""
        if fault.count is not None and fault.count < 1:
            raise ValueError(f"count must be at least 1, not {fault.count}")
        try:
            path = re.compile(fault.path)
        except re.error as error:
            raise ValueError(f"path {fault.path!r} is no regular expression: {error}") from error
        with self._lock:
            self._armed.append((fault, path, [fault.count]))
        self.changed()

    def clear(self) -> None:
        """Takes all of them away."""
        with self._lock:
            self._armed.clear()
        self.changed()

    def armed(self) -> list[Fault]:
        """What can still strike, with the counts that are left."""
        with self._lock:
            return [msgspec.structs.replace(fault, count=left[0]) for fault, _, left in self._armed]

    def take(self, verb: str, path: str, *kinds: Kind) -> Fault | None:
        """The fault that strikes this request now, if any; it has one strike less then."""
        if not self._armed:  # what almost every frame sees; a torn read is only a moment early or late
            return None
        with self._lock:
            for entry in self._armed:
                fault, pattern, left = entry
                if fault.fault in kinds and fault.verb in ("", verb) and pattern.search(path):
                    if left[0] is not None:
                        left[0] -= 1
                        if not left[0]:
                            self._armed.remove(entry)
                    return fault
        return None


def refusal(fault: Fault) -> ApiError:
    """The answer that a refusing fault gives; `hang` gives none and is no business of this."""
    if fault.fault == "401":
        return unauthorized()
    if fault.fault == "403":
        return ApiError(403, "Forbidden", "forbidden by an armed fault")
    if fault.fault == "410":
        return expired("The resourceVersion for the provided watch is too old.")
    if fault.fault == "429":
        after = max(1, round(fault.seconds))
        return ApiError(429, "TooManyRequests", "too many requests, please try again later", retry_after=after)
    return ApiError(500, "InternalError", "Internal error occurred: an armed fault")
