"""The faults of `faults.py` for a while each, so that somebody outside can order them over HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy.exc import SQLAlchemyError

from afscope.errors import CannotReplay
from afscope.replay.airflow.faults import cut_connections, locked, locked_out

KINDS = ("lock", "restart", "login")
"""`lock` keeps everybody from a table, `restart` cuts all connections and those that come, `login` refuses a user."""
_AGAIN_S = 0.05
_IN_FORCE_S = 10.0


class DatabaseFaults:
    """Trouble in one database. Its URL must be that of somebody who may do this."""

    def __init__(self, url: str) -> None:
        self._url = url

    def strike(self, kind: str, seconds: float, *, table: str = "task_instance", user: str = "") -> None:
        """Returns when the fault is in force; it ends by itself after so many real seconds. Raises CannotReplay."""
        begun, failed = threading.Event(), list[Exception]()

        def last() -> None:
            try:
                with self._trouble(kind, seconds, table, user):
                    begun.set()
                    time.sleep(seconds)
            except (SQLAlchemyError, ValueError) as error:
                failed.append(error)
                begun.set()

        threading.Thread(target=last, name=f"database fault {kind}", daemon=True).start()
        if not begun.wait(_IN_FORCE_S):
            raise CannotReplay(f"the fault {kind} is not in force after {_IN_FORCE_S:g} s: the database is busy")
        if failed:
            raise CannotReplay(f"the database refuses the fault {kind}: {str(failed[0]).splitlines()[0]}")

    def _trouble(self, kind: str, seconds: float, table: str, user: str) -> AbstractContextManager[None]:
        if kind == "lock":
            return locked(self._url, table)
        if kind == "restart":
            return _restarting(self._url, seconds)
        if kind == "login" and user:
            return locked_out(self._url, user)
        raise ValueError("there are " + ", ".join(KINDS) + "; login needs a user")


@contextmanager
def _restarting(url: str, seconds: float) -> Iterator[None]:
    """As a server that goes down and up again looks to its clients. Raises ValueError for SQLite."""
    cut_connections(url)
    until = time.monotonic() + seconds

    def go_on() -> None:
        while time.monotonic() < until:
            cut_connections(url)
            time.sleep(_AGAIN_S)

    thread = threading.Thread(target=go_on, name="database restart", daemon=True)
    thread.start()
    yield
    thread.join()
