#!/usr/bin/env python3
"""Fills an empty database with the Airflow of an old installation: millions of finished task instances, a few open.

    python benchmarks/airflow_mass.py URL [--release 2.10] [--task-instances 2000000] [--log-rows N]

URL is PostgreSQL, MariaDB or an SQLite file. Tables of others are refused, tables of an earlier fill or of a replay
are replaced, and what is made stays. The same numbers give the same rows. Prints the rows, the time that they took,
and how long the query of KEDA's trigger takes on them. Other benchmarks and tests use `fill`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import create_engine, text

from afscope.model.clock import SECOND, Micros, to_datetime
from afscope.normalize.airflow.versions import Version
from afscope.replay.airflow.database import Database
from afscope.replay.airflow.dialects import Dialect
from afscope.replay.airflow.schema import Column, Schema, Table, schema
from afscope.replay.airflow.target import Target
from afscope.replay.airflow.values import made_up

Values = Mapping[str, Any]
Line = list[str | None]

OPEN_STATES = ("running", "queued", "queued", "scheduled", None, "deferred")
DAY = 86_400 * SECOND
KEDA = "SELECT COUNT(*) FROM task_instance WHERE state = 'running' OR state = 'queued'"
CHUNK = 100_000
# One run in 25 failed at its fourth task. In one in 100 what came after was never decided: state none for ever,
# which a poll for open tasks must not drown in.
FAILED_RUN, DEAD_RUN, FAILED_TASK = 25, 100, 3


@dataclass(frozen=True)
class Mass:
    """How much of what; all runs but those of the last `open_tasks` task instances are over."""

    task_instances: int = 100_000
    log_rows: int = 100_000
    open_tasks: int = 60
    dags: int = 50
    tasks: int = 20
    """Per run."""
    days: int = 180
    now: Micros = 1_795_000_000 * SECOND

    @property
    def runs(self) -> int:
        return -(-self.task_instances // self.tasks)

    @property
    def first_open(self) -> int:
        """The number of the first open task instance."""
        return self.task_instances - self.open_tasks

    def began(self, run: int) -> Micros:
        """When a run began; the last one an hour ago."""
        return self.now - 3600 * SECOND - self.days * DAY * (self.runs - 1 - run) // self.runs

    @lru_cache(maxsize=8)  # noqa: B019  (a mass lives as long as the process)
    def run_key(self, run: int) -> dict[str, str]:
        """The ids that Airflow's scheduler would give; asked for once per row, so kept for the row after."""
        at = to_datetime(self.began(run)).isoformat()
        return {"dag_id": f"dag_{run % self.dags:03}", "run_id": f"scheduled__{at}"}


def fill(url: str, version: Version, mass: Mass) -> dict[str, int]:
    """Makes the tables and fills them; returns the rows per table. Raises CannotReplay for a database in use."""
    target = Target.of(url)
    if target.file is not None:
        target.file.touch()  # a file that was there before is not removed with the target
        target = Target.of(url)
    full = schema(version)
    bare = {name: msgspec.structs.replace(table, indexes={}) for name, table in full.tables.items()}
    database = Database(target, Schema(full.release, full.head, bare))
    try:
        database.create()
        with Loader(target) as loader:
            filled = {
                name: loader.load(name, list(full.tables[name].columns), lines)
                for name, lines in contents(full, target.dialect, mass)
            }
            loader.index(full)
    finally:
        database.abandon()
    return filled


def contents(of: Schema, dialect: Dialect, mass: Mass) -> Iterator[tuple[str, Iterator[Line]]]:
    """Each table that is filled, with its rows as text."""
    modern = "run_after" in of.tables["dag_run"].columns
    rows: dict[str, Iterable[Values]] = {
        "alembic_version": [{"version_num": of.head}],
        "slot_pool": [
            {"id": n, "pool": name, "slots": slots, "include_deferred": False}
            for n, (name, slots) in enumerate((("default_pool", 128), ("etl", 16)), 1)
        ],
        "dag": dags(mass),
        "dag_run": runs(mass),
        "task_instance": task_instances(mass),
        "job": jobs(mass, tasks=not modern),
        "log": logs(mass),
        "celery_taskmeta": results(mass),
    }
    for name, values in rows.items():
        form = Form(of.tables[name], dialect)
        yield name, map(form.line, values)


def dags(mass: Mass) -> Iterator[Values]:
    for n in range(min(mass.dags, mass.runs)):
        yield {
            "dag_id": f"dag_{n:03}", "is_paused": False, "is_active": True, "is_stale": False, "owners": "airflow",
            "fileloc": f"/opt/airflow/dags/dag_{n:03}.py", "max_active_tasks": 16, "max_active_runs": 16,
            "last_parsed_time": mass.now - 20 * SECOND, "next_dagrun_create_after": mass.now + 600 * SECOND,
        }  # fmt: skip


