"""The collector of the Airflow metadata DB: polls at the tape's pace, and declares what it could not see."""

import threading
import time
from collections.abc import Callable

from afscope.capture.airflow.clock import clock_offset, differs
from afscope.capture.airflow.duty import Duty
from afscope.capture.airflow.found import Found
from afscope.capture.airflow.holes import Hole
from afscope.capture.airflow.login import Login
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.poll import Due, Poll
from afscope.capture.airflow.schema import read_schema
from afscope.capture.airflow.session import Reader, Session
from afscope.capture.airflow.states import TABLES, States
from afscope.capture.airflow.trouble import LoginRefused, NotGranted, SchemaMoved, Stopped, TooSlow
from afscope.capture.backoff import Backoff
from afscope.capture.tape import Tape
from afscope.errors import CannotConnect
from afscope.model.capture import ClockOffset, SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.pace import SystemPace

Source = Callable[[], Login]
"""Where the DB is and who we are there; asked again when the DB refuses the login. May raise CannotConnect."""
HOLED = ("task_instances", "dag_runs", "dags", "pools", "jobs")
"""What only polls can show. The audit log and Celery's results are read by id, and caught up with."""
POLLED = (*TABLES.values(), "task_counts")
"""What good polls fill."""
_SAMPLE_EVERY_S = 10.0
_FOR_PEOPLE = "the Airflow DB"


