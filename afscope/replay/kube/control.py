"""/afscope/…: the replay's own endpoints, for its clock and for faults. Not part of any Kubernetes API."""

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from afscope.errors import CannotReplay
from afscope.model.clock import parse_time, rfc3339
from afscope.model.pace import ScaledPace
from afscope.replay.kube.exchange import Answer, Request, document
from afscope.replay.kube.faults import Fault, Faults
from afscope.replay.kube.status import bad_request, no_such_path, not_allowed

ROOT = "afscope"
# A fault that somebody forgot ends by itself.
_LONGEST_S = 3600.0
_T = TypeVar("_T")


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    """A change of the clock: first where it stands (`jump`, then `step_s`), then how it runs."""

    jump: str | None = None
    step_s: float | None = None
    speed: float | None = None
    paused: bool | None = None


class _Expire(msgspec.Struct, forbid_unknown_fields=True):
    watches: bool = False


class _DatabaseFault(msgspec.Struct, forbid_unknown_fields=True):
    fault: Literal["lock", "restart", "login"]
    seconds: float = 5.0
    table: str = "task_instance"
    user: str = ""


class StrikesDatabase(Protocol):
    """Whoever makes trouble in the database that is served with this cluster."""

    def strike(self, kind: str, seconds: float, *, table: str, user: str) -> None:
        """Returns when the fault is in force. Raises CannotReplay."""


class Control:
    """Reads and turns the clock, arms faults, expires versions."""

    database: StrikesDatabase | None = None

    def __init__(
        self, pace: ScaledPace, faults: Faults, expire: Callable[[bool], None], turned: Callable[[], None]
    ) -> None:
        """`expire(watches)` makes all versions too old; `turned` is called after each change of the clock."""
        self._pace, self._faults, self._expire, self._turned = pace, faults, expire, turned

    def answer(self, request: Request) -> Answer:
        """Raises ApiError."""
        match request.method, request.segments[1:]:
            case "GET", ("clock",):
                return document(self._clock())
            case "POST", ("clock",):
                self._turn(_body(request, _Turn))
                return document(self._clock())
            case "GET", ("faults",):
                return document(self._faults.armed())
            case "POST", ("faults",):
                self._arm(request)
                return document(self._faults.armed())
            case "DELETE", ("faults",):
                self._faults.clear()
                return document([])
            case "POST", ("expire",):
                self._expire(_body(request, _Expire).watches)
                return document({})
            case "POST", ("database-faults",):
                self._strike_database(_body(request, _DatabaseFault))
                return document({})
            case _, ("clock" | "faults" | "expire" | "database-faults",):
                raise not_allowed()
        raise no_such_path()

    def _clock(self) -> dict[str, Any]:
        now = self._pace.now()
        return {"now": rfc3339(now), "now_us": now, "speed": self._pace.speed, "paused": self._pace.paused}

    def _turn(self, turn: _Turn) -> None:
        if turn.speed is not None and turn.speed <= 0:
            raise bad_request(f"speed must be above 0, not {turn.speed}")
        if turn.step_s is not None and turn.step_s < 0:
            raise bad_request("a step goes forward; use jump to go back")
        if turn.jump is not None:
            self._jump(turn.jump)
        if turn.step_s is not None:
            self._pace.step(turn.step_s)
        paused = self._pace.paused if turn.paused is None else turn.paused
        if turn.speed is not None or paused != self._pace.paused:
            self._pace.resume(turn.speed)
            if paused:
                self._pace.pause()
        self._turned()

    def _jump(self, to: str) -> None:
        try:
            self._pace.jump(parse_time(to))
        except ValueError as error:
            raise bad_request(str(error)) from error
        self._turned()

    def _arm(self, request: Request) -> None:
        text = request.body.lstrip()
        faults = _body(request, list[Fault]) if text.startswith(b"[") else [_body(request, Fault)]
        try:
            for fault in faults:
                self._faults.arm(fault)
        except ValueError as error:
            raise bad_request(str(error)) from error

    def _strike_database(self, wanted: _DatabaseFault) -> None:
        if self.database is None:
            raise bad_request("no database is served here")
        if not 0 < wanted.seconds <= _LONGEST_S:
            raise bad_request(f"seconds must be above 0 and at most {_LONGEST_S:g}")
        try:
            self.database.strike(wanted.fault, wanted.seconds, table=wanted.table, user=wanted.user)
        except CannotReplay as error:
            raise bad_request(str(error)) from error


def _body(request: Request, wanted: type[_T]) -> _T:
    try:
        return msgspec.json.decode(request.body or b"{}", type=wanted)
    except msgspec.DecodeError as error:
        raise bad_request(f"the body is not as it should be: {error}") from error
