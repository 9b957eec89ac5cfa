"""A metadata DB of Airflow 2.10 after years of work, filled by the server itself: two million task instances in minutes."""

import sqlalchemy as sa

from afscope.model.clock import SECOND, Micros, to_datetime
from afscope.replay.airflow.dialects import DIALECTS
from afscope.replay.airflow.schema import schema

START: Micros = 1_800_000_000 * SECOND
TASKS_PER_RUN = 50
DAGS, POOLS, STARTED = 200, 5, 20
_WORDS = {
    "postgresql": {
        "ANALYZE": "VACUUM ANALYZE", "SERIES": "generate_series(0, LAST) AS s(n)", "DIV": "/", "ZONED": "timestamptz",
        "DAY": "{NOW} - n * INTERVAL '1 minute'",
    },
    "mysql": {
        "ANALYZE": "ANALYZE TABLE", "SERIES": "(SELECT seq AS n FROM seq_0_to_LAST) s", "DIV": "DIV",
        "ZONED": "datetime", "DAY": "{NOW} - INTERVAL n MINUTE",
    },
}  # fmt: skip


def fill(url: sa.URL, rows: int, open_rows: int) -> None:
    """Finished history first, the open ones last, as time leaves them. Empty tables are given statistics as well.

    PostgreSQL makes the indexes after the rows. MariaDB sorts the rows of one INSERT into an empty table by itself, if
    nothing has to be checked, and builds all indexes in one go.
    """
    kind = url.get_backend_name()
    words, airflow = _WORDS[kind], schema((2, 10))
    tables = airflow.tables
    rows_of = {
        "dag_run": _runs(rows // TASKS_PER_RUN, open_rows), "task_instance": _tasks(rows, open_rows),
        "job": _jobs(rows // 10, open_rows // 2), "log": _log(rows // 2), "celery_taskmeta": _results(rows // 10),
        "dag": _dags(), "slot_pool": _pools(),
        "alembic_version": f"0|INSERT INTO alembic_version (version_num) SELECT '{airflow.head}' FROM {{SERIES}}",
    }  # fmt: skip
    for name, table in tables.items():
        create, *indexes = DIALECTS[kind].create(name, table)
        fills = [_said(rows_of[name], words)] if name in rows_of else []
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            if kind == "mysql":
                connection.exec_driver_sql("SET unique_checks = 0, foreign_key_checks = 0")
            for statement in [create, *fills, *indexes] if kind == "postgresql" else [create, *indexes, *fills]:
                connection.exec_driver_sql(statement)
    with sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        for name in tables:
            connection.exec_driver_sql(f"{words['ANALYZE']} {name}")


def _said(sql: str, words: dict[str, str]) -> str:
    """A statement in a database's own words, which stand in capitals between braces."""
    series, _, sql = sql.partition("|")
    for name, word in {**words, "SERIES": words["SERIES"].replace("LAST", series)}.items():
        sql = sql.replace(f"{{{name}}}", word)
    return sql.replace("{NOW}", f"CAST('{to_datetime(START):%Y-%m-%d %H:%M:%S}' AS {words['ZONED']})")


def _runs(count: int, open_rows: int) -> str:
    live = open_rows // TASKS_PER_RUN
    return f"""{count - 1}|
        INSERT INTO dag_run (id, dag_id, run_id, execution_date, queued_at, start_date, state, run_type, clear_number)
        SELECT n + 1, concat('dag_', mod(n, {DAGS})), concat('scheduled__', n), {{DAY}}, {{NOW}},
            {{NOW}}, CASE WHEN n >= {count - live} THEN 'running' ELSE 'success' END, 'scheduled', 0
        FROM {{SERIES}}"""


def _tasks(count: int, open_rows: int) -> str:
    run = f"(n {{DIV}} {TASKS_PER_RUN})"
    return f"""{count - 1}|
        INSERT INTO task_instance (dag_id, run_id, task_id, map_index, state, try_number, max_tries, hostname, pool,
            pool_slots, queue, priority_weight, operator, start_date, end_date, queued_dttm, updated_at, job_id,
            external_executor_id, pid, queued_by_job_id, duration)
        SELECT concat('dag_', mod({run}, {DAGS})), concat('scheduled__', {run}), concat('task_', mod(n, {TASKS_PER_RUN})),
            -1, CASE WHEN n < {count - open_rows} THEN CASE WHEN mod(n, 50) = 0 THEN 'failed' ELSE 'success' END
                 WHEN mod(n, 2) = 0 THEN 'running' ELSE 'queued' END,
            1, 1, 'airflow-worker-7.airflow-worker.airflow.svc.cluster.local', 'default_pool', 1, 'default', 1,
            'PythonOperator', {{NOW}}, {{NOW}}, {{NOW}}, {{NOW}}, n, '8a3a8a05-7d7c-4a8e-9a0c-1b1b1b1b1b1b', 4711, 1, 12.5
        FROM {{SERIES}}"""


def _jobs(count: int, running: int) -> str:
    """One per task that ran, of which the last ones still run, and a scheduler."""
    return f"""{count - 1}|
        INSERT INTO job (id, dag_id, state, job_type, start_date, latest_heartbeat, hostname)
        SELECT n + 1, concat('dag_', mod(n, {DAGS})), CASE WHEN n >= {count - running - 1} THEN 'running' ELSE 'success' END,
            CASE WHEN n = {count - 1} THEN 'SchedulerJob' ELSE 'LocalTaskJob' END, {{NOW}}, {{NOW}}, 'airflow-worker-7'
        FROM {{SERIES}}"""


def _log(count: int) -> str:
    return f"""{count - 1}|
        INSERT INTO log (id, dttm, dag_id, task_id, map_index, run_id, event, owner)
        SELECT n + 1, {{DAY}}, concat('dag_', mod(n, {DAGS})), concat('task_', mod(n, {TASKS_PER_RUN})), -1,
            concat('scheduled__', n), 'success', 'airflow'
        FROM {{SERIES}}"""


def _results(count: int) -> str:
    return f"""{count - 1}|
        INSERT INTO celery_taskmeta (id, task_id, status)
        SELECT n + 1, concat('message-', n), CASE WHEN n >= {count - STARTED} THEN 'STARTED' ELSE 'SUCCESS' END
        FROM {{SERIES}}"""


def _dags() -> str:
    return f"""{DAGS - 1}|
        INSERT INTO dag (dag_id, is_paused, is_active, max_active_tasks, max_active_runs, max_consecutive_failed_dag_runs,
            has_task_concurrency_limits, has_import_errors)
        SELECT concat('dag_', n), false, true, 16, 16, 0, false, false FROM {{SERIES}}"""


def _pools() -> str:
    return f"""{POOLS - 1}|
        INSERT INTO slot_pool (id, pool, slots, include_deferred) SELECT n + 1, concat('pool_', n), 128, false FROM {{SERIES}}"""
