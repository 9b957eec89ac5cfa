#!/usr/bin/env python3
"""What a poll of the metadata DB costs, beside KEDA's own query of the Airflow chart, in the same run.

    python benchmarks/db_poll.py [--rows 2000000] [--open 1000] [--rounds 40] [--server URL …]

Makes a database of its own on each server, fills it with Airflow 2.10's tables (log, jobs and results among them),
measures and drops it; other databases are not touched. Servers: --server, or AFSCOPE_TEST_POSTGRESQL and AFSCOPE_TEST_MARIADB, or those on this machine.

KEDA runs its query every pollingInterval (5 s in the chart), afscope polls every 2 s. KEDA is charged its bare query, and
a poll all that it sends. Beside it stands what KEDA's query costs PostgreSQL once it is prepared: pgx, which KEDA's
scaler uses today, prepares by itself, lib/pq of older ones did not. With --pooled PostgreSQL is asked as behind a pooler,
where nothing is prepared and each statement carries its timeouts. What counts is the CPU time that the server's process or thread took,
where the server runs on this Linux machine: it depends least on what else the machine does. A poll's milliseconds are
what passed at the client less round trips and own work. The goal is a poll at 1x KEDA's. Polls are measured when
nothing moved since the last and when some tasks did; the mean holds what is due only every third time.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from afscope.capture.airflow.collector import AirflowCollector
from afscope.capture.airflow.found import Found
from afscope.capture.airflow.login import parse
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.poll import Poll
from afscope.capture.airflow.postgresql import PostgreSQL
from afscope.capture.airflow.schema import read_schema
from afscope.capture.airflow.session import Session
from afscope.capture.tape import Tape
from afscope.model.clock import SECOND
from afscope.model.pace import ScaledPace
from afscope.store.writer import CaptureWriter
from tests.capture.airflow.filled import START, fill

SERVERS = (
    os.environ.get("AFSCOPE_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    os.environ.get("AFSCOPE_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql"),
)
KEDA = {
    "postgresql": "SELECT ceil(COUNT(*)::decimal / 16) FROM task_instance WHERE state='running' OR state='queued'",
    "mysql": "SELECT ceil(COUNT(*) / 16) FROM task_instance WHERE state='running' OR state='queued'",
}
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


def server_cpu(backend: str, ask: Callable[[str], Any]) -> Callable[[], float]:
    """CPU milliseconds of the server's process or thread for a connection, so far; NaN where it is not of here.

    `ask` yields the one value of a statement on that connection.
    """
    path = Path(f"/proc/{ask('SELECT pg_backend_pid()' if backend == 'postgresql' else _MARIADB_THREAD)}/schedstat")

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
    parser.add_argument("--pooled", action="store_true", help="as behind PgBouncer")
    parser.add_argument("--server", action="append", help="URL of a server where databases may be made")
    args = parser.parse_args()
    for server in args.server or SERVERS:
        with own_database(sa.make_url(server)) as url:
            print(f"\n{url.get_backend_name()}: {args.rows:,} task instances, {args.open:,} of them open", flush=True)
            began = time.monotonic()
            fill(url, args.rows, args.open)
            print(f"filled in {time.monotonic() - began:.0f} s")
            show(url, measure(url, args.rounds, pooled=args.pooled))
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


class Turns:
    """What was measured, by name."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = {}
        self.cpu_ms: dict[str, list[float]] = {}
        self.rows: dict[str, int] = {}

    def note(self, name: str, ms: float, cpu_ms: float, rows: int) -> None:
        self.ms.setdefault(name, []).append(ms)
        self.cpu_ms.setdefault(name, []).append(cpu_ms)
        self.rows[name] = max(rows, self.rows.get(name, 0))

    def cost(self, name: str, every_s: float) -> Cost:
        ms, cpu = self.ms[name], self.cpu_ms[name]
        return Cost(
            name, statistics.median(ms), max(ms), self.rows[name], every_s, statistics.median(cpu), statistics.mean(cpu)
        )


class Keda:
    """KEDA's query on a connection of its own: no transaction, no timeouts."""

    def __init__(self, url: sa.URL, *, prepared: bool = False) -> None:
        args = {"prepare_threshold": 0 if prepared else None} if url.get_backend_name() == "postgresql" else {}
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=args)
        self.name = PREPARED if prepared else THEIRS
        self._connection = engine.connect()
        self._query = KEDA[url.get_backend_name()]
        self._spent = server_cpu(url.get_backend_name(), lambda ask: self._connection.exec_driver_sql(ask).scalar_one())

    def ask(self, turns: "Turns") -> None:
        before, began = self._spent(), time.monotonic()
        self._connection.exec_driver_sql(self._query).fetchall()
        turns.note(self.name, (time.monotonic() - began) * 1000, self._spent() - before, 1)

    def close(self) -> None:
        self._connection.close()


