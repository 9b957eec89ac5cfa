"""The DuckDB session over one capture: every DuckDB call of the program is made here.

The session opens the tables of the capture, then locks itself: no files but the capture's, no extensions, no
settings. Times are plain TIMESTAMPs in UTC. Results are always drained, because DuckDB 2 streams them and an open
result owns the connection.
"""

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from afscope.errors import QueryError
from afscope.model.clock import Micros
from afscope.model.stop import Stop
from afscope.store.manifest import sealed_seq
from afscope.store.reader import Capture
from afscope.store.schema import TABLES, Table, Type

if TYPE_CHECKING:
    import pyarrow as pa

_SQL_TYPES = {
    Type.TEXT: "VARCHAR",
    Type.JSON: "JSON",
    Type.INT: "BIGINT",
    Type.FLOAT: "DOUBLE",
    Type.BOOL: "BOOLEAN",
    Type.TIME: "TIMESTAMP",
}
COPY_ROWS = 300_000
_WORD = re.compile(r"\w+")
KEPT_POLLS = 8
"""So many growths long rows that were sealed meanwhile stay at hand as new ones, for whoever counts on from there."""
_MANY_ROWS = 100_000
_PIECE = 100_000
"""Rows of a piece of a long table."""


class Result(NamedTuple):
    """A drained result: column names, DuckDB type names, rows."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Session:
    """DuckDB over one capture, or over empty tables. Every table of the schema exists, empty where there is none."""

    def __init__(
        self,
        capture: Capture | None,
        copy_rows: int = COPY_ROWS,
        stop: Stop | None = None,
        *,
        growing: bool = False,
        lazy: bool = False,
        shifts: Mapping[str, Micros] | None = None,
    ) -> None:
        """Tables of up to `copy_rows` rows are copied into memory: later queries are then free of parquet footers.
        With `lazy` a table is opened when it is first mentioned, or by `open_all`.

        `stop` calls off every question that has none of its own. With `growing` rows come later by `grow`, also those
        of WALs, and nothing is copied. `shifts` sets back by table the times that are not the recorder's own.
        """
        self._shifts = dict(shifts or {})
        self._copy_rows, self._capture, self._stop = -1 if growing else copy_rows, capture, stop
        self._here = threading.local()
        self._growing, self._polls = growing, 0
        self._kept: dict[str, int] = {}
        """By table the growth from which on its rows are all still at hand one by one."""
        self._steady = threading.RLock()
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET TimeZone = 'UTC'")
        # A page of a long table reads one row group: without this it would read the footers of all files first.
        self._connection.execute("SET parquet_metadata_cache = true")
        self._opening = threading.RLock()
        self._unopened = set(TABLES) if lazy else set()
        many = capture is not None and sum(capture.rows(table) for table in TABLES) > _MANY_ROWS
        self._in_order = not growing and not many
        if many:
            # DuckDB expects few rows from most CTEs, and would look at all pairs where an ASOF join sorts.
            self._connection.execute("SET GLOBAL asof_loop_join_threshold = 0")
        elif self._in_order:
            # Of rows that tie, one thread over sorted tables always names the same: a report made twice is the same.
            # So few rows also cost less than to share them out, or to look for the best order of joins.
            self._connection.execute("SET threads = 1; SET disabled_optimizers = 'join_order'")
        for table in TABLES.values():
            if growing and capture is not None:
                self._open_growing(capture, table)
            elif not lazy:
                self._open_table(capture, table, self._connection)
        self._lock(None if capture is None else capture.path)

    def open_all(self) -> None:
        """Opens the tables that nobody has mentioned yet."""
        self._open(TABLES)

    def _open(self, names: Iterable[str]) -> None:
        if not self._unopened:
            return
        with self._opening:
            for name in sorted(self._unopened.intersection(names)):
                cursor = self._cursor()
                try:
                    self._open_table(self._capture, TABLES[name], cursor)
                except duckdb.Error as error:
                    raise QueryError(_first_line(error)) from error
                finally:
                    cursor.close()
                self._unopened.discard(name)

    def close(self) -> None:
        """Frees the memory; the session is of no use afterwards."""
        self._connection.close()

    def run(
        self, sql: str, params: Mapping[str, Any] | None = None, stop: Stop | None = None, most: int | None = None
    ) -> Result:
        """Runs one statement and drains it, up to `most` rows. Raises QueryError with DuckDB's own words.

        Each call has a cursor of its own, so that several threads may ask; `stop` interrupts this one alone.
        """
        if self._unopened:
            self._open(_WORD.findall(sql))
        cursor = self._cursor()
        try:
            with (stop or self._asked_here() or self._stop or Stop()).by(cursor.interrupt) as called_off:
                if called_off.asked:  # an interrupt before the query begins would be lost
                    raise QueryError("called off")
                cursor.execute(sql, dict(params or {}))
                description = cursor.description or []
                rows = [] if not description else cursor.fetchall() if most is None else cursor.fetchmany(most)
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        finally:
            cursor.close()
        return Result(tuple(d[0] for d in description), tuple(str(d[1]) for d in description), rows)

    @contextmanager
    def under(self, stop: Stop) -> Iterator[None]:
        """Within, `stop` calls off every question of this thread that has none of its own."""
        before, self._here.stop = self._asked_here(), stop
        try:
            yield
        finally:
            self._here.stop = before

    def _asked_here(self) -> Stop | None:
        found: Stop | None = getattr(self._here, "stop", None)
        return found

    def _cursor(self) -> "duckdb.DuckDBPyConnection":
        try:
            return self._connection.cursor()
        except duckdb.Error as error:  # closed: another case has taken its place
            raise QueryError(_first_line(error)) from error

    def dicts(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows as dicts, for code that reads better with names."""
        result = self.run(sql, params)
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """A SELECT as a lazy relation of this session, for notebooks. Raises QueryError."""
        try:
            return self._connection.sql(sql)
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error

    def materialize(self, name: str, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Stores the rows of a SELECT as table `name`."""
        order = f"FROM ({sql}\n) ORDER BY ALL" if self._in_order else sql
        self.run(f"CREATE OR REPLACE TABLE {quoted(name)} AS {order}", params)

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

    def fill_numbers(self, name: str, columns: Sequence[str], rows: Iterable[tuple[int, ...]]) -> None:
        """Creates table `name` with columns of numbers and these rows, in their order, however many they are.

        Each column goes in as one text, piece by piece: that is faster than JSON, and loads no library.
        """
        self.run(f"CREATE OR REPLACE TABLE {quoted(name)} ({', '.join(f'{quoted(c)} BIGINT' for c in columns)})")
        lists = ", ".join(f"unnest(CAST($c{number} AS BIGINT[]))" for number in range(len(columns)))
        coming = iter(rows)
        while piece := list(islice(coming, _PIECE)):
            texts = {f"c{number}": str(list(column)) for number, column in enumerate(zip(*piece, strict=True))}
            self.run(f"INSERT INTO {quoted(name)} SELECT {lists}", texts)

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

    def kinds(self, sql: str) -> frozenset[str]:
        """Kinds (SELECT, …) of the statements in `sql`. Raises QueryError when it does not parse."""
        try:
            return frozenset(statement.type.name for statement in self._connection.extract_statements(sql))
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error

    def parameters(self, sql: str) -> frozenset[str]:
        """Names of the parameters of what is asked, without their $. Raises QueryError when it does not parse."""
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        return frozenset(name for statement in statements for name in statement.named_parameters)

    def arrow(self, sql: str, params: Mapping[str, Any] | None = None, stop: Stop | None = None) -> "pa.Table":
        """The result of one SELECT as an Arrow table. Raises QueryError."""
        cursor = self._cursor()
        try:
            with (stop or Stop()).by(cursor.interrupt):
                return cursor.sql(sql, params=dict(params or {})).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        finally:
            cursor.close()

    def between(self, table: str, start: Micros, end: Micros) -> str:
        """A SELECT of the rows of a table with `ts` in [start, end), which reads no more files than it must; rows out
        of the bounds may be among them. Empty for a table that lies in memory.

        The views of the session turn zoned times into plain ones, and no statistics of a file reach through that: here
        the manifest picks the files, and the bounds stand on the file's own column.
        """
        spec = TABLES[table]
        capture = self._capture
        if capture is None or capture.rows(table) <= self._copy_rows or self._shifts.get(table):
            return ""
        self._open([table])
        near = {capture.path / s.path for s in capture.manifest.segments if s.first < end and s.last >= start}
        paths = [literal(str(path)) for path in capture.segments(table) if path in near]
        bounds = f"ts >= make_timestamptz({start}) AND ts < make_timestamptz({end})"
        parts = [
            f"SELECT {_projection(spec)} FROM read_parquet([{', '.join(paths)}], union_by_name = true) WHERE {bounds}"
        ]
        if not paths:
            parts = [f"FROM {quoted(table)} LIMIT 0"]
        if capture.tail_rows(table):
            parts.append(_tail(capture, spec) if self._growing else f"FROM {quoted('wal_' + table)}")
        return " UNION ALL ".join(f"({part})" for part in parts)

    def grow(self, capture: Capture, new: Mapping[int, "Mapping[str, pa.Table]"], changed: Iterable[str]) -> None:
        """Rows that came since, in one step for whoever asks meanwhile. For a session that grows.

        `new` are rows that were never given before, by WAL and table, also of WALs that are sealed by now; `changed`
        names the tables with other segments than before.
        """
        with self._steady:
            self._grow(capture, new, changed, self._polls + 1)
            self._polls += 1
            self._capture = capture

    def _grow(
        self, capture: Capture, new: Mapping[int, "Mapping[str, pa.Table]"], changed: Iterable[str], poll: int
    ) -> None:
        cursor, sealed = self._cursor(), sealed_seq(capture.manifest)
        try:
            cursor.execute("BEGIN")
            for name in changed:
                spec, tail = TABLES[name], quoted("wal_" + name)
                # Another table, because rows that are deleted keep their memory. What came of late stays a while.
                kept = f"seq > {sealed} OR poll > {poll - KEPT_POLLS}"
                cursor.execute(f"CREATE OR REPLACE TABLE {tail} AS FROM {tail} WHERE {kept}")
                cursor.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {_grown(capture, spec)}")
                self._kept[name] = poll - KEPT_POLLS
            for seq, name, rows in ((seq, *item) for seq, tables in new.items() for item in tables.items()):
                cursor.register("newer", rows)
                columns = _projection(TABLES[name])
                into = quoted("wal_" + name)
                cursor.execute(f"INSERT INTO {into} SELECT {columns}, {int(seq)}, {poll} FROM newer")
                cursor.unregister("newer")
            cursor.execute("COMMIT")
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        finally:
            cursor.close()

    @contextmanager
    def steady(self) -> Iterator[int]:
        """Within, nothing grows; gives how often the session has grown so far."""
        if not self._growing:
            yield 0
            return
        with self._steady:
            yield self._polls

    def since(self, table: str, polls: int) -> str:
        """A SELECT of the rows of a table that came after it had grown `polls` times; empty where nobody can tell."""
        if not self._growing or polls < self._kept.get(table, 0):
            return ""
        return f"SELECT {_columns(TABLES[table])} FROM {quoted('wal_' + table)} WHERE poll > {int(polls)}"

    def _open_growing(self, capture: Capture, spec: Table) -> None:
        columns = ", ".join(f"{quoted(c.name)} {_SQL_TYPES[c.type]}" for c in spec.columns)
        self._connection.execute(f"CREATE TABLE {quoted('wal_' + spec.name)} ({columns}, seq BIGINT, poll BIGINT)")
        self._connection.execute(f"CREATE VIEW {quoted(spec.name)} AS {_grown(capture, spec)}")

    def _open_table(self, capture: Capture | None, table: Table, connection: "duckdb.DuckDBPyConnection") -> None:
        parts = []
        columns = _projection(table, self._shifts.get(table.name, 0))
        if capture is not None and (segments := [str(path) for path in capture.segments(table.name)]):
            listing = ", ".join(literal(path) for path in segments)
            parts.append(f"SELECT {columns} FROM read_parquet([{listing}], union_by_name = true)")
        if capture is not None and capture.tail_rows(table.name):
            connection.register("wal_tail", capture.wal_table(table.name))
            connection.execute(f"CREATE TABLE {quoted('wal_' + table.name)} AS SELECT {columns} FROM wal_tail")
            connection.unregister("wal_tail")
            parts.append(f"FROM {quoted('wal_' + table.name)}")
        if capture is None or not parts:
            spec = ", ".join(f"{quoted(c.name)} {_SQL_TYPES[c.type]}" for c in table.columns)
            connection.execute(f"CREATE TABLE {quoted(table.name)} ({spec})")
            return
        rows = " UNION ALL ".join(parts)
        if capture.rows(table.name) > self._copy_rows:
            connection.execute(f"CREATE VIEW {quoted(table.name)} AS {rows}")
        else:
            order = " ORDER BY ALL" if self._in_order else ""
            connection.execute(f"CREATE TABLE {quoted(table.name)} AS {rows}{order}")

    def _lock(self, path: Path | None) -> None:
        if path is not None:
            self._connection.execute(f"SET allowed_directories = [{literal(str(path))}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")


def _grown(capture: Capture, spec: Table) -> str:
    """All rows of a table of a capture that grows: segments, and what is in no segment yet."""
    tail = _tail(capture, spec)
    files = ", ".join(literal(str(path)) for path in capture.segments(spec.name))
    if not files:
        return tail
    return f"SELECT {_projection(spec)} FROM read_parquet([{files}], union_by_name = true) UNION ALL {tail}"


def _tail(capture: Capture, spec: Table) -> str:
    """The rows of a capture that grows which are in no segment yet."""
    return f"SELECT {_columns(spec)} FROM {quoted('wal_' + spec.name)} WHERE seq > {sealed_seq(capture.manifest)}"


def _columns(table: Table) -> str:
    return ", ".join(quoted(c.name) for c in table.columns)


def _projection(table: Table, shift: Micros = 0) -> str:
    return ", ".join(
        # Arithmetic: AT TIME ZONE asks ICU for each value, ten times as slow.
        f"make_timestamp(epoch_us({quoted(c.name)}){_set_back(c.name, shift)}) AS {quoted(c.name)}"
        if c.type is Type.TIME
        else f"CAST({quoted(c.name)} AS {_SQL_TYPES[c.type]}) AS {quoted(c.name)}"
        for c in table.columns
    )


def _set_back(column: str, shift: Micros) -> str:
    """`seen_at` is the recorder's own time, and so is the `ts` of what has no other."""
    if not shift or column == "seen_at":
        return ""
    return f" - CASE WHEN ts = seen_at THEN 0 ELSE {int(shift)} END" if column == "ts" else f" - {int(shift)}"


def quoted(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    """What DuckDB says, with the names that it offers instead, without the echo of the statement."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    offers = [line for line in lines[1:2] if line.startswith(("Did you mean", "Candidate bindings"))]
    return " ".join(lines[:1] + offers) or type(error).__name__
