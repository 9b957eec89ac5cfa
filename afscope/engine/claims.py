"""Claims: what bottleneck analyzers say held, when, and whose waiting seconds it may take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from afscope.engine.header import AnalyzerFile
from afscope.engine.session import Session
from afscope.errors import AnalyzerError
from afscope.model.clock import Micros, from_datetime
from afscope.model.finding import Evidence

# Down the chain; where several claims hold for one waiting task, the first one is what it waits for.
CHAIN = (
    "db_slow", "db_connections_exhausted", "dag_paused", "run_in_future", "dag_max_active_runs", "dag_processor_stale",
    "dag_max_active_tasks", "task_concurrency_limit", "pool_missing", "pool_exhausted", "parallelism_limit",
    "scheduler_down", "scheduler_slow", "queue_mismatch", "query_ignores_running", "trigger_query_error",
    "external_metric_timeout", "max_replicas_ceiling", "quota_exceeded", "pods_unschedulable", "image_pull_failure",
    "worker_crash_loop", "slow_worker_start", "flapping", "execution_api_unavailable",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One row of a bottleneck analyzer: a window, a target, a subject, and its evidence."""

    file: AnalyzerFile
    start: Micros
    end: Micros
    target: str
    subject: str
    run_id: str | None
    component: str
    confidence: float
    params: Mapping[str, Any]
    evidence: tuple[Evidence, ...]
    lost_task_seconds: float = 0.0
    idle_pod_seconds: float = 0.0
    waiting_task_seconds: float = 0.0
    rank: tuple[int, int] = field(default=(0, 0))

    @property
    def cause(self) -> str:
        """The stable id."""
        return self.file.header.id

    @property
    def instance(self) -> tuple[str, str, str, str]:
        """Windows of one instance become one finding."""
        return (self.cause, self.component, self.target, self.subject)


def collect(session: Session, file: AnalyzerFile, params: Mapping[str, Any]) -> list[Claim]:
    """Runs one bottleneck analyzer. Raises AnalyzerError naming the file when a column is missing."""
    rows = session.dicts(file.sql, params)
    missing = {"started_at", "ended_at", "target", "subject", "params", "confidence", "evidence"} - set(
        rows[0] if rows else ()
    )
    if rows and missing:
        raise AnalyzerError(f"analyzer {file.path}: its SELECT lacks {', '.join(sorted(missing))}")
    return [claim_of(file, row) for row in rows if row["started_at"] is not None]


def claim_of(file: AnalyzerFile, row: Mapping[str, Any]) -> Claim:
    """A row in the uniform columns as a Claim."""
    header = file.header
    order = CHAIN.index(header.id) if header.id in CHAIN else len(CHAIN)
    component = row.get("component") or header.component
    if component not in (header.component, *header.also):
        raise AnalyzerError(f"analyzer {file.path}: may not blame {component}", "list it in `also`")
    start = from_datetime(row["started_at"])
    return Claim(
        file=file,
        start=start,
        end=max(start, from_datetime(row["ended_at"] or row["started_at"])),
        target=row["target"] or "",
        subject=row["subject"] or "",
        run_id=row.get("run_id"),
        component=component,
        confidence=float(row["confidence"]),
        params=dict(row["params"] or {}),
        evidence=tuple(evidence(row["evidence"] or ())),
        lost_task_seconds=float(row.get("lost_task_seconds") or 0.0),
        idle_pod_seconds=float(row.get("idle_pod_seconds") or 0.0),
        waiting_task_seconds=float(row.get("waiting_task_seconds") or 0.0),
        rank=(1 if header.ordinary else 0, order),
    )


def evidence(items: Iterable[Mapping[str, Any]]) -> list[Evidence]:
    """Structs of (table, ts, key, text) as Evidence; rows without a time prove nothing and are left out."""
    return [
        Evidence(item["table"], from_datetime(item["ts"]), item["key"] or "", item["text"] or "")
        for item in items
        if item["ts"] is not None
    ]
