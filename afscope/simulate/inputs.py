"""What the two loops can have seen at an instant, as far as the recording tells: sets of possible inputs."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afscope.control.hpa import HpaSpec, Metric, Observed, TargetKind
from afscope.control.quantity import NO_PODS, usage_bounds
from afscope.engine.waits import micros
from afscope.model.clock import SECOND, Micros
from afscope.simulate.counts import Counter
from afscope.simulate.looks import Look

if TYPE_CHECKING:
    from afscope.engine.session import Session

# queued_dttm is taken before its transaction commits, and the table is polled once a second: what the query saw is
# what held somewhere in these seconds before the decision.
NEAR: tuple[Micros, Micros] = (3 * SECOND, SECOND // 2)
# Clocks of the scheduler, the workers and the API server may disagree by some seconds.
FAR: tuple[Micros, Micros] = (15 * SECOND, 10 * SECOND)
_MOVING: Micros = SECOND
_MOST_POINTS = 64


@dataclass(frozen=True, slots=True)
class Series:
    """The trigger's value over time, in milli, re-counted from the recorded rows."""

    times: tuple[Micros, ...]
    values: tuple[int, ...]

    def around(self, now: Micros, reach: tuple[Micros, Micros] = NEAR) -> frozenset[int]:
        """The values that held somewhere from `reach[0]` before an instant to `reach[1]` after it."""
        before, after = reach
        first = max(0, bisect_right(self.times, now - before) - 1)
        last = bisect_left(self.times, now + after)
        found = set(self.values[first:last])
        if not self.times or self.times[0] > now - before:
            found.add(0)
        return frozenset(found)


def series(session: "Session", counter: Counter, end: Micros) -> Series | None:
    """The series of a target's trigger, None where its query cannot be re-run."""
    if counter.guessed:
        return None
    deltas: dict[Micros, int] = defaultdict(int)
    stayed = {
        tuple(row[:5])
        for row in session.run("SELECT DISTINCT dag_id, run_id, task_id, map_index, attempt FROM stays").rows
    }
    spans = session.run(
        """SELECT dag_id, run_id, task_id, map_index, attempt, queued_at, running_at,
            coalesce(ended_at, CASE WHEN last_state IN ('failed', 'up_for_retry') THEN failed_seen_at END) FROM attempts
        WHERE queued_at IS NOT NULL OR running_at IS NOT NULL"""
    ).rows
    for *names, queued, running, ended in spans:
        flags = counter.flags.get((names[0], names[1], names[2], names[3], names[4]))
        if flags is None or tuple(names) in stayed:
            continue
        begun = min(micros(running), micros(ended), end)
        if queued is not None and flags.queued:
            deltas[micros(queued)] += 1
            deltas[max(begun, micros(queued))] -= 1
        if running is not None and flags.running:
            deltas[micros(running)] += 1
            deltas[max(min(micros(ended), end), micros(running))] -= 1
    for *names, state, since, until in session.run(
        """SELECT dag_id, run_id, task_id, map_index, attempt, state, from_at, to_at FROM stays
        WHERE state IN ('queued', 'running')"""
    ).rows:
        flags = counter.flags.get((names[0], names[1], names[2], names[3], names[4]))
        if flags is not None and (flags.queued if state == "queued" else flags.running):
            deltas[micros(since)] += 1
            deltas[micros(until)] -= 1
    times = sorted(deltas)
    count, values = 0, []
    for at in times:
        count += deltas[at]
        values.append(counter.answer(max(0, count)))
    return Series(tuple(times), tuple(values))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the workload showed over time: (moment, spec, status, ready)."""

    steps: tuple[tuple[Micros, int, int, int], ...]

    def around(self, now: Micros, spec: int) -> list[tuple[int, int]]:
        """(status, ready) as a sync may have read them: the last before it, and what moved within a second."""
        seen: list[tuple[int, int]] = []
        for at, desired, status, ready in reversed(self.steps):
            if at > now:
                continue
            if desired == spec or not seen:
                seen.append((status, ready))
            if at < now - _MOVING:
                break
        return list(dict.fromkeys(seen)) or [(spec, spec)]


def sizes(session: "Session", target: str) -> Sizes:
    """The sizes of a target's workload."""
    rows = session.run(
        """SELECT moment, coalesce(desired, 1), current, ready FROM replicas
        WHERE target = $target AND change <> 'DELETED' ORDER BY moment""",
        {"target": target},
    ).rows
    return Sizes(tuple((micros(at), desired, current, ready) for at, desired, current, ready in rows))


def possible(
    look: Look, demand: Series | None, shown: Sizes, reach: tuple[Micros, Micros] = NEAR
) -> Iterator[Observed]:
    """Everything that the sync behind a status may have seen."""
    if look.spec is None:
        return
    write_ok = look.able != "FailedUpdateScale"
    for status, ready in shown.around(look.at, look.current):
        if look.current == 0 or not look.averages:
            yield Observed(look.current, status, [None] * len(look.spec.metrics), ready, status, write_ok)
            continue
        counted = None if demand is None else sorted(demand.around(look.at, reach))
        for readings in _readings(look, look.spec, status, counted):
            yield Observed(look.current, status, readings, ready, status, write_ok)


def _readings(look: Look, spec: HpaSpec, status: int, counted: list[int] | None) -> Iterator[list[int | None]]:
    """Possible totals per metric; with several metrics only the ends of each interval are combined."""
    options: list[list[int | None]] = []
    for number, metric in enumerate(spec.metrics):
        average = look.averages[number] if number < len(look.averages) else None
        known = (counted or []) if number == 0 else []
        options.append(_points(metric, average, status, known, spec.max_replicas))
    combined: list[list[int | None]] = [[]]
    for points in options:
        ends = points if len(options) == 1 else [*points[:1], *points[1:][-1:]]
        combined = [[*before, point] for before in combined for point in ends]
    yield from combined[:_MOST_POINTS]


def _points(metric: Metric, average: int | None, status: int, counted: list[int], most: int) -> list[int | None]:
    """Possible totals of one metric in milli; None for a failed one. Empty where `status` cannot be what was read."""
    if average is None:
        return [None]
    if average == NO_PODS:
        if status > 0:  # it was divided by nothing: not this status
            return []
        # Without pods the status says nothing of the metric; the rows that the trigger counts do.
        return [*counted] or [0, metric.target_milli * most]
    if metric.kind is TargetKind.VALUE:
        return [average]
    bounds = usage_bounds(average, status)
    if bounds is None:
        return []
    low, high = bounds
    inside: list[int | None] = [value for value in counted if low <= value <= high]
    if inside:
        return inside
    # The rows do not say; the rounded quotient alone does: its ends, and the steps of the size in between.
    step = metric.target_milli
    steps = range(-(-low // step) * step, high + 1, step)
    return [*sorted({low, high, *list(steps)[:_MOST_POINTS]})]
