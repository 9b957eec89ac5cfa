"""How servers find what polls ask for: by index wherever a table grows, on filled tables with statistics."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from afscope.capture.airflow.collector import AirflowCollector
from afscope.capture.airflow.login import Login, parse
from afscope.capture.airflow.options import PollOptions
from afscope.capture.tape import Tape
from afscope.model.pace import ScaledPace
from afscope.store.writer import CaptureWriter
from tests.capture.airflow.filled import START, fill
from tests.replay.airflow.servers import empty_database

ROWS, OPEN = 40_000, 400
PAGE = 1_000
GROWS = {"task_instance", "task_instance_history", "dag_run", "job", "log", "celery_taskmeta"}
Asked = dict[str, Any]
"""Statements and their parameters."""


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def years(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Login]:
    """An Airflow that worked for a while."""
    with ExitStack() as stack:
        url = stack.enter_context(empty_database(request.param, tmp_path_factory.mktemp("plans")))
        login = parse(url)
        fill(login.url, ROWS, OPEN)
        yield login


@contextmanager
def asked() -> Iterator[Asked]:
    seen: Asked = {}

    def note(_c: object, _k: object, words: str, parameters: Any, *_more: object) -> None:
        if "FROM" in words and words.lstrip().startswith(("SELECT", "WITH")):
            seen.setdefault(words, parameters)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def read_whole(login: Login, words: str, parameters: Any) -> set[str]:
    """The tables that a statement goes through from one end to the other."""
    with sa.create_engine(login.url, poolclass=sa.NullPool).connect() as connection:
        if login.backend == "postgresql":
            plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {words}", parameters or None).scalar_one()
            return set(_sequential(plan if isinstance(plan, list) else json.loads(plan)))
        rows = connection.exec_driver_sql(f"EXPLAIN {words}", parameters or None).mappings().all()
        # "index" goes through an index in its order; from the newest id downwards that ends at the LIMIT.
        return {
            row["table"]
            for row in rows
            if row["type"] == "ALL" or (row["type"] == "index" and int(row["rows"] or 0) > PAGE)
        }


def plans_for_any_value(collector: AirflowCollector) -> dict[str, set[str]]:
    """What statements that are prepared read whole, once PostgreSQL plans them for any value."""
    assert collector._session is not None
    connection = collector._session._connection
    assert connection is not None
    prepared = connection.exec_driver_sql(
        "SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements WHERE statement LIKE '%%FROM%%'",
        {},
    ).all()
    assert len(prepared) > 8
    connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
    found = {}
    for name, words, count in prepared:
        values = f"({', '.join(['NULL'] * count)})" if count else ""
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{values}").scalar_one()
        found[words] = set(_sequential(plan))
    return found


def _sequential(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan":
            yield plan["Relation Name"]
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from _sequential(part)


def test_no_poll_reads_a_table_that_grows_whole(years: Login, tmp_path: Path) -> None:
    pace = ScaledPace(START, paused=True)
    moves = sa.create_engine(years.url, poolclass=sa.NullPool)
    with CaptureWriter.create(tmp_path / "c.afscope", clock=pace) as writer, asked() as statements:
        collector = AirflowCollector(Tape(writer, pace), lambda: years, PollOptions(max_ms_per_s=1e6))
        assert collector.poll_once()
        first = len(statements)
        for turn in range(20):  # 40 s: all that is due now and then is among it
            pace.step(2)
            if turn in (4, 8):
                with moves.begin() as connection:
                    to, some = ("running", "queued") if turn == 4 else ("success", "running")
                    connection.exec_driver_sql(
                        f"UPDATE task_instance SET state = '{to}' WHERE state = '{some}' AND task_id IN ('task_1', 'task_2')"
                    )
            assert collector.poll_once()
        whatever = plans_for_any_value(collector) if years.backend == "postgresql" else {}
        collector.close()
    assert {words: tables for words, tables in whatever.items() if tables & GROWS} == {}
    assert first > 8
    assert len(statements) > first  # of what moved
    whole = {words: read_whole(years, words, parameters) & GROWS for words, parameters in statements.items()}
    assert {words: tables for words, tables in whole.items() if tables} == {}


def test_a_plan_that_reads_all_would_be_noticed(years: Login) -> None:
    """The condition that polls must never have: updated_at has no index in any version."""
    words = "SELECT count(*) FROM task_instance WHERE updated_at > '2026-01-01'"
    assert read_whole(years, words, None) == {"task_instance"}
