"""One poll of the metadata DB: what is due, in the order in which a row can depend on another."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from afscope.capture.airflow.attempts import EndedAttempts
from afscope.capture.airflow.found import Found
from afscope.capture.airflow.glance import Glance, Moved
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.part import Ask
from afscope.capture.airflow.runs import Runs
from afscope.capture.airflow.schema import HISTORY, Schema
from afscope.capture.airflow.session import Reader
from afscope.capture.airflow.small import AuditLog, CeleryResults, Jobs, Whole
from afscope.capture.airflow.statements import RunKey, Statements
from afscope.capture.airflow.tasks import Tasks
from afscope.model.clock import SECOND, Micros, from_seconds


@dataclass(slots=True)
class Due:
    """What is done every so often, by a clock that may be set back."""

    _at: dict[str, Micros] = field(default_factory=dict)

    def __call__(self, what: str, every_s: float, now: Micros) -> bool:
        """Whether it is time; a little early counts, or every second poll would just miss it."""
        last = self._at.get(what)
        return last is None or not 0 <= now - last < every_s * SECOND - SECOND // 10

    def done(self, what: str, now: Micros) -> None:
        """It was done, and worked."""
        self._at[what] = now


class Step(Protocol):
    """Reads one table."""

    def read(self, reader: Reader, found: Found, now: Micros) -> None:
        """Puts into `found` what is new, and remembers it. Raises CannotConnect, and then remembers nothing."""
        ...

    def inherit(self, before: Any) -> None:
        """Goes on where the step of the same table ended when the schema was another."""
        ...


class Poll:
    """Everything that is remembered between two polls of one schema. A step that fails is due again."""

    def __init__(self, schema: Schema, backend: str, namespace: str, options: PollOptions, now: Micros) -> None:
        self.schema = schema
        self._options = options
        self._due = Due()
        self._told = False
        statements = Statements(schema, backend, namespace)
        quiet, limit = from_seconds(options.quiet_every_s), options.max_open_rows
        self._runs = Runs(statements, quiet, limit) if "dag_run" in schema else None
        history = EndedAttempts(statements) if HISTORY in schema else None
        self._tasks: Tasks | None = None
        self._glance = Glance(statements, backend)
        if "task_instance" in schema:
            self._tasks = Tasks(statements, schema.version, quiet, limit, history)
        self._dags = Whole("dag", statements, quiet) if "dag" in schema else None
        self._whole: dict[str, Step] = {} if self._dags is None else {"dag": self._dags}
        self._live: dict[str, Step] = {}
        if "slot_pool" in schema:
            self._live["slot_pool"] = Whole("slot_pool", statements, quiet)
        if "job" in schema:
            self._live["job"] = Jobs(statements, quiet, now)
        if "log" in schema:
            self._live["log"] = AuditLog(statements, from_seconds(options.log_back_s))
        if "celery_taskmeta" in schema:
            self._live["celery_taskmeta"] = CeleryResults(statements)

    def inherit(self, before: "Poll") -> None:
        """Goes on where the poll of another schema ended: after a migration, or another grant."""
        if self._runs is not None and before._runs is not None:
            self._runs.inherit(before._runs)
        if self._tasks is not None and before._tasks is not None:
            self._tasks.inherit(before._tasks)
        for mine, theirs in ((self._whole, before._whole), (self._live, before._live)):
            for table in mine.keys() & theirs.keys():
                mine[table].inherit(theirs[table])

    @property
    def too_many(self) -> str:
        """What is only counted, because there is too much of it; empty while all is recorded."""
        return self._tasks.too_many if self._tasks is not None else ""

    def read(self, reader: Reader, found: Found, now: Micros) -> None:
        """Reads what is due. Raises CannotConnect; what was read before that is in `found`, and remembered."""
        if not self._told and self.schema.head:
            found.tables["alembic_version"] = [{"version_num": self.schema.head}]
            self._told = True
        self._each(self._whole, self._options.whole_every_s, reader, found, now)
        moved = Moved(True, True)
        glances = self._tasks is not None and not self.too_many
        if glances:
            moved = self._glance.look(reader, now)
        in_time = self._due("runs", self._options.live_every_s, now)
        with_none = in_time or moved.none
        self._glance.forget()  # a poll that fails from here on is made up for by the next
        if self._runs is not None and with_none:
            runs_moved = self._read_runs(self._runs, reader, found, now, in_time=in_time)
            moved = moved._replace(none=moved.none or runs_moved)  # which of them count depends on the live runs
        if self._tasks is not None:
            read = self._read_tasks(self._tasks, reader, found, now, moved, in_time=in_time)
            if glances:
                self._glance.keep(stirred=read and self._tasks.stirred)
        if with_none:
            self._due.done("runs", now)
        self._each(self._live, self._options.live_every_s, reader, found, now)

    def _read_runs(self, runs: Runs, reader: Reader, found: Found, now: Micros, *, in_time: bool) -> bool:
        moved = runs.read(reader, found, now)
        if self._dags is not None and (moved or in_time):
            # A DAG that was unpaused a moment ago must not be taken for the reason why its runs wait.
            self._dags.read_some(reader, found, now, {dag_id for dag_id, _ in runs.live})
        return moved

    def _read_tasks(
        self, tasks: Tasks, reader: Reader, found: Found, now: Micros, moved: Moved, *, in_time: bool
    ) -> bool:
        """Reads what moved, and now and then all, in case that a glance missed it; False if there was nothing to."""
        live = self._runs.live if self._runs is not None else frozenset[RunKey]()
        ended = self._runs.take_ended() if self._runs is not None else ()
        stale, settle = tasks.stale(now), in_time and not self._glance.sees_all
        if not (any(moved[:2]) or stale or settle or ended or tasks.waiting):
            return False
        ask = Ask(now, refresh=stale, settle=settle, moved=moved)
        with_idle = stale or moved.none or (in_time and not self._glance.sees_none)
        tasks.read(reader, found, now, live, ended, ask, with_idle=with_idle)
        return True

    def _each(self, steps: dict[str, Step], every_s: float, reader: Reader, found: Found, now: Micros) -> None:
        for table, step in steps.items():
            if self._due(table, every_s, now):
                step.read(reader, found, now)
                self._due.done(table, now)
