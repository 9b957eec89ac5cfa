"""Rows and tables of the schema as Arrow: the one place that maps our types to Arrow's."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from afscope.store.schema import TABLES, Table, Type

_ARROW = {
    Type.TEXT: pa.string(),
    Type.JSON: pa.string(),
    Type.INT: pa.int64(),
    Type.FLOAT: pa.float64(),
    Type.BOOL: pa.bool_(),
    Type.TIME: pa.timestamp("us", tz="UTC"),
}


def arrow_schema(table: Table) -> pa.Schema:
    """Columns in storage order; unit and note of each are its field metadata."""
    return pa.schema(
        [
            pa.field(c.name, _ARROW[c.type], metadata={"unit": c.unit, "note": c.note, "type": c.type.value})
            for c in table.columns
        ],
        metadata={"table": table.name, "doc": table.doc},
    )


def from_rows(name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows (as a WAL frame holds them) as the table `name`: missing columns are null, unknown ones left out."""
    schema = arrow_schema(TABLES[name])
    if not rows:
        return empty(name)
    by_name = dict(zip(columns, zip(*rows, strict=True), strict=True))
    arrays = [_array(by_name.get(field.name), field.type, len(rows)) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any] | None, kind: pa.DataType, rows: int) -> pa.Array:
    """Most columns of most rows are null, and Arrow makes a column of nulls for free.

    The others are made of buffers, because pa.array imports pandas where it is installed: 50 MB in a recorder.
    """
    missing = rows if values is None else values.count(None)
    if values is None or missing == rows:
        return pa.nulls(rows, kind)
    there = None if not missing else _bits([value is not None for value in values])
    if pa.types.is_string(kind):
        texts = [b"" if value is None else value.encode() for value in values]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        buffers = [pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    elif pa.types.is_boolean(kind):
        buffers = [_bits([bool(value) for value in values])]
    else:
        width = np.float64 if pa.types.is_floating(kind) else np.int64
        filled = values if not missing else [0 if value is None else value for value in values]
        buffers = [pa.py_buffer(np.fromiter(filled, width, rows))]
    return pa.Array.from_buffers(kind, rows, [there, *buffers], missing)


def _bits(flags: list[bool]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(np.array(flags, dtype=bool), bitorder="little"))


def empty(name: str) -> pa.Table:
    """No rows of the table `name`."""
    schema = arrow_schema(TABLES[name])
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def conform(name: str, table: pa.Table) -> pa.Table:
    """A table as any format version wrote it in today's schema: columns added since are null, others left out.

    Raises pyarrow.ArrowInvalid when a column cannot be cast.
    """
    schema = arrow_schema(TABLES[name])
    present = set(table.column_names)
    arrays = [
        table[field.name].cast(field.type) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def concat(name: str, tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of one schema, one after the other."""
    return pa.concat_tables([empty(name), *tables])


def order_column(name: str) -> str:
    """What rows are sorted by: `ts`, but for objects `seen_at`, as patches apply in the order they were seen."""
    return "seen_at" if name == "objects" else "ts"


def in_order(name: str, table: pa.Table) -> pa.Table:
    """Sorted by the order column; Arrow's sort is stable, so equal times keep the order of appending."""
    return table.sort_by(order_column(name)) if table.num_rows > 1 else table
