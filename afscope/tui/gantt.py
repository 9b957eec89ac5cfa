"""Bars over the shared time axis: lives of pods, waits of attempts. A table whose rows are drawn instead of written."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from afscope.model.browse import Line
from afscope.model.clock import Micros
from afscope.model.timeline import Lane, Span
from afscope.tui import palette
from afscope.tui.axis import Axis
from afscope.tui.columns import columns, longest
from afscope.tui.grid import Grid
from afscope.tui.harmless import fit, harmless
from afscope.tui.lanes import GUTTER, MARGIN
from afscope.tui.painting import BLANK, Cell, axis_row
from afscope.tui.place import Place
from afscope.tui.rows import Fixed
from afscope.tui.times import clock

_MANY = 9


@dataclass(frozen=True)
class Bar:
    """One row: `name` on the left (its end counts), `spans` of stages, `marks` on top of them.

    Where `held` is known, a count up to nine and then + stands in the span instead of its glyph. `note` stands on the
    right; `copy` is the row as text.
    """

    name: str
    spans: Sequence[Span]
    key: str
    marks: Sequence[tuple[Micros, str, str]] = ()
    held: Lane | None = None
    note: str = ""
    copy: str = ""

    @property
    def start(self) -> Micros:
        """Where it begins."""
        return min((span.start for span in self.spans), default=0)


class Gantt(Grid):
    """Bars with a cursor on one of them."""

    def __init__(self, lang: str, id_: str, place: Place) -> None:
        super().__init__(lang, id_)
        self.place = place
        self.bars: list[Bar] = []
        self._by_key: dict[str, Bar] = {}

    def draw(self, bars: Sequence[Bar], only: str = "") -> None:
        """Other bars; the cursor stays on the one it was on."""
        before = self.bar
        self.bars = list(bars)
        self._by_key = {f"{n}": bar for n, bar in enumerate(self.bars)}
        lines = [Line(bar.start, (bar.name, bar.copy), f"{n}") for n, bar in enumerate(self.bars)]
        rows = Fixed(("name", "text"), lines, only=only)
        same = (n for n in range(rows.total) if before and self._by_key[rows.lines(n, 1)[0].key].key == before.key)
        self.show(rows, next(same, 0))

    @property
    def bar(self) -> Bar | None:
        """The one under the cursor."""
        line = self.current
        return self._by_key.get(line.key) if line else None

    def _strip(
        self, cells: Sequence[str], style: Style, width: int, line: Line | None, *, chosen: bool = False
    ) -> Strip:
        axis = self.place.axis.sized(width - GUTTER - MARGIN)
        at = axis.column(self.place.cursor) if axis.visible(self.place.cursor) else -1
        if line is None:
            row = axis_row(axis, at, clock(self.place.cursor))
            return Strip([Segment(" " * GUTTER, style), *_segments(row, -1, style)]).adjust_cell_length(width, style)
        bar = self._by_key[line.key]
        name = harmless(bar.name)
        room = GUTTER - 2
        name = name if len(name) <= room else "…" + name[-(room - 1) :]
        left = f"{palette.CHOSEN if chosen else ' '}{fit(name, room)}│"
        right = f" {fit(bar.note, MARGIN - 1)}"
        return Strip(
            [Segment(left, style), *_segments(bar_row(bar, axis), at, style), Segment(right, style + Style(dim=True))]
        ).adjust_cell_length(width, style)


def bar_row(bar: Bar, axis: Axis) -> list[Cell]:
    """The cells of a bar."""
    row = [BLANK] * axis.width
    held = columns(bar.held, axis) if bar.held is not None else None
    for number, span in enumerate(longest(bar.spans, axis)):
        if span is None:
            continue
        colour, glyph = palette.STAGES.get(span.kind, (palette.GREY, "·"))
        most = held[number].high if held is not None and span.kind == "execute" else None
        if most is not None:
            glyph = "─" if most == 0 else f"{most:.0f}" if most <= _MANY else "+"
        row[number] = Cell(glyph, colour)
    for at, glyph, colour in bar.marks:
        if axis.visible(at):
            row[axis.column(at)] = Cell(glyph, colour)
    return row


def _segments(row: Sequence[Cell], cursor: int, style: Style) -> list[Segment]:
    out: list[Segment] = []
    for number, cell in enumerate(row):
        look = style + Style(color=cell.colour) if cell.colour else style
        glyph = cell.glyph
        if number == cursor:
            glyph = palette.CURSOR if cell == BLANK else glyph
            look += Style(bgcolor=palette.CURSOR_GROUND)
        if out and out[-1].style == look:
            out[-1] = Segment(out[-1].text + glyph, look)
        else:
            out.append(Segment(glyph, look))
    return out
