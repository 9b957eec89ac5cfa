"""Where a table gets its rows from: a view of the capture by the page, or rows that are there already."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from afscope.model.browse import Line, Listing
from afscope.model.clock import Micros
from afscope.model.stop import Stop
from afscope.tui.source import Looking


class Rows(Protocol):
    """Rows in an order. With `instant` answers come at once; else they are asked for in a thread and may be stopped."""

    instant: bool

    @property
    def columns(self) -> Sequence[str]:
        """Names, the time left out."""
        ...

    @property
    def total(self) -> int:
        """How many."""
        ...

    def lines(self, first: int, count: int, stop: Stop | None = None) -> Sequence[Line]:
        """Some of them."""
        ...

    def row_at(self, at: Micros, stop: Stop | None = None) -> int:
        """The first at or after an instant."""
        ...

    def next_hit(self, text: str, row: int, step: int, stop: Stop | None = None) -> int | None:
        """The next row that holds a text."""
        ...


@dataclass
class Paged:
    """A listing of the engine."""

    look: Looking
    listing: Listing
    instant: bool = False
    _hits: tuple[str, tuple[int, ...]] = ("", ())

    @property
    def columns(self) -> Sequence[str]:
        """Names, the time left out."""
        return self.listing.columns

    @property
    def total(self) -> int:
        """How many."""
        return self.listing.total

    def lines(self, first: int, count: int, stop: Stop | None = None) -> Sequence[Line]:
        """One query."""
        return self.look.lines(self.listing, first, count, stop)

    def row_at(self, at: Micros, stop: Stop | None = None) -> int:
        """One query."""
        return self.look.row_at(self.listing, at, stop)

    def next_hit(self, text: str, row: int, step: int, stop: Stop | None = None) -> int | None:
        """A pass over all rows for a new text, then a query for each step."""
        if self._hits[0] != text:
            self._hits = text, self.look.hits(self.listing, text, stop)
        return self.look.next_hit(self.listing, self._hits[1], text, row, step, stop)


@dataclass
class Fixed:
    """Rows in memory. `at` 0 stands for a row without a time; `timed` says whether rows are in the order of time."""

    columns: Sequence[str]
    every: Sequence[Line]
    timed: bool = False
    only: str = ""
    instant: bool = field(default=True, init=False)
    _shown: Sequence[Line] = field(init=False)

    def __post_init__(self) -> None:
        self._shown = [line for line in self.every if _holds(line, self.only)] if self.only else self.every

    @property
    def total(self) -> int:
        """How many."""
        return len(self._shown)

    def lines(self, first: int, count: int, stop: Stop | None = None) -> Sequence[Line]:
        """A slice."""
        return self._shown[first : first + count]

    def row_at(self, at: Micros, stop: Stop | None = None) -> int:
        """The first at or after an instant; the last one where none is."""
        found = (n for n, line in enumerate(self._shown) if line.at >= at)
        return next(found, max(0, self.total - 1))

    def next_hit(self, text: str, row: int, step: int, stop: Stop | None = None) -> int | None:
        """Around the whole list."""
        order = [(row + step * turn) % self.total for turn in range(1, self.total + 1)] if self.total else []
        return next((n for n in order if _holds(self._shown[n], text)), None)


def _holds(line: Line, text: str) -> bool:
    return text.lower() in " ".join((*line.cells, line.key)).lower()
