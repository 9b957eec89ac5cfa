"""How each database is asked politely: read-only, with timeouts, and nothing that outlives a poll."""

import math
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
    """Sent before the statements of a poll, where they are to be one transaction."""
    commit: str = ""
    """Sent after them."""

    def __init__(self, login: Login, options: PollOptions) -> None:
        self.login = login
        self.options = options

    @abstractmethod
    def connect(self) -> sa.Connection:
        """A new connection, read-only and with its timeouts; of no pool: the session keeps its one itself.

        Raises what SQLAlchemy raises.
        """

    @abstractmethod
    def cut(self, driver: Any) -> None:
        """Makes whoever waits for an answer on this driver's connection give up. Called from another thread."""

    def _made(self, url: sa.URL, connect_args: dict[str, Any], **kwargs: Any) -> sa.Engine:
        args = {**connect_args, **self.login.connect_args}
        return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=args, **kwargs)


class MySQL(Manners):
    """MySQL and MariaDB. Each statement is its own transaction."""

    def connect(self) -> sa.Connection:
        """PyMySQL. Its read timeout is the deadline; what the URL says wins.

        Times are TIMESTAMP, rendered in the session's zone. Locks are waited for in whole seconds.
        """
        within, seconds = self.options.answer_within_s, self.options.statement_s
        args: dict[str, Any] = {
            "connect_timeout": self.options.connect_within_s, "read_timeout": within, "write_timeout": within,
            "program_name": "afscope",
        }  # fmt: skip
        args = {key: value for key, value in args.items() if key not in self.login.url.query}
        connection = self._made(self.login.url, args).connect()
        limit = (
            f"max_statement_time = {seconds:g}"
            if getattr(connection.dialect, "is_mariadb", False)
            else f"max_execution_time = {round(seconds * 1000)}"
        )
        connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY")
        connection.exec_driver_sql(
            f"SET SESSION time_zone = '+00:00', {limit}, lock_wait_timeout = {max(1, math.ceil(self.options.lock_s))}"
        )
        return connection

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

    def connect(self) -> sa.Connection:
        """Never `immutable`: that ignores the WAL, and reads garbage while somebody writes."""
        uri = f"file:{quote(str(Path(self.login.url.database or '').absolute()))}?mode=ro"
        wait = self.options.statement_s

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False)

        return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool).connect()

    def cut(self, driver: Any) -> None:
        """Interrupts the statement."""
        driver.interrupt()
