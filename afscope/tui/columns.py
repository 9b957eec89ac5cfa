"""Lanes, spans and ticks per terminal column: what the widgets draw, without any drawing."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


class Sampled:
    """A lane as arrays, so that a zoom over millions of steps costs milliseconds."""

    def __init__(self, lane: Lane) -> None:
        self._at = np.fromiter((step.at for step in lane.steps), np.int64, len(lane.steps))
        values = (math.nan if step.value is None else step.value for step in lane.steps)
        self._values = np.fromiter(values, np.float64, len(lane.steps))
        self._holes = np.concatenate(([0], np.cumsum(np.isnan(self._values))))

    def columns(self, axis: Axis) -> list[Column]:
        """One per column of the axis, exact: every step within the column counts, however short it held."""
        edges_ = np.array([axis.edge(number) for number in range(axis.width + 1)], np.int64)
        edges_[-1] += 1
        cuts = np.searchsorted(self._at, edges_)
        if not len(self._at):
            return [Column(None, None, True)] * axis.width
        first, last = cuts[:-1], cuts[1:]
        starts = np.minimum(first, len(self._at) - 1)
        filled = first < last
        lows = np.where(filled, _reduced(np.fmin, self._values, first, last), math.nan)
        highs = np.where(filled, _reduced(np.fmax, self._values, first, last), math.nan)
        # A step on the very edge replaces what held before: nothing of the old value lies in this column.
        carried = ~filled | (self._at[starts] > edges_[:-1])
        held = np.where(first > 0, self._values[np.maximum(first, 1) - 1], math.nan)
        lows = np.where(carried, np.fmin(lows, held), lows)
        highs = np.where(carried, np.fmax(highs, held), highs)
        holes = (self._holes[last] - self._holes[first] > 0) | (carried & np.isnan(held))
        return [
            Column(None, None, True) if math.isnan(low) else Column(low, high, hole)
            for low, high, hole in zip(lows.tolist(), highs.tolist(), holes.tolist(), strict=True)
        ]


def _reduced(
    least: np.ufunc, values: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The reduction of each stretch [first, last); reduceat answers an empty one with the value at its start."""
    # What ends the last stretch must be in the array, and must not count.
    inside = np.append(values[: int(last[-1])], math.nan)
    found: NDArray[np.float64] = least.reduceat(inside, first)
    return found


def columns(lane: Lane, axis: Axis) -> list[Column]:
    """The columns of a lane that is drawn once."""
    return Sampled(lane).columns(axis)


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
