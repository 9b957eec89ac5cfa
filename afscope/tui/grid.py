"""A table of any length: only the rows in sight exist, and they come a page at a time.

Textual's DataTable measures and keeps every cell (14 s for 100,000 rows); this one keeps the pages around the cursor.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from afscope.model.browse import Line
from afscope.model.clock import Micros
from afscope.model.stop import Stop
from afscope.tui import palette
from afscope.tui.harmless import fit, harmless
from afscope.tui.rows import Fixed, Rows
from afscope.tui.words import known, word

PAGE = 256
AHEAD = 96
"""So many rows before its edge the page behind it is read."""
_PAGES = 24
_WIDEST = 44
_LAST_LEAST, _LAST_MOST = 20, 200
Tint = Callable[[str, str], str]
"""Colour of a cell, by column and text; empty for none."""
TimeForm = Callable[[Micros], str]


class Grid(ScrollView, can_focus=True):
    """Rows with a cursor. A row's time stands in front when the rows have one."""

    DEFAULT_CSS = """
    Grid { height: 1fr; background: $background; scrollbar-size: 1 1; overflow-x: hidden; }
    """

    @dataclass
    class Chosen(Message):
        """The cursor stands on another row; `by_user` unless it followed the time."""

        grid: "Grid"
        line: Line
        row: int
        by_user: bool

        def can_replace(self, message: Message) -> bool:
            """Only where the cursor ends up matters."""
            return isinstance(message, Grid.Chosen) and message.grid is self.grid

    @dataclass
    class Opened(Message):
        """Enter or a second click on a row."""

        grid: "Grid"
        line: Line
        row: int

    @dataclass
    class Arrived(Message):
        """A thread has read a page."""

        rows: Rows
        number: int
        lines: Sequence[Line]
        widths: Sequence[int]

    def __init__(
        self,
        lang: str,
        id_: str,
        *,
        tint: Tint | None = None,
        time: TimeForm | None = None,
        raw: bool = False,
        least: int = _LAST_LEAST,
    ) -> None:
        """With `raw` column names stand as they are; `least` cells are left to the last column, if it needs them."""
        super().__init__(id=id_)
        self._raw, self._least = raw, least
        self.lang, self._tint, self._time = lang, tint or (lambda _column, _cell: ""), time
        self.rows: Rows = Fixed((), ())
        self.row = 0
        self.found = ""
        """The text that is searched for: lit up wherever it stands."""
        self.empty = word(lang, "no_lines")
        self._pages: OrderedDict[int, Sequence[Line]] = OrderedDict()
        self._wanted: set[int] = set()
        self._stop: Stop | None = None
        self._widths: list[int] = []
        self._by_user = False
        self._clock = 12
        self._base = Style()
        self._painted: tuple[object, ...] = ()
        """The look of the last painting: lines of another one do not mix with its lines."""

    # --- content

    def show(self, rows: Rows, row: int = 0) -> None:
        """Other rows, with the cursor on one of them."""
        if self._stop is not None:
            self._stop.now()
        kept = row == self.row and list(rows.columns) == list(self.rows.columns) and rows.total > row
        top = round(self.scroll_y)
        self.rows = rows
        self._pages.clear()
        self._wanted.clear()
        self._widths = [min(_WIDEST, cell_len(self._heading(name))) for name in rows.columns]
        self.row = max(0, min(row, rows.total - 1))
        self.virtual_size = Size(self.size.width, rows.total + 1)
        self.scroll_to(y=top if kept else 0, animate=False)
        self.refresh()
        if kept:
            self._by_user = False
            self._say()
        else:
            self.move(self.row, by_user=False)

    def renew(self, rows: Rows, row: int, pages: Mapping[int, Sequence[Line]], *, in_sight: bool) -> None:
        """The same rows and more, with the cursor on the same one: nothing moves on the screen, unless `in_sight`."""
        if self._stop is not None:
            self._stop.now()
        before, top, columns = self.current, round(self.scroll_y) + row - self.row, list(self.rows.columns)
        self.rows, self.row = rows, max(0, min(row, rows.total - 1))
        if columns != list(rows.columns):
            self._widths = [min(_WIDEST, cell_len(self._heading(name))) for name in rows.columns]
        self._pages.clear()
        self._wanted.clear()
        for number, lines in pages.items():
            self._keep(number, lines)
        self.virtual_size = Size(self.size.width, rows.total + 1)
        if in_sight:
            self.move(self.row, by_user=False)
            return
        self.scroll_to(y=max(0, top), animate=False)
        self.refresh()
        if self.current != before:
            self._by_user = False
            self._say()

    @property
    def in_sight(self) -> range:
        """The numbers of the pages that are seen."""
        top = round(self.scroll_y)
        return range(top // PAGE, (top + self.size.height) // PAGE + 1)

    def line(self, row: int) -> Line | None:
        """A row if it is here; else it is asked for."""
        if not 0 <= row < self.rows.total:
            return None
        number = row // PAGE
        page = self._pages.get(number)
        if page is None:
            if self.rows.instant:
                self._keep(number, self.rows.lines(number * PAGE, PAGE))
                page = self._pages[number]
            else:
                self._ask(number)
                return None
        else:
            self._pages.move_to_end(number)
        return page[row % PAGE] if row % PAGE < len(page) else None

    @property
    def current(self) -> Line | None:
        """The row under the cursor."""
        return self.line(self.row)

    def _ask(self, number: int) -> None:
        if number in self._wanted or not self.is_attached:
            return
        # What was wanted before is out of sight by now.
        if self._stop is not None:
            self._stop.now()
        self._wanted = {number}
        self._stop = stop = Stop()
        rows = self.rows

        def read() -> None:
            try:
                lines = rows.lines(number * PAGE, PAGE, stop)
            except Exception as error:  # shown in place of the rows
                lines = [Line(0, (word(self.lang, "no_answer", why=str(error)),), "")]
            if not stop.asked:
                self.post_message(self.Arrived(rows, number, lines, widths_of(lines)))

        self.run_worker(read, thread=True, group=f"pages-{self.id}", exit_on_error=False)

    def on_grid_arrived(self, event: Arrived) -> None:
        """A page that was asked for."""
        event.stop()
        if event.rows is not self.rows:
            return
        self._wanted.discard(event.number)
        self._keep(event.number, event.lines, event.widths)
        if event.number in self.in_sight or self._painted != self._look():
            self.refresh()
        if self.row // PAGE == event.number:
            self._say()

    def _keep(self, number: int, lines: Sequence[Line], widths: Sequence[int] | None = None) -> None:
        self._pages[number] = lines
        while len(self._pages) > _PAGES:
            self._pages.popitem(last=False)
        for n, wide in enumerate((widths_of(lines) if widths is None else widths)[: len(self._widths)]):
            most = _WIDEST if n < len(self._widths) - 1 else _LAST_MOST
            self._widths[n] = max(self._widths[n], min(most, wide))

    # --- cursor

    def move(self, row: int, *, by_user: bool = True) -> None:
        """The cursor to a row, and the row into sight."""
        before, top = self.row, self.scroll_offset.y
        self.row = max(0, min(row, self.rows.total - 1))
        self._by_user = by_user
        if self.size.height > 1:  # before the first layout nothing is in sight; on_resize comes back to it
            self.scroll_to_region(Region(0, self.row + 1, 1, 1), animate=False, force=True, spacing=None)
        if self.row == 0:
            self.scroll_to(y=0, animate=False)
        elif self.size.height > 1 and self.row + 1 - round(self.scroll_y) < 1:  # under the header
            self.scroll_to(y=self.row, animate=False)
        if self.scroll_offset.y == top and self._painted == self._look():
            for changed in {before, self.row}:
                self.refresh_line(changed + 1)
        else:
            self.refresh()
        self._say()
        self._look_ahead(1 if self.row >= before else -1)

    def _look_ahead(self, direction: int) -> None:
        """Asks for the page that comes next, before the cursor is there."""
        if self.rows.instant or self._wanted:
            return
        number = (self.row + direction * AHEAD) // PAGE
        if 0 <= number * PAGE < self.rows.total and number not in self._pages:
            self._ask(number)

    def _say(self) -> None:
        line = self.line(self.row)
        if line is not None:
            self.post_message(self.Chosen(self, line, self.row, self._by_user))

    def by(self, count: int) -> None:
        """The cursor some rows down or up."""
        self.move(self.row + count)

    def page(self, direction: int) -> None:
        """The cursor a screenful down or up."""
        self.by(direction * max(1, self.size.height - 2))

    def on_resize(self) -> None:
        """Keeps the cursor in sight."""
        self.virtual_size = Size(self.size.width, self.rows.total + 1)
        self.call_after_refresh(self._in_sight)

    def _in_sight(self) -> None:
        """The row that counts is that of now: an answer may have moved the cursor since the size changed."""
        self.move(self.row, by_user=False)

    def on_click(self, event: events.Click) -> None:
        """A click chooses, one on the chosen row opens."""
        row = event.y + round(self.scroll_y) - 1
        if event.y == 0 or not 0 <= row < self.rows.total:
            return
        if row == self.row:
            self.open()
        else:
            self.move(row)

    def open(self) -> None:
        """Opens the row under the cursor."""
        line = self.current
        if line is not None:
            self.post_message(self.Opened(self, line, self.row))

    def on_unmount(self) -> None:
        """Nobody waits for rows any more."""
        if self._stop is not None:
            self._stop.now()

    # --- drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        """All of them in one style, which is dear to find out."""
        self._base = self.rich_style
        strips = super().render_lines(crop)
        self._painted = self._look()
        return strips

    def _look(self) -> tuple[object, ...]:
        """What lines of one painting have in common."""
        return self.rows, self.scroll_offset.y, tuple(self._widths), self._clock

    def render_line(self, y: int) -> Strip:
        """The header on top, rows below it."""
        width, base = self.size.width, self._base
        if y == 0:
            return self._strip(
                [self._heading(n) for n in self.rows.columns], base + Style(bold=True, dim=True), width, None
            )
        row = y - 1 + round(self.scroll_y)
        if row >= self.rows.total:
            if row == 0:
                return Strip([Segment(f" {self.empty}", base + Style(dim=True))]).adjust_cell_length(width, base)
            return Strip.blank(width, base)
        line = self.line(row)
        style = base
        if row == self.row:
            ground = palette.CHOSEN_GROUND if self.has_focus else palette.CURSOR_GROUND
            style = base + Style(bgcolor=ground, bold=True)
        if line is None:
            return Strip([Segment(" …", style)]).adjust_cell_length(width, style)
        return self._strip([harmless(text) for text in line.cells], style, width, line, chosen=row == self.row)

    def _heading(self, column: str) -> str:
        return word(self.lang, f"col_{column}") if not self._raw and known(f"col_{column}") else harmless(column)

    def _strip(
        self, cells: Sequence[str], style: Style, width: int, line: Line | None, *, chosen: bool = False
    ) -> Strip:
        segments = [Segment(palette.CHOSEN if chosen else " ", style)]
        room = width - 1
        if self._time is not None:
            text = self._time(line.at) if line is not None and line.at else "" if line else word(self.lang, "col_time")
            self._clock = max(self._clock, cell_len(text))
            segments.append(Segment(fit(text, self._clock) + " ", style))
            room -= self._clock + 1
        widths = self._laid(room)
        for name, text, wide in zip(self.rows.columns, cells, widths, strict=False):
            if room <= 0:
                break
            colour = self._tint(name, text) if line is not None else ""
            shown = fit(text, min(wide, room)) + " "
            segments += _lit(shown, self.found, style + Style(color=colour) if colour else style)
            room -= wide + 1
        return Strip(segments).adjust_cell_length(width, style)

    def _laid(self, room: int) -> list[int]:
        """Widths of the columns: the last one, which holds the longest texts, takes what is left."""
        widths = list(self._widths)
        if not widths:
            return widths
        over = sum(widths[:-1]) + len(widths) + min(max(self._least, (room - 60) // 2), widths[-1]) - room
        while over > 0:
            widest = max(range(len(widths) - 1), key=lambda n: widths[n], default=None)
            if widest is None or widths[widest] <= 6:
                break
            less = min(over, max(1, widths[widest] // 4))
            widths[widest] -= less
            over -= less
        widths[-1] = max(1, room - sum(widths[:-1]) - len(widths))
        return widths


def widths_of(lines: Sequence[Line]) -> list[int]:
    """The widest cell of each column. Measured in the thread that has read the lines, where there is one."""
    columns = zip(*(line.cells for line in lines), strict=False)
    return [max((cell_len(harmless(text[:_LAST_MOST])) for text in set(column)), default=0) for column in columns]


def _lit(text: str, wanted: str, style: Style) -> list[Segment]:
    """A text with every place that holds `wanted` lit up."""
    if not wanted:
        return [Segment(text, style)]
    out, at, low = [], 0, text.lower()
    while (found := low.find(wanted.lower(), at)) >= 0 and len(low) == len(text):
        out += [Segment(text[at:found], style), Segment(text[found : found + len(wanted)], style + Style(reverse=True))]
        at = found + len(wanted)
    return [*out, Segment(text[at:], style)]
