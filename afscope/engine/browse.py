"""Rows of a capture by the page, for tables of any length.

Counting comes first: one pass tells how many rows lie in each stretch of time. A page then reads only the stretches
that it lies in, which parquet finds by its statistics; its cost does not depend on how far down it is.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import resources

import msgspec

from afscope.engine.session import Session, quoted
from afscope.model.browse import Ask, Line, Listing
from afscope.model.clock import Micros, from_datetime, to_datetime
from afscope.model.stop import Stop

STRETCHES = 2048
"""Into so many stretches of equal length the asked time is cut."""
NO_END: Micros = 2**62
STREAMS = {
    "events": "events", "tasks": "task_instances", "runs": "dag_runs", "audit": "db_log", "logs": "log_lines",
    "polls": "polls",
}  # fmt: skip
"""The views that can be browsed, and the table of each: `ts` first, `key` last, both not shown as cells."""
_WHOLE = ("runs",)
"""Views that compare a row with the one before: they need all of their table, whatever the range."""


@cache
def view(name: str) -> str:
    """The SELECT of a view that ships with the engine."""
    return (resources.files("afscope.engine") / "views" / f"{name}.sql").read_text(encoding="utf-8")


def naive(at: Micros) -> datetime:
    """An instant as DuckDB's TIMESTAMP columns hold it."""
    return to_datetime(at).replace(tzinfo=None)


