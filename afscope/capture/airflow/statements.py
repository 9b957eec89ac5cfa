"""Every statement that a poll sends: columns by name, by index, bounded, and nothing that locks."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afscope.capture.airflow.found import chunks
from afscope.capture.airflow.schema import HISTORY, Schema
from afscope.normalize.airflow.versions import first_release

OPEN_STATES = (
    "scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule", "awaiting_input",
    "sensing", "shutdown",
)  # fmt: skip
"""States of task instances that are not over, but none, in any version from 2.2 to 3.3; ti_state serves them."""
_LEGACY_STATES = ("sensing", "shutdown")
# Nothing sets these any more since: smart sensors went with 2.4, shutdown after 2.7.
_LEGACY_UNTIL = (2, 8)
LIVE_STATES = ("running", "queued")
"""States of DAG runs that are not over."""
LIVE_JOBS = ("running", "restarting")
"""States of jobs that are not over."""
GROUP = ("state", "queue", "pool", "executor")
"""What open task instances are counted by."""
RunKey = tuple[str, str]
"""dag_id, run_id."""
TaskKey = tuple[str, str, str, int]
"""dag_id, run_id, task_id, map_index (-1 before 2.3)."""
Select = sa.Select[Any]
Live = str | Sequence[RunKey]
"""Live runs: by their state, or one by one."""
_MARKS = (
    "try_number", "queued_dttm", "start_date", "external_executor_id", "pid", "queue", "pool", "hostname",
)  # fmt: skip
TASK_KEY = ("dag_id", "run_id", "task_id", "map_index")


class Statements:
    """SELECTs for one schema."""

    def __init__(self, schema: Schema, backend: str, namespace: str = "") -> None:
        self._schema = schema
        self._backend = backend
        self._namespace = f"`{namespace.replace('`', '``')}`." if namespace else ""
        self._tables = {
            name: sa.table(name, *map(_column, columns), schema=namespace or None)
            for name, columns in schema.columns.items()
        }
        task = schema.columns.get("task_instance", ())
        self.row_versions = schema.row_versions and "last_heartbeat_at" not in task
        """Whether task instances come with ctid and xmin, after their columns: a place and a transaction, which change
        with every write. Not where heartbeats are among the writes, which change nothing and all the time."""
        self.task_key = tuple(column for column in TASK_KEY if column in task)
        """The columns that identify a task instance here."""
        known = first_release(schema.head)
        legacy = () if known is None or known < _LEGACY_UNTIL else _LEGACY_STATES
        self.open_states = tuple(state for state in OPEN_STATES if state not in legacy)
        """The open states of this version; each that is asked for costs a descent into the index."""
        self._brief = tuple(column for column in (("id",) if "id" in task else TASK_KEY) if column in task)

    def has(self, table: str) -> bool:
        """Whether this DB has a table, and the role may read it."""
        return table in self._tables

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns that statements on this table yield, in their order."""
        if table == HISTORY:  # its row belongs on the tape as one of task_instance
            return tuple("id" if c == "task_instance_id" else c for c in self._schema.columns[HISTORY])
        return self._schema.columns[table]

    # Task instances

    def versions(self, since: int | None, *, with_none: bool, places: bool = False) -> Select:
        """How many are open, which versions of them no look before `since` has seen, and the snapshot of this look.

        `since`: a transaction below which all were over when the rows were read the last time; without it no versions
        are returned. Versions are "ctid xmin", NULL for none of them. `places` adds where all are, six bytes each:
        block and item of their ctid. `with_none` adds an array: how many are in state none, and the sum of the
        transactions that wrote them.
        """
        table = self._tables["task_instance"]
        fresh: sa.ColumnElement[Any] = sa.null()
        if since is not None:  # xids wrap around; an age does not, as nothing may get that old
            written: sa.ColumnElement[Any] = sa.literal_column("concat(task_instance.ctid, ' ', task_instance.xmin)")
            is_fresh = sa.literal_column("age(task_instance.xmin)") <= sa.func.age(_as("xid", str(since % 2**32)))
            fresh = sa.func.array_agg(written).filter(is_fresh)
        columns: list[sa.ColumnElement[Any]] = [
            sa.func.count(),
            fresh,
            sa.literal_column("txid_snapshot_xmin(txid_current_snapshot())"),
            sa.literal_column("string_agg(tidsend(task_instance.ctid), '')") if places else sa.null(),
        ]
        if with_none:
            # An age counts from the newest transaction there is, so the age of a fixed one is taken off again.
            total = "sum(age(task_instance.xmin)) - count(*) * age(CAST('1000' AS xid))"
            told: sa.ColumnElement[Any] = sa.literal_column(f"ARRAY[count(*), {total}]")
            columns.append(sa.select(told).select_from(table).where(table.c.state.is_(None)).scalar_subquery())
        return sa.select(*columns).select_from(table).where(self._opened(self.open_states))

    def digest(self, *, with_none: bool) -> Select:
        """Per open state, and state none, how many there are and a sum over their keys.

        A sum: under XOR checksums of keys that differ in a digit cancel out when t00 and t11 become t01 and t10.
        """
        table = self._tables["task_instance"]
        each = self._hash(*(table.c[name] for name in self._brief))
        sums = (table.c.state, sa.func.count(), sa.func.sum(each))
        looked_at = self._opened(self.open_states)
        looked_at = sa.or_(looked_at, table.c.state.is_(None)) if with_none else looked_at
        return sa.select(*sums).select_from(table).where(looked_at).group_by(table.c.state)

    def none_up_to(self, most: int) -> Select:
        """How many are in state none, counted up to `most`."""
        table = self._tables["task_instance"]
        some: Select = sa.select(table.c.state).where(table.c.state.is_(None)).limit(_literal(most))
        return sa.select(sa.func.count()).select_from(some.subquery())

    def open_tasks(self, limit: int, *, marks: bool = False) -> Select:
        """All in open states; with `marks` only what tells whether they changed."""
        return self._sight(marks=marks).where(self._opened(self.open_states)).limit(_literal(limit))

    @property
    def brief(self) -> int:
        """How many of the first marks say who is in which state."""
        return len(self._brief) + 1

    def briefly(self, states: Collection[str], limit: int, *, with_none: bool) -> Select:
        """Who is in these open states, and in state none; as the first marks. MySQL's index on state has the primary
        key as well, and answers alone."""
        table = self._tables["task_instance"]
        columns = [table.c[name] for name in self.marks[: self.brief]]
        looked_at = self._opened(states)
        looked_at = sa.or_(looked_at, table.c.state.is_(None)) if with_none else looked_at
        return sa.select(*columns).select_from(table).where(looked_at).limit(_literal(limit))

    def idle_tasks(self, live: Live, limit: int, *, marks: bool = False) -> Select:
        """Those in state none of live runs; of dead runs they pile up on old installations."""
        table = self._tables["task_instance"]
        return self._of_live(self._sight(marks=marks), live).where(table.c.state.is_(None)).limit(_literal(limit))

    def live_parts(self, runs: Collection[RunKey]) -> Iterator[Live]:
        """What `idle_tasks` and `count_idle` are asked for, one after the other, to see all live runs.

        MySQL and MariaDB get the runs themselves: joined with dag_run they look through all tasks of a DAG, because
        they believe that 40,000 rows per dag_id are a hundred (1 s on two million rows against 10 ms). The others join.
        Queued runs come first: one that starts in between is seen twice rather than never.
        """
        yield from chunks(sorted(runs)) if self._backend == "mysql" else LIVE_STATES[::-1]

    def tasks_at(self, places: Sequence[str]) -> Select:
        """Those at these ctids, if they are still there: no index could be quicker."""
        return self._sight(marks=False).where(sa.literal_column("task_instance.ctid") == _any("tid", places))

    @property
    def marks(self) -> tuple[str, ...]:
        """Columns that change when a task instance does something, its key first; heartbeats are none."""
        names = dict.fromkeys((*self._brief, "state", *TASK_KEY, *_MARKS))
        return tuple(name for name in names if name in self._schema.columns["task_instance"])

    @property
    def with_ids(self) -> bool:
        """Whether task instances have ids, as of Airflow 3; a retry gets another."""
        return self._brief == ("id",)

    def count_open(self) -> Select:
        """How many there are per state, queue, pool and executor."""
        return self._counted().where(self._opened(self.open_states))

    def count_idle(self, live: Live) -> Select:
        """How many are in state none, per queue, pool and executor."""
        table = self._tables["task_instance"]
        return self._of_live(self._counted(), live).where(table.c.state.is_(None))

    def tasks(self, keys: Collection[tuple[Any, ...]]) -> sa.Executable:
        """These, by key.

        MariaDB joins with a list of keys: a hundred take it 1.2 ms, and 8 ms as rows of an IN.
        """
        wanted = [key[: len(self.task_key)] for key in keys]
        if self._schema.collations:
            return self._joined_of_mariadb(wanted)
        return self._sight(marks=False).where(self._keyed("task_instance", wanted))

    def _joined_of_mariadb(self, keys: Sequence[tuple[Any, ...]]) -> sa.TextClause:
        """In the collations of the columns: compared with another one, a column cannot be looked up by its index."""
        of_type = [self._schema.collations.get(name) for name in self.task_key]
        said = [f"CONVERT({{}} USING {c[0]}) COLLATE {c[1]}" if c else "{}" for c in of_type]
        rows = (
            f"({', '.join(word.format(f':k{row}_{at}') for at, word in enumerate(said))})" for row in range(len(keys))
        )
        names = ", ".join(self.task_key)
        columns = ", ".join(f"task_instance.{column}" for column in self.columns("task_instance"))
        values = {f"k{row}_{at}": value for row, key in enumerate(keys) for at, value in enumerate(key)}
        words = (
            f"WITH wanted ({names}) AS (VALUES {', '.join(rows)}) SELECT STRAIGHT_JOIN {columns}"  # noqa: S608
            f" FROM wanted JOIN {self._namespace}task_instance USING ({names})"
        )
        return sa.text(words).bindparams(**values)

    def tasks_of(self, runs: Collection[RunKey], limit: int) -> Select:
        """All of these runs."""
        table = self._tables["task_instance"]
        return (
            self._all("task_instance").where(self._among((table.c.dag_id, table.c.run_id), runs)).limit(_literal(limit))
        )

    def ended_attempts(self, keys: Collection[TaskKey]) -> Select:
        """What the history keeps of these task instances, the oldest attempt first."""
        table = self._tables[HISTORY]
        return self._all(HISTORY).where(self._keyed(HISTORY, keys)).order_by(table.c.try_number)

    # Other tables

    def live_runs(self, limit: int) -> Select:
        """DAG runs that are not over. No list, so that the partial indexes of PostgreSQL apply."""
        state = self._tables["dag_run"].c.state
        # literals, because a plan for any value could not use an index for one
        either = [state == _literal(each) for each in LIVE_STATES]
        return self._all("dag_run").where(sa.or_(*either)).limit(_literal(limit))

    def live_jobs(self, since: datetime, limit: int, *, briefly: bool = False) -> Select:
        """Jobs that say they run, but for those that fell silent before `since`: nobody ever closes them.

        `briefly`: only id and state, which MySQL's index on state and heartbeat has both.
        """
        table = self._tables["job"]
        alive = table.c.state.in_(map(_literal, LIVE_JOBS))
        heard = table.c.latest_heartbeat > sa.literal(since, sa.DateTime(timezone=True))
        asked = sa.select(table.c.id, table.c.state).select_from(table) if briefly else self._all("job")
        return asked.where(alive, heard).limit(_literal(limit))

    def whole(self, name: str, limit: int) -> Select:
        """A small table as it is."""
        return self._all(name).limit(_literal(limit))

    def dags(self, dag_ids: Collection[str]) -> Select:
        """These DAGs."""
        return self._all("dag").where(self._one_of(self._tables["dag"].c.dag_id, dag_ids))

    def by_id(self, name: str, ids: Collection[Any]) -> Select:
        """Rows with these ids."""
        kind = "uuid" if name == "task_instance" else "bigint"
        return self._all(name).where(self._one_of(self._tables[name].c.id, ids, kind))

    def after(self, name: str, last: int, limit: int) -> Select:
        """The next rows above an id."""
        table = self._tables[name]
        above = _unplanned("bigint", last) if self._backend == "postgresql" else sa.literal(last)
        return self._all(name).where(table.c.id > above).order_by(table.c.id).limit(_literal(limit))

    def before(self, name: str, first: int | None, limit: int) -> Select:
        """The latest rows, or those below an id, the newest first."""
        table = self._tables[name]
        latest = self._all(name).order_by(table.c.id.desc()).limit(_literal(limit))
        return latest if first is None else latest.where(table.c.id < first)

    def highest(self, name: str) -> Select:
        """The highest id."""
        return sa.select(sa.func.max(self._tables[name].c.id))

    # Parts

    def _opened(self, states: Collection[str]) -> sa.ColumnElement[bool]:
        """In one of these states. PostgreSQL plans one array in half the time that it takes for a list."""
        state = self._tables["task_instance"].c.state
        if self._backend == "postgresql":
            return state == sa.any_(sa.literal_column(f"'{{{','.join(states)}}}'"))
        return state.in_(states)

    def _hash(self, *parts: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        text = sa.func.concat(*parts)  # which takes a uuid as well
        return sa.func.crc32(text) if self._backend == "mysql" else sa.func.hashtext(text)

    def _sight(self, *, marks: bool) -> Select:
        table = self._tables["task_instance"]
        names = ("ctid", "xmin") if self.row_versions else ()
        versions: list[sa.ColumnClause[Any]] = [sa.literal_column(f"task_instance.{name}") for name in names]
        if not marks:
            return self._all("task_instance").add_columns(*versions)
        return sa.select(*(versions or [table.c[column] for column in self.marks])).select_from(table)

    def _all(self, name: str) -> Select:
        return sa.select(*(self._asked(column) for column in self._tables[name].c)).select_from(self._tables[name])

    def _asked(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Of a traceback only the end: its last line is what is kept."""
        if column.key != "traceback":
            return column
        if self._backend == "sqlite":
            return sa.func.substr(column, _literal(-_TRACE)).label("traceback")
        return sa.func.right(column, _literal(_TRACE)).label("traceback")

    def _of_live(self, statement: Select, live: Live) -> Select:
        table = self._tables["task_instance"]
        if not isinstance(live, str):
            return statement.where(self._among((table.c.dag_id, table.c.run_id), live))
        run = self._tables["dag_run"]
        on = sa.and_(table.c.dag_id == run.c.dag_id, table.c.run_id == run.c.run_id)
        return statement.join(run, on).where(run.c.state == _literal(live))

    def _counted(self) -> Select:
        table = self._tables["task_instance"]
        group = [table.c[column] if column in table.c else sa.null().label(column) for column in GROUP]
        named = [table.c[column] for column in GROUP if column in table.c]
        return sa.select(*group, sa.func.count().label("n")).select_from(table).group_by(*named)

    def _keyed(self, name: str, keys: Collection[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
        columns = tuple(self._tables[name].c[column] for column in self.task_key)
        return self._among(columns, [key[: len(columns)] for key in keys])

    def _one_of(
        self, column: sa.ColumnElement[Any], values: Collection[Any], kind: str = "text"
    ) -> sa.ColumnElement[bool]:
        """PostgreSQL gets an array, whose length is none of the statement's words: so it need not be planned again."""
        return column == _any(kind, values) if self._backend == "postgresql" else column.in_(values)

    def _among(
        self, columns: Sequence[sa.ColumnElement[Any]], keys: Collection[tuple[Any, ...]]
    ) -> sa.ColumnElement[bool]:
        """As rows of an IN; PostgreSQL gets an array per column, for the same reason."""
        if self._backend != "postgresql":
            return sa.tuple_(*columns).in_(list(keys))
        parts = [list(part) for part in zip(*keys, strict=True)] or [[] for _ in columns]
        arrays = [
            _unplanned(f"{_KINDS.get(str(c.key), 'text')}[]", part) for c, part in zip(columns, parts, strict=True)
        ]
        wanted = sa.func.unnest(*arrays).table_valued(*(str(c.key) for c in columns)).render_derived(name="wanted")
        return sa.tuple_(*columns).in_(sa.select(*wanted.c))


_TRACE = 2000
_KINDS = {"map_index": "int"}
"""PostgreSQL's types of key columns that are no text."""


def _column(name: str) -> sa.ColumnClause[Any]:
    return sa.column(name)


def _literal(value: str | int) -> sa.ColumnElement[Any]:
    """Not bound: a plan for any value would not use an index for the one."""
    return sa.literal_column(repr(value))


def _as(kind: str, value: Any) -> sa.ColumnElement[Any]:
    """A value as PostgreSQL's type of this name."""
    return sa.cast(sa.bindparam(None, value, type_=sa.types.NullType()), _Named(kind))


def _unplanned(kind: str, value: Any) -> sa.ColumnElement[Any]:
    """A value that PostgreSQL does not look at while it plans.

    A prepared statement is planned again at each execution as long as plans for the values at hand promise to be
    cheaper than one for any; they do for five keys out of two million rows, and planning costs more than the search.
    """
    return sa.cast(sa.select(_as(kind, value)).scalar_subquery(), _Named(kind))


def _any(kind: str, values: Collection[Any]) -> sa.ColumnElement[Any]:
    return sa.any_(_unplanned(f"{kind}[]", list(values)))


class _Named(sa.types.UserDefinedType[Any]):
    """A type that PostgreSQL has and SQLAlchemy need not know."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name
