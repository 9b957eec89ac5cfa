"""Rows of a capture back to rows of Airflow's tables: the reverse of `afscope.normalize.airflow.tables`.

A row comes with the columns of every version; the schema takes those that it has. What a capture does not keep
(`log.extra`, tracebacks but for their last line) cannot come back.
"""

from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Any]

_ALEMBIC = "airflow_config"
TABLES = {
    "task_instances": "task_instance",
    "dag_runs": "dag_run",
    "dags": "dag",
    "pools": "slot_pool",
    "jobs": "job",
    "db_log": "log",
    "celery_results": "celery_taskmeta",
    _ALEMBIC: "alembic_version",
}
"""Tables of a capture that come from a table of Airflow's, and that table."""


def airflow_row(table: str, row: Values) -> tuple[str, dict[str, Any]] | None:
    """The Airflow table and row that a row of a capture stands for; None when it stands for none."""
    if table == _ALEMBIC:
        alembic = row["scope"] == "database" and row["key"] == "alembic_version" and row["value"]
        return ("alembic_version", {"version_num": row["value"]}) if alembic else None
    return TABLES[table], {**row, **_other_names(table, row)}


def _other_names(table: str, row: Values) -> dict[str, Any]:
    """What Airflow, or one of its versions, has under another name or the other way round."""
    match table:
        case "task_instances":
            return {"id": row["ti_id"]}
        case "dag_runs":
            by = row["triggered_by"]
            triggered = {"external": True, "schedule": False}.get(by)
            return {"execution_date": row["logical_date"], "external_trigger": triggered}
        case "dags":
            return {"is_stale": None if row["is_active"] is None else not row["is_active"]}
        case "db_log":
            return {"dttm": row["ts"]}
        case "celery_results":
            return {"traceback": row["failure"]}
    return {}
