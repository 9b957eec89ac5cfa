"""Trigger queries are translated or refused with a reason; what the chart writes is translated in every version."""

from pathlib import Path

import pytest

from afscope.engine.session import Session
from afscope.engine.trigger_sql import Translation, translate
from tests.engine.incident import Incident, roots

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


def value(said: Translation, queued: int) -> float:
    """What the query gives for so many queued tasks of queue default."""
    rows = f"SELECT 'queued' AS state, 'default' AS queue, NULL::VARCHAR AS executor FROM range({queued})"
    return float(Session(None).run(f"WITH task_instance AS ({rows}) FROM ({said.value})").rows[0][0])


@pytest.mark.parametrize(("n", "workers"), [(0, 0), (1, 1), (16, 1), (17, 2), (160, 10)])
def test_the_value_is_what_the_database_would_say(n: int, workers: int) -> None:
    said = translate(CHART[0], "postgresql")
    assert value(said, n) == workers


def test_mysql_speaks_its_own_dialect() -> None:
    said = translate("SELECT CEIL(COUNT(*) / 4) FROM `task_instance` WHERE `state` IN ('running','queued')", "mysql")
    assert said.predicate, said.reason
    assert value(said, 5) == 2


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (
            "SELECT count(*) FROM task_instance t JOIN celery_taskmeta c ON c.task_id = t.external_executor_id",
            "celery_taskmeta",
        ),
        ("SELECT count(*) FROM task_instance t JOIN dag_run d USING (run_id) WHERE d.conf IS NULL", "conf"),
        ("SELECT count(*) FROM task_instance WHERE rendered_map_index = 'x'", "rendered_map_index"),
        ("SELECT max(pool_slots) FROM task_instance", "MAX"),
        ("SELECT 7 FROM task_instance", "counts or sums nothing"),
        ("SELECT count(*) FROM dag_run", "does not read task_instance"),
        ("SELECT count(*) FROM task_instance WHERE queued_dttm < now()", "time of day"),
        ("SELECT count(*) FROM task_instance WHERE start_date IS NULL", "start_date"),
        ("SELECT count(*) FROM task_instance GROUP BY queue", "groups"),
        ("DELETE FROM task_instance", "SELECT"),
        ("SELECT count(* FROM", ""),
    ],
)
def test_what_cannot_be_read_says_why(query: str, why: str) -> None:
    said = translate(query, "postgresql")
    assert said.predicate == ""
    assert why in said.reason
    assert said.reason


def test_triggers_without_sql_are_no_queries() -> None:
    assert "redis" in translate("LLEN default", "redis").reason


class TestInACapture:
    """Queries that read more than task_instance decide whom a task belongs to like any other."""

    PAUSED = (
        "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance ti JOIN dag d ON d.dag_id = ti.dag_id "
        "WHERE ti.state IN ('running', 'queued') AND NOT d.is_paused AND ti.queue = 'default'"
    )

    def waiting(self, query: str, queue: str = "default") -> Incident:
        incident = Incident(query=query)
        incident.run("r1", 10, 10.2)
        for n in range(3):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.5, queued=11, queue=queue)
        return incident

    def test_a_join_counts_what_it_joins(self, tmp_path: Path) -> None:
        case = self.waiting(self.PAUSED).open(tmp_path)
        assert case.sql("SELECT DISTINCT in_queued, in_running FROM counted").rows == [(True, True)]
        assert case.sql("SELECT max(value) FROM trigger_values").rows == [(1.0,)]

    def test_a_join_leaves_out_what_it_filters(self, tmp_path: Path) -> None:
        case = self.waiting(self.PAUSED, queue="gpu").open(tmp_path)
        assert roots(case) == ["queue_mismatch"]

    def test_a_table_that_was_not_recorded_is_said(self, tmp_path: Path) -> None:
        incident = self.waiting(self.PAUSED, queue="gpu")
        incident.missing.add("dags")
        case = incident.open(tmp_path)
        assert case.sql("SELECT translated, reason FROM trigger_texts").rows == [
            (False, "reads dag, and dags was not recorded")
        ]
        assert "queue_mismatch" not in roots(case)

    def test_the_value_follows_the_table(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        incident.run("r1", 10, 10.2)
        for n in range(6):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.5, queued=11 + n, running=30, ended=40 + n, host="w0")
        case = incident.open(tmp_path)
        values = case.sql("SELECT value FROM trigger_values ORDER BY moment").rows
        assert [v for (v,) in values] == [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 0]

    @pytest.mark.parametrize(
        "query",
        [
            "SELECT count(*) FROM task_instance WHERE CAST(queue AS int) > 3",
            "SELECT count(*) FROM task_instance WHERE no_such_function(queue)",
        ],
    )
    def test_what_fails_on_the_rows_is_unreadable_and_no_crash(self, query: str, tmp_path: Path) -> None:
        case = self.waiting(query).open(tmp_path)
        ((translated, reason),) = case.sql("SELECT translated, reason FROM trigger_texts").rows
        assert not translated
        assert "cannot be run again" in reason
        assert "queue_mismatch" not in roots(case)
