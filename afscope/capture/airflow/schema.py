"""Which of Airflow's tables and columns are there and may be read, and which Airflow that makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from afscope.capture.airflow.session import Reader
from afscope.capture.airflow.trouble import GRANTS, NotAirflow, NotGranted, SchemaMoved
from afscope.model.capture import SourceState
from afscope.normalize.airflow.tables import COLUMNS, KEYS
from afscope.normalize.airflow.versions import Version, by_columns, first_release, release_range

HISTORY = "task_instance_history"
"""Ended attempts whose row of task_instance went on to the next one; since 2.10."""
WANTED: dict[str, tuple[str, ...]] = {
    "alembic_version": ("version_num",),
    **COLUMNS,
    HISTORY: (*(c for c in COLUMNS["task_instance"] if c != "id"), "task_instance_id"),
}
# Columns without which no Airflow from 2.2 on is: release notes of 2.1 and 2.2 (queued_at of runs, run_id of tasks).
_SINCE_2_2 = {"task_instance": "run_id", "dag_run": "queued_at"}
# Beside their keys.
_NEEDED = {
    "task_instance": ("state", "try_number"),
    "dag_run": ("id", "state", "queued_at"),
    "job": ("state", "latest_heartbeat"),
    "log": ("dttm",),
    "celery_taskmeta": ("id", "status"),
    HISTORY: ("dag_id", "run_id", "task_id", "map_index", "try_number", "state", "end_date"),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """What can be read."""

    head: str = ""
    """The alembic head; empty when it may not be read."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Per table that can be read, its columns out of those that a capture keeps, in their order."""
    unreadable: Mapping[str, SourceState] = field(default_factory=dict)
    """The other tables: absent or forbidden."""
    row_versions: bool = False
    """Whether task_instance has ctid and xmin, which together change with every write: PostgreSQL, and no view."""

    collations: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """MariaDB: charset and collation of the columns of task_instance's key that are text."""

    @property
    def version(self) -> Version:
        """The Airflow that this is, by its head, else by its columns."""
        return first_release(self.head) or by_columns(set(self.columns.get("task_instance", ()))) or (2, 10)

    @property
    def release(self) -> str:
        """For people: "2.10.3 up to before 3.0.0"."""
        return release_range(self.head) or f"about {'.'.join(map(str, self.version))}"

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Tables that the role may not read."""
        return tuple(name for name, state in self.unreadable.items() if state is SourceState.FORBIDDEN)

    def __contains__(self, table: str) -> bool:
        return table in self.columns


def read_schema(reader: Reader) -> Schema:
    """Looks. Raises NotAirflow for another DB and for Airflow before 2.2, NotGranted when nothing may be read."""
    found = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}[reader.backend](reader)
    columns: dict[str, tuple[str, ...]] = {}
    unreadable: dict[str, SourceState] = {}
    for name, wanted in WANTED.items():
        state = _state(name, found[name])
        if state is SourceState.OK:
            columns[name] = tuple(column for column in wanted if (found[name] or {}).get(column))
        else:
            unreadable[name] = state
    if all(unreadable.get(name) is SourceState.ABSENT for name in _SINCE_2_2):
        raise NotAirflow(
            "the database has no tables of Airflow that this role can see",
            "is this the right database, and may the role use its schema?",
        )
    if not any(name in columns for name in _SINCE_2_2):
        raise NotGranted("the role may read neither task_instance nor dag_run", GRANTS)
    head = reader.one(select(reader, "alembic_version", ("version_num",))) if "alembic_version" in columns else None
    tasks = found["task_instance"] or {}
    versions = all(tasks.get(name, False) for name in ("ctid", "xmin"))
    return Schema(head or "", columns, unreadable, versions, _collations(reader) if reader.backend == "mysql" else {})


def _state(name: str, has: dict[str, bool] | None) -> SourceState:
    """Whether a table can be recorded. Raises NotAirflow when it is older than all that can."""
    if has is None:
        return SourceState.ABSENT
    needed = needed_columns(name)
    if not has or any(has.get(column) is False for column in needed):
        return SourceState.FORBIDDEN
    if _SINCE_2_2.get(name) in needed - has.keys():
        raise NotAirflow(
            f"Airflow before 2.2 cannot be recorded: {name} has no {_SINCE_2_2[name]}", "Airflow 2.2 to 3.3 can"
        )
    return SourceState.ABSENT if needed - has.keys() else SourceState.OK


def needed_columns(name: str) -> set[str]:
    """Columns without which a table is of no use."""
    return {*KEYS.get(name, WANTED[name] if name not in _NEEDED else ()), *_NEEDED.get(name, ())}


def table(reader: Reader, name: str) -> sa.TableClause:
    """A table by name, where this DB has it; columns are added as they are asked for."""
    return sa.table(name, schema=reader.schema or None)


def select(reader: Reader, name: str, columns: tuple[str, ...]) -> sa.Select[Any]:
    """SELECT of these columns, each by its name: their order differs between fresh and migrated databases."""
    wanted: list[sa.ColumnClause[Any]] = [sa.column(column) for column in columns]
    return sa.select(*wanted).select_from(table(reader, name))


# Per table: its columns and whether they may be read; no columns at all: it is there and forbidden; None: it is not.
_Found = dict[str, dict[str, bool] | None]

_PG_COLUMNS = sa.text(
    "SELECT w.name, a.attname, has_column_privilege(a.attrelid, a.attnum, 'SELECT')"
    " FROM unnest(CAST(:names AS text[])) w(name) JOIN pg_attribute a"
    " ON a.attrelid = to_regclass(CASE WHEN :schema = '' THEN '' ELSE quote_ident(:schema) || '.' END || w.name)"
    " WHERE (a.attnum > 0 OR a.attname IN ('ctid', 'xmin')) AND NOT a.attisdropped"
)
_MYSQL_COLUMNS = sa.text(
    "SELECT table_name, column_name, privileges FROM information_schema.columns"
    " WHERE table_schema = CASE WHEN :schema = '' THEN DATABASE() ELSE :schema END AND table_name IN :names"
).bindparams(sa.bindparam("names", expanding=True))
_COLLATIONS = sa.text(
    "SELECT column_name, character_set_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = CASE WHEN :schema = '' THEN DATABASE() ELSE :schema END AND table_name = 'task_instance'"
    " AND column_name IN ('dag_id', 'run_id', 'task_id') AND VERSION() LIKE '%MariaDB%'"
)
_SQLITE_COLUMNS = sa.text("SELECT name FROM pragma_table_info(:name)")


def _postgresql(reader: Reader) -> _Found:
    """pg_attribute, because information_schema hides what is not granted."""
    found: _Found = dict.fromkeys(WANTED)
    bound = _PG_COLUMNS.bindparams(names=list(WANTED), schema=reader.schema)
    for name, column, readable in reader.rows(bound):
        columns = found[name]
        if columns is None:
            columns = found[name] = {}
        columns[column] = bool(readable)
    return found


def _mysql(reader: Reader) -> _Found:
    """information_schema shows only what is granted; asking the table tells forbidden from absent."""
    found: _Found = dict.fromkeys(WANTED)
    for name, column, privileges in reader.rows(_MYSQL_COLUMNS.bindparams(names=list(WANTED), schema=reader.schema)):
        columns = found[name]
        if columns is None:
            columns = found[name] = {}
        columns[column] = "select" in str(privileges).lower()
    for name in WANTED:
        _ask(reader, name, found)
    return found


def _collations(reader: Reader) -> dict[str, tuple[str, str]]:
    rows = reader.rows(_COLLATIONS.bindparams(schema=reader.schema))
    return {name: (charset, collation) for name, charset, collation in rows if charset and collation}


def _ask(reader: Reader, name: str, found: _Found) -> None:
    """Asks the table itself for what information_schema does not list."""
    has = found[name] or {}
    hidden = needed_columns(name) - has.keys()
    if not hidden:
        return
    try:
        reader.rows(select(reader, name, tuple(sorted(hidden))).limit(0))
    except NotGranted:
        found[name] = {**has, **dict.fromkeys(hidden, False)}
    except SchemaMoved:  # really not there
        return


def _sqlite(reader: Reader) -> _Found:
    return {
        name: {row[0]: True for row in reader.rows(_SQLITE_COLUMNS.bindparams(name=name))} or None for name in WANTED
    }
