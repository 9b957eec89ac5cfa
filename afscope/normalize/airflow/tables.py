"""One reader per Airflow table: a row to (capture table, values, the times that may date its change, best first)."""

from collections.abc import Callable
from typing import Any

from afscope.model.clock import Micros
from afscope.normalize.airflow.values import Values, integer, real, time_of, truth, words
from afscope.normalize.airflow.versions import Version
from afscope.normalize.redact import Redactor

Times = tuple[Micros | None, ...]
Read = tuple[str, dict[str, Any], Times]
# Up to 2.9 the worker counts an attempt when it starts it, and takes it back for a deferral or a reschedule
# (taskinstance.py _defer_task, _handle_reschedule), as resuming counts again.
_UNCOUNTED = (None, "scheduled", "queued", "deferred", "up_for_reschedule")
_OVER = ("success", "failed", "skipped", "upstream_failed", "removed", "up_for_retry")


def attempt(state: str | None, try_number: int | None, version: Version) -> int:
    """The attempt that a row describes, 1-based, equal in every version.

    Up to 2.9 the worker counts when it starts, so what waits still shows the attempt before; since 2.10 the
    scheduler counts when it schedules (dagrun.py schedule_tis), so only state none still does.
    """
    tries = try_number or 0
    uncounted = state in _UNCOUNTED if version < (2, 10) else state is None
    return max(1, tries + 1 if uncounted else tries)


def task_instance(row: Values, version: Version, _: Redactor) -> Read:
    """task_instance. Its columns are those of the attempt before until the state that writes them."""
    state = words(row.get("state")) or None
    times = {
        name: time_of(row.get(name))
        for name in (
            "scheduled_dttm", "queued_dttm", "start_date", "end_date", "updated_at", "last_heartbeat_at",
        )
    }  # fmt: skip
    values: dict[str, Any] = {
        "dag_id": words(row.get("dag_id")),
        "run_id": words(row.get("run_id")),
        "task_id": words(row.get("task_id")),
        "map_index": -1 if row.get("map_index") is None else integer(row.get("map_index")),
        "attempt": attempt(state, integer(row.get("try_number")), version),
        "try_number": integer(row.get("try_number")),
        "state": state,
        "ti_id": words(row.get("id")),
        "max_tries": integer(row.get("max_tries")),
        "hostname": words(row.get("hostname")),
        "pool": words(row.get("pool")),
        "pool_slots": integer(row.get("pool_slots")),
        "queue": words(row.get("queue")),
        "priority_weight": integer(row.get("priority_weight")),
        "operator": words(row.get("operator")),
        "executor": words(row.get("executor")),
        "queued_by_job_id": integer(row.get("queued_by_job_id")),
        "duration": real(row.get("duration")),
        "job_id": integer(row.get("job_id")),
        "external_executor_id": words(row.get("external_executor_id")),
        "pid": integer(row.get("pid")),
        "trigger_id": integer(row.get("trigger_id")),
        "dag_version_id": words(row.get("dag_version_id")),
        **times,
    }
    return "task_instances", values, _entered(state, times)


def _entered(state: str | None, times: dict[str, Micros | None]) -> Times:
    """When the row entered its state, by the column that this transition writes; else when it was last written."""
    if state is None:  # a clear or a reset writes no time of its own
        return ()
    if state in _OVER:
        return times["end_date"], times["updated_at"]
    by_state = {"scheduled": "scheduled_dttm", "queued": "queued_dttm", "running": "start_date"}
    own = times[by_state[state]] if state in by_state else None
    return own, times["last_heartbeat_at"] if state == "running" else None, times["updated_at"]


def dag_run(row: Values, _version: Version, _redactor: Redactor) -> Read:
    """dag_run; execution_date before Airflow 3 is logical_date after it."""
    state = words(row.get("state"))
    logical = row.get("logical_date") if "logical_date" in row else row.get("execution_date")
    triggered = row.get("triggered_by")
    if triggered is None and row.get("external_trigger") is not None:
        triggered = "external" if truth(row.get("external_trigger")) else "schedule"
    values: dict[str, Any] = {
        "id": integer(row.get("id")),
        "dag_id": words(row.get("dag_id")),
        "run_id": words(row.get("run_id")),
        "state": state,
        "run_type": words(row.get("run_type")),
        "triggered_by": words(triggered),
        "queued_at": time_of(row.get("queued_at")),
        "logical_date": time_of(logical),
        "run_after": time_of(row.get("run_after")),
        "data_interval_start": time_of(row.get("data_interval_start")),
        "data_interval_end": time_of(row.get("data_interval_end")),
        "start_date": time_of(row.get("start_date")),
        "end_date": time_of(row.get("end_date")),
        "creating_job_id": integer(row.get("creating_job_id")),
        "last_scheduling_decision": time_of(row.get("last_scheduling_decision")),
        "clear_number": integer(row.get("clear_number")),
        "backfill_id": integer(row.get("backfill_id")),
    }
    own = {"queued": "queued_at", "running": "start_date"}.get(state or "", "end_date")
    return "dag_runs", values, (values[own], values["last_scheduling_decision"])


