"""What the metadata DB still holds of a past window: for an import, after the fact.

Runs that overlap the window lead to everything else: their task instances by the index on (dag_id, run_id), ended
attempts the same way, Celery's results by message id, the audit log by its time. Each statement is bounded and runs in
a transaction of its own, so that nothing of Airflow waits for it and no snapshot keeps dead rows alive.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from afscope.capture.airflow.found import chunks
from afscope.capture.airflow.login import Login
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.schema import HISTORY, Schema, read_schema
from afscope.capture.airflow.session import Row, Session
from afscope.model.clock import SECOND, Micros, to_datetime

# Looking through dag_run and log takes longer than a poll may; still the server ends what takes too long.
_OPTIONS = PollOptions(statement_s=30.0, answer_within_s=45.0)
_PAGE = 5000
# Runs that were alive in the window are read whole: what they began before it may hold pools and slots in it.
_RUNS_AT_ONCE = 50
_TRACE = 2000


class PastTable(NamedTuple):
    """Rows of one Airflow table."""

    table: str
    columns: tuple[str, ...]
    rows: Iterator[Mapping[str, Any]]


def past(login: Login, since: Micros, until: Micros) -> Iterator[PastTable]:
    """The tables, in an order in which each may be read to its end before the next. Raises CannotConnect."""
    reader = _Past(Session(login, _OPTIONS), to_datetime(since), to_datetime(until + SECOND))
    try:
        yield from reader.tables()
    finally:
        reader.session.close()


class _Past:
    def __init__(self, session: Session, since: datetime, until: datetime) -> None:
        self.session, self._since, self._until = session, since, until
        self._stop = threading.Event()
        with session.reading(self._stop) as reader:
            self._schema: Schema = read_schema(reader)
        self._backend = session.login.backend
        schema = session.login.schema or None
        self._tables = {
            name: sa.table(name, *(sa.column(column) for column in columns), schema=schema)
            for name, columns in self._schema.columns.items()
        }
        self._runs: list[tuple[str, str]] = []
        self._dags: set[str] = set()
        self._messages: list[str] = []

    def tables(self) -> Iterator[PastTable]:
        if self._schema.head:
            yield PastTable("alembic_version", ("version_num",), iter([{"version_num": self._schema.head}]))
        steps = {
            "dag_run": self._dag_runs, "task_instance": self._tasks, HISTORY: self._history, "dag": self._dag_rows,
            "slot_pool": self._pools, "job": self._jobs, "log": self._log, "celery_taskmeta": self._results,
        }  # fmt: skip
        for table, rows in steps.items():
            if table in self._schema:
                yield PastTable(table, self._named(table), rows())

    def _named(self, table: str) -> tuple[str, ...]:
        return self._schema.columns[table]

    # Each table

    def _dag_runs(self) -> Iterator[dict[str, Any]]:
        run = self._table("dag_run")
        begun = sa.func.coalesce(run.c.start_date, run.c.queued_at)
        alive = sa.and_(
            sa.or_(run.c.end_date.is_(None), run.c.end_date >= self._at(self._since)),
            sa.or_(begun.is_(None), begun <= self._at(self._until)),
        )
        for row in self._pages("dag_run", alive):
            self._runs.append((row["dag_id"], row["run_id"]))
            self._dags.add(row["dag_id"])
            yield row

    def _tasks(self) -> Iterator[dict[str, Any]]:
        for row in self._of_runs("task_instance"):
            if row.get("external_executor_id"):
                self._messages.append(row["external_executor_id"])
            yield row

    def _history(self) -> Iterator[dict[str, Any]]:
        for row in self._of_runs(HISTORY):
            if row.get("external_executor_id"):
                self._messages.append(row["external_executor_id"])
            yield row

    def _of_runs(self, name: str) -> Iterator[dict[str, Any]]:
        table = self._table(name)
        for some in chunks(self._runs, _RUNS_AT_ONCE):
            yield from self._rows(name, sa.tuple_(table.c.dag_id, table.c.run_id).in_(some))

    def _dag_rows(self) -> Iterator[dict[str, Any]]:
        for some in chunks(sorted(self._dags)):
            yield from self._rows("dag", self._table("dag").c.dag_id.in_(some))

    def _pools(self) -> Iterator[dict[str, Any]]:
        yield from self._rows("slot_pool")

    def _jobs(self) -> Iterator[dict[str, Any]]:
        job = self._table("job")
        heard = sa.or_(job.c.latest_heartbeat >= self._at(self._since), job.c.end_date >= self._at(self._since))
        yield from self._pages("job", sa.and_(heard, job.c.start_date <= self._at(self._until)))

    def _log(self) -> Iterator[dict[str, Any]]:
        log = self._table("log")
        within = log.c.dttm.between(self._at(self._since), self._at(self._until))
        yield from self._pages("log", within)

    def _results(self) -> Iterator[dict[str, Any]]:
        for some in chunks(dict.fromkeys(self._messages)):
            yield from self._rows("celery_taskmeta", self._table("celery_taskmeta").c.task_id.in_(some))

    # Statements

    def _table(self, name: str) -> sa.TableClause:
        return self._tables[name]

    def _at(self, moment: datetime) -> sa.ColumnElement[Any]:
        """A time as the columns of this database hold it: with a zone on PostgreSQL, UTC without one elsewhere."""
        if self._backend == "postgresql":
            return sa.literal(moment, sa.DateTime(timezone=True))
        return sa.literal(moment.replace(tzinfo=None), sa.DateTime())

    def _pages(self, name: str, condition: sa.ColumnElement[bool]) -> Iterator[dict[str, Any]]:
        """Rows by ascending id, a page per transaction."""
        last = -1
        while True:
            table = self._table(name)
            rows = list(self._rows(name, sa.and_(condition, table.c.id > last), by_id=True))
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1]["id"]

    def _rows(
        self, name: str, condition: sa.ColumnElement[bool] | None = None, *, by_id: bool = False
    ) -> Iterator[dict[str, Any]]:
        table = self._table(name)
        statement = sa.select(*(self._asked(column) for column in table.c)).select_from(table)
        if condition is not None:
            statement = statement.where(condition)
        if by_id:
            statement = statement.order_by(table.c.id).limit(_PAGE)
        names = self._named(name)
        for row in self._read(statement):
            yield dict(zip(names, row, strict=True))

    def _asked(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Of a traceback only the end: its last line is what is kept."""
        if column.key != "traceback":
            return column
        cut = sa.func.substr(column, -_TRACE) if self._backend == "sqlite" else sa.func.right(column, _TRACE)
        return cut.label("traceback")

    def _read(self, statement: sa.Select[Any]) -> Sequence[Row]:
        with self.session.reading(self._stop) as reader:
            return reader.rows(statement)