def measure(url: sa.URL, rounds: int, *, pooled: bool) -> list[Cost]:
    """KEDA's query and the polls take turns, so that all meet the same machine. Before every second poll tasks move."""
    login = parse(url.render_as_string(hide_password=False))
    session = Session(login, PollOptions())
    if isinstance(session._manners, PostgreSQL):
        session._manners._pooled = pooled
    with session.reading(threading.Event()) as reader:
        poll = Poll(read_schema(reader), reader.backend, reader.schema, PollOptions(), START)
        spent = server_cpu(reader.backend, lambda ask: reader.one(sa.text(ask)))
        poll.read(reader, Found(), START)
    kedas = [Keda(url), *([Keda(url, prepared=True)] if reader.backend == "postgresql" else [])]
    work, turns = Work(url), Turns()
    for turn in range(1, rounds + 1):
        name = MOVES_OF.get(turn % 4, QUIET)
        work.do(name)
        for keda in kedas:
            keda.ask(turns)
        found, before = Found(), spent()
        with session.reading(threading.Event()) as reader:
            poll.read(reader, found, START + turn * 2 * SECOND)
            ms = reader.cost_s * 1000
        turns.note(name, ms, spent() - before, found.read)
    opened: list[Session | Work | Keda] = [session, work, *kedas]
    for each in opened:
        each.close()
    return [*(turns.cost(keda.name, 5.0) for keda in kedas), *(turns.cost(name, 2.0) for name in (QUIET, BEGAN, ENDED))]


THEIRS, PREPARED, QUIET = "KEDA's query", "KEDA's query, prepared", "poll, nothing moved"
BEGAN, ENDED = f"poll, {MOVES} tasks began to run", f"poll, {MOVES // 2} ended, {MOVES // 2} cleared"
MOVES_OF = {1: BEGAN, 3: ENDED}


class Work:
    """What Airflow writes meanwhile, row by row, by key."""

    def __init__(self, url: sa.URL) -> None:
        self._connection = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect()
        self._ended: Sequence[Any] = ()

    def do(self, name: str) -> None:
        if name == BEGAN:
            self._move(self._some("queued", MOVES), "running")
        if name == ENDED:
            back, self._ended = self._ended, self._some("running", MOVES // 2)
            self._move(self._ended, "success")
            self._move(back, "queued")

    def _some(self, state: str, count: int) -> Sequence[Any]:
        words = sa.text("SELECT dag_id, run_id, task_id FROM task_instance WHERE state = :state LIMIT :count")
        return self._connection.execute(words, {"state": state, "count": count}).mappings().all()

    def _move(self, keys: Sequence[Any], state: str) -> None:
        words = sa.text(
            "UPDATE task_instance SET state = :state, pid = pid + 1"
            " WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id"
        )
        for key in keys:
            self._connection.execute(words, {**key, "state": state})

    def close(self) -> None:
        self._connection.close()


def show(url: sa.URL, costs: list[Cost]) -> None:
    """CPU is the server's: the median, and with what is due only now and then the mean."""
    keda = costs[0]
    print(
        f"{'':26}{'median ms':>10}{'worst ms':>10}{'CPU ms':>8}{'x KEDA':>8}{'mean':>8}{'x KEDA':>8}{'rows':>6}"
        f"{'every':>7}{'ms/s':>7}"
    )
    for cost in costs:
        print(
            f"{cost.name:26}{cost.median_ms:10.2f}{cost.worst_ms:10.2f}{cost.cpu_ms:8.3f}"
            f"{cost.cpu_ms / keda.cpu_ms:8.1f}{cost.mean_cpu_ms:8.3f}{cost.mean_cpu_ms / keda.mean_cpu_ms:8.1f}"
            f"{cost.rows:6}{cost.every_s:6.0f}s{cost.ms_per_s:7.3f}"
        )
    quiet = costs[-3]
    for cost in costs[-2:]:
        print(f"{cost.name}: {(cost.cpu_ms - quiet.cpu_ms) / MOVES:.3f} ms more per task that moved")
    print("plans:")
    for words, plan in plans(url):
        print(f"  {plan:46} {' '.join(words.split())[:70]}…")


def plans(url: sa.URL) -> Iterator[tuple[str, str]]:
    """How the server finds the rows of each statement, as it is sent."""
    asked: list[tuple[str, Any]] = [(KEDA[url.get_backend_name()], None)]

    def note(_c: object, _k: object, words: str, parameters: Any, *_more: object) -> None:
        if (
            words.lstrip().startswith(("SELECT", "WITH"))
            and "FROM" in words
            and words not in (known for known, _ in asked)
        ):
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
