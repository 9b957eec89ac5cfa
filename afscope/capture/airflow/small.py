"""The other tables: jobs, pools, DAGs, the audit log, Celery's results."""

from collections.abc import Callable, Collection, Sequence
from operator import itemgetter

from afscope.capture.airflow.changes import Live, Prints
from afscope.capture.airflow.found import Found, chunks
from afscope.capture.airflow.ids import LIMIT, NewIds, position
from afscope.capture.airflow.session import Reader, Row
from afscope.capture.airflow.statements import LIVE_JOBS, Statements
from afscope.model.clock import SECOND, Micros, to_datetime
from afscope.normalize.airflow.tables import KEYS
from afscope.normalize.airflow.values import time_of

_MOST = 50_000
# A scheduler that died yesterday still says that it runs; older ones are litter.
_SILENT: Micros = 24 * 3600 * SECOND
# Fewer jobs of tasks are read whole each time: one statement, not two.
_MANY = 50
_PAGE = 500
# Results that never come (their worker died) must not be asked for by the thousand.
_MAX_PENDING = 5000
_FINAL = ("SUCCESS", "FAILURE", "REVOKED")


class Whole:
    """A small table that is read whole: slot_pool, dag."""

    def __init__(self, table: str, statements: Statements, every_us: Micros) -> None:
        self._table, self._statements = table, statements
        self._columns = statements.columns(table)
        key = self._columns.index(KEYS[table][0])
        self._live = Live(Prints(table, self._columns, every_us), lambda row: row[key])

    def inherit(self, before: "Whole") -> None:
        """Goes on where another schema ended."""
        self._live.inherit(before._live)

    def read(self, reader: Reader, found: Found, now: Micros) -> None:
        """One look; who is not there any more was deleted."""
        rows = reader.rows(self._statements.whole(self._table, _MOST))
        look = self._live.look(rows, now)
        found.read += len(rows)
        found.add(self._table, self._columns, look.write)
        if len(rows) < _MOST:
            found.lost(self._table, KEYS[self._table], [(key,) for key in look.left])
        self._live.keep(look)

    def read_some(self, reader: Reader, found: Found, now: Micros, dag_ids: Collection[str]) -> None:
        """A look at some DAGs; what it says of a run that waits must be as fresh as the run itself."""
        for some in chunks(sorted(dag_ids)):
            rows = reader.rows(self._statements.dags(some))
            look = self._live.look(rows, now)
            found.read += len(rows)
            found.add(self._table, self._columns, look.write)
            self._live.keep_some(look)


class Jobs:
    """Jobs that run: schedulers, triggerers, dag-processors, and before Airflow 3 one per running task.

    Of the many that belong to tasks nothing moves but heartbeats, which are written every now and then: in between only
    their ids are asked for, and rows are read of who came, left, or is no task's.
    """

    def __init__(self, statements: Statements, every_us: Micros, now: Micros) -> None:
        self._statements, self._every = statements, every_us
        self._columns = columns = statements.columns("job")
        self._id, self._state, kind = columns.index("id"), columns.index("state"), position(columns, "job_type")
        self._of_task: Callable[[Row], bool] = lambda row: kind is not None and row[kind] == "LocalTaskJob"
        self._live = Live(Prints("job", columns, every_us), itemgetter(self._id), patient=self._of_task)
        self._since = to_datetime(now - _SILENT)
        self._marks: dict[int, str] = {}
        self._of_tasks: set[int] = set()
        self._whole_at: Micros | None = None

    def inherit(self, before: "Jobs") -> None:
        """Goes on where another schema ended."""
        self._live.inherit(before._live)
        self._since, self._marks = before._since, before._marks

    def read(self, reader: Reader, found: Found, now: Micros) -> None:
        """One look; those that run no more are read once again by id."""
        due = self._whole_at is None or not 0 <= now - self._whole_at < self._every
        whole = due or len(self._of_tasks) < _MANY
        read = list(reader.rows(self._statements.live_jobs(self._since, _MOST, briefly=not whole)))
        marks = {row[self._id]: row[self._state] for row in read} if whole else dict(map(tuple, read))
        by_id = self._marks.keys() - marks.keys() if whole else self._worth_reading(marks)
        read = read if whole else []
        for some in chunks(sorted(by_id)):
            read += reader.rows(self._statements.by_id("job", some))
        rows = [row for row in read if row[self._id] in marks and row[self._state] in LIVE_JOBS]
        live = {row[self._id] for row in rows} | (marks.keys() - by_id)
        look = self._live.look(rows, now)
        found.read += len(read)
        found.add("job", self._columns, [*look.write, *(row for row in read if row[self._id] not in live)])
        found.lost("job", ("id",), [(number,) for number in sorted(by_id.difference(row[self._id] for row in read))])
        self._live.keep_some(look, gone=self._marks.keys() - live)
        self._marks = {number: state for number, state in marks.items() if number in live}
        self._of_tasks = (self._of_tasks | {row[self._id] for row in rows if self._of_task(row)}) & live
        self._whole_at = now if whole else self._whole_at

    def _worth_reading(self, marks: dict[int, str]) -> set[int]:
        """All but jobs of tasks that run as they did."""
        return {*self._marks, *marks} - {n for n in self._of_tasks if n in marks and marks[n] == self._marks.get(n)}


