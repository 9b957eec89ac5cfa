"""The duty limit: what polls may cost the database, as milliseconds of its time per second."""

from dataclasses import dataclass, field

from afscope.model.clock import SECOND, Micros

# Polls that now and then read more (DAGs, the end of a big run) are no reason to become slow.
_BURST_S = 10.0
# However much a poll cost, the next one comes: the server ends a statement after 2 s, so this breaks no budget by much.
_SLOWEST_S = 30.0
# A poll that is rarer than the interval by less than this is not slow yet.
_BITES = 1.5


@dataclass(slots=True)
class Duty:
    """A bucket of milliseconds that fills with time, at most ten seconds' worth, and that polls empty."""

    max_ms_per_s: float
    interval_s: float
    _left_ms: float = field(init=False)
    _at: Micros | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._left_ms = self._full

    @property
    def _full(self) -> float:
        return self.max_ms_per_s * _BURST_S

    def spend(self, cost_s: float, began: Micros, now: Micros) -> float:
        """Charges a poll, and returns the seconds from `now` to the next one."""
        elapsed_s = 0.0 if self._at is None else max(0, now - self._at) / SECOND
        self._at = now
        left = min(self._full, self._left_ms + elapsed_s * self.max_ms_per_s) - cost_s * 1000
        self._left_ms = max(left, -_SLOWEST_S * self.max_ms_per_s)
        regular = max(0.0, self.interval_s - (now - began) / SECOND)
        return max(regular, -self._left_ms / self.max_ms_per_s)

    def bites(self, wait_s: float) -> bool:
        """Whether a wait is longer than what was asked for."""
        return wait_s > self.interval_s * _BITES
