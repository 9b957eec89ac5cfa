"""How lanes and strips become styled cells. Pure: glyphs and styles per column; the widget puts them on the screen."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from afscope.model.timeline import Chart, Span, Tick
from afscope.tui import palette
from afscope.tui.axis import Axis
from afscope.tui.columns import Column, Run, runs
from afscope.tui.harmless import cut, harmless

_EIGHTHS = 8
# A spread of less than half a cell is drawn as its upper end: a hatched sliver could not be told from a full one.
_VISIBLE_SPREAD = 4


class Cell(NamedTuple):
    """One terminal cell; a wide character takes its cell and an empty one after it."""

    glyph: str
    colour: str = ""


BLANK = Cell(" ")


def axis_row(axis: Axis, cursor: int, time: str) -> list[Cell]:
    """Round times, each with a mark at its exact column, and the cursor's own; a label in its way is left out.

    `cursor` is -1 where the cursor is out of view.
    """
    row = [BLANK] * axis.width
    if cursor >= 0:
        left = cursor + 1 + len(time) > axis.width
        own = spread(f"{time}▼" if left else f"▼{time}")
        first = cursor + 1 - len(own) if left else cursor
        if first < 0:
            own, first = [Cell("▼")], cursor
        row[first : first + len(own)] = own
    for column, text in axis.labels():
        cells = spread(f"╷{text}", palette.GREY)
        room = slice(max(column - 1, 0), column + len(cells) + 1)
        if column >= 0 and column + len(cells) <= axis.width and all(cell == BLANK for cell in row[room]):
            row[column : column + len(cells)] = cells
    return row


def lane_row(cells: Sequence[Column], level: int, full: float, colour: str) -> list[Cell]:
    """One row of a lane; `full` is the value that fills one row, `level` counts rows from below."""
    return [_lane_cell(cell, level, full, colour) for cell in cells]


def hatched(row: Sequence[Cell], gaps: Sequence[bool]) -> list[Cell]:
    """The row with what was not recorded hatched over: whatever a lane held before a gap, nobody knows it there."""
    return [Cell(palette.GAP, palette.GREY) if gap else cell for cell, gap in zip(row, gaps, strict=True)]


def _lane_cell(cell: Column, level: int, full: float, colour: str) -> Cell:
    if cell.low is None or cell.high is None:
        return Cell(palette.HOLE, palette.VERMILLION) if level == 0 else BLANK
    low, high = _eighths(cell.low, level, full), _eighths(cell.high, level, full)
    if high - low >= _VISIBLE_SPREAD:
        return Cell(palette.RANGE, colour)
    return Cell(palette.BLOCKS[high], colour) if high else BLANK


def _eighths(value: float, level: int, full: float) -> int:
    """How much of a row's cell a value fills. What is above zero shows at least an eighth."""
    part = value / full - level
    filled = min(_EIGHTHS, max(0, round(part * _EIGHTHS)))
    return max(1, filled) if part > 0 and value > 0 else filled


def tick_row(cells: Sequence[Sequence[Tick]]) -> list[Cell]:
    """The most telling tick of each column: a decision before a warning before the rest."""
    return [_tick(cell) for cell in cells]


def _tick(cell: Sequence[Tick]) -> Cell:
    kinds = {tick.kind for tick in cell}
    for kind, (colour, glyph) in palette.TICKS.items():
        if kind in kinds:
            return Cell(glyph, colour)
    return Cell(palette.OTHER, palette.GREY) if kinds else BLANK


def recorded(cells: Sequence[Span | None], gaps: Sequence[bool]) -> list[Span | None]:
    """What a strip shows in each column; nothing in gaps, so that no word reaches into what was not recorded."""
    return [None if gap else span for span, gap in zip(cells, gaps, strict=True)]


def health_row(cells: Sequence[Span | None], words: dict[str, str]) -> list[Cell]:
    """ok, failing and silent as lines of their own glyph, the word in the middle where it fits."""
    row = [BLANK] * len(cells)
    for run in runs(cells, lambda span: span.kind):
        colour, glyph = palette.HEALTH.get(run.kind, (palette.GREY, palette.OTHER))
        _fill(row, run, glyph, colour)
        _write(row, run, f" {words.get(run.kind, harmless(run.kind))} ", colour)
    return row


def finding_row(span: tuple[int, int] | None, axis: Axis, colour: str) -> list[Cell]:
    """A bracket over the columns [first, last] of the chosen finding, cut at the edges of the view."""
    row = [BLANK] * axis.width
    if span is None or span[1] < 0 or span[0] >= axis.width:
        return row
    first, last = span
    for number in range(max(0, first), min(axis.width - 1, last) + 1):
        row[number] = Cell("━", colour)
    if first >= 0:
        row[first] = Cell("┣" if last > first else "┃", colour)
    if first < last < axis.width:
        row[last] = Cell("┫", colour)
    return row


class Causes:
    """Letters and colours of the causes in a chart's constraint strip, most waiting time first."""

    def __init__(self, chart: Chart) -> None:
        held: dict[str, int] = {}
        for span in chart.constraint:
            held[span.kind] = held.get(span.kind, 0) + span.end - span.start
        self.ranks = {cause: rank for rank, cause in enumerate(sorted(held, key=lambda c: (-held[c], c)))}

    def letter(self, cause: str) -> str:
        """The letter of a cause."""
        return palette.cause_letter(self.ranks[cause])

    def colour(self, cause: str) -> str:
        """The colour of a cause."""
        return palette.cause_colour(self.ranks[cause])

    def row(self, cells: Sequence[Span | None], titles: dict[str, str]) -> list[Cell]:
        """The strip: letters, with the title written out where a run is wide enough."""
        row = [BLANK] * len(cells)
        for run in runs(cells, lambda span: span.kind):
            letter, colour = self.letter(run.kind), self.colour(run.kind)
            _fill(row, run, letter, colour)
            _write(row, run, f" {titles[run.kind]} ", colour, at=run.first + 1)
        return row


def legend(causes: Causes, titles: dict[str, str], width: int) -> list[Cell]:
    """What the letters mean, as far as the row reaches."""
    row: list[Cell] = []
    for cause in causes.ranks:
        entry = cut(f"{causes.letter(cause)} {titles[cause]}  ", width - len(row))
        row += spread(entry, causes.colour(cause))
        if len(row) >= width:
            break
    return row + [BLANK] * (width - len(row))


def spread(text: str, colour: str = "") -> list[Cell]:
    """Text as cells; a wide character is followed by an empty cell, a combining one joins its base."""
    out: list[Cell] = []
    for char in text:
        wide = cell_len(char)
        if not wide and out:
            out[-1] = Cell(out[-1].glyph + char, colour)
        elif wide:
            out += [Cell(char, colour), *[Cell("", colour)] * (wide - 1)]
    return out


def _fill(row: list[Cell], run: Run, glyph: str, colour: str) -> None:
    for number in range(run.first, run.last + 1):
        row[number] = Cell(glyph, colour)


def _write(row: list[Cell], run: Run, text: str, colour: str, at: int | None = None) -> None:
    """Puts `text` into a run, in its middle unless `at` says where, if the run shows a glyph on both sides of it."""
    cells = spread(text, colour)
    room = run.last - run.first + 1
    if len(cells) + 2 <= room:
        start = run.first + (room - len(cells)) // 2 if at is None else at
        row[start : start + len(cells)] = cells
