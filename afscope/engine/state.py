"""What the sweep keeps of attempts while they wait: their state since when, and those that share one."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from afscope.engine.attribution import UNKNOWN, Attribution, Waiter
from afscope.engine.claims import Claim
from afscope.engine.supply import NEVER
from afscope.model.clock import Micros

if TYPE_CHECKING:
    from afscope.engine.line import Line


@dataclass(frozen=True, slots=True)
class Cause:
    """What somebody waits for."""

    stage: str
    cause: str
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A cause and, where it is ordinary latency, the timer that it counts against and what that timer explains."""

    cause: Cause
    timer: str = ""
    budget: Micros = 0


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

    def shown(self) -> str:
        """The cause that it is counted under."""
        return UNKNOWN if self.flipped or self.state is None else self.state.cause.cause

    def settle(self, at: Micros, result: Attribution) -> None:
        """Books the time in the present state. Ordinary latency beyond what the timers explain is unknown; a fault in
        between starts the count anew."""
        taken, state, waiter = at - self.since, self.state, self.waiter
        if taken <= 0 or state is None:
            return
        cause = state.cause
        if cause.claim is not None:
            waiter.seconds[(cause.stage, cause.cause)] += taken
            result.claim_seconds[cause.claim.instance] += taken
            waiter.spent.clear()
            waiter.before = 0
        elif not state.timer:
            waiter.seconds[(cause.stage, cause.cause)] += taken
        else:
            explained = min(taken, max(0, self.flip - self.since))
            if explained:
                waiter.seconds[(cause.stage, cause.cause)] += explained
            if taken > explained:
                waiter.seconds[(UNKNOWN, UNKNOWN)] += taken - explained
            waiter.spent[state.timer] = waiter.spent.get(state.timer, 0) + waiter.before + taken
            waiter.before = 0
        self.since = at
