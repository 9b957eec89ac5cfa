"""From draws, and from the recording itself, to an Outcome."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from afscope.engine.counting import Key
from afscope.engine.waits import micros
from afscope.model.clock import SECOND, Micros
from afscope.model.simulation import Outcome
from afscope.simulate.machine import Run
from afscope.simulate.world import size_at

if TYPE_CHECKING:
    from afscope.engine.attribution import Waiter
    from afscope.engine.investigation import Investigation

_HOUR: Micros = 3600 * SECOND


def quantile(ordered: Sequence[float], q: float) -> float:
    """A quantile of sorted values, linear between neighbours; 0 of nothing."""
    if not ordered:
        return 0.0
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def simulated(runs: Sequence[Run], target: str, settings: dict[str, str]) -> Outcome:
    """The mean over draws; `ci` holds what 95 % of the draws lie in. Steps and times are those of the first draw."""
    waits = [sorted(run.waits[target]) for run in runs]
    measures: dict[str, list[float]] = {
        "wait_p50_s": [quantile(found, 0.5) for found in waits],
        "wait_p95_s": [quantile(found, 0.95) for found in waits],
        "wait_total_s": [sum(found) for found in waits],
        "lost_task_seconds": [run.lost_s[target] for run in runs],
        "pod_hours": [_hours(run.pods[target], run.ended_at) for run in runs],
    }
    ci = {} if len(runs) < 2 else {name: _interval(found) for name, found in measures.items()}
    first = runs[0]
    return Outcome(
        set=settings,
        **{name: fmean(found) for name, found in measures.items()},
        ci=ci,
        replicas=(first.first[target], *first.steps[target]),
        finished_at=first.finished_at,
        unfinished=first.unfinished[target],
    )


def _interval(found: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(found)
    return quantile(ordered, 0.025), quantile(ordered, 0.975)


def _hours(pods: Sequence[tuple[Micros, Micros | None]], end: Micros) -> float:
    return sum(max(0, min(end if gone is None else gone, end) - created) for created, gone in pods) / _HOUR


def recorded(investigation: "Investigation", target: str, also: frozenset[Key] = frozenset()) -> Outcome:
    """What the capture itself shows, to its end; `also` are attempts that nobody served and that count here."""
    session, start, end = investigation.session, investigation.start, investigation.end
    mine = {"t": target}
    waiters = [w for w in investigation.attribution.waiters if w.target == target or (also and _key(w) in also)]
    waits = sorted((waiter.ended_at - waiter.runnable_at) / SECOND for waiter in waiters)
    ends = [waiter.attempt_ended_at for waiter in waiters if waiter.attempt_ended_at is not None]
    lives = session.run("SELECT created_at, gone_at FROM worker_pods WHERE target = $t", mine).rows
    pods = [(max(start, micros(created)), min(end, micros(gone))) for created, gone in lives]
    lost = session.run("SELECT sum(lost_seconds) FROM kills WHERE target = $t AND taken_by = 'scale_in'", mine).rows
    changes = session.run("SELECT moment, after FROM decisions WHERE target = $t ORDER BY moment", mine).rows
    steps = [(at, size) for moment, size in changes if start < (at := micros(moment)) <= end]
    return Outcome(
        set={},
        wait_p50_s=quantile(waits, 0.5),
        wait_p95_s=quantile(waits, 0.95),
        wait_total_s=sum(waits),
        lost_task_seconds=float(lost[0][0] or 0.0),
        pod_hours=_hours(pods, end),
        ci={},
        replicas=((start, size_at(session, target, start)), *steps),
        finished_at=max(ends) if ends and len(ends) == len(waiters) else None,
        unfinished=sum(waiter.running_at is None and waiter.ended_at >= end for waiter in waiters),
    )


def _key(waiter: "Waiter") -> Key:
    return waiter.dag_id, waiter.run_id, waiter.task_id, waiter.map_index, waiter.attempt
