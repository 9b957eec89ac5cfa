"""What a look at a live system can say without any incident: rights that are there, and how the chain is wired.

A document per scaled worker group: ScaledObject → trigger → external metrics API → HPA → metric, and the most workers
that Airflow's own caps let the trigger ask for, against maxReplicaCount (as in the cause `unreachable_max_replicas`).
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from afscope.engine.browse import view
from afscope.engine.investigation import Investigation
from afscope.model.capture import ClockOffset, Source, SourceState
from afscope.model.clock import SECOND

KUBERNETES = (
    "pods",
    "events",
    "workloads",
    "hpas",
    "scaledobjects",
    "nodes",
    "quotas",
    "apiservices",
    "leases",
    "log_lines",
)
AIRFLOW = ("task_instances", "dag_runs", "dags", "pools", "jobs", "db_log", "celery_results")
# The times of Kubernetes are whole seconds, so that a difference of less shows nowhere.
_APART_S = 1.0
_NEEDED = ("task_instances", "jobs", "pools")


class Right(NamedTuple):
    """Whether a table's source may be read. `ok` is None where nothing answered, so that nobody knows."""

    system: Literal["kubernetes", "airflow_db"]
    table: str
    ok: bool | None
    status: str
    reason: str


class Clock(NamedTuple):
    """A source's clock against the recorder's; both in seconds."""

    source: str
    ahead_s: float
    uncertainty_s: float

    @property
    def together(self) -> bool:
        """Whether the two agree as well as timelines of whole seconds need it."""
        return abs(self.ahead_s) <= _APART_S + self.uncertainty_s


def rights(sources: Mapping[str, Source], *, cluster: bool) -> list[Right]:
    """One per table that a whole recording fills, but for what was not asked for and what does not exist there.

    `cluster` says that the Kubernetes API was asked: a kind of which nothing is known then has not answered.
    """
    found: list[Right] = []
    systems: tuple[tuple[Literal["kubernetes", "airflow_db"], tuple[str, ...]], ...] = (
        ("kubernetes", KUBERNETES),
        ("airflow_db", AIRFLOW),
    )
    for system, tables in systems:
        for table in tables:
            source = sources.get(table, Source(SourceState.NOT_RECORDED))
            asked = cluster and system == "kubernetes" and table != "log_lines"
            if source.status is SourceState.ABSENT or (source.status is SourceState.NOT_RECORDED and not asked):
                continue
            ok = {SourceState.OK: True, SourceState.PARTIAL: True, SourceState.FORBIDDEN: False}.get(source.status)
            found.append(Right(system, table, ok, str(source.status), source.reason))
    return found


def clocks(offsets: Mapping[str, ClockOffset]) -> list[Clock]:
    """How far the clocks of sources run ahead of this machine's, by name."""
    return [
        Clock(source, offset.offset_us / SECOND, offset.uncertainty_us / SECOND)
        for source, offset in sorted(offsets.items())
    ]


def wiring(of: Investigation) -> list[dict[str, Any]] | None:
    """A document per worker group; None where ScaledObjects were not listed, so that nobody knows."""
    if not of.assessable("scaledobjects"):
        return None
    known = {name: of.assessable(name) for name in ("hpas", "apiservices")}
    caps = all(of.assessable(name) for name in _NEEDED)
    return [_document(row, known, caps) for row in of.session.dicts(view("wiring"))]


def _document(row: Mapping[str, Any], known: Mapping[str, bool], caps: bool) -> dict[str, Any]:
    return {
        "target": row["target"],
        "scaledobject": {
            "ready": _condition(row, "ready"),
            "active": _condition(row, "active"),
            "fallback": row["fallback_status"],
            "paused": row["paused_status"] == "True" or bool(row["pause_annotations"]),
        },
        "trigger": {
            "type": row["trigger_type"],
            "query": row["query"],
            "target": row["trigger_target"],
            "polling_interval_s": row["polling_interval_s"],
        },
        "external_metrics_api": _condition(row, "available") if known["apiservices"] else None,
        "hpa": _hpa(row) if known["hpas"] else None,
        "ceiling": _ceiling(row) if caps else None,
    }


def _hpa(row: Mapping[str, Any]) -> dict[str, Any]:
    exists = bool(row["hpa_exists"])
    metric = {
        "name": row["metric_name"],
        "type": row["metric_type"],
        "current": _units(row["current_milli"]),
        "target": _units(row["target_milli"]),
    }
    return {
        "name": row["hpa"],
        "exists": exists,
        "able_to_scale": _condition(row, "able") if exists else None,
        "scaling_active": _condition(row, "scaling") if exists else None,
        "scaling_limited": _condition(row, "limited") if exists else None,
        "metric": metric if exists else None,
        "current_replicas": row["current_replicas"],
        "desired_replicas": row["desired_replicas"],
    }


def _ceiling(row: Mapping[str, Any]) -> dict[str, Any]:
    """How many workers the tasks that may be queued or running at once can fill."""
    reach = math.ceil(row["task_cap"] / max(1, row["worker_slots"]))
    return {
        "tasks": row["task_cap"],
        "parallelism": row["parallelism"],
        "parallelism_known": row["parallelism_known"],
        "schedulers": row["schedulers"],
        "pool_slots": row["pool_slots"],
        "worker_slots": row["worker_slots"],
        "worker_slots_known": row["worker_slots_known"],
        "workers": reach,
        "min_replica_count": row["min_replica_count"],
        "max_replica_count": row["max_replica_count"],
        "reachable": reach >= row["max_replica_count"],
    }


def _condition(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {part: row.get(f"{name}_{part}") for part in ("status", "reason", "message")}


def _units(milli: int | None) -> float | None:
    return None if milli is None else milli / 1000
