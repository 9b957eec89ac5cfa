"""Overview: the incident on one screen. Lanes over time, and beside them verdict, findings and rulings to walk into."""

import threading
from dataclasses import dataclass

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import ContentSwitcher, DataTable, OptionList, Static

from afscope.model.finding import Evidence, Finding
from afscope.model.timeline import RowPage
from afscope.tui.desk import Desk
from afscope.tui.evidence import Rows
from afscope.tui.harmless import harmless
from afscope.tui.heads import pane_title, target_title
from afscope.tui.pages import Subject, evidence_text, lasts, of_lint, starts_at
from afscope.tui.pane import PageList
from afscope.tui.screens.body import Body
from afscope.tui.screens.findings import first_proof
from afscope.tui.timeline import Timeline

BESIDE_FROM_WIDTH, STACKED_FROM_HEIGHT = 150, 36
"""Panes stand side by side from this width on, else one above the other from this height on, else behind each other."""


class Overview(Body):
    """Timeline, list and rows, fitted to the terminal."""

    name_ = "overview"
    DEFAULT_CSS = """
    Overview #panes { height: 1fr; }
    Overview .title { height: 1; }
    Overview #left, Overview #side, Overview #switch { width: 1fr; height: 1fr; }
    Overview #tab-timeline, Overview #tab-list { width: auto; }
    Overview.beside #panes { layout: horizontal; }
    Overview.beside #left { width: 3fr; } Overview.beside #side { width: 2fr; border-left: solid $surface; }
    Overview.stacked #panes { layout: vertical; }
    Overview.stacked #left { height: 3fr; } Overview.stacked #side { height: 2fr; }
    Overview #tabs { display: none; height: 1; } Overview.tabs #tabs { display: block; }
    Overview.tabs .title { display: none; }
    Overview.tabs #left, Overview.tabs #side { display: none; }
    Overview.tabs.on-timeline #left, Overview.tabs.on-list #side { display: block; }
    """

    @dataclass
    class RowsRead(Message):
        """A thread has read the rows of a piece of evidence."""

        evidence: Evidence
        page: RowPage

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.add_class("on-timeline")
        self.timeline = Timeline(desk.place, desk.titles, desk.lang)
        self.list = PageList(desk.pages.root())
        self.rows = Rows(desk.lang)
        # Held, not queried: messages still come in while the screen is put up and taken down.
        self.switch = ContentSwitcher(initial="list", id="switch")
        self._titles = {
            pane: (_title(f"tab-{pane}"), _title(f"title-{pane}", "title")) for pane in ("timeline", "list")
        }
        self._titled: dict[str, tuple[str, bool]] = {}
        self.evidence_open: Evidence | None = None
        self._reading = threading.Lock()
        self._concluded = _concluded(desk)

    def compose(self) -> ComposeResult:
        """Two panes."""
        with Horizontal(id="tabs"):
            yield self._titles["timeline"][0]
            yield self._titles["list"][0]
        with Container(id="panes"):
            with Vertical(id="left"):
                yield self._titles["timeline"][1]
                yield self.timeline
            with Vertical(id="side"):
                yield self._titles["list"][1]
                with self.switch:
                    yield self.list
                    yield self.rows

    @property
    def heart(self) -> Widget:
        """The pane that is active."""
        if self.on_timeline:
            return self.timeline.lanes
        return self.rows.table if self.evidence_open else self.list

    # --- layout

    def fit(self, width: int, height: int) -> None:
        """Chooses the layout for a terminal of this size."""
        layout = "beside" if width >= BESIDE_FROM_WIDTH else "stacked" if height >= STACKED_FROM_HEIGHT else "tabs"
        for name in ("beside", "stacked", "tabs"):
            self.set_class(name == layout, name)
        self.call_after_refresh(self.titled)

    @property
    def on_timeline(self) -> bool:
        """Whether the timeline is the active pane."""
        return self.has_class("on-timeline")

    def activate(self, *, timeline: bool) -> None:
        """Makes a pane the active one: focus, and in small terminals the one that is seen."""
        self._classed(timeline=timeline)
        self.heart.focus()

    def _classed(self, *, timeline: bool) -> None:
        self.set_class(timeline, "on-timeline")
        self.set_class(not timeline, "on-list")
        self.titled()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click into the other pane activates it."""
        timeline = event.widget is self.timeline.lanes
        if timeline != self.on_timeline:
            self._classed(timeline=timeline)

    def titled(self) -> None:
        """Titles of the panes."""
        place = self.desk.place
        if self.desk.case.charts:
            left = target_title(place.chart, place.index, len(place.charts), self.desk.lang)
        else:
            left = self.word("no_charts")
        trail = self.list.trail + ([harmless(self.evidence_open.table)] if self.evidence_open else [])
        trail[0] = f"{trail[0]} ({sum(not of_lint(f) for f in self.desk.case.analysis.findings)})"
        for where, text, active in (
            ("timeline", left, self.on_timeline),
            ("list", " › ".join(trail), not self.on_timeline),
        ):
            if self._titled.get(where) != (text, active):
                self._titled[where] = (text, active)
                for widget in self._titles[where]:
                    widget.update(pane_title(text, active=active))

    # --- what happens to it

    def opened(self) -> None:
        """It is what is seen now."""
        self.timeline.told()
        self.timeline.lanes.seen()
        self.titled()

    def renewed(self) -> None:
        """The same capture, read again: what is shown changes, where the user is does not."""
        pages = [self.desk.pages.root()]
        for about in self.list.subjects:
            page = self.desk.pages.again(about)
            if page is None:
                self.notify(self.word("gone"), timeout=6, markup=False)
                break
            pages.append(page)
        if self._concluded or self.list.depth:
            self.list.renew(pages)
        else:
            self.list.begin(pages[0])  # what was chosen of a page without findings says nothing about them
        self._concluded = _concluded(self.desk)
        self.titled()

    def grown(self) -> None:
        """Lanes and their titles draw themselves."""
        self.titled()

    def on_page_list_chosen(self, event: PageList.Chosen) -> None:
        """The finding strip follows the highlight."""
        event.stop()
        self.desk.place.bracket(lasts(event.entry.opens if event.entry else None) or lasts(self.list.page.about))
        self.titled()

    def on_page_list_opened(self, event: PageList.Opened) -> None:
        """Drills in."""
        event.stop()
        self.open_subject(event.subject)

    def show_subject(self, subject: Subject) -> None:
        """Cursor, mark and target of a subject."""
        place = self.desk.place
        if isinstance(subject, Finding):
            place.choose_named(subject.target)
        at = starts_at(subject)
        if at is not None:
            place.go(at)
        place.bracket(lasts(subject))
        self.titled()

    def open_subject(self, subject: Subject) -> None:
        """A page about a subject, or the rows of evidence; the cursor goes to its time."""
        if isinstance(subject, Evidence):
            self.evidence_open = subject
            self._read(subject)
        else:
            self.list.push(self.desk.pages.about(subject))
        self.show_subject(subject)

    @work(thread=True, exclusive=True)
    def _read(self, evidence: Evidence) -> None:
        """Reads rows off the event loop."""
        try:
            page = self.desk.case.rows(evidence)
        except Exception as error:  # a row that cannot be read must not take the screen away
            why = self.word("no_answer", why=harmless(error))
            page = RowPage(evidence.table, (evidence.table,), ((why,),), 0)
        self.post_message(self.RowsRead(evidence, page))

    def on_overview_rows_read(self, event: RowsRead) -> None:
        """Shows rows that are still wanted."""
        if event.evidence is self.evidence_open:
            self.rows.show(event.page)
            self.switch.current = "rows"
            self.activate(timeline=False)

    # --- keys

    def arrows_scroll(self) -> DataTable[object] | None:
        """A table that is wider than its pane and has the focus: there arrows scroll."""
        focused = self.screen.focused
        return focused if isinstance(focused, DataTable) else None

    def step_finding(self, by: int) -> None:
        """Chooses another finding; where a finding was open, the other one is opened."""
        deep = self.list.depth > 0
        self._close_rows()
        self.list.home()
        places = self.list.findings
        here = self.list.highlighted if self.list.highlighted is not None else -1
        on = [n for n in places if (n > here if by > 0 else n < here)]
        if on:
            self.list.choose(on[0] if by > 0 else on[-1])
            entry = self.list.entry
            if entry is not None and entry.opens is not None:
                self.show_subject(entry.opens)
        if deep and self.list.entry and self.list.entry.opens:
            self.open_subject(self.list.entry.opens)

    def down_or_up(self, by: int) -> None:
        """j and k in the list or table that is active."""
        focused = self.screen.focused
        if isinstance(focused, DataTable | OptionList):
            focused.action_cursor_down() if by > 0 else focused.action_cursor_up()

    def other_pane(self) -> None:
        """Timeline and list."""
        self.activate(timeline=not self.on_timeline)

    def open(self) -> None:
        """From the timeline: opens what is highlighted in the list."""
        if self.on_timeline:
            entry = self.list.entry
            self.activate(timeline=False)
            if entry and entry.opens and not self.evidence_open:
                self.open_subject(entry.opens)
        elif self.list.has_focus:
            self.list.action_select()

    @property
    def finding(self) -> Finding | None:
        """What is open or highlighted."""
        for subject in (self.list.page.about, self.list.entry.opens if self.list.entry else None):
            if isinstance(subject, Finding):
                return subject
        return None

    def prove(self) -> None:
        """The rows of the first evidence of the finding that is open or highlighted."""
        proof = first_proof(self.finding)
        if proof is not None and proof is not self.evidence_open:
            if not isinstance(self.list.page.about, Finding) and self.finding:
                self.list.push(self.desk.pages.about(self.finding))
            self.open_subject(proof)

    def back(self) -> bool:
        """One level up."""
        return self._close_rows() or self.list.pop()

    def _close_rows(self) -> bool:
        if self.evidence_open is None:
            return False
        self.evidence_open = None
        self.switch.current = "list"
        self.titled()
        if not self.on_timeline:
            self.list.focus()
        return True

    def copied(self) -> str:
        """What is chosen."""
        if self.evidence_open is not None:
            return f"{evidence_text(self.evidence_open)}\n{self.rows.record}"
        return self.list.entry.copy if self.list.entry else ""


def _concluded(desk: Desk) -> bool:
    """Whether there is an analysis."""
    return bool(desk.case.analysis.findings or desk.case.analysis.verdict.components)


def _title(name: str, classes: str = "") -> Static:
    return Static(id=name, classes=classes, markup=False)
