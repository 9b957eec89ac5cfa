"""Values of columns: out of recordings and captures, moved in time, and made up where a column must not be empty."""

import uuid
from typing import Any

from afscope.model.clock import SECOND, Micros, parse_time
from afscope.normalize.airflow.values import integer, real, time_of, truth, words
from afscope.replay.airflow.schema import Column, Table

_INT4 = (-(2**31), 2**31 - 1)
_CALENDAR = (parse_time("0001-01-01T00:00:00Z"), parse_time("9999-12-31T23:59:59Z"))
# Airflow's own defaults, where an empty value would mean something else.
_USUAL = {"bundle_name": "dags-folder", "max_active_tasks": 16, "pool": "default_pool", "pool_slots": 1}
_EMPTY = {"bool": False, "bytea": b"", "float8": 0.0, "int4": 0, "int8": 0, "json": "{}", "jsonb": "{}"}
_NAMESPACE = uuid.UUID("3b0c4f0e-5d0a-5b7e-9d0c-2f6a1e7c9a51")


def read(column: Column, value: Any, shift: Micros) -> Any:
    """A recorded value as the column holds it, None for what it cannot: times in microseconds, moved by `shift`."""
    match column.kind:
        case "timestamp" | "timestamptz":
            return moved(value if isinstance(value, int) else time_of(value), shift)
        case "bool":
            return truth(value)
        case "int4":
            number = integer(value)
            return number if number is None or _INT4[0] <= number <= _INT4[1] else None
        case "int8":
            return integer(value)
        case "float8":
            return real(value)
        case "uuid":
            return _uuid(value)
        case "bytea":
            return None  # pickles are never recorded
    text = words(value)
    # PostgreSQL holds no NUL, no database more than the length, no encoding half a surrogate pair.
    return None if text is None else text.replace("\0", "").encode(errors="replace").decode()[: column.length]


def moved(at: Micros | None, shift: Micros) -> Micros | None:
    """A time moved; what would leave the calendar stays where it is."""
    if at is None:
        return None
    return at + shift if _CALENDAR[0] <= at + shift <= _CALENDAR[1] else at


def made_up(table: Table, name: str, key: tuple[Any, ...], ordinal: int, begins: Micros) -> Any:
    """What a column holds in a row that says nothing of it: its default or null, else something plausible.

    The same row gets the same value in every run; ids and times differ between rows, as unique keys demand.
    `ordinal` numbers the rows of a table from 1.
    """
    column = table.columns[name]
    if column.serial or (name in table.primary_key and column.kind == "int4"):
        return ordinal if column.default is None else column.default
    if column.null or column.default is not None:
        return column.default
    if name in _USUAL:
        return _USUAL[name]
    match column.kind:
        case "timestamp" | "timestamptz":
            return begins - SECOND + ordinal
        case "uuid":
            return str(uuid.uuid5(_NAMESPACE, repr(key)))
    return _EMPTY.get(column.kind, "")


def _uuid(value: Any) -> str | None:
    text = words(value)
    try:
        return None if text is None else str(uuid.UUID(text))
    except ValueError:
        return None
