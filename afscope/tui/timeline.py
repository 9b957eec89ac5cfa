"""The timeline pane: lanes of one target, the values at the cursor, and every way to move the cursor and the view."""

from collections.abc import Sequence
from functools import cache

from textual.app import ComposeResult
from textual.containers import Vertical

from afscope.model.clock import Micros
from afscope.model.timeline import Chart
from afscope.tui.axis import Axis
from afscope.tui.columns import edges, next_change, previous_change
from afscope.tui.heads import Readout
from afscope.tui.lanes import Lanes


class Timeline(Vertical):
    """Owns target, view and cursor; the widgets inside only show them."""

    DEFAULT_CSS = "Timeline { width: 1fr; height: 1fr; }"

    def __init__(self, charts: Sequence[Chart], titles: dict[str, str], lang: str) -> None:
        super().__init__(id="timeline")
        self.charts, self.index = tuple(charts), 0
        self._edges = cache(lambda index: edges(self.charts[index]))
        self.lanes = Lanes(self.chart, titles, lang)
        self.readout = Readout(titles, lang)
        self._place(Axis.over(self.chart.start, self.chart.end), self.chart.start)

    def compose(self) -> ComposeResult:
        """Lanes above, readout below."""
        yield self.lanes
        yield self.readout

    @property
    def chart(self) -> Chart:
        """The chart of the chosen target."""
        return self.charts[self.index]

    @property
    def axis(self) -> Axis:
        """The view."""
        return self.lanes.axis

    @property
    def cursor(self) -> Micros:
        """The chosen instant."""
        return self.lanes.cursor

    def go(self, at: Micros) -> None:
        """Cursor to an instant; the view follows."""
        at = self.axis.clamped(at)
        self._place(self.axis.showing(at), at)

    def by_columns(self, count: int) -> None:
        """Cursor by columns; from between two instants of the grid to the grid."""
        axis, column = self.axis, self.axis.column(self.cursor)
        target = column + count
        self.go(axis.edge(target) if 0 <= target < axis.width else self.cursor + count * axis.step)

    def by_change(self, direction: int) -> None:
        """Cursor to the next (1) or previous (-1) change of anything that is drawn."""
        find = next_change if direction > 0 else previous_change
        at = find(self.chart, self._edges(self.index), self.cursor)
        if at is not None:
            self.go(at)

    def zoom(self, factor: float, around: Micros | None = None) -> None:
        """View `factor` times as long around an instant, by default the cursor."""
        axis = self.axis.zoomed(factor, self.cursor if around is None else around)
        self._place(axis, min(axis.right, max(axis.left, self.cursor)))

    def whole(self) -> None:
        """View of the whole capture."""
        self._place(self.axis.whole(), self.cursor)

    def choose(self, index: int) -> None:
        """Another target, same view and cursor: charts of one capture share their range."""
        if 0 <= index < len(self.charts) and index != self.index:
            self.index = index
            self.lanes.show(self.chart)
            self._told()

    def choose_named(self, target: str) -> None:
        """The chart of a target by name, if there is one; what concerns no single target changes nothing."""
        index = next((n for n, chart in enumerate(self.charts) if chart.target == target), self.index)
        self.choose(index)

    def mark(self, span: tuple[Micros, Micros] | None) -> None:
        """Brackets a time span in the finding strip."""
        self.lanes.marked = span

    def on_lanes_widened(self, event: Lanes.Widened) -> None:
        """The same view in other columns."""
        event.stop()
        self._place(self.axis.sized(event.width), self.cursor)

    def on_lanes_pointed(self, event: Lanes.Pointed) -> None:
        """A click moves the cursor."""
        event.stop()
        self.go(event.at)

    def on_lanes_wheeled(self, event: Lanes.Wheeled) -> None:
        """The wheel zooms around the mouse."""
        event.stop()
        self.zoom(event.factor, event.at)

    def _place(self, axis: Axis, cursor: Micros) -> None:
        self.lanes.axis, self.lanes.cursor = axis, cursor
        self._told()

    def _told(self) -> None:
        if self.is_mounted:
            self.readout.tell(self.chart, self.axis, self.cursor)
