"""Trigger queries are translated or refused with a reason; what the chart writes is translated in every version."""

import pytest

from afscope.engine.session import Session
from afscope.engine.trigger_sql import translate

CHART = [
    "SELECT ceil(COUNT(*)::decimal / 16) FROM task_instance WHERE state='running' OR state='queued'",
    "SELECT ceil(COUNT(*)::decimal / 16) FROM task_instance WHERE (state='running' OR state='queued') "
    "AND queue != 'kubernetes'",
    "SELECT ceil(COUNT(*)::decimal / 8) FROM task_instance WHERE (state='running' OR state='queued') "
    "AND executor IS DISTINCT FROM 'KubernetesExecutor' AND queue IN ('default','hi')",
]


@pytest.mark.parametrize("query", CHART)
def test_the_charts_queries_count_what_they_should(query: str) -> None:
    said = translate(query, "postgresql")
    assert said.predicate, said.reason
    session = Session(None)
    rows = session.run(
        f"SELECT state, {said.predicate} FROM (VALUES ('queued'), ('running'), ('scheduled'), (NULL)) s(state), "
        "(SELECT 'default' AS queue, NULL AS executor)"
    ).rows
    assert {state for state, counted in rows if counted} == {"queued", "running"}


@pytest.mark.parametrize(("n", "workers"), [(0, 0), (1, 1), (16, 1), (17, 2), (160, 10)])
def test_the_value_is_what_the_database_would_say(n: int, workers: int) -> None:
    said = translate(CHART[0], "postgresql")
    assert Session(None).run(f"SELECT {said.value} FROM (SELECT {n} AS n)").rows == [(workers,)]


def test_mysql_speaks_its_own_dialect() -> None:
    said = translate("SELECT CEIL(COUNT(*) / 4) FROM `task_instance` WHERE `state` IN ('running','queued')", "mysql")
    assert said.predicate, said.reason
    assert Session(None).run(f"SELECT {said.value} FROM (SELECT 5 AS n)").rows == [(2,)]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT count(*) FROM task_instance t JOIN dag_run d ON t.run_id = d.run_id", "more than task_instance"),
        ("SELECT count(*) FROM task_instance WHERE rendered_map_index = 'x'", "rendered_map_index"),
        ("SELECT sum(pool_slots) FROM task_instance", "COUNT"),
        ("SELECT count(*) FROM task_instance GROUP BY queue", "groups"),
        ("DELETE FROM task_instance", "SELECT"),
        ("SELECT count(* FROM", ""),
        ("SELECT count(*) FROM task_instance WHERE EXISTS (SELECT 1)", ""),
    ],
)
def test_what_cannot_be_read_says_why(query: str, why: str) -> None:
    said = translate(query, "postgresql")
    assert said.predicate == ""
    assert why in said.reason
    assert said.reason


def test_triggers_without_sql_are_no_queries() -> None:
    assert "redis" in translate("LLEN default", "redis").reason
