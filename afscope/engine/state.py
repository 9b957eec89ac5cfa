"""What the sweep keeps of attempts while they wait: their state since when, and those that share one."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from afscope.engine.attribution import UNKNOWN, Attribution, Waiter
from afscope.engine.claims import Claim
from afscope.engine.supply import NEVER
from afscope.model.clock import Micros

if TYPE_CHECKING:
    from afscope.engine.line import Line

_NOTHING = (UNKNOWN, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Cause:
    """What somebody waits for."""

    stage: str
    cause: str
    claim: Claim | None = None


@dataclass(slots=True, eq=False)
class State:
    """A cause for waiters of a target and, where it is ordinary latency, the timer that it counts against and what that
    timer explains. The rest is what millions of bookings would make of these again and again."""

    cause: Cause
    target: str
    timer: str = ""
    budget: Micros = 0
    kind: tuple[str, str] = field(init=False)
    instance: tuple[str, str, str, str] | None = field(init=False)
    shown: tuple[str, str] = field(init=False)
    unknown: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        cause = self.cause
        self.kind = (cause.stage, cause.cause)
        self.instance = cause.claim.instance if cause.claim is not None else None
        self.shown, self.unknown = (self.target, cause.cause), (self.target, UNKNOWN)


@dataclass(slots=True, eq=False)
class Bucket:
    """Waiters of one group in one zone: whatever holds for one of them holds for all."""

    like: Waiter
    zone: str
    rows: dict[int, "Row"] = field(default_factory=dict)
    """By place."""
    state: State | None = None


@dataclass(slots=True, eq=False)
class Row:
    """One attempt while it waits. From `flip` on its ordinary latency is more than its timer explains."""

    waiter: Waiter
    since: Micros
    zone: str = ""
    bucket: Bucket | None = None
    state: State | None = None
    line: "Line | None" = None
    flip: Micros = NEVER
    flipped: bool = False

    def settle(self, at: Micros, result: Attribution) -> None:
        """Books the time in the present state. Ordinary latency beyond what the timers explain is unknown; a fault in
        between starts the count anew."""
        taken, state, waiter = at - self.since, self.state, self.waiter
        if taken <= 0 or state is None:
            return
        if state.instance is not None:
            waiter.seconds[state.kind] += taken
            result.claim_seconds[state.instance] += taken
            if waiter.spent:
                waiter.spent.clear()
            waiter.before = 0
        elif not state.timer:
            waiter.seconds[state.kind] += taken
        else:
            explained = min(taken, max(0, self.flip - self.since))
            if explained:
                waiter.seconds[state.kind] += explained
            if taken > explained:
                waiter.seconds[_NOTHING] += taken - explained
            waiter.spent[state.timer] = waiter.spent.get(state.timer, 0) + waiter.before + taken
            waiter.before = 0
        self.since = at
