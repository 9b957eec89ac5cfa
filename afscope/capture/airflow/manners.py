"""How each database is asked politely: read-only, with timeouts, and nothing that outlives a poll."""

import math
import os
import socket
import sqlite3
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from afscope.capture.airflow.login import Login
from afscope.capture.airflow.options import PollOptions


class Manners(ABC):
    """What one kind of database needs before, while and after it is asked."""

    begin: str = ""
    """Sent before the statements of a poll, in one round trip."""
    commit: str = ""
    """Sent after them."""

    def __init__(self, login: Login, options: PollOptions) -> None:
        self.login = login
        self.options = options

    @abstractmethod
    def engine(self) -> sa.Engine:
        """An engine without a pool: the session keeps its one connection itself."""

    def opened(self, connection: sa.Connection) -> None:  # noqa: ARG002
        """Settings of a new connection; by default there are none."""
        return

    @abstractmethod
    def cut(self, driver: Any) -> None:
        """Makes whoever waits for an answer on this driver's connection give up. Called from another thread."""

    def _made(self, connect_args: dict[str, Any], **kwargs: Any) -> sa.Engine:
        args = {**connect_args, **self.login.connect_args}
        return sa.create_engine(
            self.login.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=args, **kwargs
        )


class PostgreSQL(Manners):
    """PostgreSQL, straight or through PgBouncer in any pooling mode.

    In transaction pooling a SET would land on a server connection that belongs to Airflow a moment later, read-only
    included. So nothing is ever set on the session: each poll is one short transaction with SET LOCAL. Under READ
    COMMITTED it holds no snapshot between its statements, so it keeps no dead row alive. Startup parameters would be
    the other way, but PgBouncer refuses `options`; prepared statements do not survive it either.
    """

    def __init__(self, login: Login, options: PollOptions) -> None:
        super().__init__(login, options)
        statement, lock = round(options.statement_s * 1000), round(options.lock_s * 1000)
        idle = round(options.answer_within_s * 1000)
        self.begin = (
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;"
            f" SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock};"
            f" SET LOCAL idle_in_transaction_session_timeout = {idle}"
        )
        self.commit = "COMMIT"

    def engine(self) -> sa.Engine:
        """psycopg 3. What the URL says of timeouts and keepalives wins."""
        args: dict[str, Any] = {
            "application_name": "afscope", "prepare_threshold": None,
            "connect_timeout": math.ceil(self.options.connect_within_s), "keepalives": 1, "keepalives_idle": 10,
            "keepalives_interval": 5, "keepalives_count": 3,
            "tcp_user_timeout": round(self.options.answer_within_s * 1000),
        }  # fmt: skip
        args = {key: value for key, value in args.items() if key not in self.login.url.query}
        return self._made(args, use_native_hstore=False)

    def cut(self, driver: Any) -> None:
        """Shuts the socket down: a cancel request would need a server that answers."""
        with suppress(OSError), socket.socket(fileno=os.dup(driver.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)


class MySQL(Manners):
    """MySQL and MariaDB. Each statement is its own transaction."""

    def engine(self) -> sa.Engine:
        """PyMySQL. Its read timeout is the deadline; what the URL says wins."""
        within = self.options.answer_within_s
        args: dict[str, Any] = {
            "connect_timeout": self.options.connect_within_s, "read_timeout": within, "write_timeout": within,
            "program_name": "afscope",
        }  # fmt: skip
        args = {key: value for key, value in args.items() if key not in self.login.url.query}
        return self._made(args)

    def opened(self, connection: sa.Connection) -> None:
        """Times are TIMESTAMP, rendered in the session's zone. Locks are waited for in whole seconds."""
        seconds = self.options.statement_s
        limit = (
            f"max_statement_time = {seconds:g}"
            if getattr(connection.dialect, "is_mariadb", False)
            else f"max_execution_time = {round(seconds * 1000)}"
        )
        connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY")
        connection.exec_driver_sql(
            f"SET SESSION time_zone = '+00:00', {limit}, lock_wait_timeout = {max(1, math.ceil(self.options.lock_s))}"
        )

    def cut(self, driver: Any) -> None:
        """Closes the socket without a word."""
        line = getattr(driver, "_sock", None)
        with suppress(OSError):
            if isinstance(line, socket.socket):
                line.shutdown(socket.SHUT_RDWR)


class SQLite(Manners):
    """SQLite, where Airflow runs from one file: opened read-only, its locks and its WAL respected."""

    begin = "BEGIN"
    commit = "COMMIT"

    def engine(self) -> sa.Engine:
        """Never `immutable`: that ignores the WAL, and reads garbage while somebody writes."""
        uri = f"file:{quote(str(Path(self.login.url.database or '').absolute()))}?mode=ro"
        wait = self.options.statement_s

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False)

        return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)

    def cut(self, driver: Any) -> None:
        """Interrupts the statement."""
        driver.interrupt()


def manners_of(login: Login, options: PollOptions) -> Manners:
    """The manners for this login's database."""
    kinds: dict[str, type[Manners]] = {"postgresql": PostgreSQL, "mysql": MySQL, "sqlite": SQLite}
    return kinds[login.backend](login, options)
