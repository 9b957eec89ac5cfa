"""Findings: all of them as a table, the chosen one with its evidence below."""

from collections.abc import Sequence

from textual.app import ComposeResult

from afscope.model.browse import Line
from afscope.model.finding import Evidence, Finding, Role
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.pages import Page, lasts, of_lint, same
from afscope.tui.pane import PageList
from afscope.tui.rows import Fixed
from afscope.tui.screens.body import Body, ShowRows
from afscope.tui.times import duration

COLUMNS = ("role", "severity", "component", "lasted", "waited", "lost", "title")
NARROW = ("severity", "lasted", "waited", "lost", "title")
"""What is left where the title would have no room: the glyph tells the role, the page below who and what."""
WIDE_FROM = 110


class Findings(Body):
    """Table and page."""

    name_ = "findings"
    DEFAULT_CSS = """
    Findings #grid-findings { height: 1fr; } Findings #finding { height: 2fr; border-top: solid $surface; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.only = ""
        self._chosen_one: Finding | None = None
        self._grid = Grid(desk.lang, "grid-findings", tint=self._tint, time=self.time)
        self.list = PageList(Page("", ()), "finding")

    def compose(self) -> ComposeResult:
        """Time, table, page."""
        yield self.strip
        yield self._grid
        yield self.list

    @property
    def grid(self) -> Grid:
        """The table."""
        return self._grid

    def refill(self) -> None:
        """The findings that touch the range."""
        start, end = self.desk.place.span
        findings = self.desk.case.analysis.findings
        columns = self._columns()
        lines = [
            Line(f.started_at, self._cells(f, columns), f"{n}")
            for n, f in sorted(enumerate(findings), key=lambda item: of_lint(item[1]))
            if f.started_at <= end and f.ended_at >= start
        ]
        rows = Fixed(columns, lines, only=self.only)
        before = self._chosen_one
        places = (
            n for n, line in enumerate(rows.lines(0, rows.total)) if before and same(findings[int(line.key)], before)
        )
        self._grid.show(rows, next(places, self._grid.row))
        if not lines:
            self.list.renew([Page("", ())])

    def _cells(self, f: Finding, columns: Sequence[str]) -> tuple[str, ...]:
        role, severity = "lint" if of_lint(f) else self.word(f.role.value), self.word(f.severity.value)
        glyph = "" if of_lint(f) else f"{palette.ROLE[f.role]} "
        cells = {
            "role": f"{glyph}{role}",
            "severity": severity if "role" in columns else f"{glyph}{severity}" if glyph else role,
            "component": f.component,
            "lasted": duration(f.ended_at - f.started_at),
            "waited": _seconds(f.cost.waiting_task_seconds),
            "lost": _seconds(f.cost.lost_task_seconds),
            "title": f.title,
        }
        return tuple(cells[column] for column in columns)

    def _columns(self) -> tuple[str, ...]:
        """Those that there is room for; lost work only where some was lost."""
        lost = any(f.cost.lost_task_seconds >= 0.5 for f in self.desk.case.analysis.findings)
        wide = not self.app.size.width or self.app.size.width >= WIDE_FROM
        return tuple(name for name in (COLUMNS if wide else NARROW) if lost or name != "lost")

    def on_resize(self) -> None:
        """Other columns in another width."""
        if self._grid.rows.total and tuple(self._grid.rows.columns) != self._columns():
            self.refill()

    def _tint(self, column: str, cell: str) -> str:
        if column == "severity":
            return next((c for s, c in palette.SEVERITY.items() if cell.endswith(self.word(s.value))), "")
        return palette.VERMILLION if column == "role" and cell.startswith(palette.ROLE[Role.ROOT_CAUSE]) else ""

    @property
    def finding(self) -> Finding | None:
        """The one under the cursor."""
        line = self._grid.current
        findings = self.desk.case.analysis.findings
        return findings[int(line.key)] if line and int(line.key) < len(findings) else None

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """Its page, its target, its time."""
        event.stop()
        finding = self.finding
        if finding is None:
            return
        self._chosen_one = finding
        self.list.renew([self.desk.pages.about(finding)])
        self.desk.place.bracket(lasts(finding))
        if event.by_user:
            self.desk.place.choose_named(finding.target)
            self.desk.place.go(finding.started_at)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Into the page, to its first evidence."""
        event.stop()
        self.list.focus()
        first = next((n for n, e in enumerate(self.list.page.entries) if isinstance(e.opens, Evidence)), None)
        if first is not None:
            self.list.choose(first)

    def on_page_list_opened(self, event: PageList.Opened) -> None:
        """Evidence at its row and time; an explaining finding in the table."""
        event.stop()
        if isinstance(event.subject, Evidence):
            self.post_message(ShowRows(event.subject))
        elif isinstance(event.subject, Finding):
            self.choose(event.subject)

    def on_page_list_chosen(self, event: PageList.Chosen) -> None:
        """Nothing else hangs on the entry."""
        event.stop()

    def choose(self, finding: Finding) -> None:
        """The cursor to a finding."""
        findings = self.desk.case.analysis.findings
        for row in range(self._grid.rows.total):
            if findings[int(self._grid.rows.lines(row, 1)[0].key)].id == finding.id:
                self._grid.move(row)
                self._grid.focus()
                return

    def other_pane(self) -> None:
        """Table and page."""
        (self._grid if self.list.has_focus else self.list).focus()

    def back(self) -> bool:
        """From the page to the table."""
        if self.list.has_focus:
            self._grid.focus()
            return True
        return False

    def filtered(self, text: str) -> None:
        """Only findings that hold a text."""
        self.only = text
        self.refill()

    def copied(self) -> str:
        """A finding for a ticket, or an entry of its page."""
        if self.list.has_focus and self.list.entry:
            return self.list.entry.copy
        return self.desk.pages.finding_text(self.finding) if self.finding else ""


def _seconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 0.5 else ""


def first_proof(finding: Finding | None) -> Evidence | None:
    """The evidence that o shows."""
    return finding.evidence[0] if finding and finding.evidence else None
