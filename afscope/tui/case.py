"""The case screen: header, tabs, one body per screen, footer. It routes keys; what they do is done elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.command import CommandPalette
from textual.message import Message
from textual.widgets import ContentSwitcher, Input, OptionList

from afscope.model.clock import SECOND, Micros, rfc3339
from afscope.model.finding import Analysis, Evidence
from afscope.model.timeline import Chart, RowPage, Span
from afscope.tui import keys, memory, palette, themes
from afscope.tui.commands import Commands
from afscope.tui.desk import Desk
from afscope.tui.harmless import harmless
from afscope.tui.heads import Footer, Header, Tabs
from afscope.tui.live import Live
from afscope.tui.overlays import Help, Prompt, Proof
from afscope.tui.pages import Pages, evidence_text, in_order
from afscope.tui.place import Place
from afscope.tui.screens import bodies
from afscope.tui.screens.body import Body, ShowRows
from afscope.tui.screens.findings import Findings, first_proof
from afscope.tui.screens.overview import Overview
from afscope.tui.source import CaseFile, LiveFile, News
from afscope.tui.table_keys import TableKeys
from afscope.tui.time_keys import SPEEDS
from afscope.tui.times import between, duration
from afscope.tui.words import word

_COPY_LIMIT = 75_000
"""Characters: xterm and tmux drop longer OSC 52 sequences."""


class CaseScreen(TableKeys):
    """One analyzed capture."""

    CSS = "#bodies { height: 1fr; } CommandPalette > Vertical { width: 80; }"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings()]

    @dataclass
    class Proven(Message):
        """A thread has read the rows of a piece of evidence."""

        evidence: Evidence
        page: RowPage

    @dataclass
    class Said(Message):
        """A thread has something to say."""

        text: str
        bad: bool = False

    def __init__(
        self, case: CaseFile, *, name: str, lang: str, live: Live | None = None, remember: bool = False
    ) -> None:
        """With `live` the capture still grows, and `renew` brings what is new; `remember` keeps the user's place."""
        super().__init__(id="case")
        self.live, self._remember = live, remember
        charts, titles = _drawn(case)
        self.desk = Desk(case, Place(charts), Pages(case.analysis, lang), titles, lang, name, [], live is not None)
        self.header = Header(self.desk.pages, name, self._tag())
        self.tabs = Tabs(lang)
        self.footer = Footer(lang)
        self.switch = ContentSwitcher(initial="body-overview", id="bodies")
        self.overview = Overview(self.desk)
        self.bodies: dict[str, Body] = {"overview": self.overview}
        self.current = "overview"
        self._screens: dict[str, dict[str, str]] = {}
        self._left_target = ""
        """The target that was chosen when the capture was left; it is not there before the analysis."""

    def compose(self) -> ComposeResult:
        """Header, tabs, the first screen, footer."""
        self.overview.fit(*self.app.size)  # before the first frame, which would show another layout for a moment
        yield self.header
        yield self.tabs
        with self.switch:
            yield self.overview
        yield self.footer

    def on_mount(self) -> None:
        """The cursor starts where the trouble starts, or where it was left."""
        self.overview.timeline.lanes.focus()
        self._fitted()
        if not (self._remember and self._restored()):
            self._begin()
        if self.live is not None:
            self.set_interval(1.0, self._aged)

    def _begin(self) -> None:
        findings = in_order(self.desk.case.analysis.findings)
        if self.live is not None:
            self.action_last()
        elif findings and self.overview.list.findings:
            self.overview.list.choose(self.overview.list.findings[0])
            self.overview.show_subject(findings[0])

    # --- live

    def renew(self, case: CaseFile) -> None:
        """The same capture, read again: what is shown changes, where the user is does not."""
        before, desk = self.desk.case, self.desk
        first = not desk.case.analysis.findings and not desk.case.analysis.verdict.components
        charts, titles = _drawn(case)
        desk.case, desk.pages = case, Pages(case.analysis, desk.lang)
        desk.titles.clear()
        desk.titles.update(titles)
        untouched = self.place.cursor == self.place.axis.start
        self.place.renew(charts)
        for body in self.bodies.values():
            body.renewed()
        self.retag()
        if first:
            self.place.choose_named(self._left_target)
            if untouched:
                self._begin()
        self._close(before)

    def grew(self, case: LiveFile, news: News) -> None:
        """Rows came in: lanes and tables go on, everything else stays."""
        if case is not self.desk.case or (self.live is not None and self.live.paused):
            return
        case.take(news)
        self.desk.pages = Pages(case.analysis, self.desk.lang)
        self.place.renew(case.charts or (_no_chart(case.analysis),), rows_only=True)
        self.retag()

    def _aged(self) -> None:
        """The verdict is a second older."""
        if self.live is not None and self.live.why_ended is None:
            self.retag()

    @work(thread=True)
    def _close(self, case: CaseFile) -> None:
        """Frees the case before, once nobody asks it any more."""
        close = getattr(case, "close", None)
        if callable(close):
            close()

    def _tag(self) -> str:
        """Whether what is shown still grows, plays, or is not whole."""
        damaged = ""
        if hasattr(self, "desk") and self.desk.case.look.damage():
            damaged = f"{palette.DAMAGED} {word(self.desk.lang, 'damaged_mark')}"
        return " ".join(part for part in (self._state(), damaged) if part)

    def _state(self) -> str:
        if self.plays:
            return f"{palette.PLAYS} {SPEEDS[self._speed]:g}x"
        if self.live is None:
            return ""
        if self.live.why_ended is not None:
            return f"{palette.ENDED} {word(self.desk_lang, 'recorder_ended', why=harmless(self.live.why_ended))}"
        state, age = "paused" if self.live.paused else "live", self.live.age_s
        told = (
            "" if age is None else f" · {word(self.desk_lang, 'verdict_age', age=duration(age * SECOND, whole=True))}"
        )
        return f"{palette.LIVE[state]} {word(self.desk_lang, state)}{told}"

    @property
    def desk_lang(self) -> str:
        """The language, also while the desk is not set up."""
        return self.desk.lang if hasattr(self, "desk") else "en"

    def retag(self) -> None:
        """The header says whether what is shown grows or plays."""
        self.header.renew(self.desk.pages, self._tag())

    # --- screens

    def on_resize(self, event: events.Resize) -> None:
        """Chooses the layout for the new size."""
        self.overview.fit(*event.size)
        self._fitted()

    def _fitted(self) -> None:
        """Only the overview, and tall terminals, have room for the whole verdict."""
        self.header.short = self.current != "overview" and self.app.size.height < 45
        self.tabs.show(self.current)
        self.footer.show(self.current)

    async def action_screen(self, name: str) -> None:
        """Another screen, made when it is first wanted."""
        if name not in self.bodies:
            body = self.bodies[name] = bodies.make(name, self.desk)
            body.restore(self._screens.get(name, {}))
            await self.switch.mount(body)
        if name != self.current:
            self.body.left()
        self.current = name
        self.switch.current = self.body.id
        self._fitted()
        self.body.opened()
        heart = self.body.heart
        if heart is not None:
            heart.focus()

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        """A click on a tab."""
        self.run_worker(self.action_screen(event.name))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that beat the focus leave text fields alone; keys of other screens do nothing here."""
        typing = isinstance(self.focused, Input) or self.body.typing
        if typing and action in ("earlier", "later"):
            return False
        key = next((key for key in keys.KEYS if key.action == action and key.where), None)
        return key is None or self.current in key.where

    # --- keys: place

    def action_next_target(self) -> None:
        """The next target, after the last the first."""
        self.place.choose((self.place.index + 1) % len(self.place.charts))
        self.overview.titled()

    def action_next_pane(self) -> None:
        """The other pane."""
        self.body.other_pane()

    def action_open(self) -> None:
        """Into what is chosen."""
        if isinstance(self.focused, OptionList) and self.current != "overview":
            self.focused.action_select()
        else:
            self.body.open()

    def action_proof(self) -> None:
        """The rows of the first evidence, at once."""
        if isinstance(self.body, Findings):
            proof = first_proof(self.body.finding)
            if proof is not None:
                self.post_message(ShowRows(proof))
        else:
            self.overview.prove()

    def on_show_rows(self, event: ShowRows) -> None:
        """Reads the rows of evidence for a screen."""
        self._prove(event.evidence)

    @work(thread=True, exclusive=True, group="proof")
    def _prove(self, evidence: Evidence) -> None:
        try:
            page = self.desk.case.rows(evidence)
        except Exception as error:  # a row that cannot be read must not take the screen away
            page = RowPage(evidence.table, (evidence.table,), ((str(error),),), 0)
        self.post_message(self.Proven(evidence, page))

    def on_case_screen_proven(self, event: Proven) -> None:
        """Shows them over the screen."""
        self.place.go(event.evidence.ts)
        self.app.push_screen(Proof(self.desk.lang, evidence_text(event.evidence), event.page))

    def action_back(self) -> None:
        """One level up: a match, a pane, a range; at the root of the overview back to the timeline."""
        grid = self.body.grid
        if self.body.back():
            return
        if grid is not None and grid.found:
            grid.found = ""
            grid.refresh()
        elif self.place.range is not None or self.place.anchor is not None:
            self.place.select(None)
        elif self.current == "overview":
            self.overview.activate(timeline=True)
        else:
            self.run_worker(self.action_screen("overview"))

    def action_leave(self) -> None:
        """One level up; at the root, out."""
        if self.body.back():
            return
        if self.current == "overview":
            self.app.exit(0)
        else:
            self.run_worker(self.action_screen("overview"))

    # --- keys: other

    def action_copy(self) -> None:
        """Copies what is chosen, by OSC 52, so that it works through SSH."""
        text = self.body.copied()
        if text:
            self.app.copy_to_clipboard(text[:_COPY_LIMIT])
            self.say(word(self.desk.lang, "copied"))

    def action_cut(self) -> None:
        """Saves the range, or what is in view, as a capture."""
        axis = self.place.axis
        start, end = self.place.range or (axis.left, axis.right)
        stem = self.desk.name.split(".afscope")[0].split(" ")[0] or "capture"
        name = f"{stem}-{rfc3339(start)[:19].replace(':', '').replace('-', '')}Z.afscope"

        def save(path: str | None) -> None:
            if path:
                self._cut(Path(path).expanduser(), start, end)

        title = word(self.desk.lang, "cut_to", range=between(start, end))
        self.app.push_screen(Prompt(title, harmless(name), word(self.desk.lang, "cut_hint")), save)

    @work(thread=True, group="cut")
    def _cut(self, out: Path, start: Micros, end: Micros) -> None:
        try:
            rows = self.desk.case.look.cut(out, start, end)
        except Exception as error:  # said, and the screen stays
            self.post_message(self.Said(harmless(error), bad=True))
        else:
            self.post_message(self.Said(word(self.desk.lang, "cut_done", rows=f"{rows:,}", path=harmless(out))))

    def on_case_screen_said(self, event: Said) -> None:
        """What a thread had to say."""
        self.say(event.text, bad=event.bad)

    def action_palette(self) -> None:
        """Every command by name."""
        self.app.push_screen(CommandPalette(providers=[Commands], placeholder=word(self.desk.lang, "palette")))

    def action_theme(self) -> None:
        """The next theme."""
        here = themes.NAMES.index(themes.named(self.app.theme))
        self.choose_theme(themes.NAMES[(here + 1) % len(themes.NAMES)])

    def choose_theme(self, name: str) -> None:
        """A theme by name, kept for the next time."""
        if self.app.no_color:
            self.say(word(self.desk.lang, "no_colour"))
            return
        self.app.theme = themes.ALL[name].name
        if self._remember:
            memory.keep_theme(name)
        self.say(f"{word(self.desk.lang, 'key_theme')}: {name}")

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(Help(self.desk.lang, self.current))

    # --- memory

    def _restored(self) -> bool:
        """Puts back what was left; False where nothing was."""
        desk, known = self.desk, memory.recall(self.desk.case.analysis.capture.id)
        desk.queries[:] = known.queries
        self._screens = known.screens
        if known.cursor is None or self.live is not None:
            return False
        self._left_target = known.target
        self.place.choose_named(known.target)
        if known.left is not None and known.right is not None and known.left < known.right:
            self.place.axis = self.place.axis.over_view(known.left, known.right)
        self.place.marks = list(known.marks)
        self.place.select(known.range)
        self.place.go(known.cursor)
        if known.screen in keys.SCREENS and known.screen != "overview":
            self.run_worker(self.action_screen(known.screen))
        return True

    def keep(self) -> None:
        """Remembers the place."""
        if not self._remember:
            return
        place, axis = self.place, self.place.axis
        states = {name: body.state() for name, body in self.bodies.items()}
        known = memory.Remembered(
            screen=self.current, target=place.chart.target or self._left_target,
            cursor=place.cursor, left=axis.left, right=axis.right,
            range=place.range, marks=place.marks, queries=self.desk.queries,
            screens={**self._screens, **{name: state for name, state in states.items() if state}},
        )  # fmt: skip
        memory.remember(self.desk.case.analysis.capture.id, known)


def _drawn(case: CaseFile) -> tuple[Sequence[Chart], dict[str, str]]:
    """The charts of a case, one at least, and the titles of the causes in them."""
    charts = case.charts or (_no_chart(case.analysis),)
    return charts, {s.kind: harmless(case.cause_title(s.kind)) for chart in charts for s in chart.constraint}


def _no_chart(analysis: Analysis) -> Chart:
    """An empty timeline for a capture without targets: its clock and its gaps are worth showing still."""
    gaps = tuple(Span(gap.from_ts, gap.to_ts, gap.source, gap.reason) for gap in analysis.gaps)
    return Chart("", analysis.capture.started_at, analysis.capture.ended_at, (), (), (), gaps, ())
