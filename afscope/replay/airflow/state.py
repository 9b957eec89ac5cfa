"""The rows of a replayed database at one time, complete as the database has them."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from afscope.model.clock import Micros
from afscope.replay.airflow.history import Change, Key, key_columns
from afscope.replay.airflow.schema import Schema
from afscope.replay.airflow.values import made_up

Row = Mapping[str, Any]


class Verb(Enum):
    """What is done to a row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class Write(NamedTuple):
    """One row to write: complete, and for a DELETE as it was."""

    verb: Verb
    table: str
    row: Row


class State:
    """Takes changes and tells what to write. Whoever takes the same changes in the same order makes up the same."""

    def __init__(self, schema: Schema, begins: Micros) -> None:
        self._schema, self._begins = schema, begins
        self._keys = key_columns(schema)
        self.rows: dict[str, dict[Key, Row]] = {name: {} for name in schema.tables}
        """The rows that live, by table and key."""
        self._ordinals: dict[str, dict[Key, int]] = {name: {} for name in schema.tables}
        self._holders: dict[tuple[str, str, tuple[Any, ...]], Key] = {}

    def apply(self, change: Change) -> Iterator[Write]:
        """What a change writes; nothing when the row is so already."""
        table, key, recorded = change
        before = self.rows[table].get(key)
        if recorded is None:
            if before is not None:
                yield self._remove(table, key)
            return
        after = self._complete(table, key, recorded, before)
        if after == before:
            return
        yield from self._evict(table, key, after)
        if before is not None:
            self._release(table, before)
        self._hold(table, key, after)
        yield Write(Verb.INSERT if before is None else Verb.UPDATE, table, after)

    def take(self, changes: Iterable[Change]) -> None:
        """Takes changes that are not written one by one."""
        for change in changes:
            for _ in self.apply(change):
                pass

    def inserts(self) -> Iterator[Write]:
        """What fills empty tables."""
        for table, rows in self.rows.items():
            for row in rows.values():
                yield Write(Verb.INSERT, table, row)

    def _complete(self, table: str, key: Key, recorded: Row, before: Row | None) -> Row:
        spec = self._schema.tables[table]
        ordinals = self._ordinals[table]
        ordinal = ordinals.setdefault(key, len(ordinals) + 1)
        row = dict(before or {})
        for name, column in spec.columns.items():
            value = recorded.get(name)
            if name in recorded and (value is not None or column.null):
                row[name] = value
            elif name not in row:
                row[name] = made_up(spec, name, (table, *key), ordinal, self._begins)
        return row

    def _evict(self, table: str, key: Key, row: Row) -> Iterator[Write]:
        """Rows that cannot live beside this one are gone, though nobody saw them go: a run that was made anew."""
        for claim in self._claims(table, row):
            holder = self._holders.get(claim)
            if holder is not None and holder != key:
                yield self._remove(table, holder)

    def _remove(self, table: str, key: Key) -> Write:
        row = self.rows[table].pop(key)
        self._release(table, row)
        return Write(Verb.DELETE, table, row)

    def _hold(self, table: str, key: Key, row: Row) -> None:
        self.rows[table][key] = row
        for claim in self._claims(table, row):
            self._holders[claim] = key

    def _release(self, table: str, row: Row) -> None:
        for claim in self._claims(table, row):
            del self._holders[claim]

    def _claims(self, table: str, row: Row) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        """The values that no other row of the table may have, one per unique key; nulls claim nothing."""
        spec = self._schema.tables[table]
        for name, columns in {spec.primary_key_name: spec.primary_key, **spec.unique}.items():
            values = tuple(row[column] for column in columns)
            if None not in values:
                yield table, name, values
