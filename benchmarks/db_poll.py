#!/usr/bin/env python3
"""What a poll of the metadata DB costs, beside KEDA's own query of the Airflow chart, in the same run.

    python benchmarks/db_poll.py [--rows 2000000] [--open 1000] [--rounds 40] [--server URL …]

Makes a database of its own on each server, fills it with Airflow 2.10's tables, measures and drops it; other databases
are not touched. Servers: --server, or AFSCOPE_TEST_POSTGRESQL and AFSCOPE_TEST_MARIADB, or those on this machine.

KEDA runs its query every pollingInterval (5 s in the chart), afscope polls every 2 s. Both are charged what passes at
the client, rows included, less the round trips and less the client's own work; and, where the server is a Linux process
of this machine, the CPU time that its thread took, which does not depend on what else the machine does. The goal is a
poll at 1x KEDA's. Polls are measured when nothing moved since the last and when some tasks did; the mean holds what is
due only every third time.
"""

import argparse
import itertools
import math
import os
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from afscope.capture.airflow.collector import AirflowCollector
from afscope.capture.airflow.found import Found
from afscope.capture.airflow.login import parse
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.poll import Poll
from afscope.capture.airflow.schema import read_schema
from afscope.capture.airflow.session import Reader, Session
from afscope.capture.tape import Tape
from afscope.model.clock import SECOND, to_datetime
from afscope.model.pace import ScaledPace
from afscope.replay.airflow.dialects import DIALECTS
from afscope.replay.airflow.schema import schema
from afscope.store.writer import CaptureWriter

