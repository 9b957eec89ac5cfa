"""Capture: what was recorded, what was not, and what recording cost."""

from rich.text import Text
from textual.app import ComposeResult

from afscope.model.browse import Line, SourceLine
from afscope.model.finding import Gap, MissingSource
from afscope.model.timeline import Chart
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.harmless import harmless
from afscope.tui.lanes import FewLanes
from afscope.tui.rows import Fixed
from afscope.tui.screens.body import Body
from afscope.tui.still import Still
from afscope.tui.times import duration

MOST_LEFT_OUT = 1000
"""Parts that an import left out are listed up to here; `afscope info` has all."""
COLUMNS = ("source", "status", "rows", "bytes", "reason")


def tint(column: str, cell: str) -> str:
    """What is not whole stands out."""
    if column != "status":
        return ""
    return palette.GREEN if cell == "ok" else palette.GREY if cell in ("not_recorded", "absent") else palette.VERMILLION


def damaged_table(text: str) -> str:
    """The table that a sentence about a damaged segment is about; empty for a WAL, which holds several."""
    parts = text.split(" ", 1)[0].split("/")
    return parts[-2] if len(parts) > 1 else ""


class CaptureScreen(Body):
    """Sources and gaps in one table, costs below."""

    name_ = "capture"
    of_rows = True
    DEFAULT_CSS = """
    CaptureScreen .about { height: auto; max-height: 4; padding: 0 1; text-style: bold; }
    CaptureScreen #why { height: 3; padding: 0 1; border-top: solid $surface; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.only = ""
        self._about = Still(classes="about", markup=False)
        self._grid = Grid(desk.lang, "grid-capture", tint=tint)
        self._why = Still(id="why", markup=False)
        self._costs = FewLanes(desk.place, desk.titles, desk.lang, "costs")

    def compose(self) -> ComposeResult:
        """Time, what is on record, what it cost."""
        yield self.strip
        yield self._about
        yield self._grid
        yield self._why
        yield self._costs

    @property
    def grid(self) -> Grid:
        """The table."""
        return self._grid

    def refill(self) -> None:
        """Sources and costs."""
        look, axis = self.desk.case.look, self.desk.place.axis
        self.ask("sources", lambda _stop: look.sources(), self._listed)
        self.ask("costs", lambda stop: look.costs(axis.start, axis.end, stop), self._priced)

    def _listed(self, sources: list[SourceLine]) -> None:
        gaps = self.desk.case.analysis.gaps
        rows = sum(source.rows for source in sources)
        size = sum(source.bytes for source in sources)
        damage, left_out = self.desk.case.look.damage(), self.desk.case.look.left_out()
        about = [Text(self.word("recorded", rows=f"{rows:,}", mb=f"{size / 1e6:.1f}", gaps=len(gaps)))]
        if damage:
            about.append(Text(f"{palette.DAMAGED} {self.word('damaged_parts', n=len(damage))}", palette.VERMILLION))
        if left_out:
            about.append(Text(f"{palette.LEFT_OUT} {self.word('left_out_parts', n=len(left_out))}", palette.ORANGE))
        self._about.update(Text("\n").join(about))
        lines = [self._damaged(text) for text in damage]
        lines += [
            Line(0, (s.name, s.status, f"{s.rows:,}", f"{s.bytes:,}" if s.bytes else "", self._why_so(s)), s.name)
            for s in sources
        ]
        lines += [self._gap(gap) for gap in gaps]
        lines += [self._wanted(missing) for missing in self.desk.case.analysis.missing]
        lines += [
            Line(0, (palette.LEFT_OUT, self.word("left_out"), "", "", text), "") for text in left_out[:MOST_LEFT_OUT]
        ]
        self._grid.show(Fixed(COLUMNS, lines, only=self.only), self._grid.row)

    def _why_so(self, source: SourceLine) -> str:
        """How fresh the source is while it is recorded, and what is wrong with it."""
        if source.proven is None or source.status not in ("ok", "partial"):
            return source.reason
        age = duration(self.desk.case.analysis.capture.ended_at - source.proven, whole=True)
        fresh = self.word("proven", at=self.time(source.proven), age=age)
        return f"{fresh}; {source.reason}" if source.reason else fresh

    def _damaged(self, text: str) -> Line:
        """What was damaged, and how: it comes first, for it bounds what can be said."""
        table = damaged_table(text)
        return Line(0, (f"{palette.DAMAGED} {table or 'wal'}", self.word("damaged"), "", "", text), table)

    def _gap(self, gap: Gap) -> Line:
        """A hole, with where it lies and how long it is."""
        lasted = duration(gap.to_ts - gap.from_ts)
        why = f"{self.time(gap.from_ts)} {gap.reason}"
        return Line(gap.from_ts, (f"{palette.GAP} {gap.source}", self.word("gap"), "", lasted, why), gap.source)

    def _wanted(self, missing: MissingSource) -> Line:
        """What a missing source would settle, and how to get it."""
        settles = ", ".join((*missing.components, *missing.causes))
        why = self.word("would_settle", what=settles, how=missing.how) if settles else missing.how
        return Line(0, (f"{palette.WANTED} {missing.source}", self.word("wanted"), "", "", why), missing.source)

    def grown(self) -> None:
        """More rows, and maybe a source that came or went."""
        look = self.desk.case.look
        self.ask("sources", lambda _stop: look.sources(), self._listed)

    def _priced(self, chart: Chart) -> None:
        self._costs.display = bool(chart.lanes)
        self._costs.show(chart)
        self._costs.refresh(layout=True)

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """The reason in full; a gap that is chosen is shown in time."""
        event.stop()
        cells = event.line.cells
        self._why.update(Text.assemble((harmless(cells[0]), "bold"), f" {cells[1]}  ", harmless(cells[-1])))
        if event.by_user and event.line.at:
            self.desk.place.go(event.line.at)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Rows of the source around the cursor."""
        event.stop()
        if event.line.key:
            self.evidence(harmless(event.line.key), self.desk.place.cursor, "", "")

    def filtered(self, text: str) -> None:
        """Only rows that hold a text."""
        self.only = text
        self.refill()
