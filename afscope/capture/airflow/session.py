"""The one connection to the metadata DB, and what is done with it: short polls that only read."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa

from afscope.capture.airflow.guard import Guard
from afscope.capture.airflow.login import Login
from afscope.capture.airflow.manners import Manners, MySQL, SQLite
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.postgresql import PostgreSQL
from afscope.capture.airflow.trouble import (
    Locked,
    NotAirflow,
    NotGranted,
    Stopped,
    TooSlow,
    Unreachable,
    told,
)
from afscope.errors import CannotConnect

Row = Sequence[Any]
_MANNERS: dict[str, type[Manners]] = {"postgresql": PostgreSQL, "mysql": MySQL, "sqlite": SQLite}
_TRIPS = 3


class Reader:
    """Reads within one poll. Every error of it is a CannotConnect of `trouble`."""

    def __init__(self, session: "Session", connection: sa.Connection, guard: Guard) -> None:
        self._session = session
        self._connection = connection
        self._guard = guard
        self.backend = session.login.backend
        self.schema = session.login.schema
        self.cost_s = 0.0
        """Real seconds that the DB took for the statements so far: what passed, less the round trips, and less what
        this thread worked meanwhile, because PyMySQL turns bytes into rows while it receives them. (SQLite's work is
        this thread's work, and counts.)"""

    def rows(self, statement: sa.Executable) -> Sequence[Row]:
        """All rows that a statement yields. Raises CannotConnect."""
        begun, worked = time.monotonic(), self._own_work()
        self._guard.asked()
        try:
            return self._connection.execute(statement).fetchall()
        except sa.exc.SQLAlchemyError as error:
            raise self._session.failure(error, self._guard) from error
        finally:
            waited = time.monotonic() - begun - (self._own_work() - worked)
            self.cost_s += max(0.0, waited - self._session.round_trip_s)

    def _own_work(self) -> float:
        return 0.0 if self.backend == "sqlite" else time.thread_time()

    def one(self, statement: sa.Executable) -> Any:
        """The first column of the first row, None when there is none."""
        rows = self.rows(statement)
        return rows[0][0] if rows else None


class Session:
    """Opens its connection when it is needed, keeps it while it is good, and is not used by two threads at once."""

    def __init__(self, login: Login, options: PollOptions) -> None:
        self.login = login
        self.round_trip_s = 0.0
        """The quickest of some round trips as it connected. They are no work of the DB: a tunnel may take most of a
        poll."""
        self._options = options
        self._manners = _MANNERS[login.backend](login, options)
        self._connection: sa.Connection | None = None

    @contextmanager
    def reading(self, stop: threading.Event) -> Iterator[Reader]:
        """One poll: of SQLite's one transaction, else one per statement. Setting `stop` ends it soon.

        Raises CannotConnect; afterwards the connection is either good or closed.
        """
        connection = self._connected()
        driver = connection.connection.dbapi_connection  # here: in the guard's thread it might be gone by then
        guard = Guard(lambda: self._manners.cut(driver), self._options.answer_within_s, stop)
        with guard:
            try:
                self._say(connection, self._manners.begin, guard)
                yield Reader(self, connection, guard)
                self._say(connection, self._manners.commit, guard)
            except (TooSlow, Locked, NotGranted, NotAirflow):
                self._roll_back(connection)
                raise
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Lets the connection go; the next poll opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError, OSError):
                connection.invalidate()
                connection.close()

    def failure(self, error: Exception, guard: Guard | None = None) -> CannotConnect:
        """An error of the driver in our words."""
        if guard is not None and guard.stopped:
            return Stopped("the recording ended")
        if guard is not None and guard.overdue:
            return Unreachable(f"{self.login.where}: no answer within {self._options.answer_within_s:g} s")
        return told(error, self.login.secrets, self.login.where)

    def _connected(self) -> sa.Connection:
        if self._connection is None:
            try:
                self._connection = self._manners.connect()
                self.round_trip_s = min(_trip(self._connection) for _ in range(_TRIPS))
            except (sa.exc.SQLAlchemyError, OSError, ValueError, TypeError) as error:
                self.close()
                raise self.failure(error) from error
        return self._connection

    def _say(self, connection: sa.Connection, words: str, guard: Guard) -> None:
        if not words:
            return
        guard.asked()
        try:
            connection.exec_driver_sql(words)
        except sa.exc.SQLAlchemyError as error:
            raise self.failure(error, guard) from error

    def _roll_back(self, connection: sa.Connection) -> None:
        if not self._manners.begin:
            return
        try:
            connection.exec_driver_sql("ROLLBACK")
        except sa.exc.SQLAlchemyError:
            self.close()


def _trip(connection: sa.Connection) -> float:
    begun = time.monotonic()
    connection.exec_driver_sql("SELECT 1")
    return time.monotonic() - begun