class AirflowCollector:
    """Records the metadata DB. Nothing is connected before the first poll."""

    name: str = "airflow_db"
    tables: tuple[str, ...] = HOLED

    def __init__(self, tape: Tape, source: Source, options: PollOptions | None = None) -> None:
        self._tape, self._source = tape, source
        self._options = options or PollOptions()
        self._stop = threading.Event()
        self._session: Session | None = None
        self._poll: Poll | None = None
        self._due = Due()
        self._duty = Duty(self._options.max_ms_per_s, self._options.interval_s)
        self.wait_s = 0.0
        """Seconds of the tape's clock until the next poll."""
        self._backoff = Backoff(first=1.0, most=self._options.retry_within_s)
        self._states = States(tape)
        self._failing, self._slow = Hole(tape, HOLED), Hole(tape, HOLED)
        self._crowded = Hole(tape, ("task_instances",))
        self._good_at: Micros | None = None
        self._begun_at: Micros | None = None
        self._offset: ClockOffset | None = None
        self._spent: tuple[float, Micros] | None = None

    def run(self, stop: threading.Event) -> None:
        """Polls until `stop` is set; a DB that hangs then is left alone within a second."""
        self._stop = stop
        self._tape.vouch(POLLED, self.name, self._proven)
        try:
            while not stop.is_set():
                self.poll_once()
                if self._tape.pace.wait(stop, self.wait_s):
                    break
        finally:
            self.close()

    def poll_once(self) -> bool:
        """One poll, and what it brought on the tape. False when it failed, which is on the tape as well."""
        now, begun = self._tape.pace.now(), time.monotonic()
        self._begun_at = now if self._begun_at is None else self._begun_at
        found, cost_s, error = Found(), 0.0, None
        try:
            session = self._connected()
            with session.reading(self._stop) as reader:
                try:
                    self._read(reader, found, now)
                finally:
                    cost_s = reader.cost_s
        except Stopped:
            return False
        except CannotConnect as problem:
            error = problem
        took_s = time.monotonic() - begun
        why = None if error is None else error.what
        self._tape.polled(now, took_s, found.tables, gone=found.gone, error=why)
        if error is None:
            self._succeeded(now)
            self._charge(cost_s, now)
        else:
            self._failed(error, cost_s, now)
        return error is None

    def _proven(self) -> Micros | None:
        """The last good poll, or the beginning of a hole that is still open."""
        ends = [self._good_at, *(hole.since for hole in (self._slow, self._crowded))]
        return min((at for at in ends if at is not None), default=None) if self._good_at is not None else None

    # Reading

    def _connected(self) -> Session:
        if self._session is None:
            self._session = Session(self._source(), self._options)
        return self._session

    def _read(self, reader: Reader, found: Found, now: Micros) -> None:
        poll = self._poll
        if poll is None or self._due("schema", self._options.schema_every_s, now):
            schema = read_schema(reader)
            if poll is None or schema != poll.schema:
                before, poll = poll, Poll(schema, reader.backend, reader.schema, self._options, now)
                if before is not None:
                    poll.inherit(before)
                self._poll = poll
            self._due.done("schema", now)
        poll.read(reader, found, now)
        # A replay's clock is not the one that its database server has.
        if isinstance(self._tape.pace, SystemPace) and self._due("clock", self._options.clock_every_s, now):
            self._compare_clocks(reader)
            self._due.done("clock", now)

    def _compare_clocks(self, reader: Reader) -> None:
        offset = clock_offset(reader, self._tape.pace)
        if offset is not None and differs(offset, self._offset):
            self._offset = offset
            self._tape.clock_offset(self.name, offset.offset_us, offset.uncertainty_us)

    # What came of it

    def _succeeded(self, now: Micros) -> None:
        self._backoff.reset()
        self._good_at = now
        if self._failing.close(now):
            self._states.holed(HOLED, self._failing.reason)
        self._tape.told(_FOR_PEOPLE, SourceState.OK)
        if self._poll is None:
            return
        crowd = self._poll.too_many
        if crowd:
            self._crowded.open(now, crowd)
            self._crowded.extend(now)
            self._states.holed(("task_instances",), crowd)
        else:
            self._crowded.close(now)
        self._states.good(self._poll.schema)

    def _failed(self, error: CannotConnect, cost_s: float, now: Micros) -> None:
        """Waiting for a lock or for a server that is not there costs the DB nothing; running into a timeout does."""
        charged_s = self._duty.spend(cost_s, now, self._tape.pace.now()) if isinstance(error, TooSlow) else 0.0
        self.wait_s = max(self._backoff.next(), charged_s)
        since = self._good_at if self._good_at is not None else self._begun_at
        self._failing.open(now if since is None else since, error.what)
        self._failing.extend(now)
        self._states.failed(error.what)
        self._tape.told(_FOR_PEOPLE, SourceState.FAILED, error.what)
        if isinstance(error, (SchemaMoved, NotGranted)):
            self._due = Due()
        if isinstance(error, LoginRefused) and self._session is not None:
            self._session.close()
            self._session = None

    def _charge(self, cost_s: float, began: Micros) -> None:
        """What the poll cost decides when the next one comes."""
        now = self._tape.pace.now()
        self.wait_s = self._duty.spend(cost_s, began, now)
        if self._duty.bites(self.wait_s):
            options = self._options
            self._slow.open(
                began,
                f"slowed down by the DB budget: at {options.max_ms_per_s:g} ms/s polls come every {self.wait_s:.1f} s"
                f" instead of {options.interval_s:g} s",
            )
            self._slow.extend(now)
            self._states.holed(HOLED, self._slow.reason)
        else:
            self._slow.close(now)
        self._sample(cost_s, now)

    def _sample(self, cost_s: float, now: Micros) -> None:
        spent, since = self._spent or (0.0, now)
        self._spent = spent + cost_s, since
        elapsed = (now - since) / SECOND
        if elapsed >= _SAMPLE_EVERY_S:
            self._tape.sample("db_ms_per_s", (spent + cost_s) * 1000 / elapsed)
            self._tape.sample("db_poll_wait_s", self.wait_s)
            self._spent = 0.0, now

    def close(self) -> None:
        """Ends what is open: holes are declared, the connection let go. Polling again opens what it needs."""
        now = self._tape.pace.now()
        if self._failing.is_open:
            self._tape.vouch(HOLED, self.name, None)
        for hole in (self._failing, self._slow, self._crowded):
            hole.close(now)
        if self._session is not None:
            self._session.close()


def probe(source: Source) -> str:
    """One look, for people: "postgresql airflow at db:5432, Airflow 2.10.3 up to before 3.0.0".

    Raises CannotConnect that says in one sentence why it cannot be recorded; tables that are not granted are told.
    """
    session = Session(source(), PollOptions())
    try:
        with session.reading(threading.Event()) as reader:
            schema = read_schema(reader)
    finally:
        session.close()
    refused = [TABLES[name] for name in schema.forbidden if name in TABLES]
    but = f"; not granted: {', '.join(refused)}" if refused else ""
    return f"{session.login.where}, Airflow {schema.release}{but}"
