"""Lanes, spans and ticks per terminal column: what the widgets draw, without any drawing."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from afscope.model.clock import Micros
from afscope.model.timeline import Chart, Lane, Span, Tick
from afscope.tui.axis import Axis


class Column(NamedTuple):
    """Lowest and highest known value within a column (None: none known), and whether some of it is a hole."""

    low: float | None
    high: float | None
    hole: bool


def columns(lane: Lane, axis: Axis) -> list[Column]:
    """One per column of the axis, exact: every step within the column counts, however short it held."""
    steps = lane.steps
    index = bisect_left(steps, axis.edge(0) + 1, key=lambda step: step.at)
    held = steps[index - 1].value if index else None
    out = []
    for number in range(axis.width):
        end = axis.edge(number + 1) + (1 if number == axis.width - 1 else 0)
        values = [held]
        # A step on the very edge replaces what held before: nothing of the old value lies in this column.
        while index < len(steps) and steps[index].at < end:
            if steps[index].at <= axis.edge(number):
                values.clear()
            held = steps[index].value
            values.append(held)
            index += 1
        known = [value for value in values if value is not None]
        out.append(Column(min(known, default=None), max(known, default=None), len(known) < len(values)))
    return out


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


def changes(chart: Chart) -> list[Micros]:
    """Every instant at which something on the screen changes, sorted: what `[` and `]` step through."""
    at = {step.at for lane in chart.lanes for step in lane.steps}
    at |= {
        edge for spans in (chart.health, chart.constraint, chart.gaps) for span in spans for edge in span_edges(span)
    }
    at |= {tick.at for tick in chart.ticks}
    return sorted(moment for moment in at if chart.start <= moment <= chart.end)


def span_edges(span: Span) -> tuple[Micros, Micros]:
    """Where a span begins and ends."""
    return span.start, span.end
