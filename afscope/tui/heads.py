"""The lines around the panes: verdict on top, values at the cursor below the lanes, keys at the bottom."""

from rich.text import Text
from textual.widgets import Static

from afscope.model.clock import Micros
from afscope.model.finding import Analysis
from afscope.model.timeline import Chart, Span, Tick
from afscope.tui import keys, palette
from afscope.tui.axis import Axis
from afscope.tui.columns import ticks
from afscope.tui.harmless import cut, harmless
from afscope.tui.pages import Pages
from afscope.tui.times import between, duration, precise
from afscope.tui.words import word


class Header(Static):
    """State, capture, clock and zone in one line; below it the verdict as the sentence that it is."""

    DEFAULT_CSS = "Header { height: auto; max-height: 6; padding: 0 1; }"

    def __init__(self, pages: Pages, name: str) -> None:
        super().__init__(header(pages, name), id="header", markup=False)


def header(pages: Pages, name: str) -> Text:
    """The text of the header."""
    analysis: Analysis = pages.analysis
    capture = analysis.capture
    colour = palette.VERDICT[analysis.verdict.healthy]
    cluster = f" · {harmless(capture.cluster)}" if capture.cluster else ""
    when = between(capture.started_at, capture.ended_at)
    span = duration(capture.ended_at - capture.started_at)
    text = Text.assemble(
        (f" {pages.state()} ", f"bold reverse {colour}"),
        (f"  {harmless(name or capture.id)}{cluster} · {when} ({span})", "dim"),
    )
    return text.append(f"\n{harmless(analysis.verdict.summary)}", "bold")


class Readout(Static):
    """Everything at the cursor's time, in two lines."""

    DEFAULT_CSS = "Readout { height: 2; padding: 0 1; }"

    def __init__(self, titles: dict[str, str], lang: str) -> None:
        super().__init__(id="readout", markup=False)
        self._titles, self.lang = titles, lang

    def tell(self, chart: Chart, axis: Axis, cursor: Micros) -> None:
        """Shows what holds at `cursor`, and what happened within its column."""
        width = max(self.size.width - 2, 20)
        first, second = readout(chart, axis, cursor, self._titles, self.lang)
        self.update(Text("\n").join([_short(first, width), _short(second, width)]))


def readout(chart: Chart, axis: Axis, cursor: Micros, titles: dict[str, str], lang: str) -> tuple[Text, Text]:
    """When and what tasks wait for; then what happened and what the HPA was told. The lanes show their values."""
    first = Text.assemble(
        (precise(cursor), "bold"),
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
    texts: dict[str, int] = {}
    for tick in sorted(here, key=_rank):
        line = f"{palette.TICKS.get(tick.kind, ('', palette.OTHER))[1]} {harmless(tick.text)}"
        texts[line] = texts.get(line, 0) + 1
    return "   ".join(line + (f" (×{n})" if n > 1 else "") for line, n in texts.items())


def _rank(tick: Tick) -> int:
    order = list(palette.TICKS)
    return order.index(tick.kind) if tick.kind in order else len(order)


def holding(spans: tuple[Span, ...], at: Micros) -> Span | None:
    """The span that covers an instant; the later one where two meet."""
    return next((span for span in reversed(spans) if span.start <= at < max(span.end, span.start + 1)), None)


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
        self.update(Text(keys.footer(self.lang, max(self.size.width - 2, 0))))


def pane_title(text: str, active: bool, width: int) -> Text:
    """The title of a pane; the active one is reversed."""
    return Text(cut(f" {text} ", width), style="bold reverse" if active else "dim")


def target_title(chart: Chart, index: int, count: int, lang: str) -> str:
    """Timeline, target, and which of how many."""
    name = harmless(chart.target) or word(lang, "unserved")
    return f"{word(lang, 'timeline')} · {name}" + (f" ({index + 1}/{count} T)" if count > 1 else "")
