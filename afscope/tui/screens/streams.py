"""Events and Logs: rows of the capture as they happened, of any number, beside the shared time."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from afscope.errors import QueryError
from afscope.model.browse import Ask, Line, Listing
from afscope.model.clock import Micros
from afscope.model.stop import Stop
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.grid import PAGE, Grid
from afscope.tui.harmless import harmless
from afscope.tui.rows import Paged
from afscope.tui.screens.body import Body
from afscope.tui.still import Still
from afscope.tui.times import DAY

_TABLE = {
    "events": "events",
    "tasks": "task_instances",
    "runs": "dag_runs",
    "audit": "db_log",
    "logs": "log_lines",
    "polls": "polls",
}
_NO_END: Micros = 10 * 366 * DAY
_BAD = {"Warning", "failed", "up_for_retry", "upstream_failed", "ERROR", "CRITICAL", "FATAL"}


def tint(column: str, cell: str) -> str:
    """Trouble stands out."""
    if cell in _BAD or (column == "outcome" and cell != "ok"):
        return palette.VERMILLION
    return palette.ORANGE if cell in ("WARNING", "WARN") else ""


@dataclass
class Grown:
    """What a table shows after rows came in: the row that the cursor is on, and the pages in sight."""

    rows: Paged
    row: int
    pages: dict[int, Sequence[Line]]
    before: int
    """The row that the cursor was on when it was asked."""


def located(rows: Paged, line: Line | None, row: int, stop: Stop) -> int:
    """Where a row is now: rows that come in late push it down."""
    if line is None or not line.at:
        return min(row, rows.total - 1)
    first = rows.row_at(line.at, stop)
    near = rows.lines(first, 2 * PAGE, stop)
    return next((first + n for n, other in enumerate(near) if other == line), min(row, rows.total - 1))


class Streams(Body):
    """A table over one of several streams; the row under the cursor is written out below."""

    streams: tuple[str, ...] = ()
    of_rows = True
    DEFAULT_CSS = """
    Streams .count { height: 1; padding: 0 1; text-style: bold; }
    Streams VerticalScroll Still { min-height: 4; }
    Streams VerticalScroll { height: 5; border-top: solid $surface; padding: 0 1; scrollbar-size-vertical: 1; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.stream, self.only = self.streams[0], ""
        self._count = Still(classes="count", markup=False)
        self._grid = Grid(desk.lang, f"grid-{self.name_}", tint=tint, time=self.time)
        self._record = Still(markup=False)
        self._follows = True
        self._listed: tuple[str, str, tuple[Micros, Micros] | None, str] | None = None
        """Stream, filter and range of the rows that are shown, and of what capture they are."""
        self._counting = self._behind = False

    def compose(self) -> ComposeResult:
        """Time, what is listed, the table, the row in full."""
        yield self.strip
        yield self._count
        yield self._grid
        with VerticalScroll(can_focus=False):
            yield self._record

    @property
    def grid(self) -> Grid:
        """The table."""
        return self._grid

    def refill(self) -> None:
        """Counts the rows of the range."""
        wanted = self.stream, self.only, self.desk.place.range, self.desk.case.analysis.capture.id
        if wanted == self._listed:
            self.grown()
            return
        self._listed, self._counting, ask = None, False, self._asked()
        self._count.update(Text(self.word("counting", name=self.word(f"stream_{self.stream}"))))

        def counted(listing: Listing) -> None:
            self._listed = wanted
            self._counted(listing)

        self.ask("count", lambda stop: self.desk.case.look.listing(ask, stop), counted)

    def _asked(self) -> Ask:
        start, end = self.desk.place.span
        if self.desk.growing and self.desk.place.range is None:
            end = start + _NO_END  # so that the question stays the same while rows come in
        return Ask(self.stream, start, end, self.only)

    def grown(self) -> None:
        """Counts what came in, once at a time, however long it takes; the rows on the screen stay where they are."""
        if self._listed is None or self._counting:
            self._behind = True
            return
        self._counting, self._behind = True, False
        ask, look, grid = self._asked(), self.desk.case.look, self._grid
        at_end = self.desk.place.cursor >= self.desk.place.axis.end
        line, row, pages, before = grid.current, grid.row, grid.in_sight, grid.rows

        def question(stop: Stop) -> Grown | None:
            try:
                known = before.listing if isinstance(before, Paged) and before.listing.ask == ask else None
                rows = Paged(look, look.listing(ask, stop) if known is None else look.longer(known, stop))
                here = rows.total - 1 if at_end else located(rows, line, row, stop)
                numbers = {*pages, here // PAGE, *((p + 1 for p in pages) if here > row else ())}
                seen = {n: rows.lines(n * PAGE, PAGE, stop) for n in sorted(numbers) if n >= 0}
                return Grown(rows, here, seen, row)
            except QueryError:  # a reading that another one took the place of: the next one tells
                return None

        self.ask("count", question, lambda grown: self._regrown(grown, at_end=at_end))

    def _regrown(self, grown: "Grown | None", *, at_end: bool) -> None:
        self._counting = False
        if grown is not None:
            self._tell(grown.rows.listing)
            moved_on = self._grid.current is not None and self._grid.row != grown.before
            row = self._grid.row + grown.row - grown.before if moved_on else grown.row
            self._grid.renew(grown.rows, row, grown.pages, in_sight=at_end and not moved_on)
        if self._behind:
            self.grown()

    def _counted(self, listing: Listing) -> None:
        self._tell(listing)
        self._grid.show(Paged(self.desk.case.look, listing), self._grid.row)
        self._record.update("")
        self._follow()
        if self._behind:
            self.grown()

    def _tell(self, listing: Listing) -> None:
        about = [self.word(f"stream_{self.stream}"), f"{listing.total:,}"]
        if self.only:
            about.append(f"& {harmless(self.only)}")
        if self.desk.place.range:
            about.append(self.word("in_range"))
        others = " ".join(self.word(f"stream_{name}") for name in self.streams if name != self.stream)
        self._count.update(Text.assemble(" · ".join(about), (f"   b: {others}", "dim")))

    def moved(self) -> None:
        """The table follows the time, but not the time that it set itself."""
        if self._follows:
            self.settled(self._follow)

    def _follow(self) -> None:
        rows, at = self._grid.rows, self.desk.place.cursor
        line = self._grid.current
        if rows.total and (line is None or line.at != at):
            self.ask("row", lambda stop: rows.row_at(at, stop), lambda row: self._grid.move(row, by_user=False))

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """The time follows the row that the user chose."""
        event.stop()
        line = event.line
        pairs = [(name, text) for name, text in zip(self._grid.rows.columns, line.cells, strict=False) if text]
        self._record.update(Text("  ").join(Text.assemble((f"{harmless(n)} ", "dim"), harmless(t)) for n, t in pairs))
        if event.by_user and line.at:
            self._follows = False
            last = self.desk.growing and event.row == self._grid.rows.total - 1
            self.desk.place.go(self.desk.place.axis.end if last else line.at)
            self._follows = True

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """The row as it was recorded, among its neighbours."""
        event.stop()
        line = event.line
        self.evidence(_TABLE[self.stream], line.at, line.key, _longest(line))

    def cycle(self) -> None:
        """The next stream."""
        self.stream = self.streams[(self.streams.index(self.stream) + 1) % len(self.streams)]
        self.refill()

    def filtered(self, text: str) -> None:
        """Only rows that hold a text."""
        self.only = text
        self.refill()

    def state(self) -> dict[str, str]:
        """Stream and filter."""
        return {"stream": self.stream, "only": self.only}

    def restore(self, state: dict[str, str]) -> None:
        """Stream and filter."""
        if state.get("stream") in self.streams:
            self.stream = state["stream"]
        self.only = state.get("only", "")


def _longest(line: Line) -> str:
    return max(line.cells, key=len, default="")


class Events(Streams):
    """What Kubernetes and Airflow said happened."""

    name_ = "events"
    streams = ("events", "tasks", "runs", "audit")


class Logs(Streams):
    """Known log lines, and the recorder's polls."""

    name_ = "logs"
    streams = ("logs", "polls")
