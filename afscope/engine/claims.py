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
    "db_connections_exhausted", "db_slow",
    # the run, the task, their limits
    "dag_paused", "run_in_future", "dag_max_active_runs", "dag_processor_stale", "run_starvation", "deadlocked_run",
    "dependency_wait", "deferred_backlog", "dag_max_active_tasks", "task_concurrency_limit", "pool_missing",
    "pool_exhausted", "executor_slot_leak", "parallelism_limit", "scheduler_down", "scheduler_slow",
    # what the trigger sees
    "scaledobject_missing", "trigger_reads_other_database", "queue_mismatch", "query_ignores_running",
    "query_divisor_mismatch", "query_overcounts", "scaledobject_paused", "scaledobject_not_ready",
    "trigger_query_error", "trigger_auth_failure", "trigger_db_unreachable", "trigger_query_slow",
    "keda_operator_down", "activation_threshold",
    # the metric and the decision
    "external_metrics_api_missing", "metric_path_tls", "metrics_apiserver_overloaded", "external_metric_timeout",
    "fallback_active", "competing_hpas", "replicas_overwritten", "hpa_controller_stalled", "unreachable_max_replicas",
    "hpa_tolerance_dead_band", "scale_up_rate_limited", "worker_slots_saturated", "max_replicas_ceiling",
    # from replicas to ready workers
    "quota_exceeded", "statefulset_blocked", "node_scale_up_blocked", "node_scale_up_slow", "node_lost",
    "pods_unschedulable", "volume_attach_failure", "image_pull_failure", "slow_image_pull", "worker_oom",
    "worker_crash_loop", "probe_failures", "slow_worker_start", "flapping",
    # ready workers
    "broker_unavailable", "worker_disconnected", "no_consumer_for_queue", "message_lost", "workload_token_rejected",
    "workload_token_expired", "prefetch_hoarding", "kpo_startup_timeout_too_long", "execution_api_unavailable",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One row of an analyzer: a window, a target, a subject, and its evidence.

    `about` is the file of the cause: the analyzer itself, but for log lines that speak for another.
    """

    file: AnalyzerFile
    about: AnalyzerFile
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
    dag_id: str | None = None
    task_id: str | None = None
    """With run_id: what narrows the scope of `binds`."""

    @property
    def cause(self) -> str:
        """The stable id."""
        return self.about.header.id

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


def collect_for(
    session: Session, file: AnalyzerFile, params: Mapping[str, Any], causes: Mapping[str, AnalyzerFile]
) -> list[Claim]:
    """Runs an analyzer of log lines; of its rows those that speak for one of `causes` become claims for it."""
    rows = session.dicts(file.sql, params)
    return [claim_of(file, row, causes[row["cause"]]) for row in rows if row["cause"] in causes]


def claim_of(file: AnalyzerFile, row: Mapping[str, Any], about: AnalyzerFile | None = None) -> Claim:
    """A row in the uniform columns as a Claim, about the file itself or the cause that it speaks for."""
    about = about or file
    header = about.header
    order = CHAIN.index(header.id) if header.id in CHAIN else len(CHAIN)
    component = row.get("component") or header.component
    if component not in (header.component, *header.also):
        raise AnalyzerError(f"analyzer {file.path}: may not blame {component}", "list it in `also`")
    start = from_datetime(row["started_at"])
    return Claim(
        file=file,
        about=about,
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
        dag_id=row.get("dag_id"),
        task_id=row.get("task_id"),
    )


def evidence(items: Iterable[Mapping[str, Any]]) -> list[Evidence]:
    """Structs of (table, ts, key, text) as Evidence; rows without a time prove nothing and are left out."""
    return [
        Evidence(item["table"], from_datetime(item["ts"]), item["key"] or "", item["text"] or "")
        for item in items
        if item["ts"] is not None
    ]