class Browser:
    """Pages, positions and searches over one session; every method may be called from any thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._columns = cache(self._describe)

    def _describe(self, name: str) -> tuple[str, ...]:
        return self._session.run(f"SELECT * FROM ({view(name)}) LIMIT 0").columns

    def listing(self, ask: Ask, stop: Stop | None = None) -> Listing:
        """Counts. Raises QueryError, also when it was stopped."""
        with self._session.steady() as grown:
            end = min(ask.end, max(ask.start, self.known_end()))
            width = max(1, -(-(end - ask.start + 1) // STRETCHES))
            counts = self._counts(ask, width, self._source(ask.view, ask.start, ask.end + 1), stop)
        return _listed(ask, self._columns(ask.view)[1:-1], width, counts, grown)

    def longer(self, listing: Listing, stop: Stop | None = None) -> Listing:
        """The same rows and those that came since: only these are counted, where they are at hand."""
        ask, table = listing.ask, STREAMS[listing.ask.view]
        with self._session.steady() as grown:
            new = "" if ask.view in _WHOLE else self._session.since(table, listing.grown)
            if not new or len(listing.starts) > 2 * STRETCHES:
                return self.listing(ask, stop)
            added = self._counts(ask, listing.width, f"WITH {quoted(table)} AS ({new})", stop)
        if not added:
            return msgspec.structs.replace(listing, grown=grown)
        ends = [*listing.before[1:], listing.total]
        counts = {start: end - first for start, first, end in zip(listing.starts, listing.before, ends, strict=False)}
        for start, count in added.items():
            counts[start] = counts.get(start, 0) + count
        return _listed(ask, listing.columns, listing.width, counts, grown)

    def known_end(self) -> Micros:
        """How far rows reach, about: the length of stretches hangs on it, nothing else."""
        return NO_END

    def _counts(self, ask: Ask, width: Micros, source: str, stop: Stop | None) -> dict[Micros, int]:
        """How many rows of `source` (what stands before the query) lie in each stretch, by its start."""
        rows = self._session.run(
            f"""{source}
            SELECT (epoch_us(ts) - $origin) // $width AS stretch, count(*) FROM ({view(ask.view)})
            WHERE {self._where(ask)} GROUP BY stretch""",
            {"origin": ask.start, "width": width, **_bounds(ask.start, ask.end + 1, ask)},
            stop,
        ).rows
        return {ask.start + stretch * width: count for stretch, count in rows}

    def lines(self, listing: Listing, first: int, count: int, stop: Stop | None = None) -> list[Line]:
        """Rows `first` to `first + count` (not included), fewer at the end."""
        if not listing.starts or first >= listing.total:
            return []
        start = bisect_right(listing.before, first) - 1
        end = bisect_right(listing.before, min(first + count, listing.total) - 1) - 1
        return self._read(listing, start, end, first - listing.before[start], count, stop)

    def row_at(self, listing: Listing, at: Micros, stop: Stop | None = None) -> int:
        """The first row at or after `at`; the last one where none is."""
        stretch = bisect_right(listing.starts, at) - 1
        if stretch < 0:
            return 0
        ask, start = listing.ask, listing.starts[stretch]
        end = start + listing.width
        source = self._source(ask.view, start, end)
        ((inside,),) = self._session.run(
            f"{source} SELECT count(*) FROM ({view(ask.view)}) WHERE {self._where(ask)}",
            _bounds(start, min(at, end), ask),
            stop,
        ).rows
        return max(0, min(listing.total - 1, listing.before[stretch] + int(inside)))

    def hits(self, listing: Listing, text: str, stop: Stop | None = None) -> tuple[int, ...]:
        """The stretches (by number) that hold rows with `text`: what `next_hit` needs."""
        ask = listing.ask
        found = self._session.run(
            f"""{self._source(ask.view, ask.start, ask.end + 1)}
            SELECT DISTINCT (epoch_us(ts) - $origin) // $width AS stretch FROM ({view(ask.view)})
            WHERE {self._where(ask)} AND {self._holds(ask.view, "$wanted")} ORDER BY stretch""",
            {"origin": ask.start, "width": listing.width, "wanted": text.lower(),
             **_bounds(ask.start, ask.end + 1, ask)},
            stop,
        )  # fmt: skip
        numbers = {start: number for number, start in enumerate(listing.starts)}
        return tuple(numbers[ask.start + stretch * listing.width] for (stretch,) in found.rows)

    def next_hit(
        self, listing: Listing, hits: Sequence[int], text: str, row: int, step: int, stop: Stop | None = None
    ) -> int | None:
        """The row with `text` after (`step` 1) or before (-1) `row`; from the end on from the other end."""
        if not hits:
            return None
        here = bisect_right(listing.before, max(row, 0)) - 1
        ahead = [h for h in hits if (h >= here if step > 0 else h <= here)]
        behind = [h for h in hits if h not in set(ahead)]
        order = [*ahead, *behind, here] if step > 0 else [*reversed(ahead), *reversed(behind), here]
        for turn, stretch in enumerate(order):
            end = listing.before[stretch + 1] if stretch + 1 < len(listing.before) else listing.total
            lines = self._read(listing, stretch, stretch, 0, end - listing.before[stretch], stop)
            found = [
                listing.before[stretch] + n
                for n, line in enumerate(lines)
                if text.lower() in " ".join((*line.cells, line.key)).lower()
            ]
            if stretch == here and turn < len(order) - 1:
                found = [n for n in found if (n > row if step > 0 else n < row)]
            if found:
                return found[0] if step > 0 else found[-1]
        return None

    def _read(self, listing: Listing, first: int, last: int, offset: int, count: int, stop: Stop | None) -> list[Line]:
        """Rows of the stretches `first` to `last`, without the `offset` first ones."""
        ask = listing.ask
        start, end = listing.starts[first], listing.starts[last] + listing.width
        found = self._session.run(
            f"""{self._source(ask.view, start, end)} SELECT * FROM ({view(ask.view)})
            WHERE {self._where(ask)} ORDER BY ALL LIMIT $count OFFSET $skipped""",
            {**_bounds(start, end, ask), "count": count, "skipped": offset},
            stop,
        )
        return [Line(from_datetime(row[0]), tuple(map(cell, row[1:-1])), cell(row[-1])) for row in found.rows]

    def _source(self, name: str, start: Micros, end: Micros) -> str:
        """What stands before a query so that the view reads only the files of [start, end)."""
        table = STREAMS[name]
        if name in _WHOLE:
            return ""
        source = self._session.between(table, start, end)
        return f"WITH {quoted(table)} AS ({source})" if source else ""

    def _where(self, ask: Ask) -> str:
        inside = "ts >= $from_at AND ts < $to_at"
        return f"{inside} AND {self._holds(ask.view, '$only')}" if ask.only else inside

    def _holds(self, name: str, parameter: str) -> str:
        """Whether any column of a view holds a text."""
        columns = ", ".join(f"CAST({quoted(column)} AS VARCHAR)" for column in self._columns(name)[1:])
        return f"contains(lower(concat_ws(' ', {columns})), {parameter})"


def _listed(ask: Ask, columns: tuple[str, ...], width: Micros, counts: dict[Micros, int], grown: int) -> Listing:
    """From counts by the start of their stretch."""
    starts, before, total = tuple(sorted(counts)), [], 0
    for start in starts:
        before.append(total)
        total += counts[start]
    return Listing(ask, columns, total, width, starts, tuple(before), grown)


def _bounds(start: Micros, end: Micros, ask: Ask) -> dict[str, object]:
    bounds: dict[str, object] = {"from_at": naive(start), "to_at": naive(min(end, ask.end + 1))}
    return {**bounds, "only": ask.only.lower()} if ask.only else bounds


def cell(value: object) -> str:
    """A value as a cell; NULL is empty."""
    return "" if value is None else str(value)
