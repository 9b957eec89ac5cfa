"""The lanes widget: demand, metric, replicas, slots and strips over one time axis with a cursor."""

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from afscope.model.clock import Micros
from afscope.model.timeline import Chart, Lane, Span
from afscope.tui import palette
from afscope.tui.axis import Axis
from afscope.tui.columns import Sampled, covered, holding, longest, ticks
from afscope.tui.harmless import fit, harmless
from afscope.tui.layout import SOURCES, Line, compact, lines, scale
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
    recorded,
    tick_row,
)
from afscope.tui.place import Place
from afscope.tui.times import clock
from afscope.tui.words import known, word

NAME, VALUE = 9, 5
GUTTER = NAME + VALUE + 1
MARGIN = 5
"""Cells right of the plot: the value that fills a lane."""


def number(value: float | None) -> str:
    """A value in at most five cells; a question mark where nobody knows."""
    if value is None:
        return "?"
    if value >= 10_000:
        return f"{value / 1000:.0f}k" if value < 9_999_500 else f"{value / 1e6:.0f}M"
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


class Lanes(Widget, can_focus=True):
    """Draws the chart of the place it is given: every instance stands at the same instant. Mouse moves go there too."""

    DEFAULT_CSS = "Lanes { height: 1fr; }"

    def __init__(self, place: Place, titles: dict[str, str], lang: str, id_: str = "lanes") -> None:
        super().__init__(id=id_)
        self.lang, self.place, self._titles = lang, place, titles
        self._row = lru_cache(maxsize=512)(self._drawn)
        self._spans = lru_cache(maxsize=16)(self._covering)
        self._pressed: Micros | None = None
        self._base = Style()
        self.show(place.chart)
        place.hear(self._moved, self.again, self.again)

    def _moved(self) -> None:
        if self.is_attached:
            self.refresh()

    def again(self) -> None:
        """Another target, or the same one later."""
        self.show(self.place.chart)

    def show(self, chart: Chart) -> None:
        """Another chart over the same time."""
        self.chart, self.causes = chart, Causes(chart)
        self._lanes = {lane.name: lane for lane in chart.lanes}
        self._scales = {lane.name: scale(chart, lane.name) for lane in chart.lanes}
        self._sampled = {lane.name: Sampled(lane) for lane in chart.lanes}
        self._row.cache_clear()
        self._spans.cache_clear()
        self._lines = self.layout_rows(chart, self.size.height)
        self.refresh()

    def layout_rows(self, chart: Chart, height: int) -> list[Line]:
        """Which row shows what."""
        return lines(chart, height)

    @property
    def axis(self) -> Axis:
        """The shared view in this widget's columns."""
        return self.place.axis.sized(self.size.width - GUTTER - MARGIN)

    def on_resize(self, event: events.Resize) -> None:
        """Rows and columns follow the size; keys step by the columns of what is seen."""
        self._lines = self.layout_rows(self.chart, event.size.height)
        self.refresh()  # the new size was painted before this message came, with the rows of the old one
        self.seen()

    def on_show(self) -> None:
        """The widget that is seen decides how long a column is."""
        self.seen()

    def seen(self) -> None:
        """Tells the place how many columns there are."""
        if self.size.width:
            self.place.widen(max(1, self.size.width - GUTTER - MARGIN))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """The cursor goes where the mouse points; with Shift a range begins there."""
        self.capture_mouse()
        self._pressed = self._time(event.x)
        if event.shift:
            self.place.select(None)
        self.place.go(self._pressed)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Dragging scrubs; with Shift it selects."""
        if self._pressed is None:
            return
        at = self._time(event.x)
        if event.shift:
            self.place.select((min(at, self._pressed), max(at, self._pressed)))
        self.place.go(at)

    def on_mouse_up(self) -> None:
        """The end of a drag."""
        self.release_mouse()
        self._pressed = None

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zooms in around the mouse."""
        event.stop()
        self.place.zoom(0.5, self._time(event.x))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zooms out."""
        event.stop()
        self.place.zoom(2.0, self._time(event.x))

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        """Moves the view to what was before."""
        event.stop()
        self.place.pan(-0.1)

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        """Moves the view to what came after."""
        event.stop()
        self.place.pan(0.1)

    def _time(self, x: int) -> Micros:
        axis = self.axis
        return axis.edge(min(max(x - GUTTER, 0), axis.width - 1))

    # --- drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        """All of them in one style, which is dear to find out."""
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Row `y`: name, value at the cursor, plot, scale."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self._base)
        line = self._lines[y]
        axis, cursor = self.axis, self.place.cursor
        at = axis.column(cursor) if axis.visible(cursor) else -1
        if line.kind == "axis":
            plot = _marked(axis_row(axis, at, clock(cursor)), axis, self.place)
        else:
            plot = list(self._row(line, axis, self.place.marked if line.kind == "finding" else None))
        if line.kind in ("axis", "legend"):
            at = -1
        if at >= 0 and line.kind in ("health", "constraint"):
            plot[at] = self._under_cursor(line.kind, plot[at], axis, at)
        left = self._gutter(line)
        right = number(self._scales[line.lane]) if line.kind == "lane" and line.level == line.height - 1 else ""
        base = self._base
        ranged = _columns_of(self.place.range, axis)
        segments = [Segment(left, base + Style(bold=line.kind == "lane")), *self._segments(plot, at, base, ranged)]
        segments.append(Segment(f" {fit(right, MARGIN - 1)}", base + Style(dim=True)))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _under_cursor(self, kind: str, cell: Cell, axis: Axis, column: int) -> Cell:
        """A strip's cell where the cursor stands: what holds at its instant, as the words below the lanes say.

        Everywhere else a cell shows what covers most of its column, which may be something else at that instant.
        """
        span = holding(self.chart.health if kind == "health" else self.chart.constraint, self.place.cursor)
        most = self._spans(kind, axis)[column]
        if cell.glyph == palette.GAP or (span and span.kind) == (most and most.kind):
            return cell
        if span is None:
            return BLANK
        if kind == "constraint":
            return Cell(self.causes.letter(span.kind), self.causes.colour(span.kind))
        return Cell(*reversed(palette.HEALTH.get(span.kind, (palette.GREY, palette.OTHER))))

    def _segments(self, plot: list[Cell], cursor: int, base: Style, ranged: range) -> list[Segment]:
        """Cells of one style become one segment; the cursor is a line, and a lighter ground under what is drawn."""
        out: list[Segment] = []
        for index, cell in enumerate(plot):
            style = _style(base, cell.colour)
            glyph = cell.glyph
            if index in ranged:
                style += _RANGED
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
            value = number(self._lanes[line.lane].at(self.place.cursor))
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
                return tuple(hatched(health_row(recorded(self._spans("health", axis), gaps), words), gaps))
            case "constraint":
                return tuple(self.causes.row(self._spans("constraint", axis), self._titles))
            case "legend":
                return tuple(legend(self.causes, self._titles, axis.width))
        return (BLANK,) * axis.width

    def _covering(self, kind: str, axis: Axis) -> list[Span | None]:
        """Per column what a strip shows."""
        return longest(self.chart.health if kind == "health" else self.chart.constraint, axis)

    def _lane(self, lane: Lane, line: Line, axis: Axis) -> list[Cell]:
        full = self._scales[lane.name] / line.height
        colour = palette.LANES.get(lane.name, palette.GREY)
        return hatched(
            lane_row(self._sampled[lane.name].columns(axis), line.level, full, colour), self._gaps(lane.name, axis)
        )

    def _gaps(self, row: str, axis: Axis) -> list[bool]:
        """Per column whether a source of this row was not recorded."""
        of = SOURCES.get(row, frozenset())
        return covered([gap for gap in self.chart.gaps if gap.kind in of], axis)


_RANGED = Style(bgcolor=palette.RANGE_GROUND)


def _columns_of(span: tuple[Micros, Micros] | None, axis: Axis) -> range:
    """The columns of the selected range."""
    if span is None or span[1] < axis.left or span[0] > axis.right:
        return range(0)
    return range(max(0, axis.column(span[0])), min(axis.width - 1, axis.column(span[1])) + 1)


def _marked(row: list[Cell], axis: Axis, place: Place) -> list[Cell]:
    """The axis with the user's marks, and with the end from which a range is being selected."""
    for at in place.marks:
        if axis.visible(at) and row[axis.column(at)].glyph != "▼":
            row[axis.column(at)] = Cell(palette.MARK, palette.PURPLE)
    if place.anchor is not None and axis.visible(place.anchor):
        row[axis.column(place.anchor)] = Cell(palette.ANCHOR, palette.PURPLE)
    return row


@lru_cache(maxsize=256)
def _style(base: Style, colour: str) -> Style:
    return base + Style(color=colour) if colour else base


class FewLanes(Lanes, can_focus=False):
    """Lanes that take as many rows as they need. Those of a chart of its own know of no other target."""

    DEFAULT_CSS = "FewLanes { height: auto; max-height: 10; }"

    def again(self) -> None:
        """Other targets do not concern it."""

    def layout_rows(self, chart: Chart, height: int) -> list[Line]:
        """One row per lane."""
        return [Line("lane", lane.name) for lane in chart.lanes]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as there are."""
        return len(self._lines)


class TimeStrip(FewLanes):
    """The shared time in a few rows, on top of screens that show something else."""

    def again(self) -> None:
        """Another target, or the same one later."""
        self.show(self.place.chart)
        self.refresh(layout=True)

    def layout_rows(self, chart: Chart, height: int) -> list[Line]:
        """Axis, demand, and what tasks wait for."""
        return compact(chart)
