"""Rows on their way from a normalizer to the store."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One row for one table of `afscope.store.schema`. Columns left out are NULL, unknown ones an error."""

    table: str
    values: Mapping[str, Any]


STATE, ADDED, MODIFIED, DELETED = "STATE", "ADDED", "MODIFIED", "DELETED"
