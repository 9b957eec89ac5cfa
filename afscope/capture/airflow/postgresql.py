"""How PostgreSQL is asked: straight, with settings of the connection; behind a pooler, with all in each message."""

import math
import os
import socket
from contextlib import suppress
from typing import Any, Self

import psycopg
import sqlalchemy as sa

from afscope.capture.airflow.login import Login
from afscope.capture.airflow.manners import Manners
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.trouble import LoginRefused, told

_IN_FORCE = """
    SELECT pg_backend_pid(), extract(epoch FROM current_setting('statement_timeout')::interval) * 1000,
        extract(epoch FROM current_setting('lock_timeout')::interval) * 1000,
        current_setting('default_transaction_read_only')"""


class PostgreSQL(Manners):
    """PostgreSQL, straight or through PgBouncer in any pooling mode. Each statement is its own transaction.

    Straight, read-only and timeouts are startup parameters of the connection, and what is asked again and again is
    prepared, which saves half of what a small statement costs. A pooler in transaction mode would hand both on to
    Airflow, whose server connection it is a moment later. So a connection counts as straight only if the server's own
    process is the one that the protocol named for cancelling (a pooler names keys of its own), and if the startup
    parameters are in force. SET is never sent.
    """

    def __init__(self, login: Login, options: PollOptions) -> None:
        super().__init__(login, options)
        self._statement, self._lock = round(options.statement_s * 1000), round(options.lock_s * 1000)
        self._pooled = False

    def connect(self) -> sa.Connection:
        """Straight if that is possible; who was found behind a pooler once stays there."""
        straight = None if self._pooled else self._straight()
        if straight is not None:
            return straight
        before = (
            f"SET LOCAL transaction_read_only = on; SET LOCAL statement_timeout = {self._statement};"
            f" SET LOCAL lock_timeout = {self._lock}; "
        )
        engine = self._engine(self.login.url, cursor_factory=_in_one_message(before), prepare_threshold=None)
        connection = engine.connect()
        self._pooled = True
        return connection

    def _straight(self) -> sa.Connection | None:
        """None behind a pooler. Raises what SQLAlchemy raises."""
        ours = (
            f"-c default_transaction_read_only=on -c statement_timeout={self._statement} -c lock_timeout={self._lock}"
        )
        theirs = self.login.url.normalized_query.get("options", ())
        url = self.login.url.difference_update_query(["options"])
        try:
            connection = self._engine(url, options=" ".join((*theirs, ours)), prepare_threshold=1).connect()
        except sa.exc.DBAPIError as error:
            # PgBouncer says "unsupported startup parameter: options"; others may have other words for it.
            if "FATAL" in str(error.orig) and not isinstance(told(error, (), ""), LoginRefused):
                return None
            raise
        driver: Any = connection.connection.dbapi_connection
        asked = (driver.pgconn.backend_pid, self._statement, self._lock, "on")
        if tuple(connection.exec_driver_sql(_IN_FORCE).one()) == asked:
            return connection
        connection.invalidate()
        connection.close()
        return None

    def _engine(self, url: sa.URL, **more: Any) -> sa.Engine:
        """psycopg 3. What the URL says of timeouts and keepalives wins."""
        args: dict[str, Any] = {
            "application_name": "afscope", "connect_timeout": math.ceil(self.options.connect_within_s),
            "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
            "tcp_user_timeout": round(self.options.answer_within_s * 1000),
        }  # fmt: skip
        args = {key: value for key, value in args.items() if key not in url.query}
        return self._made(url, {**args, **more}, use_native_hstore=False)

    def cut(self, driver: Any) -> None:
        """Shuts the socket down: a cancel request would need a server that answers."""
        with suppress(OSError), socket.socket(fileno=os.dup(driver.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)


def _in_one_message(before: str) -> type[psycopg.ClientCursor[Any]]:
    """Cursors that send statements after `before` in the same message, which makes them one transaction.

    One message of the simple protocol is one round trip, and any pooler passes it on to one server connection; what
    SET LOCAL sets ends with it. (Before PostgreSQL 11 a statement_timeout counts from the next message on: there the
    deadline for an answer has to do.)
    """
    results = before.count(";")

    class Cursor(psycopg.ClientCursor[Any]):
        def execute(self, query: Any, params: Any = None, *, prepare: Any = None, binary: Any = None) -> Self:
            super().execute(f"{before}{query}", params, prepare=prepare, binary=binary)
            for _ in range(results):
                self.nextset()
            return self

    return Cursor
