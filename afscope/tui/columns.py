"""Lanes, spans and ticks per terminal column: what the widgets draw, without any drawing."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from afscope.model.clock import Micros
from afscope.model.timeline import Chart, Lane, Span, Tick
from afscope.tui.axis import Axis

# Strips hardly overlap; an instant is looked up among this many of the spans that began last.
_OVERLAPS = 16


class Column(NamedTuple):
    """Lowest and highest known value within a column (None: none known), and whether some of it is a hole."""

    low: float | None
    high: float | None
    hole: bool


def columns(lane: Lane, axis: Axis) -> list[Column]:
    """One per column of the axis, exact: every step within the column counts, however short it held."""
    steps = lane.steps
    first = _index(lane, axis.edge(0) + 1)
    held = steps[first - 1].value if first else None
    out = []
    for number in range(axis.width):
        start, end = axis.edge(number), axis.edge(number + 1) + (1 if number == axis.width - 1 else 0)
        last = _index(lane, end, first)
        values = [step.value for step in steps[first:last]]
        # A step on the very edge replaces what held before: nothing of the old value lies in this column.
        if first == last or steps[first].at > start:
            values.append(held)
        if first < last:
            first, held = last, steps[last - 1].value
        known = [value for value in values if value is not None]
        out.append(Column(min(known, default=None), max(known, default=None), len(known) < len(values)))
    return out


def _index(lane: Lane, at: Micros, first: int = 0) -> int:
    """How many steps lie before `at`."""
    return bisect_left(lane.steps, at, first, key=lambda step: step.at)


def longest(spans: Iterable[Span], axis: Axis) -> list[Span | None]:
    """Per column the span that covers most of it."""
    best: list[tuple[Micros, Span | None]] = [(0, None)] * axis.width
    for span in spans:
        if span.end < axis.left or span.start > axis.right:
            continue
        first, last = max(0, axis.column(span.start)), min(axis.width - 1, axis.column(span.end))
        for number in range(first, last + 1):
            share = min(span.end, axis.edge(number + 1)) - max(span.start, axis.edge(number))
            if share > best[number][0] or (best[number][1] is None and span.start == span.end):
                best[number] = (share, span)
    return [span for _, span in best]


def covered(spans: Iterable[Span], axis: Axis) -> list[bool]:
    """Per column whether any span touches it: a hole of a millisecond is a hole."""
    out = [False] * axis.width
    for span in spans:
        if span.end < axis.left or span.start > axis.right:
            continue
        last = axis.column(max(span.start, span.end - 1))
        for number in range(max(0, axis.column(span.start)), min(axis.width - 1, last) + 1):
            out[number] = True
    return out


def ticks(every: Sequence[Tick], axis: Axis) -> list[list[Tick]]:
    """Per column the ticks in it."""
    out: list[list[Tick]] = [[] for _ in range(axis.width)]
    for tick in every:
        if axis.visible(tick.at):
            out[axis.column(tick.at)].append(tick)
    return out


class Run(NamedTuple):
    """Neighbouring columns [first, last] that show the same thing."""

    first: int
    last: int
    kind: str


def runs(cells: Sequence[Span | None], key: Callable[[Span], str]) -> list[Run]:
    """Neighbouring columns of one kind, empty ones left out."""
    out: list[Run] = []
    for number, span in enumerate(cells):
        if span is None:
            continue
        kind = key(span)
        if out and out[-1].kind == kind and out[-1].last == number - 1:
            out[-1] = Run(out[-1].first, number, kind)
        else:
            out.append(Run(number, number, kind))
    return out


def edges(chart: Chart) -> list[Micros]:
    """Every instant within the chart at which a strip changes or something happens, sorted."""
    spans = (*chart.health, *chart.constraint, *chart.gaps)
    at = {moment for span in spans for moment in (span.start, span.end)} | {tick.at for tick in chart.ticks}
    return sorted(moment for moment in at if chart.start <= moment <= chart.end)


def next_change(chart: Chart, strips: Sequence[Micros], at: Micros) -> Micros | None:
    """The first instant after `at` at which anything on the screen changes; `strips` are the chart's `edges`."""
    found = [lane.steps[n].at for lane in chart.lanes if (n := _index(lane, at + 1)) < len(lane.steps)]
    found += strips[bisect_right(strips, at) :][:1]
    return min((moment for moment in found if moment <= chart.end), default=None)


def previous_change(chart: Chart, strips: Sequence[Micros], at: Micros) -> Micros | None:
    """The last instant before `at` at which anything on the screen changes."""
    found = [lane.steps[n - 1].at for lane in chart.lanes if (n := _index(lane, at))]
    found += strips[: bisect_left(strips, at)][-1:]
    return max((moment for moment in found if moment >= chart.start), default=None)


def holding(spans: Sequence[Span], at: Micros) -> Span | None:
    """The span that covers an instant, of spans sorted by their start; the later one where two meet."""
    for span in reversed(spans[: bisect_left(spans, at + 1, key=lambda span: span.start)][-_OVERLAPS:]):
        if at < max(span.end, span.start + 1):
            return span
    return None