def runs(mass: Mass) -> Iterator[Values]:
    for run in range(mass.runs):
        at = mass.began(run)
        is_open = (run + 1) * mass.tasks > mass.first_open
        ended = None if is_open else at + 60 * SECOND * mass.tasks
        yield {
            **mass.run_key(run), "id": run + 1, "state": run_state(run, is_open=is_open), "run_type": "scheduled",
            "queued_at": at, "run_after": at, "execution_date": at, "logical_date": at, "data_interval_start": at,
            "data_interval_end": at, "start_date": at + SECOND, "end_date": ended, "updated_at": ended or mass.now,
            "last_scheduling_decision": ended or mass.now, "external_trigger": False, "creating_job_id": 1,
        }  # fmt: skip


def run_state(run: int, *, is_open: bool) -> str:
    if is_open:
        return "running"
    return "failed" if run % FAILED_RUN == 0 else "success"


def task_instances(mass: Mass) -> Iterator[Values]:
    for n in range(mass.task_instances):
        run, task = divmod(n, mass.tasks)
        state = task_state(n, run, task, mass)
        at = mass.began(run) + 60 * SECOND * task
        begun = state in ("success", "failed", "running")
        ended = at + (10 + n % 40) * SECOND if state in ("success", "failed") else None
        yield {
            **mass.run_key(run), "id": uuid7(at, n), "task_id": f"task_{task:02}", "map_index": -1, "state": state,
            "try_number": 1 if begun else 0, "max_tries": 1, "pool": "etl" if n % 7 == 0 else "default_pool",
            "pool_slots": 1, "queue": "heavy" if n % 11 == 0 else "default", "operator": "PythonOperator",
            "priority_weight": mass.tasks - task, "unixname": "airflow", "task_display_name": f"task_{task:02}",
            "hostname": f"airflow-worker-{n % 12}" if begun else "", "job_id": n + 2 if begun else None,
            "scheduled_dttm": at if state else None, "queued_dttm": at + 2 * SECOND if begun or state == "queued" else None,
            "queued_by_job_id": 1 if begun else None, "start_date": at + 5 * SECOND if begun else None,
            "end_date": ended, "duration": 5.0 + n % 40 if ended else None, "pid": 100 + n % 9000 if begun else None,
            "external_executor_id": task_uuid(n) if begun else None, "updated_at": ended or at,
        }  # fmt: skip


def task_state(n: int, run: int, task: int, mass: Mass) -> str | None:
    if n >= mass.first_open:
        return OPEN_STATES[(n - mass.first_open) % len(OPEN_STATES)]
    if run % FAILED_RUN == 0 and task >= FAILED_TASK:
        if task == FAILED_TASK:
            return "failed"
        return None if run % DEAD_RUN == 0 else "upstream_failed"
    return "skipped" if n % 61 == 0 else "success"


def jobs(mass: Mass, *, tasks: bool) -> Iterator[Values]:
    """The scheduler's, and in Airflow 2 one for each task that began."""
    yield {
        "id": 1, "job_type": "SchedulerJob", "state": "running", "hostname": "airflow-scheduler-0",
        "latest_heartbeat": mass.now, "start_date": mass.now - DAY, "unixname": "airflow",
    }  # fmt: skip
    for task in task_instances(mass) if tasks else ():
        if task["job_id"] is not None:
            over = task["end_date"] is not None
            yield {
                "id": task["job_id"], "dag_id": task["dag_id"], "job_type": "LocalTaskJob",
                "state": "success" if over else "running", "hostname": task["hostname"], "unixname": "airflow",
                "start_date": task["start_date"], "end_date": task["end_date"],
                "latest_heartbeat": task["end_date"] or mass.now,
            }  # fmt: skip


def logs(mass: Mass) -> Iterator[Values]:
    """Audit rows, in the order of their times."""
    for n in range(mass.log_rows):
        of = n * mass.task_instances // mass.log_rows
        run, task = divmod(of, mass.tasks)
        yield {
            **mass.run_key(run), "id": n + 1, "dttm": mass.began(run) + 60 * SECOND * task, "task_id": f"task_{task:02}",
            "event": ("cli_task_run", "running", "success")[n % 3], "map_index": -1, "owner": "airflow",
            "try_number": 1, "extra": '{"host_name": "airflow-worker-0"}',
        }  # fmt: skip


