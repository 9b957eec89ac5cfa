"""List, then watch, of one kind in one place: a state machine that knows what it has missed.

Rules of the API (kubernetes.io "Kubernetes API Concepts"; client-go tools/cache reflector.go, read in 1.36):

- a list has a resourceVersion; a watch from there brings every later change, each object in order
- a watch ends whenever the server likes; from the last version seen, an event's or a bookmark's, it can be resumed
  without loss, as long as the server still has that history
- when it has not, it says 410 Gone, as an HTTP status or as an ERROR frame: only a new list helps, and the versions
  in between are lost
- a page of a list whose continue token is too old says 410, too: the list starts over

Requests are made by whoever drives it (`listwatch.py`); nothing here waits or touches a socket.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from afscope.capture.kube.errors import ApiError, api_error
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE

GONE = 410


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    name: str = ""
    namespace: str | None = None
    resource_version: str = ""


class _Head(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


class _Frame(msgspec.Struct):
    type: str
    object: msgspec.Raw


_HEAD = msgspec.json.Decoder(_Head)
_PAGE = msgspec.json.Decoder(_Page)
_FRAME = msgspec.json.Decoder(_Frame)
BOOKMARK = "BOOKMARK"
_WATCHED = frozenset({ADDED, MODIFIED, DELETED})
Emit = Callable[[str, bytes], None]


class Malformed(ValueError):  # noqa: N818
    """An answer that is no list and no frame of a watch."""


@dataclass(frozen=True, slots=True)
class Relisted:
    """What a list after a loss brought to light."""

    changed: int
    gone: int


class Reflector:
    """Follows one list. `emit` gets each change and the object as sent, STATE for those of the first list.

    Of live objects it keeps identity and version, no bodies: what vanished unseen is emitted as DELETED with its
    metadata alone. Events are the exception: the server forgets them after an hour, which is nothing that happened.
    """

    def __init__(self, kind: str, emit: Emit) -> None:
        self._kind = kind
        self._emit = emit
        self._live: dict[str, _Meta] = {}
        self._version = ""
        self.listed_once = False
        """Whether a list was complete: the next one is a difference to it."""

    @property
    def version(self) -> str:
        """The resourceVersion to watch from; empty when only a list can tell."""
        return self._version

    def lost(self) -> None:
        """The server no longer has the history that a resumed watch would need."""
        self._version = ""

    def listed(self, pages: Iterable[bytes]) -> Relisted:
        """A complete list, page by page. Raises Malformed, or what `pages` raises, and may then be called again.

        A first list is emitted as it comes. A later one waits until it is complete, because only then is it known
        what is gone, and a list that broke off in the middle must not be half true.
        """
        seen: dict[str, _Meta] = {}
        held: list[tuple[str, bytes]] = []
        version = ""
        for body in pages:
            page = decode_page(self._kind, body)
            version = version or page.metadata.resource_version  # all pages share that of the first
            for item in page.items or ():
                raw = bytes(item)
                meta = _identity(raw)
                seen[meta.uid] = meta
                self._compare(meta, raw, held)
        gone = [meta for uid, meta in self._live.items() if uid not in seen]
        for meta in gone if self._kind != "Event" else ():
            self._emit(DELETED, self._epitaph(meta))
        for change, raw in held:
            self._emit(change, raw)
        self._live, self._version, self.listed_once = seen, version, True
        return Relisted(len(held), len(gone))

    def _compare(self, meta: _Meta, raw: bytes, held: list[tuple[str, bytes]]) -> None:
        """What an object of a list is to what was known: emitted at once or held until the list is complete."""
        known = self._live.get(meta.uid)
        if known is not None and known.resource_version == meta.resource_version:
            return
        if self.listed_once:
            held.append((ADDED if known is None else MODIFIED, raw))
        else:
            self._live[meta.uid] = meta
            self._emit(STATE if known is None else MODIFIED, raw)

    def framed(self, line: bytes) -> str:
        """One line of a watch; returns its type. Raises ApiError for an ERROR frame, Malformed for what is none.

        What is known already (a server may repeat itself after a resume) is not emitted again.
        """
        try:
            frame = _FRAME.decode(line)
            raw = bytes(frame.object)
            if frame.type == "ERROR":
                raise api_error(500, raw)
            meta = _identity(raw)
        except msgspec.DecodeError as error:
            raise Malformed(f"{self._kind}: not a frame of a watch: {error}") from error
        if frame.type in _WATCHED:
            self._changed(frame.type, meta, raw)
        if meta.resource_version:
            self._version = meta.resource_version
        return frame.type

    def _changed(self, change: str, meta: _Meta, raw: bytes) -> None:
        known = self._live.get(meta.uid)
        if change == DELETED:
            if known is not None:
                del self._live[meta.uid]
                self._emit(DELETED, raw)
            return
        if known is not None and known.resource_version == meta.resource_version:
            return
        self._live[meta.uid] = meta
        self._emit(change, raw)

    def _epitaph(self, meta: _Meta) -> bytes:
        return msgspec.json.encode({"kind": self._kind, "metadata": meta})


def _identity(raw: bytes) -> _Meta:
    """Who an object is; one without a uid is known by its name."""
    meta = _HEAD.decode(raw).metadata
    meta.uid = meta.uid or f"{meta.namespace}/{meta.name}"
    return meta


def decode_page(kind: str, body: bytes) -> _Page:
    """One page of a list. Raises Malformed."""
    try:
        return _PAGE.decode(body)
    except msgspec.DecodeError as error:
        raise Malformed(f"{kind}: not a list: {error}") from error


def is_gone(error: ApiError) -> bool:
    """Whether the history is lost: 410, or the reasons that come with it."""
    return error.status == GONE or error.reason in ("Gone", "Expired")