START = 1_800_000_000 * SECOND
SERVERS = (
    os.environ.get("AFSCOPE_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    os.environ.get("AFSCOPE_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql"),
)
KEDA = {
    "postgresql": "SELECT ceil(COUNT(*)::decimal / 16) FROM task_instance WHERE state='running' OR state='queued'",
    "mysql": "SELECT ceil(COUNT(*) / 16) FROM task_instance WHERE state='running' OR state='queued'",
}
TASKS_PER_RUN = 50
LIVE_RUNS = 20
MOVES = 10


class Cost(NamedTuple):
    name: str
    median_ms: float
    worst_ms: float
    rows: int
    every_s: float
    cpu_ms: float
    """NaN where the server does not run here."""
    mean_cpu_ms: float

    @property
    def ms_per_s(self) -> float:
        return self.mean_cpu_ms / self.every_s


def server_cpu(reader: Reader) -> Callable[[], float]:
    """CPU milliseconds of the server's process or thread for this connection, so far; NaN where it is not of here."""
    ask = "SELECT pg_backend_pid()" if reader.backend == "postgresql" else _MARIADB_THREAD
    path = Path(f"/proc/{reader.one(sa.text(ask))}/schedstat")

    def spent() -> float:
        try:
            return int(path.read_text(encoding="ascii").split()[0]) / 1e6
        except OSError:
            return math.nan

    return spent


_MARIADB_THREAD = "SELECT tid FROM information_schema.processlist WHERE id = connection_id()"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of task_instance")
    parser.add_argument("--open", type=int, default=1_000, help="of them queued or running")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--server", action="append", help="URL of a server where databases may be made")
    args = parser.parse_args()
    for server in args.server or SERVERS:
        with own_database(sa.make_url(server)) as url:
            print(f"\n{url.get_backend_name()}: {args.rows:,} task instances, {args.open:,} of them open", flush=True)
            began = time.monotonic()
            fill(url, args.rows, args.open)
            print(f"filled in {time.monotonic() - began:.0f} s")
            show(url, measure(url, args.rounds))
    return 0


@contextmanager
def own_database(server: sa.URL) -> Iterator[sa.URL]:
    name = f"afscope_bench_{secrets.token_hex(6)}"
    admin = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")  # fails if it exists: nobody else's is ever used
    try:
        yield server.set(database=name)
    finally:
        with admin.connect() as connection:
            force = " WITH (FORCE)" if server.get_backend_name() == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")


def fill(url: sa.URL, rows: int, open_rows: int) -> None:
    """Finished history first, the open ones last, as time leaves them; indexes come after the rows."""
    dialect, tables = DIALECTS[url.get_backend_name()], schema((2, 10)).tables
    rows_of = {"dag_run": _runs(rows // TASKS_PER_RUN), "task_instance": _tasks(rows, open_rows)}
    words = _WORDS[url.get_backend_name()]
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for name, table in tables.items():
            create, *indexes = dialect.create(name, table)
            connection.exec_driver_sql(create)
            if name in rows_of:
                connection.exec_driver_sql(_said(rows_of[name], words))
            for index in indexes:
                connection.exec_driver_sql(index)
    with sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        for name in rows_of:
            connection.exec_driver_sql(f"{words['ANALYZE']} {name}")


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


def _said(sql: str, words: dict[str, str]) -> str:
    """A statement in a database's own words, which stand in capitals between braces."""
    series, _, sql = sql.partition("|")
    for name, word in {**words, "SERIES": words["SERIES"].replace("LAST", series)}.items():
        sql = sql.replace(f"{{{name}}}", word)
    return sql.replace("{NOW}", f"CAST('{to_datetime(START):%Y-%m-%d %H:%M:%S}' AS {words['ZONED']})")


def _runs(count: int) -> str:
    return f"""{count - 1}|
        INSERT INTO dag_run (id, dag_id, run_id, execution_date, queued_at, start_date, state, run_type, clear_number)
        SELECT n + 1, concat('dag_', mod(n, 200)), concat('scheduled__', n), {{DAY}}, {{NOW}},
            {{NOW}}, CASE WHEN n >= {count - LIVE_RUNS} THEN 'running' ELSE 'success' END, 'scheduled', 0
        FROM {{SERIES}}"""


def _tasks(count: int, open_rows: int) -> str:
    run = f"(n {{DIV}} {TASKS_PER_RUN})"
    return f"""{count - 1}|
        INSERT INTO task_instance (dag_id, run_id, task_id, map_index, state, try_number, max_tries, hostname, pool,
            pool_slots, queue, priority_weight, operator, start_date, end_date, queued_dttm, updated_at, job_id,
            external_executor_id, pid, queued_by_job_id, duration)
        SELECT concat('dag_', mod({run}, 200)), concat('scheduled__', {run}), concat('task_', mod(n, {TASKS_PER_RUN})), -1,
            CASE WHEN n < {count - open_rows} THEN CASE WHEN mod(n, 50) = 0 THEN 'failed' ELSE 'success' END
                 WHEN mod(n, 2) = 0 THEN 'running' ELSE 'queued' END,
            1, 1, 'airflow-worker-7.airflow-worker.airflow.svc.cluster.local', 'default_pool', 1, 'default', 1,
            'PythonOperator', {{NOW}}, {{NOW}}, {{NOW}}, {{NOW}}, n, '8a3a8a05-7d7c-4a8e-9a0c-1b1b1b1b1b1b', 4711, 1, 12.5
        FROM {{SERIES}}"""


def measure(url: sa.URL, rounds: int) -> list[Cost]:
    """KEDA's query and the polls take turns, so that all meet the same machine. Before every second poll tasks move."""
    keda = KEDA[url.get_backend_name()]
    login = parse(url.render_as_string(hide_password=False))
    session = Session(login, PollOptions())
    costs: dict[str, list[float]] = {}
    cpus: dict[str, list[float]] = {}
    rows: dict[str, int] = {}
    with session.reading(threading.Event()) as reader:
        poll = Poll(read_schema(reader), reader.backend, reader.schema, PollOptions(), START)
        spent = server_cpu(reader)
        poll.read(reader, Found(), START)
    writer = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect()
    for turn in range(1, rounds + 1):
        name = MOVED if turn % 2 else QUIET
        if name == MOVED:
            writer.exec_driver_sql(_move(turn))
        found, began = Found(), spent()
        with session.reading(threading.Event()) as reader:
            reader.rows(sa.text(keda))
            costs.setdefault("KEDA's query", []).append(reader.cost_s)
        between = spent()
        with session.reading(threading.Event()) as reader:
            poll.read(reader, found, START + turn * 2 * SECOND)
            costs.setdefault(name, []).append(reader.cost_s)
        cpus.setdefault("KEDA's query", []).append(between - began)
        cpus.setdefault(name, []).append(spent() - between)
        rows[name] = max(found.read, rows.get(name, 0))
    session.close()
    writer.close()
    return [
        Cost(
            name,
            statistics.median(each) * 1000,
            max(each) * 1000,
            rows.get(name, 1),
            5.0 if name not in rows else 2.0,
            statistics.median(cpus[name]),
            statistics.mean(cpus[name]),
        )
        for name, each in sorted(costs.items())
    ]


QUIET, MOVED = "poll, nothing moved", f"poll, {MOVES} tasks moved"


def _move(turn: int) -> str:
    """Some of those that are queued begin to run, or the other way round."""
    before, after = ("queued", "running") if turn % 4 == 1 else ("running", "queued")
    some = f"SELECT run_id, task_id FROM task_instance WHERE state = '{before}' LIMIT {MOVES}"
    return (
        f"UPDATE task_instance SET state = '{after}', pid = {turn}"
        f" WHERE state = '{before}' AND (run_id, task_id) IN (SELECT run_id, task_id FROM ({some}) s)"
    )


def show(url: sa.URL, costs: list[Cost]) -> None:
    """CPU is the server's: the median, and with what is due only now and then the mean."""
    keda = costs[0]
    print(
        f"{'':22}{'median ms':>10}{'worst ms':>10}{'CPU ms':>8}{'x KEDA':>8}{'mean':>8}{'x KEDA':>8}{'rows':>6}"
        f"{'every':>7}{'ms/s':>7}"
    )
    for cost in costs:
        print(
            f"{cost.name:22}{cost.median_ms:10.2f}{cost.worst_ms:10.2f}{cost.cpu_ms:8.3f}"
            f"{cost.cpu_ms / keda.cpu_ms:8.1f}{cost.mean_cpu_ms:8.3f}{cost.mean_cpu_ms / keda.mean_cpu_ms:8.1f}"
            f"{cost.rows:6}{cost.every_s:6.0f}s{cost.ms_per_s:7.3f}"
        )
    print("plans:")
    for words, plan in plans(url):
        print(f"  {plan:46} {' '.join(words.split())[:70]}…")


def plans(url: sa.URL) -> Iterator[tuple[str, str]]:
    """How the server finds the rows of each statement, as it is sent."""
    asked: list[tuple[str, Any]] = [(KEDA[url.get_backend_name()], None)]

    def note(_c: object, _k: object, words: str, parameters: Any, *_more: object) -> None:
        if words.lstrip().startswith("SELECT") and "FROM" in words and words not in (known for known, _ in asked):
            asked.append((words, parameters))

    login = parse(url.render_as_string(hide_password=False))
    with tempfile.TemporaryDirectory() as folder:
        pace = ScaledPace(START, paused=True)
        with CaptureWriter.create(Path(folder) / "bench.afscope", clock=pace) as writer:
            collector = AirflowCollector(Tape(writer, pace), lambda: login)
            collector.poll_once()
            sa.event.listen(sa.Engine, "before_cursor_execute", note)
            pace.step(60)
            collector.poll_once()
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
            collector.close()
    with sa.create_engine(login.url, poolclass=sa.NullPool).connect() as connection:
        for words, parameters in asked:
            lines = connection.exec_driver_sql(f"EXPLAIN {words}", parameters or None).fetchall()
            yield words, (_PLANS[url.get_backend_name()])(lines)


def _postgresql_plan(lines: Any) -> str:
    text = "\n".join(line[0] for line in lines)
    used = sorted(
        {
            word.rstrip(":")
            for line in text.splitlines()
            for before, word in pairs(line)
            if before in ("on", "using") and "Index" in line
        }
    )
    return ("SEQ SCAN" if "Seq Scan" in text else "index") + f": {', '.join(used)}" * bool(used)


def _mysql_plan(lines: Any) -> str:
    kinds = {str(line.type) for line in lines}
    used = sorted({str(line.key) for line in lines if line.key})
    return ("FULL SCAN" if "ALL" in kinds else "index") + f": {', '.join(used)}" * bool(used)


def pairs(line: str) -> Iterator[tuple[str, str]]:
    words = line.split()
    return itertools.pairwise(words)


_PLANS: dict[str, Callable[[Any], str]] = {"postgresql": _postgresql_plan, "mysql": _mysql_plan}

if __name__ == "__main__":
    sys.exit(main())
