"""The database of a replay: taken only if it is empty or ours, filled, changed, and left as it was found."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from afscope.errors import CannotReplay
from afscope.replay.airflow.history import key_columns
from afscope.replay.airflow.schema import Schema
from afscope.replay.airflow.state import Row, Verb, Write
from afscope.replay.airflow.target import Target

MARKER = "afscope_replay"
"""The table that says "made by a replay", with the names of the tables that it made."""
# How long a reader that holds a lock may keep us from dropping our tables, in seconds.
_PATIENCE_S = 10.0
_RETRY_S = 0.2


class Database:
    """One connection to the target. Not safe to share between threads at the same time."""

    def __init__(self, target: Target, schema: Schema) -> None:
        self.target, self._schema = target, schema
        self._dialect = target.dialect
        self._keys = key_columns(schema)
        self._engine = _engine(target)

    def create(self) -> None:
        """Makes the empty tables. Raises CannotReplay when the database cannot be reached or holds tables of others."""
        try:
            with self._engine.begin() as connection:
                self._refuse_others(connection)
                _drop(connection, self._dialect.quoted, self._ours(connection))
                self._mark(connection)
                for name, table in self._schema.tables.items():
                    for statement in self._dialect.create(name, table):
                        connection.execute(text(statement))
        except SQLAlchemyError as error:
            raise CannotReplay(
                f"{self.target.shown} cannot be used: {reason(error)}", "is the server up, and may this user log in?"
            ) from error

    def write(self, writes: Iterable[Write], *, anew: bool = False) -> None:
        """Writes all or nothing, in order; with `anew` into empty tables. Raises SQLAlchemyError."""
        with self._engine.begin() as connection:
            if anew:
                for name in self._schema.tables:
                    connection.execute(text(f"DELETE FROM {self._dialect.quoted(name)}"))  # noqa: S608  (our own name)
            for (verb, table), group in groupby(writes, key=lambda write: (write.verb, write.table)):
                rows = [self._parameters(verb, table, write.row) for write in group]
                connection.execute(text(self._statement(verb, table)), rows)

    def close(self) -> None:
        """Drops our tables and hangs up. Raises CannotReplay when they cannot be dropped: they are left then."""
        try:
            if not self.target.disposable:
                self._clear()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Hangs up and touches nothing."""
        self._engine.dispose()
        self.target.forget()

    def _clear(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                with self._engine.begin() as connection:
                    _drop(connection, self._dialect.quoted, self._ours(connection))
            except SQLAlchemyError as error:
                if time.monotonic() > deadline:
                    raise CannotReplay(
                        f"the replay's tables in {self.target.shown} cannot be dropped: {reason(error)}",
                        "they are marked as the replay's: the next one there replaces them",
                    ) from error
                time.sleep(_RETRY_S)
            else:
                return

    def _refuse_others(self, connection: Connection) -> None:
        inspector = inspect(connection)
        others = {*inspector.get_table_names(), *inspector.get_view_names()} - set(self._ours(connection))
        if others:
            shown = ", ".join(sorted(others)[:3])
            raise CannotReplay(
                f"{self.target.shown} is not empty: it holds {shown}{' and more' if len(others) > 3 else ''}",
                "give a database of its own to the replay; it drops what it made when it ends",
            )

    def _ours(self, connection: Connection) -> list[str]:
        """The tables that a replay made here, the marker last: if dropping breaks off, they are still marked.

        Only what is in the schema that tables are made in: a name alone may lead into another one on the search path.
        """
        inspector = inspect(connection)
        here = set(inspector.get_table_names(schema=inspector.default_schema_name))
        if MARKER not in here:
            return []
        listed = connection.scalars(text(f"SELECT table_name FROM {MARKER}"))  # noqa: S608  (a constant)
        return [*(name for name in listed if name in here), MARKER]

    def _mark(self, connection: Connection) -> None:
        connection.execute(text(f"CREATE TABLE {MARKER} (table_name varchar(64) NOT NULL)"))
        names = [{"name": name} for name in self._schema.tables]
        connection.execute(text(f"INSERT INTO {MARKER} VALUES (:name)"), names)  # noqa: S608  (a constant)

    def _statement(self, verb: Verb, table: str) -> str:
        name = self._dialect.quoted(table)
        columns = self._schema.tables[table].columns
        same = " AND ".join(f"{self._dialect.quoted(key)} = :{key}" for key in self._keys.get(table, ())) or "1 = 1"
        match verb:
            case Verb.INSERT:
                values = ", ".join(f":{column}" for column in columns)
                return f"INSERT INTO {name} ({self._dialect.listed(tuple(columns))}) VALUES ({values})"  # noqa: S608
            case Verb.UPDATE:
                values = ", ".join(f"{self._dialect.quoted(column)} = :{column}" for column in columns)
                return f"UPDATE {name} SET {values} WHERE {same}"  # noqa: S608  (names out of our schemas)
            case Verb.DELETE:
                return f"DELETE FROM {name} WHERE {same}"  # noqa: S608  (names out of our schemas)

    def _parameters(self, verb: Verb, table: str, row: Row) -> dict[str, Any]:
        columns = self._schema.tables[table].columns
        wanted: Iterable[str] = self._keys[table] if verb is Verb.DELETE else columns
        return {name: self._dialect.value(columns[name], row[name]) for name in wanted}


def reason(error: SQLAlchemyError) -> str:
    """What the driver said, in one line; SQLAlchemy would add the statement and its parameters."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(said).split())[:300] or type(error).__name__


def _engine(target: Target) -> Engine:
    """One connection, so that the claim on the database is the same session's as the writes."""
    dialect = target.dialect
    engine = create_engine(target.url, pool_size=1, max_overflow=0, connect_args=dialect.connect)

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in dialect.settings:
            cursor.execute(statement)
        if dialect.claim:
            cursor.execute(dialect.claim)
            if not cursor.fetchone()[0]:
                connection.close()
                raise CannotReplay(f"another replay is using {target.shown}", "give each a database of its own")
        cursor.close()
        connection.commit()

    return engine


def _drop(connection: Connection, quoted: Callable[[str], str], names: Sequence[str]) -> None:
    for name in names:
        connection.execute(text(f"DROP TABLE {quoted(name)}"))
