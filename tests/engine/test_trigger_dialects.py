"""A trigger query run again over recorded rows gives what a real PostgreSQL and a real MariaDB give over the same rows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from afscope.engine.session import Session
from afscope.engine.trigger_sql import AIRFLOW_TABLES, translate
from tests.capture.airflow.lab import Lab
from tests.replay.airflow.servers import empty_database

OPEN = "(state='running' OR state='queued')"
BOTH = [
    f"SELECT CEIL(COUNT(*) / 16.0) FROM task_instance WHERE {OPEN}",
    f"SELECT COUNT(*) FROM task_instance WHERE {OPEN} AND queue != 'kubernetes'",
    f"SELECT CEIL(COUNT(*) / 4.0) FROM task_instance WHERE {OPEN} AND queue IN ('default','gpu')",
    "SELECT CEIL(SUM(CASE WHEN state = 'running' THEN pool_slots ELSE 1 END) / 8.0) FROM task_instance WHERE state IN ('running', 'queued')",
    "SELECT COALESCE(SUM(pool_slots), 0) FROM task_instance WHERE state = 'no such state'",
    "SELECT CEIL(COUNT(DISTINCT dag_id) / 2.0) FROM task_instance WHERE state IS NOT NULL",
    "SELECT COUNT(*) FROM task_instance WHERE state IS NULL OR state LIKE 'up_for%'",
    "SELECT GREATEST(CEIL(COUNT(*) / 16.0), 1) FROM task_instance WHERE state = 'queued'",
    "SELECT CEIL(n / 4.0) FROM (SELECT COUNT(*) AS n FROM task_instance WHERE state IN ('queued', 'running')) t",
    "WITH w AS (SELECT ti.queue FROM task_instance ti JOIN dag_run dr ON dr.dag_id = ti.dag_id AND dr.run_id = ti.run_id WHERE dr.state = 'running' AND ti.state IN ('queued', 'running')) SELECT CEIL(COUNT(*) / 4.0) FROM w",
    "SELECT COUNT(*) FROM task_instance ti WHERE state IN ('queued', 'scheduled') AND EXISTS (SELECT 1 FROM dag d WHERE d.dag_id = ti.dag_id AND d.is_paused = false)",
    "SELECT COUNT(*) FROM task_instance WHERE state = 'queued' AND pool IN (SELECT pool FROM slot_pool WHERE slots > 4)",
    "SELECT COUNT(*) FROM task_instance ti LEFT JOIN slot_pool p ON p.pool = ti.pool WHERE ti.state = 'scheduled' AND p.pool IS NULL",
    "SELECT (SELECT COUNT(*) FROM task_instance WHERE state = 'queued') + (SELECT COUNT(*) FROM task_instance WHERE state = 'running')",
    "SELECT ROUND(COUNT(*) / 2.0) FROM task_instance WHERE state = 'queued'",
]
POSTGRES = [
    f"SELECT ceil(COUNT(*)::decimal / 16) FROM task_instance WHERE {OPEN}",
    f"SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE {OPEN} AND executor IS DISTINCT FROM 'KubernetesExecutor' AND queue IN ('default')",
    f"SELECT COUNT(*) / 4 FROM task_instance WHERE {OPEN}",
    f"SELECT (COUNT(*) + 3) / 4 FROM public.task_instance WHERE {OPEN}",
    "SELECT sum(pool_slots) / 4 FROM task_instance WHERE state = 'running'",
    "SELECT (COUNT(*) / 2.0)::int FROM task_instance WHERE state = 'queued'",
    "SELECT count(*) FILTER (WHERE state = 'running') + count(*) FILTER (WHERE state = 'queued') FROM task_instance",
    "SELECT count(*) FROM task_instance WHERE state = ANY(ARRAY['queued', 'running'])",
    "SELECT count(*) FROM task_instance WHERE state ~ '^(queued|running)$' AND queue ILIKE 'DEF%'",
    "SELECT ceil(count(*)::numeric(10,2) / 4)::bigint FROM task_instance ti INNER JOIN dag_run USING (dag_id, run_id) WHERE ti.state = 'queued'",
]
MYSQL = [
    f"SELECT CEIL(COUNT(*) / 16) FROM task_instance WHERE {OPEN}",
    "SELECT CEIL(COUNT(*) / 4) FROM `task_instance` WHERE (`state` = \"RUNNING\" OR `state` = 'Queued') AND queue NOT IN ('Kubernetes')",
    "SELECT COUNT(*) / 4 FROM task_instance WHERE state = 'queued'",
    "SELECT COUNT(*) DIV 4 FROM task_instance WHERE state = 'queued'",
    "SELECT CAST(COUNT(*) / 2 AS SIGNED) FROM task_instance WHERE state = 'queued'",
    "SELECT SUM(state = 'queued') FROM task_instance WHERE NOT (executor <=> 'KubernetesExecutor')",
    "SELECT IF(COUNT(*) > 0, CEILING(COUNT(*) / 16), 0) FROM task_instance WHERE state LIKE 'QUEUED'",
    "SELECT COUNT(*) FROM task_instance WHERE dag_id = 'ETL'",
]
ROWS = [
    {"dag_id": dag, "run_id": "r1", "task_id": f"t{n}", "map_index": -1, "state": state, "queue": queue, "pool": pool,
     "pool_slots": slots, "executor": executor}
    for n, (dag, state, queue, pool, slots, executor) in enumerate(
        [("etl", "queued", "default", "default_pool", 1, None)] * 9
        + [("etl", "running", "default", "default_pool", 2, "CeleryExecutor")] * 6
        + [("ml", "queued", "gpu", "tiny", 1, "KubernetesExecutor")] * 4
        + [("ml", "queued", "kubernetes", "default_pool", 1, None)] * 3
        + [("ml", "scheduled", "default", "nowhere", 1, None)] * 2
        + [("late", "running", "default", "tiny", 3, None), ("late", None, "default", "tiny", 1, None)]
        + [("late", "up_for_retry", "default", "tiny", 1, None), ("etl", "success", "default", "tiny", 1, None)]
    )
]  # fmt: skip
OTHERS: dict[str, list[dict[str, Any]]] = {
    "dag_run": [{"dag_id": dag, "run_id": "r1", "state": "queued" if dag == "late" else "running", "run_type": "manual"} for dag in ("etl", "ml", "late")],
    "dag": [{"dag_id": dag, "is_paused": dag == "ml", "is_active": True, "max_active_tasks": 16, "max_active_runs": 16} for dag in ("etl", "ml", "late")],
    "slot_pool": [{"pool": "default_pool", "slots": 128, "include_deferred": False}, {"pool": "tiny", "slots": 2, "include_deferred": False}],
}  # fmt: skip


@pytest.fixture(scope="module")
def recorded() -> Iterator[Session]:
    """The rows as a capture shows them."""
    session = Session(None)
    for table, rows in {"task_instance": ROWS, **OTHERS}.items():
        types = {"text": "VARCHAR", "int": "BIGINT", "boolean": "BOOLEAN"}
        columns = {name: types[kind] for name, kind in AIRFLOW_TABLES[table].items() if name != "is_stale"}
        session.fill(table, columns, [[row.get(name) for name in columns] for row in rows])
    yield session
    session.close()


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The same rows in a real database; skipped where no server answers."""
    with empty_database(request.param, tmp_path_factory.mktemp("db")) as url:
        lab = Lab(url, (2, 10), tables=("task_instance", *OTHERS))
        lab.insert("task_instance", *ROWS)
        for table, rows in OTHERS.items():
            lab.insert(table, *rows)
        yield lab


