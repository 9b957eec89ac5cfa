"""KEDA's poll and the HPA's sync against one target whose pods appear at once: status = spec = ready."""

from collections.abc import Callable
from dataclasses import dataclass

from afscope.control.history import History
from afscope.control.hpa import HpaSpec, Observed
from afscope.control.keda import KedaState, Polled, Trigger, poll
from afscope.control.scaledobject import ScaledObject
from afscope.control.sync import Decision, sync
from afscope.model.clock import SECOND, Micros, from_seconds


@dataclass(frozen=True)
class Write:
    """A change of spec.replicas: rounded seconds, sizes, and the HPA's decision (None: KEDA wrote it)."""

    at: int
    before: int
    after: int
    decision: Decision | None


@dataclass
class Loops:
    """Both loops on one target; the metric is a function of seconds, in units."""

    spec: HpaSpec
    target: ScaledObject
    metric: Callable[[float], float]
    replicas: int = 0
    first_sync_s: float = 7.0
    sync_s: float = 15.05

    def run(self, until_s: float) -> list[Write]:
        polls = [(at * SECOND, self._poll) for at in range(0, int(until_s), self.target.polling_s)]
        count = int((until_s - self.first_sync_s) / self.sync_s) + 1
        syncs = [(from_seconds(self.first_sync_s + number * self.sync_s), self._sync) for number in range(count)]
        self._keda, self._history = KedaState(), History()
        self._writes: list[Write] = []
        for now, step in sorted([*polls, *syncs], key=lambda item: item[0]):
            step(now)
        return self._writes

    def _usage(self, now: Micros) -> int:
        return round(self.metric(now / SECOND) * 1000)

    def _poll(self, now: Micros) -> None:
        seen = Polled(self.replicas, [Trigger("m", self._usage(now) / 1000)])
        self._keda, action = poll(self._keda, self.target, seen, now)
        self._write(now, action.after, None)

    def _sync(self, now: Micros) -> None:
        seen = Observed(self.replicas, self.replicas, [self._usage(now)])
        self._history, decision = sync(self._history, self.spec, seen, now)
        self._write(now, decision.desired if decision.writes else None, decision)

    def _write(self, now: Micros, size: int | None, decision: Decision | None) -> None:
        if size is not None and size != self.replicas:
            self._writes.append(Write(round(now / SECOND), self.replicas, size, decision))
            self.replicas = size


def shape(writes: list[Write]) -> list[tuple[int, int, int]]:
    return [(write.at, write.before, write.after) for write in writes]
