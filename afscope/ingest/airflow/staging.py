"""Rows of dumps on their way in: kept in a temporary SQLite file, so that a dump of any size needs little memory."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from afscope.model.clock import rfc3339
from afscope.normalize.airflow.tables import COLUMNS, KEYS
from afscope.normalize.airflow.values import time_of

HISTORY = "task_instance_history"
WANTED: dict[str, tuple[str, ...]] = {
    **COLUMNS,
    HISTORY: (*(c for c in COLUMNS["task_instance"] if c != "id"), "task_instance_id"),
    "log": (*COLUMNS["log"], "extra"),
    "alembic_version": ("version_num",),
}
"""Columns that are kept of each table; what else a dump holds is no business of a capture."""
_KEY = {**KEYS, HISTORY: ("dag_id", "run_id", "task_id", "try_number"), "alembic_version": ("version_num",)}
_TASK = ("dag_id", "run_id", "task_id")
# Columns that say that the database was alive, and read its clock: the newest of all is when the dump was taken.
LIFE: dict[str, tuple[str, ...]] = {
    "task_instance": ("scheduled_dttm", "queued_dttm", "start_date", "end_date", "updated_at", "last_heartbeat_at"),
    HISTORY: ("end_date",),
    "dag_run": ("queued_at", "start_date", "end_date", "last_scheduling_decision"),
    "dag": ("last_parsed_time",),
    "job": ("start_date", "end_date", "latest_heartbeat"),
    "log": ("dttm",),
    "celery_taskmeta": ("date_done",),
}
_MOMENTS = frozenset(
    (
        *(column for columns in LIFE.values() for column in columns),
        "execution_date", "logical_date", "run_after", "data_interval_start", "data_interval_end",
        "next_dagrun_create_after",
    )
)  # fmt: skip


class Staging:
    """Rows by table, the last one of a key counts. Close it, or use it in a with statement: it deletes its file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="afscope-import-")
        self.db = sqlite3.connect(Path(self._folder.name) / "rows.db", isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000;")
        for table, columns in WANTED.items():
            self.db.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        self.db.execute("BEGIN")
        self.columns: dict[str, set[str]] = {}
        """Columns that the dump has, per table that it has."""
        self.keyless: dict[str, int] = {}
        self.untimely: dict[str, int] = {}
        """Values per column that should be times and are none."""
        self._sql: dict[tuple[str, tuple[str, ...]], str] = {}

    def __enter__(self) -> "Staging":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Deletes everything."""
        self.db.close()
        self._folder.cleanup()

    def see(self, table: str, columns: tuple[str, ...]) -> None:
        """The dump has this table, maybe without rows."""
        self.columns.setdefault(table, set()).update(columns)

    def put(self, table: str, row: Mapping[str, Any]) -> None:
        """Keeps the wanted columns of one row of a wanted table; rows without their key are counted, not kept."""
        if any(row.get(column) is None for column in _KEY[table]):
            self.keyless[table] = self.keyless.get(table, 0) + 1
            return
        names = tuple(column for column in WANTED[table] if column in row)
        sql = self._sql.get((table, names))
        if sql is None:
            marks = ", ".join("?" * len(names))
            sql = self._sql[table, names] = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        self.db.execute(sql, [self._value(name, row[name]) for name in names])

    def _value(self, name: str, value: Any) -> Any:
        """What SQLite can hold, without loss; times as RFC 3339 UTC, so that their texts order like times."""
        if value is None or (
            isinstance(value, int | float | str) and not isinstance(value, bool) and name not in _MOMENTS
        ):
            return value
        if name not in _MOMENTS:
            return str(value)
        at = time_of(value)
        if at is None and value not in ("", "0000-00-00 00:00:00", "0000-00-00 00:00:00.000000"):
            self.untimely[name] = self.untimely.get(name, 0) + 1
        return None if at is None else rfc3339(at)

    def seal(self) -> None:
        """All rows are in: drops all but the last row of each key, and makes look-ups quick."""
        for table, key in _KEY.items():
            mapped = ", ifnull(map_index, -1)" if table in ("task_instance", HISTORY) else ""
            columns = f"{', '.join(key)}{mapped}"
            self.db.execute(f"CREATE INDEX {table}_key ON {table} ({columns})")
            self.db.execute(
                f"DELETE FROM {table} WHERE rowid NOT IN (SELECT max(rowid) FROM {table} GROUP BY {columns})"
            )
        self.db.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> Iterator[dict[str, Any]]:
        """Rows of a SELECT as dicts."""
        for row in self.db.execute(sql, values):
            yield dict(row)
