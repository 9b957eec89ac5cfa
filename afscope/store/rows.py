"""From a normalizer's Row to checked values in storage order, fast: this runs once for every recorded row."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from afscope.model.clock import Clock
from afscope.model.row import ADDED
from afscope.store.keyframe import Values
from afscope.store.schema import TABLES, Type, check_row
from afscope.store.wal import encode_row

_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_PYTHON: dict[Type, Any] = {
    Type.TEXT: str | None,
    Type.JSON: str | None,
    Type.INT: _Int | None,
    Type.FLOAT: float | None,
    Type.BOOL: bool | None,
    Type.TIME: _Int | None,
}


class RowCodec:
    """Checks the rows of one table and puts them in storage order."""

    def __init__(self, table: str) -> None:
        columns = TABLES[table].columns
        self.table = table
        self.columns = [column.name for column in columns]
        fields = [(column.name, _PYTHON[column.type], None) for column in columns]
        # One pass in C checks names and types and fills in nulls: 1 us a row, a third of what Python takes.
        self._struct = msgspec.defstruct(table, fields, forbid_unknown_fields=True, gc=False)

    def values(self, row: Mapping[str, Any], clock: Clock) -> Values:
        """The row's values; `seen_at` defaults to now, `ts` to `seen_at`, `change` to ADDED.

        Raises KeyError for an unknown column and TypeError for a value of another type than the column's: both are
        bugs of the caller, and found here they cannot spoil what is already recorded.
        """
        try:
            values: Values = list(msgspec.structs.astuple(msgspec.convert(row, self._struct)))
        except msgspec.ValidationError as error:
            check_row(self.table, row)
            raise TypeError(self._explain(str(error))) from error
        if values[1] is None:
            values[1] = clock.now()
        if values[0] is None:
            values[0] = values[1]
        if values[2] is None:
            values[2] = ADDED
        return values

    def _explain(self, text: str) -> str:
        what, _, place = text.partition(" - at `$.")
        return f"{self.table}.{place.removesuffix('`')}: {what}"


def encode_values(values: Values) -> bytes:
    """Values as they go into a frame; a lone surrogate (half a character out of a cut log line) becomes U+FFFD."""
    try:
        return encode_row(values)
    except UnicodeEncodeError:
        return encode_row([_printable(value) if isinstance(value, str) else value for value in values])


def _printable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
