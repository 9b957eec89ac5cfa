"""The case screen: routes keys and messages between timeline, list and rows, and fits the panes to the terminal."""

import threading
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import ContentSwitcher, DataTable, OptionList, Static

from afscope.model.clock import Micros
from afscope.model.finding import Analysis, Evidence, Finding
from afscope.model.timeline import Chart, RowPage, Span
from afscope.tui import keys
from afscope.tui.evidence import Rows
from afscope.tui.harmless import harmless
from afscope.tui.heads import Footer, Header, pane_title, target_title
from afscope.tui.overlays import Help, Jump
from afscope.tui.pages import Pages, Subject, evidence_text, lasts, starts_at
from afscope.tui.pane import PageList
from afscope.tui.source import CaseFile
from afscope.tui.timeline import Timeline
from afscope.tui.times import between, jump
from afscope.tui.words import word

BESIDE_FROM_WIDTH, STACKED_FROM_HEIGHT = 150, 36
"""Panes stand side by side from this width on, else one above the other from this height on, else behind each other."""
_COPY_LIMIT = 75_000
"""Characters: xterm and tmux drop longer OSC 52 sequences."""


class CaseScreen(Screen[None]):
    """One analyzed capture."""

    CSS = """
    #body { height: 1fr; }
    #panes { height: 1fr; }
    .title { height: 1; }
    #left, #side, #switch { width: 1fr; height: 1fr; }
    #tab-timeline, #tab-list { width: auto; }
    .beside #panes { layout: horizontal; }
    .beside #left { width: 3fr; } .beside #side { width: 2fr; border-left: solid $surface; }
    .stacked #panes { layout: vertical; }
    .stacked #left { height: 3fr; } .stacked #side { height: 2fr; }
    .tabs #tabs { display: block; } #tabs { display: none; height: 1; }
    .tabs .title { display: none; }
    .tabs #left, .tabs #side { display: none; }
    .tabs.on-timeline #left, .tabs.on-list #side { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings()]

    def __init__(self, case: CaseFile, *, name: str, lang: str) -> None:
        super().__init__(id="case")
        self.case, self.name_, self.lang = case, name, lang
        self.pages = Pages(case.analysis, lang)
        charts = case.charts or (_no_chart(case.analysis),)
        titles = {span.kind: harmless(case.cause_title(span.kind)) for chart in charts for span in chart.constraint}
        self.timeline = Timeline(charts, titles, lang)
        self.list = PageList(self.pages.root())
        self.rows = Rows(lang)
        # Held, not queried: messages still come in while the screen is put up and taken down.
        self.body = Vertical(id="body", classes="on-timeline")
        self.switch = ContentSwitcher(initial="list", id="switch")
        self._titles = {
            pane: (_title(f"tab-{pane}"), _title(f"title-{pane}", "title")) for pane in ("timeline", "list")
        }
        self._has_targets = bool(case.charts)
        self._evidence: Evidence | None = None
        self._reading = threading.Lock()

    def compose(self) -> ComposeResult:
        """Header, panes, footer."""
        self._fit(*self.app.size)  # before the first frame, which would show another layout for a moment
        yield Header(self.pages, self.name_)
        with self.body:
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
        yield Footer(self.lang)

    def on_mount(self) -> None:
        """The cursor starts where the trouble starts."""
        self.timeline.lanes.focus()
        findings = self.case.analysis.findings
        if findings:
            self.show_subject(findings[0])

    # --- layout

    def on_resize(self, event: events.Resize) -> None:
        """Chooses the layout for the new size."""
        self._fit(*event.size)
        self.call_after_refresh(self._titled)

    def _fit(self, width: int, height: int) -> None:
        layout = "beside" if width >= BESIDE_FROM_WIDTH else "stacked" if height >= STACKED_FROM_HEIGHT else "tabs"
        for name in ("beside", "stacked", "tabs"):
            self.body.set_class(name == layout, name)

    @property
    def on_timeline(self) -> bool:
        """Whether the timeline is the active pane."""
        return self.body.has_class("on-timeline")

    def activate(self, *, timeline: bool) -> None:
        """Makes a pane the active one: focus, and in small terminals the one that is seen."""
        self._classed(timeline=timeline)
        widget = self.timeline.lanes if timeline else self.rows.table if self._evidence else self.list
        widget.focus()

    def _classed(self, *, timeline: bool) -> None:
        self.body.set_class(timeline, "on-timeline")
        self.body.set_class(not timeline, "on-list")
        self._titled()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click into the other pane activates it."""
        timeline = event.widget is self.timeline.lanes
        if timeline != self.on_timeline:
            self._classed(timeline=timeline)

    def _titled(self) -> None:
        if self._has_targets:
            left = target_title(self.timeline.chart, self.timeline.index, len(self.timeline.charts), self.lang)
        else:
            left = word(self.lang, "no_charts")
        trail = self.list.trail + ([harmless(self._evidence.table)] if self._evidence else [])
        trail[0] = f"{trail[0]} ({len(self.case.analysis.findings)})"
        for where, text, active in (
            ("timeline", left, self.on_timeline),
            ("list", " › ".join(trail), not self.on_timeline),
        ):
            for widget in self._titles[where]:
                widget.update(pane_title(text, active=active))

    # --- what the panes report

    def on_page_list_chosen(self, event: PageList.Chosen) -> None:
        """The finding strip follows the highlight."""
        self.timeline.mark(lasts(event.entry.opens if event.entry else None) or lasts(self.list.page.about))
        self._titled()

    def on_page_list_opened(self, event: PageList.Opened) -> None:
        """Drills in."""
        self.open_subject(event.subject)

    def show_subject(self, subject: Subject) -> None:
        """Cursor, mark and target of a subject."""
        if isinstance(subject, Finding):
            self.timeline.choose_named(subject.target)
        at = starts_at(subject)
        if at is not None:
            self.timeline.go(at)
        self.timeline.mark(lasts(subject))
        self._titled()

    def open_subject(self, subject: Subject) -> None:
        """A page about a subject, or the rows of evidence; the cursor goes to its time."""
        if isinstance(subject, Evidence):
            self._evidence = subject
            self._read(subject)
        else:
            self.list.push(self.pages.about(subject))
        self.show_subject(subject)

    @work(thread=True, exclusive=True)
    def _read(self, evidence: Evidence) -> None:
        """Reads rows off the event loop, one query at a time: the engine's connection is not for two threads."""
        with self._reading:
            try:
                page = self.case.rows(evidence)
            except Exception as error:  # a row that cannot be read must not take the screen away
                why = word(self.lang, "no_answer", why=harmless(error))
                page = RowPage(evidence.table, (evidence.table,), ((why,),), 0)
        self.app.call_from_thread(self._show_rows, evidence, page)

    def _show_rows(self, evidence: Evidence, page: RowPage) -> None:
        if evidence is self._evidence:
            self.rows.show(page)
            self.switch.current = "rows"
            self.activate(timeline=False)

    # --- keys: time

    def action_earlier(self) -> None:
        """Cursor one column earlier; in a table that is wider than its pane, arrows scroll."""
        if isinstance(self.focused, DataTable):
            self.focused.action_scroll_left()
        else:
            self.timeline.by_columns(-1)

    def action_later(self) -> None:
        """Cursor one column later."""
        if isinstance(self.focused, DataTable):
            self.focused.action_scroll_right()
        else:
            self.timeline.by_columns(1)

    def action_previous_change(self) -> None:
        """Cursor to the previous change."""
        self.timeline.by_change(-1)

    def action_next_change(self) -> None:
        """Cursor to the next change."""
        self.timeline.by_change(1)

    def action_previous_finding(self) -> None:
        """The finding before, in the order of the list."""
        self._step_finding(-1)

    def action_next_finding(self) -> None:
        """The next finding, in the order of the list."""
        self._step_finding(1)

    def _step_finding(self, by: int) -> None:
        """Chooses another finding; where a finding was open, the other one is opened."""
        findings = self.case.analysis.findings
        deep = self.list.depth > 0
        self._close_rows()
        self.list.home()
        index = (self.list.highlighted if self.list.highlighted is not None else -by) + by
        if 0 <= index < len(findings):
            self.list.choose(index)
            self.show_subject(findings[index])
        if deep and self.list.entry and self.list.entry.opens:
            self.open_subject(self.list.entry.opens)

    def action_zoom_in(self) -> None:
        """Half the time span."""
        self.timeline.zoom(0.5)

    def action_zoom_out(self) -> None:
        """Twice the time span."""
        self.timeline.zoom(2.0)

    def action_whole(self) -> None:
        """The whole range."""
        self.timeline.whole()

    def action_first(self) -> None:
        """Cursor to the start of the capture."""
        self.timeline.go(self.timeline.axis.start)

    def action_last(self) -> None:
        """Cursor to the end of the capture."""
        self.timeline.go(self.timeline.axis.end)

    def action_jump(self) -> None:
        """Asks for a time."""
        chart = self.timeline.chart

        def understand(text: str) -> Micros:
            return jump(text, cursor=self.timeline.cursor, start=chart.start, end=chart.end)

        def arrive(at: Micros | None) -> None:
            if at is not None:
                self.timeline.go(at)

        self.app.push_screen(Jump(self.lang, understand, between(chart.start, chart.end)), arrive)

    # --- keys: place

    def action_next_target(self) -> None:
        """The next target, after the last the first."""
        self.action_target((self.timeline.index + 1) % len(self.timeline.charts) + 1)

    def action_target(self, number: int) -> None:
        """A target by its number, from 1."""
        self.timeline.choose(number - 1)
        self._titled()

    def action_next_pane(self) -> None:
        """The other pane."""
        self.activate(timeline=not self.on_timeline)

    def action_down(self) -> None:
        """Down in the list or table that is active."""
        if isinstance(self.focused, DataTable | OptionList):
            self.focused.action_cursor_down()

    def action_up(self) -> None:
        """Up in the list or table that is active."""
        if isinstance(self.focused, DataTable | OptionList):
            self.focused.action_cursor_up()

    def action_open(self) -> None:
        """From the timeline: opens what is highlighted in the list."""
        if self.on_timeline:
            entry = self.list.entry
            self.activate(timeline=False)
            if entry and entry.opens and not self._evidence:
                self.open_subject(entry.opens)

    def action_back(self) -> None:
        """One level up; at the root, back to the timeline."""
        if not self._close_rows() and not self.list.pop():
            self.activate(timeline=True)

    def action_leave(self) -> None:
        """One level up; at the root, out."""
        if not self._close_rows() and not self.list.pop():
            self.app.exit(0)

    def _close_rows(self) -> bool:
        if self._evidence is None:
            return False
        self._evidence = None
        self.switch.current = "list"
        self._titled()
        if not self.on_timeline:
            self.list.focus()
        return True

    # --- keys: other

    def action_copy(self) -> None:
        """Copies what is chosen, by OSC 52, so that it works through SSH."""
        entry = self.list.entry
        if self._evidence is not None:
            text = f"{evidence_text(self._evidence)}\n{self.rows.record}"
        else:
            text = entry.copy if entry else ""
        if text:
            self.app.copy_to_clipboard(text[:_COPY_LIMIT])
            self.notify(word(self.lang, "copied"), timeout=2, markup=False)

    def action_help(self) -> None:
        """All keys."""
        self.app.push_screen(Help(self.lang))


def _title(name: str, classes: str = "") -> Static:
    return Static(id=name, classes=classes, markup=False)


def _no_chart(analysis: Analysis) -> Chart:
    """An empty timeline for a capture without targets: its clock and its gaps are worth showing still."""
    gaps = tuple(Span(gap.from_ts, gap.to_ts, gap.source, gap.reason) for gap in analysis.gaps)
    return Chart("", analysis.capture.started_at, analysis.capture.ended_at, (), (), (), gaps, ())
