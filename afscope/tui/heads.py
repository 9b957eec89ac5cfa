"""The lines around the panes: verdict on top, values at the cursor below the lanes, keys at the bottom."""

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Click
from textual.message import Message

from afscope.model.clock import Micros
from afscope.model.finding import Analysis
from afscope.model.timeline import Chart, Tick
from afscope.tui import keys, palette
from afscope.tui.axis import Axis
from afscope.tui.columns import holding, ticks
from afscope.tui.harmless import cut, harmless
from afscope.tui.pages import Pages
from afscope.tui.still import Still
from afscope.tui.times import between, duration, moment, precise
from afscope.tui.words import word


class Header(Vertical):
    """State, capture, clock and zone in one line; below it the verdict as the sentence that it is."""

    DEFAULT_CSS = """
    Header { height: auto; padding: 0 1; }
    Header #capture { height: 1; }
    Header #verdict { height: auto; max-height: 5; text-style: bold; }
    Header.short #verdict { max-height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, pages: Pages, name: str, tag: str = "") -> None:
        """`tag` stands in front: whether what is shown still grows."""
        super().__init__(id="header")
        self._pages, self._name_shown, self._tag = pages, name, tag
        self._capture = Still(id="capture", markup=False)
        self._verdict = Still(Text(harmless(pages.analysis.verdict.summary)), id="verdict", markup=False)

    def compose(self) -> ComposeResult:
        """Two texts."""
        yield self._capture
        yield self._verdict

    @property
    def short(self) -> bool:
        """Whether the verdict has one line only."""
        return self.has_class("short")

    @short.setter
    def short(self, short: bool) -> None:
        self.set_class(short, "short")

    def renew(self, pages: Pages, tag: str) -> None:
        """What is known by now."""
        self._pages, self._tag = pages, tag
        self._verdict.update(Text(harmless(pages.analysis.verdict.summary)))
        self.on_resize()

    def on_resize(self) -> None:
        """The first line takes the width that there is."""
        self._capture.update(capture_line(self._pages, self._name_shown, self.size.width, self._tag))


def capture_line(pages: Pages, name: str, width: int, tag: str = "") -> Text:
    """State, name, range of time, cluster; in a narrow terminal the times stay whole and the names give way."""
    analysis: Analysis = pages.analysis
    capture = analysis.capture
    state = f" {pages.state()} "
    span = between(capture.started_at, capture.ended_at)
    lasted = f" ({duration(capture.ended_at - capture.started_at)})"
    tag = f" {tag}" if tag else ""
    free = width - cell_len(state) - cell_len(tag) - 2 - 8
    forms = (f" · {span}{lasted}", f" · {span}", f" · {span.partition(' ')[2]}")
    when = next((form for form in forms if cell_len(form) <= free), forms[-1])
    room = width - cell_len(state) - cell_len(tag) - 2 - cell_len(when)
    who = cut(harmless(name or capture.id), max(room, 8))
    where = cut(f" · {harmless(capture.cluster)}", room - cell_len(who)) if capture.cluster else ""
    return Text.assemble(
        (state, f"bold reverse {palette.VERDICT[analysis.verdict.healthy]}"), (tag, "bold"), f"  {who}{when}{where}"
    )


class Readout(Still):
    """Everything at the cursor's time, in two lines."""

    DEFAULT_CSS = "Readout { height: 2; padding: 0 1; }"

    def __init__(self, titles: dict[str, str], lang: str) -> None:
        super().__init__(id="readout", markup=False)
        self._titles, self.lang = titles, lang

    def tell(self, chart: Chart, axis: Axis, cursor: Micros) -> None:
        """Shows what holds at `cursor`, and what happened within its column."""
        width = max(self.size.width, 20)
        first, second = readout(chart, axis, cursor, self._titles, self.lang)
        self.update(Text("\n").join([_short(first, width), _short(second, width)]))


def readout(chart: Chart, axis: Axis, cursor: Micros, titles: dict[str, str], lang: str) -> tuple[Text, Text]:
    """When and what tasks wait for; then what happened and what the HPA was told. The lanes show their values."""
    first = Text.assemble(
        (moment(cursor, chart.start, chart.end, precise), "bold"),
        (f" (+{duration(cursor - chart.start)})  ", "dim"),
        _waits(chart, cursor, titles, lang),
    )
    holes = sorted({gap.kind for gap in chart.gaps if gap.start <= cursor <= gap.end})
    if holes:
        first.append(f"  {palette.GAP} {word(lang, 'not_recorded')}: {harmless(', '.join(holes))}", "bold")
    happened = _happened(chart, axis, cursor)
    return first, Text.assemble(happened, "   " if happened else "", (_asked(chart, cursor, lang), "dim"))


