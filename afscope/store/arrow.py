"""Rows and tables of the schema as Arrow: the one place that maps our types to Arrow's."""

from collections.abc import Iterable, Sequence
from typing import Any

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
        return schema.empty_table()
    by_name = dict(zip(columns, zip(*rows, strict=True), strict=True))
    arrays = [_array(by_name.get(field.name), field.type, len(rows)) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any] | None, kind: pa.DataType, rows: int) -> pa.Array:
    """Most columns of most rows are null, and Arrow makes a column of nulls for free."""
    if values is None or (values[0] is None and values.count(None) == rows):
        return pa.nulls(rows, kind)
    return pa.array(values, type=kind)


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
    return pa.concat_tables([arrow_schema(TABLES[name]).empty_table(), *tables])


def order_column(name: str) -> str:
    """What rows are sorted by: `ts`, but for objects `seen_at`, as patches apply in the order they were seen."""
    return "seen_at" if name == "objects" else "ts"


def in_order(name: str, table: pa.Table) -> pa.Table:
    """Sorted by the order column; Arrow's sort is stable, so equal times keep the order of appending."""
    return table.sort_by(order_column(name)) if table.num_rows > 1 else table
