"""Recordings made by hand, empty databases, and replays on a clock that stands until it is told to move."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from afscope.model.clock import Micros, from_seconds
from afscope.model.pace import ScaledPace
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.server import AirflowReplay
from tests.replay.airflow.servers import empty_database

REAL = Path(__file__).parents[2] / "data" / "recordings"
START = 1_795_000_000.0
KINDS = ("sqlite", "postgresql", "mariadb")
# Only how long a test that fails may take.
PATIENCE_S = 60.0
HEAD_2_10 = {"version_num": "5f2621c13b39"}
HEAD_3_3 = {"version_num": "d2f4e1b3c5a7"}


def at(seconds: float) -> Micros:
    """So many seconds after the beginning of a recording made by hand."""
    return from_seconds(START + seconds)


def task(task_id: str = "t1", state: str | None = "queued", **more: Any) -> dict[str, Any]:
    """A row of task_instance as Airflow 2.10 has it."""
    row = {"dag_id": "etl", "run_id": "manual__1", "task_id": task_id, "map_index": -1, "state": state}
    return {**row, "try_number": 1, "pool": "default_pool", "pool_slots": 1, "queue": "default", **more}


def run(run_id: str = "manual__1", **more: Any) -> dict[str, Any]:
    """A row of dag_run as Airflow 2.10 has it."""
    row = {"id": 1, "dag_id": "etl", "run_id": run_id, "state": "running", "run_type": "manual"}
    return {**row, "external_trigger": True, "execution_date": "2026-11-18T12:00:00+00:00", **more}


Tables = dict[str, list[dict[str, Any]]]


def record(folder: Path, *polls: tuple[float, Tables], head: dict[str, str] | None = HEAD_2_10) -> Path:
    """A recording with these polls: (seconds after START, rows by table)."""
    lines: list[dict[str, Any]] = []
    for number, (seconds, tables) in enumerate(polls):
        lines.append({"t": START + seconds, "poll": "ok", "took": 0.01})
        first = {"alembic_version": [head]} if head is not None and not number else {}
        lines += [{"t": START + seconds, "table": name, "rows": rows} for name, rows in {**first, **tables}.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "airflow_db.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


class Replay(NamedTuple):
    """A running replay and its clock."""

    server: AirflowReplay
    pace: ScaledPace

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What anybody else reads there."""
        return query(self.server.url, sql, **parameters)

    def to(self, when: Micros) -> "Replay":
        """Sets the clock, and waits until the database is there."""
        self.pace.jump(when)
        return self.settle()

    def settle(self) -> "Replay":
        """Waits until the database is where the clock is."""
        until(self.server.settled)
        return self


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def query(url: str, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "mysql":
            connection.execute(text("SET time_zone = '+00:00'"))
        return [tuple(row) for row in connection.execute(text(sql), parameters)]


Serve = Callable[..., Replay]


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes empty databases of a kind; they are dropped after everything that is served in them has ended."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(empty_database(kind, tmp_path))


@pytest.fixture
def serve(databases: Callable[[str], str]) -> Iterator[Serve]:
    """Replays a source, the clock paused at its beginning; stops all in the end."""
    with ExitStack() as stack:

        def start(source: Path, url: str | None = None, *, rebase_to: Micros | None = None) -> Replay:
            history = AirflowHistory.of(source, rebase_to=rebase_to)
            pace = ScaledPace(history.begins, paused=True)
            return Replay(stack.enter_context(AirflowReplay(history, pace, url)), pace)

        yield start


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, databases: Callable[[str], str]) -> str:
    """The URL of an empty database, of each kind in turn."""
    return databases(request.param)


@pytest.fixture(params=KINDS[1:])
def server_database(request: pytest.FixtureRequest, databases: Callable[[str], str]) -> str:
    """As `database`, on the servers alone."""
    return databases(request.param)


@pytest.fixture
def postgresql(databases: Callable[[str], str]) -> str:
    """The URL of an empty PostgreSQL database."""
    return databases("postgresql")