def results(mass: Mass) -> Iterator[Values]:
    """Celery's results of the last day: it forgets older ones (result_expires)."""
    of_a_day = min(mass.first_open, mass.task_instances // mass.days)
    for number, n in enumerate(range(mass.first_open - of_a_day, mass.first_open), 1):
        run, task = divmod(n, mass.tasks)
        done = mass.began(run) + 60 * SECOND * task
        yield {"id": number, "task_id": task_uuid(n), "status": "SUCCESS", "date_done": done}


def uuid7(at: Micros, n: int) -> str:
    """An id of Airflow 3: ids of about the same time lie together in the primary key."""
    digits = f"{at // 1000:012x}7{n & 0xFFF:03x}8{n >> 12 & 0xFFF:03x}{n:012x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def task_uuid(n: int) -> str:
    """An id as Celery gives to a message, spread over the whole range."""
    digits = f"{n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class Form:
    """A table's rows as text: what a row says nothing of is null, or as made_up has it where null must not be."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        self._columns = [
            (name, as_text(column, dialect), self._constant(table, name, dialect))
            for name, column in table.columns.items()
        ]

    def line(self, values: Values) -> Line:
        return [
            constant if (value := values.get(name)) is None else text_of(value)
            for name, text_of, constant in self._columns
        ]

    @staticmethod
    def _constant(table: Table, name: str, dialect: Dialect) -> str | None:
        column = table.columns[name]
        return as_text(column, dialect)(None if column.null else made_up(table, name, (), 0, 0))


def as_text(column: Column, dialect: Dialect) -> Callable[[Any], str | None]:
    """How a value of a column is written: alike for all databases, for sessions in UTC."""
    match column.kind:
        case "timestamp" | "timestamptz":
            return lambda at: None if at is None else to_datetime(at).isoformat(" ", "microseconds")[:26]
        case "bool":
            return lambda value: None if value is None else str(int(value))
        case "uuid":
            return lambda value: None if value is None else str(dialect.value(column, value))
    return lambda value: None if value is None else str(value)


class Loader:
    """The fastest way into a database. One transaction per chunk."""

    def __init__(self, target: Target) -> None:
        self._dialect = target.dialect
        self._name = target.url.get_backend_name()
        extra = {"local_infile": True} if self._name == "mysql" else {}
        self._engine = create_engine(target.url, connect_args={**target.dialect.connect, **extra})
        self._raw = self._engine.raw_connection()
        for statement in {
            "postgresql": ("SET TimeZone = 'UTC'", "SET synchronous_commit = off"),
            "mysql": ("SET time_zone = '+00:00'", "SET unique_checks = 0"),
            "sqlite": ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF"),
        }[self._name]:
            self._raw.cursor().execute(statement)
        self._raw.commit()

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()
        self._engine.dispose()

    def load(self, table: str, columns: Sequence[str], lines: Iterator[Line]) -> int:
        """Returns how many rows went in."""
        write = {"postgresql": self._copy, "mysql": self._load_data, "sqlite": self._insert}[self._name]
        into = f"{self._dialect.quoted(table)} ({self._dialect.listed(tuple(columns))})"
        count = 0
        while chunk := list(islice(lines, CHUNK)):
            write(into, chunk)
            self._raw.commit()
            count += len(chunk)
        return count

    def index(self, of: Schema) -> None:
        """The indexes, which cost less on a full table, and what the planner knows of it."""
        analyze = "ANALYZE TABLE {}" if self._name == "mysql" else "ANALYZE {}"
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for name, table in of.tables.items():
                _create, *indexes = self._dialect.create(name, table)
                for statement in (*indexes, analyze.format(self._dialect.quoted(name))):
                    connection.execute(text(statement))

    def _copy(self, into: str, chunk: list[Line]) -> None:
        with self._raw.cursor().copy(f"COPY {into} FROM STDIN") as copy:
            copy.write(tabbed(chunk))

    def _load_data(self, into: str, chunk: list[Line]) -> None:
        table, _, columns = into.partition(" ")
        with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as file:
            file.write(tabbed(chunk))
            file.flush()
            self._raw.cursor().execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {table} CHARACTER SET utf8mb4 {columns}", (file.name,)
            )

    def _insert(self, into: str, chunk: list[Line]) -> None:
        self._raw.cursor().executemany(f"INSERT INTO {into} VALUES ({', '.join('?' * len(chunk[0]))})", chunk)


def tabbed(chunk: Iterable[Line]) -> str:
    r"""As COPY and LOAD DATA read it; no value made here holds a tab, a line end or a backslash."""
    return "".join("\t".join(r"\N" if value is None else value for value in line) + "\n" for line in chunk)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--release", default="2.10")
    parser.add_argument("--task-instances", type=int, default=2_000_000)
    parser.add_argument("--log-rows", type=int, default=500_000)
    given = parser.parse_args()
    major, minor = map(int, given.release.split(".")[:2])
    begun = time.monotonic()
    filled = fill(given.url, (major, minor), Mass(given.task_instances, given.log_rows))
    print(f"filled in {time.monotonic() - begun:.0f} s: " + ", ".join(f"{n} {table}" for table, n in filled.items()))
    count, spent = asked(given.url)
    print(f"the trigger's query counts {count} in {spent * 1000:.1f} ms")
    return 0


def asked(url: str) -> tuple[int, float]:
    """What KEDA's query counts, and how long it takes in seconds."""
    engine = create_engine(Target.of(url).url)
    with engine.connect() as connection:
        begun = time.perf_counter()
        count = int(connection.scalar(text(KEDA)) or 0)
        spent = time.perf_counter() - begun
    engine.dispose()
    return count, spent


if __name__ == "__main__":
    sys.exit(main())
