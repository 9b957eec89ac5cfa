"""The few numbers that sum an incident up, measured on one investigation; report, diff and gates share them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, from_datetime
from afscope.model.finding import Finding
from afscope.model.timeline import AttemptWait

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Measures:
    """Waits in seconds per attempt, lost work in task-seconds, pods in pod-hours; None where nothing was recorded."""

    attempts: int | None
    wait_total_s: float | None
    wait_p50_s: float | None
    wait_p95_s: float | None
    lost_task_seconds: float | None
    pod_hours: float | None
    peak_replicas: int | None


def measures(opened: "Investigation") -> Measures:
    """Of the targets that the investigation reports, within its bounds."""
    totals = sorted(wait_seconds(attempt) for attempt in opened.waits())
    names = [str(target["target"]) for target in opened.targets()]
    tasks = opened.capture.source("task_instances").status in (SourceState.OK, SourceState.PARTIAL)
    return Measures(
        attempts=len(totals) if tasks else None,
        wait_total_s=sum(totals) if tasks else None,
        wait_p50_s=quantile(totals, 0.50),
        wait_p95_s=quantile(totals, 0.95),
        lost_task_seconds=lost_seconds(opened.analysis.findings) if tasks else None,
        pod_hours=pod_hours(opened, names) if opened.capture.has("pods") else None,
        peak_replicas=_peak(opened, names),
    )


def wait_seconds(attempt: AttemptWait) -> float:
    """How long one attempt waited, all stages together."""
    return sum(stage.seconds for stage in attempt.stages)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of the sorted values do not exceed; None of nothing."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def lost_seconds(findings: Iterable[Finding]) -> float:
    """Work that ran and has to run again, in task-seconds, over all findings that killed some."""
    return sum(finding.cost.lost_task_seconds for finding in findings)


def pod_hours(opened: "Investigation", targets: Sequence[str]) -> float:
    """Hours that worker pods existed, from their creation until they were gone, within the bounds."""
    return sum(end - start for start, end in _lives(opened, targets)) / SECOND / HOUR_S


def _lives(opened: "Investigation", targets: Sequence[str]) -> Iterable[tuple[Micros, Micros]]:
    rows = opened.session.dicts(
        "SELECT created_at, gone_at FROM worker_pods WHERE list_contains($targets, target)", {"targets": list(targets)}
    )
    for row in rows:
        start = max(opened.start, _at(row["created_at"], opened.start))
        end = min(opened.end, _at(row["gone_at"], opened.end))
        if end > start:
            yield start, end


def _at(value: Any, default: Micros) -> Micros:
    return default if value is None or value.year > 9000 else from_datetime(value)


def _peak(opened: "Investigation", targets: Sequence[str]) -> int | None:
    """The most workers that existed at one time."""
    edges = [edge for start, end in _lives(opened, targets) for edge in ((start, 1), (end, -1))]
    level = most = 0
    for _, change in sorted(edges):
        level += change
        most = max(most, level)
    return most if opened.capture.has("pods") else None
