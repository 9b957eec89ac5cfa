"""A replayed Airflow DB: the rows at the clock's time, and a thread that changes them as it passes."""

import logging
import threading
from typing import Self

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from afscope.errors import CannotReplay
from afscope.model.pace import ScaledPace
from afscope.replay.airflow.database import Database, reason
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.state import State, Write
from afscope.replay.airflow.target import Target

_LOG = logging.getLogger(__name__)
# How often the clock is looked at, in real seconds.
_LOOK = 0.05
# So many polls at once are a jump of the clock: the rows of its time are written, not each change on the way.
_JUMP = 100


class AirflowReplay:
    """Serves a history as an Airflow metadata DB, from `start` (or entering the context) to `stop`.

    `url` is a SQLAlchemy URL of an empty PostgreSQL or MariaDB database or of an SQLite file; without one an SQLite
    file of its own is made and removed in the end. What one recorded poll found is one transaction. A database that
    holds tables of others is refused. Raises CannotReplay.
    """

    def __init__(self, history: AirflowHistory, pace: ScaledPace, url: str | None = None) -> None:
        self.history, self.pace = history, pace
        self._target = Target.of(url)
        self.url = self._target.url.render_as_string(hide_password=False)
        """Where it is, with its password if there is one."""
        self.shown_url = self._target.shown
        """Where it is, for messages."""
        self._database = Database(self._target, history.schema)
        self._state = State(history.schema, history.begins)
        self._applied = 0
        self._pending: list[Write] | None = None
        self._passing = threading.Lock()
        """Held from the look at the clock until what it asks for is written."""
        self._stopping = threading.Event()
        self._failure: CannotReplay | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Makes the tables as at the clock's time, then follows it in a daemon thread. Raises CannotReplay."""
        try:
            self._database.create()
        except CannotReplay:
            self._database.abandon()
            raise
        try:
            self._catch_up()
        except SQLAlchemyError as error:
            self._database.close()
            raise self._failed(error) from error
        self._thread = threading.Thread(target=self._follow, name="airflow replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Drops the tables and hangs up. May be called more than once. Raises CannotReplay when they are held fast."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread is None:
            self._database.abandon()
            return
        self._thread.join()
        self._database.close()

    def settled(self) -> bool:
        """Whether everything up to now is in the database. Raises CannotReplay when it cannot be written any more."""
        gone = self._thread is not None and not self._thread.is_alive() and not self._stopping.is_set()
        if self._failure is not None:
            raise self._failure
        if gone:
            raise CannotReplay(f"the replay in {self.shown_url} does not follow the clock any more")
        if not self._passing.acquire(blocking=False):
            return False  # the clock may be back where it was, but the database moves
        try:
            return self._applied == self.history.upto(self.pace.now())
        finally:
            self._passing.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _follow(self) -> None:
        said = ""
        while not self._stopping.wait(_LOOK):
            try:
                with self._passing:
                    self._catch_up()
                said = ""
            except (OperationalError, InterfaceError, CannotReplay) as error:  # locked, killed: tried anew
                if str(error) != said:
                    _LOG.warning("the replay of the Airflow DB waits: %s", _why(error))
                said = str(error)
            except SQLAlchemyError as error:
                self._failure = self._failed(error)
                _LOG.error("%s", self._failure)
                return

    def _catch_up(self) -> None:
        """Writes what the clock has passed, poll by poll; after a jump the rows of its time in one go."""
        due = self.history.upto(self.pace.now())
        if due < self._applied or due - self._applied > _JUMP or not self._applied:
            self._rebuild(due)
        while self._applied < due and not self._stopping.is_set():
            self._advance()

    def _advance(self) -> None:
        """The next poll. Until it is written its writes are kept: the state is ahead of the database then."""
        if self._pending is None:
            changes = self.history.polls[self._applied].changes
            self._pending = [write for change in changes for write in self._state.apply(change)]
        self._database.write(self._pending)
        self._pending = None
        self._applied += 1

    def _rebuild(self, due: int) -> None:
        state = State(self.history.schema, self.history.begins)
        for poll in self.history.polls[:due]:
            state.take(poll.changes)
        self._database.write(state.inserts(), anew=True)
        self._state, self._pending, self._applied = state, None, due

    def _failed(self, error: SQLAlchemyError) -> CannotReplay:
        return CannotReplay(f"the recorded rows cannot be written to {self.shown_url}: {reason(error)}")


def _why(error: Exception) -> str:
    return reason(error) if isinstance(error, SQLAlchemyError) else str(error)
