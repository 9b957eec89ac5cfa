"""The lines around the panes: verdict on top, values at the cursor below the lanes, keys at the bottom."""

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from afscope.model.clock import Micros
from afscope.model.finding import Analysis
from afscope.model.timeline import Chart, Tick
from afscope.tui import keys, palette
from afscope.tui.axis import Axis
from afscope.tui.columns import holding, ticks
from afscope.tui.harmless import cut, harmless
from afscope.tui.pages import Pages
from afscope.tui.times import between, duration, moment, precise
from afscope.tui.words import word


class Header(Vertical):
    """State, capture, clock and zone in one line; below it the verdict as the sentence that it is."""

    DEFAULT_CSS = """
    Header { height: auto; padding: 0 1; }
    Header #capture { height: 1; }
    Header #verdict { height: auto; max-height: 5; text-style: bold; }
    """

    def __init__(self, pages: Pages, name: str) -> None:
        super().__init__(id="header")
        self._pages, self._name_shown = pages, name
        self._capture = Static(id="capture", markup=False)

    def compose(self) -> ComposeResult:
        """Two texts."""
        yield self._capture
        yield Static(Text(harmless(self._pages.analysis.verdict.summary)), id="verdict", markup=False)

    def on_resize(self) -> None:
        """The first line takes the width that there is."""
        self._capture.update(capture_line(self._pages, self._name_shown, self.size.width))


def capture_line(pages: Pages, name: str, width: int) -> Text:
    """State, name, range of time, cluster; in a narrow terminal the times stay whole and the names give way."""
    analysis: Analysis = pages.analysis
    capture = analysis.capture
    state = f" {pages.state()} "
    when = f" · {between(capture.started_at, capture.ended_at)}"
    when += f" ({duration(capture.ended_at - capture.started_at)})"
    room = width - cell_len(state) - 2 - cell_len(when)
    who = cut(harmless(name or capture.id), max(room, 8))
    where = cut(f" · {harmless(capture.cluster)}", room - cell_len(who)) if capture.cluster else ""
    return Text.assemble((state, f"bold reverse {palette.VERDICT[analysis.verdict.healthy]}"), f"  {who}{when}{where}")


class Readout(Static):
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
    span = holding(chart.constraint, cursor)
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


class Footer(Static):
    """The keys that fit."""

    DEFAULT_CSS = "Footer { height: 1; padding: 0 1; background: $surface; }"

    def __init__(self, lang: str) -> None:
        super().__init__(id="footer", markup=False)
        self.lang = lang

    def on_resize(self) -> None:
        """As many keys as there is room for."""
        self.update(Text(keys.footer(self.lang, self.size.width)))


def pane_title(text: str, *, active: bool) -> Text:
    """The title of a pane; the active one is reversed."""
    return Text(f" {text} ", style="bold reverse" if active else "dim", no_wrap=True, overflow="ellipsis")


def target_title(chart: Chart, index: int, count: int, lang: str) -> str:
    """Timeline, target, and which of how many."""
    name = harmless(chart.target) or word(lang, "unserved")
    which = f" {index + 1}/{count} (T)" if count > 1 else ""
    return f"{word(lang, 'timeline')}{which} · {name}"