def dag(row: Values, _version: Version, _redactor: Redactor) -> Read:
    """dag; is_stale of Airflow 3 is the inverse of is_active."""
    active = truth(row.get("is_active"))
    stale = truth(row.get("is_stale"))
    values: dict[str, Any] = {
        "dag_id": words(row.get("dag_id")),
        "is_paused": truth(row.get("is_paused")),
        "is_active": active if active is not None or stale is None else not stale,
        "max_active_tasks": integer(row.get("max_active_tasks")),
        "max_active_runs": integer(row.get("max_active_runs")),
        "has_task_concurrency_limits": truth(row.get("has_task_concurrency_limits")),
        "has_import_errors": truth(row.get("has_import_errors")),
        "next_dagrun_create_after": time_of(row.get("next_dagrun_create_after")),
        "last_parsed_time": time_of(row.get("last_parsed_time")),
        "exceeds_max_non_backfill": truth(row.get("exceeds_max_non_backfill")),
        "bundle_name": words(row.get("bundle_name")),
    }
    return "dags", values, ()


def slot_pool(row: Values, _version: Version, _redactor: Redactor) -> Read:
    """slot_pool; include_deferred came with 2.7, before it deferred tasks never counted."""
    included = row.get("include_deferred")
    values: dict[str, Any] = {
        "pool": words(row.get("pool")),
        "slots": integer(row.get("slots")),
        "include_deferred": False if included is None else truth(included),
    }
    return "pools", values, ()


def job(row: Values, _version: Version, _redactor: Redactor) -> Read:
    """job."""
    values: dict[str, Any] = {
        "id": integer(row.get("id")),
        "dag_id": words(row.get("dag_id")),
        "job_type": words(row.get("job_type")),
        "state": words(row.get("state")),
        "hostname": words(row.get("hostname")),
        "latest_heartbeat": time_of(row.get("latest_heartbeat")),
        "start_date": time_of(row.get("start_date")),
        "end_date": time_of(row.get("end_date")),
        "executor_class": words(row.get("executor_class")),
    }
    return "jobs", values, (values["end_date"], values["latest_heartbeat"], values["start_date"])


def log(row: Values, _version: Version, redactor: Redactor) -> Read:
    """log; `extra` may hold full command lines and stays out."""
    values: dict[str, Any] = {
        "id": integer(row.get("id")),
        "dag_id": words(row.get("dag_id")),
        "task_id": words(row.get("task_id")),
        "map_index": integer(row.get("map_index")),
        "run_id": words(row.get("run_id")),
        "try_number": integer(row.get("try_number")),
        "event": words(row.get("event")),
        "owner": redactor.optional(words(row.get("owner"))),
    }
    return "db_log", values, (time_of(row.get("dttm")),)


def celery_taskmeta(row: Values, _version: Version, redactor: Redactor) -> Read:
    """celery_taskmeta; of a traceback only its last line stays, redacted."""
    trace = words(row.get("traceback"))
    lines = [line for line in (trace or "").splitlines() if line.strip()]
    values: dict[str, Any] = {
        "id": integer(row.get("id")),
        "task_id": words(row.get("task_id")),
        "status": words(row.get("status")),
        "date_done": time_of(row.get("date_done")),
        "failure": redactor.text(lines[-1].strip())[:500] if lines else None,
    }
    return "celery_results", values, (values["date_done"],)


READERS: dict[str, Callable[[Values, Version, Redactor], Read]] = {
    "task_instance": task_instance,
    "dag_run": dag_run,
    "dag": dag,
    "slot_pool": slot_pool,
    "job": job,
    "log": log,
    "celery_taskmeta": celery_taskmeta,
}
KEYS: dict[str, tuple[str, ...]] = {
    "task_instance": ("dag_id", "run_id", "task_id"),
    "dag_run": ("dag_id", "run_id"),
    "dag": ("dag_id",),
    "slot_pool": ("pool",),
    "job": ("id",),
    "log": ("id",),
    "celery_taskmeta": ("task_id",),
}
"""Columns that identify a row of an Airflow table; of a task instance also map_index, which 2.2 does not have."""
COLUMNS: dict[str, tuple[str, ...]] = {
    "task_instance": (
        "dag_id", "run_id", "task_id", "map_index", "state", "try_number", "id", "max_tries", "hostname", "pool",
        "pool_slots", "queue", "priority_weight", "operator", "executor", "scheduled_dttm", "queued_dttm",
        "queued_by_job_id", "start_date", "end_date", "duration", "updated_at", "last_heartbeat_at", "job_id",
        "external_executor_id", "pid", "trigger_id", "dag_version_id",
    ),
    "dag_run": (
        "dag_id", "run_id", "id", "state", "run_type", "triggered_by", "external_trigger", "queued_at",
        "logical_date", "execution_date", "run_after", "data_interval_start", "data_interval_end", "start_date",
        "end_date", "creating_job_id", "last_scheduling_decision", "clear_number", "backfill_id",
    ),
    "dag": (
        "dag_id", "is_paused", "is_active", "is_stale", "max_active_tasks", "max_active_runs",
        "has_task_concurrency_limits", "has_import_errors", "next_dagrun_create_after", "last_parsed_time",
        "exceeds_max_non_backfill", "bundle_name",
    ),
    "slot_pool": ("pool", "slots", "include_deferred"),
    "job": (
        "id", "dag_id", "job_type", "state", "hostname", "latest_heartbeat", "start_date", "end_date",
        "executor_class",
    ),
    "log": ("id", "dttm", "dag_id", "task_id", "map_index", "run_id", "try_number", "event", "owner"),
    "celery_taskmeta": ("id", "task_id", "status", "date_done", "traceback"),
}  # fmt: skip
"""All columns that READERS look at, of any version: what a recorder asks the DB for, as far as it has them."""