def test_each_query_gives_what_the_database_gives(airflow: Lab, recorded: Session) -> None:
    trigger = airflow.kind
    wrong = []
    for query in BOTH + (POSTGRES if trigger == "postgresql" else MYSQL):
        said = translate(query, trigger)
        assert said.translated, f"{query}: {said.reason}"
        (real,) = airflow.rows(query.replace(":", "\\:"))[0].values()
        ours = recorded.run(said.value).rows[0][0]
        if ours is None or real is None or abs(float(ours) - float(real)) > 1e-4:
            wrong.append(json.dumps({"query": query, "real": str(real), "ours": str(ours), "as": said.value}))
    assert wrong == []


def test_a_text_means_the_same_to_whoever_wrote_it(recorded: Session) -> None:
    """MySQL's `/` keeps the remainder, PostgreSQL's drops it."""
    query = "SELECT COUNT(*) / 4 FROM task_instance WHERE state = 'running'"
    values = {kind: recorded.run(translate(query, kind).value).rows[0][0] for kind in ("postgresql", "mysql")}
    assert values == {"postgresql": 1, "mysql": 1.75}


def test_what_is_counted_is_named_row_by_row(recorded: Session) -> None:
    said = translate(BOTH[10], "postgresql")
    assert said.tables == {"task_instance", "dag"}
    assert recorded.run(f"SELECT {said.counts}").rows == [(True,)]
    nothing = translate("SELECT count(*) FROM task_instance WHERE queue = 'nobody'", "postgresql")
    assert recorded.run(f"SELECT {nothing.counts}").rows == [(False,)]
