"""Where the user is: target, view, time cursor, selected range and marks. Shared by every screen; no widgets here."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import cache

from afscope.model.clock import Micros
from afscope.model.timeline import Chart
from afscope.tui.axis import Axis
from afscope.tui.columns import edges, next_change, previous_change

Told = Callable[[], None]


class Place:
    """Owns the place; whoever `hears` of it draws it. `moved` is cursor or view, `chosen` target, range or case."""

    def __init__(self, charts: Sequence[Chart]) -> None:
        self.charts, self.index = tuple(charts), 0
        self.axis = Axis.over(self.chart.start, self.chart.end)
        self.cursor: Micros = self.chart.start
        self.range: tuple[Micros, Micros] | None = None
        self.anchor: Micros | None = None
        """Where a range was begun that has no other end yet."""
        self.marks: list[Micros] = []
        self.marked: tuple[Micros, Micros] | None = None
        """The time of the chosen finding."""
        self._moved: list[Told] = []
        self._chosen: list[Told] = []
        self._grown: list[Told] = []
        self._edges = cache(lambda index: edges(self.charts[index]))

    def hear(self, moved: Told, chosen: Told | None = None, grown: Told | None = None) -> None:
        """Calls back on every change; `grown` when the capture has got longer and the place is the same."""
        self._moved.append(moved)
        if grown is not None:
            self._grown.append(grown)
        if chosen is not None:
            self._chosen.append(chosen)

    @property
    def chart(self) -> Chart:
        """The chart of the chosen target."""
        return self.charts[self.index]

    @property
    def span(self) -> tuple[Micros, Micros]:
        """What screens answer for: the selected range, else the whole capture."""
        return self.range or (self.axis.start, self.axis.end)

    def renew(self, charts: Sequence[Chart], *, rows_only: bool = False) -> None:
        """The same place in a capture that has grown. Who stands at its end stays there, as with `tail -f`.

        With `rows_only` nothing was concluded anew, and only those hear of it who asked for `grown`.
        """
        target, before, at_end = self.chart.target, self.axis, self.cursor >= self.axis.end
        self.charts = tuple(charts)
        self.index = next((n for n, chart in enumerate(self.charts) if chart.target == target), 0)
        self._edges.cache_clear()
        axis = before.grown(self.chart.start, self.chart.end)
        cursor = axis.end if at_end else axis.clamped(self.cursor)
        self.axis, self.cursor = axis.showing(cursor) if at_end else axis, cursor
        if rows_only:
            for told in self._grown:
                told()
        else:
            self._tell(chosen=True)

    # --- cursor

    def go(self, at: Micros) -> None:
        """Cursor to an instant; the view follows."""
        at = self.axis.clamped(at)
        if self.anchor is not None:
            self.range = min(at, self.anchor), max(at, self.anchor)
        self._place(self.axis.showing(at), at)

    def by_columns(self, count: int) -> None:
        """Cursor by columns; from between two instants of the grid to the grid."""
        axis, column = self.axis, self.axis.column(self.cursor)
        target = column + count
        self.go(axis.edge(target) if 0 <= target < axis.width else self.cursor + count * axis.step)

    def by_change(self, direction: int) -> None:
        """Cursor to the next (1) or previous (-1) change of anything that is drawn."""
        find = next_change if direction > 0 else previous_change
        self._to(find(self.chart, self._edges(self.index), self.cursor))

    def by_tick(self, kind: str, direction: int) -> None:
        """Cursor to the next or previous tick of a kind: decision or warning."""
        self._step([tick.at for tick in self.chart.ticks if tick.kind == kind], direction)

    def by_gap(self, direction: int) -> None:
        """Cursor to where the next or previous gap of the recording begins."""
        self._step([gap.start for gap in self.chart.gaps], direction)

    def by_mark(self, direction: int = 1) -> None:
        """Cursor to the next mark; after the last one the first."""
        self._step(self.marks, direction, around=True)

    def mark(self) -> bool:
        """Sets a mark at the cursor, or takes it away again; says which."""
        new = self.cursor not in self.marks
        self.marks = sorted({*self.marks, self.cursor} if new else set(self.marks) - {self.cursor})
        self._tell()
        return new

    def _step(self, moments: Sequence[Micros], direction: int, *, around: bool = False) -> None:
        every = sorted(set(moments))
        if direction > 0:
            after = every[bisect_right(every, self.cursor) :]
            self._to(after[0] if after else every[0] if around and every else None)
        else:
            before = every[: bisect_left(every, self.cursor)]
            self._to(before[-1] if before else every[-1] if around and every else None)

    def _to(self, at: Micros | None) -> None:
        if at is not None:
            self.go(at)

    # --- view

    def zoom(self, factor: float, around: Micros | None = None) -> None:
        """View `factor` times as long around an instant, by default the cursor."""
        axis = self.axis.zoomed(factor, self.cursor if around is None else around)
        self._place(axis, min(axis.right, max(axis.left, self.cursor)))

    def pan(self, share: float) -> None:
        """Moves the view by a share of its length; the cursor keeps its column."""
        axis = self.axis.moved(round(self.axis.span * share))
        self._place(axis, axis.clamped(self.cursor + axis.left - self.axis.left))

    def whole(self) -> None:
        """View of the whole capture."""
        self._place(self.axis.whole(), self.cursor)

    def widen(self, width: int) -> None:
        """The same view in other columns."""
        if width != self.axis.width:
            self._place(self.axis.sized(width), self.cursor)

    # --- range and target

    def begin_or_end_range(self) -> None:
        """First the one end of a range, then the other."""
        if self.anchor is None:
            self.anchor, self.range = self.cursor, None
        else:
            self.range = min(self.cursor, self.anchor), max(self.cursor, self.anchor)
            self.anchor = None
            if self.range[0] == self.range[1]:
                self.range = None
        self._tell(chosen=True)

    def select(self, span: tuple[Micros, Micros] | None) -> None:
        """A range as it is; None for the whole capture."""
        self.range, self.anchor = span, None
        self._tell(chosen=True)

    def look_at_range(self) -> None:
        """The view becomes the selected range."""
        if self.range is not None:
            axis = self.axis.over_view(*self.range)
            self._place(axis, min(axis.right, max(axis.left, self.cursor)))

    def choose(self, index: int) -> None:
        """Another target, same view and cursor: charts of one capture share their range."""
        if 0 <= index < len(self.charts) and index != self.index:
            self.index = index
            self._tell(chosen=True)

    def choose_named(self, target: str) -> None:
        """The chart of a target by name, if there is one; what concerns no single target changes nothing."""
        self.choose(next((n for n, chart in enumerate(self.charts) if chart.target == target), self.index))

    def bracket(self, span: tuple[Micros, Micros] | None) -> None:
        """Brackets a time span in the finding strip."""
        if span != self.marked:
            self.marked = span
            self._tell()

    def _place(self, axis: Axis, cursor: Micros) -> None:
        if (axis, cursor) != (self.axis, self.cursor):
            self.axis, self.cursor = axis, cursor
            self._tell()

    def _tell(self, *, chosen: bool = False) -> None:
        for told in self._moved:
            told()
        if chosen:
            for told in self._chosen:
                told()
