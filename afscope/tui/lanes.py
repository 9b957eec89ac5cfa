"""The lanes widget: demand, metric, replicas, slots and strips over one time axis with a cursor."""

from dataclasses import dataclass
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from afscope.model.clock import Micros
from afscope.model.timeline import Chart, Lane
from afscope.tui import palette
from afscope.tui.axis import Axis
from afscope.tui.columns import columns, covered, longest, ticks
from afscope.tui.harmless import fit, harmless
from afscope.tui.layout import SOURCES, Line, lines, scale
from afscope.tui.painting import (
    BLANK,
    Causes,
    Cell,
    axis_row,
    finding_row,
    hatched,
    health_row,
    lane_row,
    legend,
    spans_per_column,
    tick_row,
)
from afscope.tui.times import clock
from afscope.tui.words import known, word

NAME, VALUE = 9, 5
GUTTER = NAME + VALUE + 1
MARGIN = 4
"""Cells right of the plot: the value that fills a lane."""


def number(value: float | None) -> str:
    """A value in at most five cells; a question mark where nobody knows."""
    if value is None:
        return "?"
    if value >= 10_000:
        return f"{value / 1000:.0f}k" if value < 9_999_500 else f"{value / 1e6:.0f}M"
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


class Lanes(Widget, can_focus=True):
    """Draws one chart. Axis and cursor are set from outside; clicks and the wheel come back as messages."""

    DEFAULT_CSS = "Lanes { height: 1fr; }"

    axis: reactive[Axis] = reactive(Axis.over(0, 0))
    cursor: reactive[Micros] = reactive(0)
    marked: reactive[tuple[Micros, Micros] | None] = reactive(None)

    @dataclass
    class Pointed(Message):
        """The user clicked at a time."""

        at: Micros

    @dataclass
    class Wheeled(Message):
        """The user turned the wheel over a time; `factor` as in `Axis.zoomed`."""

        at: Micros
        factor: float

    @dataclass
    class Widened(Message):
        """The plot is `width` columns wide now."""

        width: int

    def __init__(self, chart: Chart, titles: dict[str, str], lang: str) -> None:
        super().__init__(id="lanes")
        self.lang, self._titles = lang, titles
        self._row = lru_cache(maxsize=512)(self._drawn)
        self.show(chart)

    def show(self, chart: Chart) -> None:
        """Another target."""
        self.chart, self.causes = chart, Causes(chart)
        self._lanes = {lane.name: lane for lane in chart.lanes}
        self._scales = {lane.name: scale(chart, lane.name) for lane in chart.lanes}
        self._columns = lru_cache(maxsize=64)(columns)
        self._row.cache_clear()
        self._lines = lines(chart, self.size.height)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Rows and columns follow the size."""
        self._lines = lines(self.chart, event.size.height)
        self.post_message(self.Widened(max(1, event.size.width - GUTTER - MARGIN)))

    def on_click(self, event: events.Click) -> None:
        """The cursor goes where the mouse points."""
        self.post_message(self.Pointed(self._time(event.x)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in."""
        event.stop()
        self.post_message(self.Wheeled(self._time(event.x), 0.5))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out."""
        event.stop()
        self.post_message(self.Wheeled(self._time(event.x), 2.0))

    def _time(self, x: int) -> Micros:
        return self.axis.edge(min(max(x - GUTTER, 0), self.axis.width - 1))

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """Row `y`: name, value at the cursor, plot, scale."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._lines[y]
        at = self.axis.column(self.cursor) if self.axis.visible(self.cursor) else -1
        if line.kind == "axis":
            plot = axis_row(self.axis, at, clock(self.cursor))
        else:
            plot = list(self._row(line, self.axis, self.marked if line.kind == "finding" else None))
        if line.kind in ("axis", "legend"):
            at = -1
        left = self._gutter(line)
        right = number(self._scales[line.lane]) if line.kind == "lane" and line.level == line.height - 1 else ""
        base = self.rich_style
        segments = [Segment(left, base + Style(bold=line.kind == "lane")), *self._segments(plot, at, base)]
        segments.append(Segment(f" {fit(right, MARGIN - 1)}", base + Style(dim=True)))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _segments(self, plot: list[Cell], cursor: int, base: Style) -> list[Segment]:
        """Cells of one style become one segment; the cursor is a line, and a lighter ground under what is drawn."""
        out: list[Segment] = []
        for index, cell in enumerate(plot):
            style = _style(base, cell.colour)
            glyph = cell.glyph
            if index == cursor:
                glyph = palette.CURSOR if cell == BLANK else glyph
                style += Style(bgcolor=palette.CURSOR_GROUND, bold=True)
            if out and out[-1].style == style:
                out[-1] = Segment(out[-1].text + glyph, style)
            else:
                out.append(Segment(glyph, style))
        return out

    def _gutter(self, line: Line) -> str:
        if line.kind == "lane" and line.level == 0:
            value = number(self._lanes[line.lane].at(self.cursor))
            return f"{fit(self._label(line.lane), NAME)}{value:>{VALUE}}│"
        strip = f"strip_{line.kind}"
        return (
            f"{fit(word(self.lang, strip) if known(strip) else '', NAME + VALUE)}{' ' if line.kind == 'axis' else '│'}"
        )

    def _label(self, lane: str) -> str:
        return word(self.lang, f"lane_{lane}") if known(f"lane_{lane}") else harmless(lane)

    def _drawn(self, line: Line, axis: Axis, marked: tuple[Micros, Micros] | None) -> tuple[Cell, ...]:
        """The plot of one row, without the cursor."""
        chart = self.chart
        match line.kind:
            case "lane":
                return tuple(self._lane(self._lanes[line.lane], line, axis))
            case "finding":
                span = (axis.column(marked[0]), axis.column(marked[1])) if marked else None
                return tuple(finding_row(span, axis, palette.VERMILLION))
            case "ticks":
                return tuple(hatched(tick_row(ticks(chart.ticks, axis)), self._gaps("ticks", axis)))
            case "health":
                words = {kind: word(self.lang, kind) for kind in palette.HEALTH}
                gaps = self._gaps("health", axis)
                return tuple(hatched(health_row(spans_per_column(chart.health, gaps, axis), words), gaps))
            case "constraint":
                return tuple(self.causes.row(longest(chart.constraint, axis), self._titles))
            case "legend":
                return tuple(legend(self.causes, self._titles, axis.width))
        return (BLANK,) * axis.width

    def _lane(self, lane: Lane, line: Line, axis: Axis) -> list[Cell]:
        full = self._scales[lane.name] / line.height
        colour = palette.LANES.get(lane.name, palette.GREY)
        return hatched(lane_row(self._columns(lane, axis), line.level, full, colour), self._gaps(lane.name, axis))

    def _gaps(self, row: str, axis: Axis) -> list[bool]:
        """Per column whether a source of this row was not recorded."""
        of = SOURCES.get(row, frozenset())
        return covered([gap for gap in self.chart.gaps if gap.kind in of], axis)


@lru_cache(maxsize=256)
def _style(base: Style, colour: str) -> Style:
    return base + Style(color=colour) if colour else base
