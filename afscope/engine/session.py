"""The DuckDB session over one capture: every DuckDB call of the program is made here.

The session opens the tables of the capture, then locks itself: no files but the capture's, no extensions, no
settings. Times are plain TIMESTAMPs in UTC. Results are always drained, because DuckDB 2 streams them and an open
result owns the connection.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from afscope.errors import QueryError
from afscope.store.reader import Capture
from afscope.store.schema import TABLES, Table, Type

_SQL_TYPES = {
    Type.TEXT: "VARCHAR",
    Type.JSON: "JSON",
    Type.INT: "BIGINT",
    Type.FLOAT: "DOUBLE",
    Type.BOOL: "BOOLEAN",
    Type.TIME: "TIMESTAMP",
}
# Below this size a table is copied into memory: every later query is then free of parquet footers.
_COPY_ROWS = 300_000


class Result(NamedTuple):
    """A drained result: column names, DuckDB type names, rows."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Session:
    """DuckDB over one capture, or over empty tables. Every table of the schema exists, empty where there is none."""

    def __init__(self, capture: Capture | None) -> None:
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET TimeZone = 'UTC'")
        for table in TABLES.values():
            self._open_table(capture, table)
        self._lock(None if capture is None else capture.path)

    def close(self) -> None:
        """Frees the memory; the session is of no use afterwards."""
        self._connection.close()

    def run(self, sql: str, params: Mapping[str, Any] | None = None) -> Result:
        """Runs one statement and drains it. Raises QueryError with DuckDB's own words."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, dict(params or {}))
            description = cursor.description or []
            rows = cursor.fetchall() if description else []
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        finally:
            cursor.close()
        return Result(tuple(d[0] for d in description), tuple(str(d[1]) for d in description), rows)

    def dicts(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows as dicts, for code that reads better with names."""
        result = self.run(sql, params)
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    def materialize(self, name: str, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Stores the rows of a SELECT as table `name`."""
        self.run(f"CREATE OR REPLACE TABLE {quoted(name)} AS {sql}", params)

    def fill(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Creates table `name` with `columns` (name to SQL type) and these rows.

        They go in as one JSON document: handing over Python lists would make DuckDB import pandas first.
        """
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        self.materialize(
            name,
            "SELECT unnest(from_json(CAST($rows AS JSON), CAST($shape AS VARCHAR)), recursive := true)",
            {"rows": json.dumps(records), "shape": json.dumps([dict(columns)])},
        )

    def statement(self, sql: str) -> tuple[str, frozenset[str]]:
        """Kind of the single statement in `sql` (SELECT, …) and its named parameters.

        Raises QueryError when it does not parse or is not exactly one statement.
        """
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        if len(statements) != 1:
            raise QueryError(f"expected one statement, found {len(statements)}")
        return statements[0].type.name, frozenset(statements[0].named_parameters)

    def interrupt(self) -> None:
        """Cancels what runs, from another thread."""
        self._connection.interrupt()

    def _open_table(self, capture: Capture | None, table: Table) -> None:
        parts = []
        if capture is not None and (segments := [str(path) for path in capture.segments(table.name)]):
            listing = ", ".join(literal(path) for path in segments)
            parts.append(f"SELECT {_projection(table)} FROM read_parquet([{listing}], union_by_name = true)")
        if capture is not None and capture.tail_rows(table.name):
            self._connection.register("wal_tail", capture.wal_table(table.name))
            self._connection.execute(
                f"CREATE TABLE {quoted('wal_' + table.name)} AS SELECT {_projection(table)} FROM wal_tail"
            )
            self._connection.unregister("wal_tail")
            parts.append(f"FROM {quoted('wal_' + table.name)}")
        if capture is None or not parts:
            spec = ", ".join(f"{quoted(c.name)} {_SQL_TYPES[c.type]}" for c in table.columns)
            self._connection.execute(f"CREATE TABLE {quoted(table.name)} ({spec})")
            return
        kind = "TABLE" if capture.rows(table.name) <= _COPY_ROWS else "VIEW"
        self._connection.execute(f"CREATE {kind} {quoted(table.name)} AS {' UNION ALL '.join(parts)}")

    def _lock(self, path: Path | None) -> None:
        if path is not None:
            self._connection.execute(f"SET allowed_directories = [{literal(str(path))}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")


def _projection(table: Table) -> str:
    return ", ".join(
        f"{quoted(c.name)} AT TIME ZONE 'UTC' AS {quoted(c.name)}"
        if c.type is Type.TIME
        else f"CAST({quoted(c.name)} AS {_SQL_TYPES[c.type]}) AS {quoted(c.name)}"
        for c in table.columns
    )


def quoted(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
