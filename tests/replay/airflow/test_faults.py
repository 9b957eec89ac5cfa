"""Faults in the database: what readers meet, and that the replay goes on when they are over."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from afscope.errors import CannotReplay
from afscope.replay.airflow.faults import cut_connections, locked, locked_out
from afscope.replay.airflow.on_demand import DatabaseFaults
from tests.replay.airflow.conftest import Replay, Serve, at, query, record, task, until
from tests.replay.airflow.servers import execute

COUNT = "SELECT count(*) FROM task_instance"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return record(tmp_path / "r", *((n, {"task_instance": [task(f"t{n}")]}) for n in range(10)))


def impatient(url: str) -> list[str]:
    """How a session gives up soon on a lock."""
    if "postgresql" in url:
        return ["SET lock_timeout = 300"]
    return ["SET lock_wait_timeout = 1"]


def test_a_locked_table_answers_nobody_until_it_is_free(serve: Serve, server_database: str, source: Path) -> None:
    replay = serve(source, server_database)
    engine = create_engine(server_database, poolclass=NullPool)
    with locked(server_database):
        replay.pace.jump(at(5))
        with engine.connect() as reader:
            for statement in impatient(server_database):
                reader.execute(text(statement))
            with pytest.raises(OperationalError, match=r"lock timeout|Lock wait timeout"):
                reader.execute(text(COUNT))
        assert query(server_database, "SELECT count(*) FROM dag") == [(0,)]
        assert not replay.server.settled()
    assert replay.settle().query(COUNT) == [(6,)]


def test_sqlite_is_locked_for_writers(serve: Serve, source: Path) -> None:
    replay = serve(source)
    with locked(replay.server.url):
        replay.pace.jump(at(5))
        assert replay.query(COUNT) == [(1,)]
        assert not replay.server.settled()
    assert replay.settle().query(COUNT) == [(6,)]


def test_cut_sessions_break_and_the_replay_comes_back(serve: Serve, server_database: str, source: Path) -> None:
    replay = serve(source, server_database)
    engine = create_engine(server_database, poolclass=NullPool)
    with engine.connect() as reader:
        reader.execute(text(COUNT))
        assert cut_connections(server_database) == 2  # the reader's and the replay's own
        with pytest.raises(DBAPIError) as broken:
            reader.execute(text(COUNT))
        assert broken.value.connection_invalidated
        reader.invalidate()
    assert replay.to(at(5)).query(COUNT) == [(6,)]


class Login:
    """A user of a database for one test."""

    def __init__(self, admin: str) -> None:
        self.admin, self.name = admin, f"afscope_{secrets.token_hex(4)}"
        url = make_url(admin)
        self.url = url.set(username=self.name, password="first").render_as_string(hide_password=False)
        if "postgresql" in admin:
            execute(admin, f"CREATE ROLE {self.name} LOGIN PASSWORD 'first'")
        else:
            execute(
                admin,
                f"CREATE USER {self.name}@`%` IDENTIFIED BY 'first'",
                f"GRANT SELECT ON `{url.database}`.* TO {self.name}@`%`",
            )

    def drop(self) -> None:
        execute(self.admin, f"DROP {'ROLE' if 'postgresql' in self.admin else 'USER'} {self.name}")


@pytest.fixture
def login(server_database: str) -> Iterator[Login]:
    made = Login(server_database)
    yield made
    made.drop()


def test_a_user_locked_out_may_come_back(serve: Serve, server_database: str, source: Path, login: Login) -> None:
    replay = serve(source, server_database)
    assert query(login.url, "SELECT 1") == [(1,)]
    with locked_out(server_database, login.name), pytest.raises(OperationalError, match=r"not permitted|denied"):
        query(login.url, "SELECT 1")
    assert query(login.url, "SELECT 1") == [(1,)]
    assert replay.to(at(3)).query(COUNT) == [(4,)]


def test_only_the_sessions_of_one_user_are_cut(server_database: str, login: Login, serve: Serve, source: Path) -> None:
    replay: Replay = serve(source, server_database)
    engine = create_engine(login.url, poolclass=NullPool)
    with engine.connect() as theirs:
        theirs.execute(text("SELECT 1"))
        assert cut_connections(server_database, login.name) == 1
        theirs.invalidate()
    assert cut_connections(server_database, login.name) == 0
    assert replay.server.settled()


def test_what_sqlite_cannot_do_is_said(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with pytest.raises(ValueError, match="no sessions"):
        cut_connections(url)
    with pytest.raises(ValueError, match="no users"), locked_out(url, "u"):
        pass


def test_a_fault_on_demand_is_in_force_at_once_and_ends_by_itself(
    serve: Serve, server_database: str, source: Path, login: Login
) -> None:
    replay, faults = serve(source, server_database), DatabaseFaults(server_database)
    faults.strike("lock", 1.5)
    with create_engine(server_database, poolclass=NullPool).connect() as reader:
        for statement in impatient(server_database):
            reader.execute(text(statement))
        with pytest.raises(OperationalError, match=r"lock timeout|Lock wait timeout"):
            reader.execute(text(COUNT))
    faults.strike("login", 1, user=login.name)
    with pytest.raises(OperationalError, match=r"not permitted|denied"):
        query(login.url, "SELECT 1")
    with create_engine(server_database, poolclass=NullPool).connect() as reader:
        reader.execute(text("SELECT 1"))
        faults.strike("restart", 0.2)
        with pytest.raises(DBAPIError):
            reader.execute(text("SELECT 1"))
        reader.invalidate()
    replay.to(at(5))
    until(lambda: replay.query(COUNT) == [(6,)])
    until(lambda: _may(login))


def _may(login: Login) -> bool:
    try:
        return query(login.url, "SELECT 1") == [(1,)]
    except OperationalError:
        return False


def test_a_fault_that_the_database_does_not_have_is_refused(tmp_path: Path) -> None:
    faults = DatabaseFaults(f"sqlite:///{tmp_path / 'a.db'}")
    for kind, words in (("restart", "no sessions"), ("login", "needs a user"), ("earthquake", "lock, restart, login")):
        with pytest.raises(CannotReplay, match=words):
            faults.strike(kind, 1)