class AuditLog:
    """Airflow's audit log, by id."""

    def __init__(self, statements: Statements, back_us: Micros) -> None:
        self._statements = statements
        self._columns = statements.columns("log")
        self._back = back_us
        self._new = NewIds("log")

    def inherit(self, before: "AuditLog") -> None:
        """Goes on where another schema ended."""
        self._new = before._new

    def read(self, reader: Reader, found: Found, now: Micros) -> None:
        """What is new; the first time what is recent."""
        if self._new.last is None:
            self._begin(reader, found, now)
            return
        rows, remember = self._new.read(reader, self._statements, now)
        found.read += len(rows)
        found.add("log", self._columns, rows)
        remember()

    def _begin(self, reader: Reader, found: Found, now: Micros) -> None:
        """Backwards by id, which is indexed in every version (dttm only since 2.6), until it is too old."""
        at, when = self._columns.index("id"), self._columns.index("dttm")
        recent: list[Row] = []
        first: int | None = None
        while len(recent) < LIMIT:
            page = reader.rows(self._statements.before("log", first, _PAGE))
            found.read += len(page)
            young = [row for row in page if (time_of(row[when]) or now) >= now - self._back]
            recent += young
            if len(young) < _PAGE:
                break
            first = int(page[-1][at])
        if recent:
            self._new.last = max(int(row[at]) for row in recent)
        else:
            self._new.start(reader, self._statements)
        found.add("log", self._columns, sorted(recent, key=lambda row: int(row[at])))


class CeleryResults:
    """celery_taskmeta: a row appears when a worker starts a message, and is asked for again until it is final."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._columns = columns = statements.columns("celery_taskmeta")
        self._id, self._status = columns.index("id"), columns.index("status")
        self._new = NewIds("celery_taskmeta")
        self._pending: dict[int, str] = {}

    def inherit(self, before: "CeleryResults") -> None:
        """Goes on where another schema ended."""
        self._new, self._pending = before._new, before._pending

    def read(self, reader: Reader, found: Found, now: Micros) -> None:
        """What is new, and what became of the messages that were under way; at first the latest thousand."""
        if self._new.last is None:
            new = reader.rows(self._statements.before("celery_taskmeta", None, 2 * _PAGE))[::-1]
            self._new.last = max((int(row[self._id]) for row in new), default=0)
            self._write(found, new, {})
            return
        rows, remember = self._new.read(reader, self._statements, now)
        again: dict[int, Row] = {}
        for some in chunks(self._pending):
            again.update((row[self._id], row) for row in reader.rows(self._statements.by_id("celery_taskmeta", some)))
        self._write(found, rows, again)
        remember()

    def _write(self, found: Found, new: Sequence[Row], again: dict[int, Row]) -> None:
        changed = [row for number, row in again.items() if row[self._status] != self._pending[number]]
        found.read += len(new) + len(again)
        found.add("celery_taskmeta", self._columns, [*new, *changed])
        pending = {
            row[self._id]: row[self._status] for row in (*again.values(), *new) if row[self._status] not in _FINAL
        }
        self._pending = dict(list(pending.items())[-_MAX_PENDING:])
