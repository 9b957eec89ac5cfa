"""KEDA's poll and the HPA's sync of one group inside a simulation: the rules of `afscope.control`, nothing else."""

from bisect import bisect_right
from collections.abc import Sequence

from afscope.control.history import History
from afscope.control.hpa import Observed
from afscope.control.keda import KedaState, Polled, Trigger, cached_answer, poll
from afscope.control.sync import sync
from afscope.model.clock import Micros
from afscope.simulate.pods import Fleet
from afscope.simulate.world import Group, Span


class Autoscaler:
    """Both loops of one group. `value` is the metric in milli; the caller keeps the count behind it."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.size = group.replicas
        self.steps: list[tuple[Micros, int]] = []
        self.activations = 0
        self._keda = KedaState(group.last_active)
        self._history = History()
        self._polls, self._metrics, self._syncs = (
            _Faults(spans) for spans in (group.poll_faults, group.metric_faults, group.sync_faults)
        )

    def poll(self, value: int, fleet: Fleet, now: Micros) -> bool:
        """One poll of KEDA. Whether it changed the size."""
        if self._polls.holds(now):
            return False
        metric = self.group.hpa.metrics[0]
        trigger = Trigger(
            metric.name, value / 1000, self.group.activation, metric.target_milli, metric.kind, self.group.cached
        )
        seen = Polled(self.size, [trigger], ready_pods=fleet.ready_count)
        before = self.size
        self._keda, action = poll(self._keda, self.group.target, seen, now)
        changed = self.write(action.after, now)
        self.activations += changed and before == 0
        return changed

    def sync(self, value: int, fleet: Fleet, now: Micros) -> bool:
        """One sync of the HPA. Whether it changed the size."""
        if self._syncs.holds(now):
            return False
        reading: int | None = None if self._metrics.holds(now) else self._told(value)
        seen = Observed(
            self.size,
            fleet.status_replicas,
            [reading],
            fleet.ready_count,
            len(fleet.live),
        )
        self._history, decision = sync(self._history, self.group.hpa, seen, now, self.group.controller)
        return self.write(decision.desired if decision.writes else None, now)

    def write(self, size: int | None, now: Micros) -> bool:
        """Sets spec.replicas; whether that changed it."""
        if size is None or size == self.size:
            return False
        self.size = size
        self.steps.append((now, size))
        return True

    def _told(self, value: int) -> int | None:
        if not self.group.cached:
            return value
        metric = self.group.hpa.metrics[0]
        record = cached_answer(self._keda, Trigger(metric.name, value / 1000, use_cached_metrics=True))
        if record is None:
            return value
        return None if record.value is None else round(record.value * 1000)


class _Faults:
    """Spans in which a loop does not work; sorted and merged."""

    def __init__(self, spans: Sequence[Span]) -> None:
        merged: list[Span] = []
        for start, end in sorted(spans):
            if merged and start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((start, end))
        self._starts, self._ends = [start for start, _ in merged], [end for _, end in merged]

    def holds(self, now: Micros) -> bool:
        """Whether the fault is there at `now`."""
        place = bisect_right(self._starts, now)
        return place > 0 and now < self._ends[place - 1]
