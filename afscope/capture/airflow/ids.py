"""Reading what is new in a table by its ids, which a sequence hands out before the row is committed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from afscope.capture.airflow.session import Reader, Row
from afscope.capture.airflow.statements import Statements
from afscope.model.clock import SECOND, Micros

# How long the id of a row that is not there yet is asked for: a transaction that took it may still commit.
_LATE: Micros = 60 * SECOND
# Ids that never come (rolled back, or handed out in steps by a Galera cluster) must not pile up.
_MAX_MISSING = 1000
LIMIT = 5000
"""Rows per statement; what is above comes with the next poll."""


@dataclass(slots=True)
class NewIds:
    """The rows of one table above the highest id so far, and those below it that come late.

    Gaps in the sequence are remembered for 60 s and asked for by id, which finds late commits without reading any row
    twice.
    """

    table: str
    last: int | None = None
    """The highest id seen; None before the first look."""
    _missing: dict[int, Micros] = field(default_factory=dict)

    def start(self, reader: Reader, statements: Statements) -> None:
        """Begins after what is there now."""
        self.last = int(reader.one(statements.highest(self.table)) or 0)

    def read(self, reader: Reader, statements: Statements, now: Micros) -> tuple[Sequence[Row], Callable[[], None]]:
        """New rows, and what remembers that they were read: call it once they are kept."""
        at = statements.columns(self.table).index("id")
        last = self.last or 0
        rows = list(reader.rows(statements.after(self.table, last, LIMIT)))
        missing = {number: since for number, since in self._missing.items() if 0 <= now - since <= _LATE}
        late = list(reader.rows(statements.by_id(self.table, list(missing)))) if missing else []
        highest = max((int(row[at]) for row in rows), default=last)
        if last:
            missing.update(dict.fromkeys(_holes(last, (int(row[at]) for row in rows)), now))
        for row in late:
            missing.pop(int(row[at]), None)
        kept = dict(list(missing.items())[-_MAX_MISSING:])

        def remember() -> None:
            self.last, self._missing = highest, kept

        return [*late, *rows], remember


def _holes(last: int, ids: Iterable[int]) -> Iterable[int]:
    """Numbers between neighbours that are not there, at most the latest thousand."""
    before, holes = last, list[int]()
    for number in ids:
        holes.extend(range(max(before + 1, number - _MAX_MISSING), number))
        before = number
    return holes[-_MAX_MISSING:]


def position(columns: Sequence[str], name: str) -> int | None:
    """Where a column is in a row, None when this DB lacks it."""
    return columns.index(name) if name in columns else None


def as_dicts(columns: Sequence[str], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows with their column names, as the tape takes them."""
    return [dict(zip(columns, row, strict=True)) for row in rows]