def _waits(chart: Chart, cursor: Micros, titles: dict[str, str], lang: str) -> str:
    if "waiting" not in {lane.name for lane in chart.lanes} and not chart.constraint:
        return ""  # before the analysis nobody knows, and that is not calm
    span = holding(chart.constraint, cursor)
    if span is None and any(lane.name == "waiting" and lane.at(cursor) is None for lane in chart.lanes):
        return ""  # rows that are newer than the analysis
    return word(lang, "waits_for", cause=titles[span.kind]) if span else word(lang, "nothing_waits")


def _asked(chart: Chart, cursor: Micros, lang: str) -> str:
    span = holding(chart.health, cursor)
    if span is None:
        return ""
    state = word(lang, span.kind) if span.kind in palette.HEALTH else harmless(span.kind)
    return word(lang, "metric_is", state=state) + (f": {harmless(span.text)}" if span.text else "")


def _happened(chart: Chart, axis: Axis, cursor: Micros) -> str:
    """The ticks in the cursor's column, decisions first, repeats counted."""
    if not axis.visible(cursor):
        return ""
    here = ticks(chart.ticks, axis)[axis.column(cursor)]
    texts: dict[tuple[str, str], int] = {}
    for tick in sorted(here, key=_rank):
        glyph = palette.TICKS.get(tick.kind, ("", palette.OTHER))[1]
        texts[glyph, harmless(tick.text)] = texts.get((glyph, harmless(tick.text)), 0) + 1
    return "   ".join(f"{glyph} {f'{n}× ' if n > 1 else ''}{text}" for (glyph, text), n in texts.items())


def _rank(tick: Tick) -> int:
    order = list(palette.TICKS)
    return order.index(tick.kind) if tick.kind in order else len(order)


def _short(text: Text, width: int) -> Text:
    if text.cell_len > width:
        text.truncate(width, overflow="ellipsis")
    return text


class Footer(Still):
    """The keys that fit."""

    DEFAULT_CSS = "Footer { height: 1; padding: 0 1; background: $surface; }"

    def __init__(self, lang: str) -> None:
        super().__init__(id="footer", markup=False)
        self.lang, self._of = lang, "overview"

    def show(self, screen: str) -> None:
        """Those of a screen."""
        self._of = screen
        self.on_resize()

    def on_resize(self) -> None:
        """As many keys as there is room for."""
        self.update(Text(keys.footer(self.lang, self.size.width, self._of)))


class Tabs(Still):
    """The screens with their keys; names give way where the terminal is narrow."""

    DEFAULT_CSS = "Tabs { height: 1; padding: 0 1; }"

    class Chosen(Message):
        """A click on a screen's name."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, lang: str) -> None:
        super().__init__(id="screens", markup=False)
        self.lang, self._of = lang, "overview"
        self._ends: list[int] = []

    def show(self, screen: str) -> None:
        """The screen that is shown."""
        self._of = screen
        self.on_resize()

    def on_resize(self) -> None:
        """As much of each name as there is room for."""
        width = max(self.size.width, 20)
        names = {name: word(self.lang, f"screen_{name}") for name in keys.SCREENS}
        most = max(map(cell_len, names.values()))
        while most > 2 and len(self._parts(names, most, " ")) > width:
            most -= 1
        pad = " " if len(self._parts(names, most, "  ")) <= width else ""
        text, self._ends = Text(no_wrap=True), []
        for name in names:
            text.append(
                f"{pad}{self._part(names, name, most)}{pad or ' '}", "reverse bold" if name == self._of else "dim"
            )
            self._ends.append(text.cell_len)
        self.update(text)

    def _part(self, names: dict[str, str], name: str, most: int) -> str:
        """Key and name; that of the screen that is shown stays whole."""
        shown = names[name]
        if name != self._of and cell_len(shown) > most:
            shown = set_cell_size(shown, most)
        return f"{keys.SCREEN_KEYS[name]} {shown}"

    def _parts(self, names: dict[str, str], most: int, between: str) -> str:
        line = between.join(self._part(names, name, most) for name in names) + between
        return "x" * cell_len(line)

    def on_click(self, event: Click) -> None:
        """Which name was clicked."""
        at = event.x - 1
        name = next((name for name, end in zip(keys.SCREENS, self._ends, strict=False) if at < end), None)
        if name is not None:
            self.post_message(self.Chosen(name))


def pane_title(text: str, *, active: bool) -> Text:
    """The title of a pane; the active one is reversed."""
    return Text(f" {text} ", style="bold reverse" if active else "dim", no_wrap=True, overflow="ellipsis")


def target_title(chart: Chart, index: int, count: int, lang: str) -> str:
    """Timeline, target, and which of how many."""
    analyzed = "waiting" in {lane.name for lane in chart.lanes}
    name = harmless(chart.target) or word(lang, "unserved" if analyzed else "everything")
    which = f" {index + 1}/{count} (T)" if count > 1 else ""
    return f"{word(lang, 'timeline')}{which} · {name}"
