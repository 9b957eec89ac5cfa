"""Charts as SVG paths in data units, so that they can be stretched, printed and read back.

One x unit is a tenth of a second since the chart's start; one y unit of a lane is one task, worker or slot. A lane is
a single path of `h` and `v` moves, which is small, and from which the report's script reads the values back. What has
more changes than a screen has columns is drawn as ranges: low and high of each stretch, then its last value.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from afscope.model.clock import Micros, to_datetime
from afscope.model.timeline import Lane, Span, Step, Tick

UNIT: Micros = 100_000
# All lanes of a report together: at ten bytes a step a quarter of the two megabytes that a report may weigh.
STEPS_IN_ALL = 36_000
TICKS_IN_ALL = 1_600
_NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_LABELS = 7
_ROOM = 0.93  # a label needs room to its right


def x(at: Micros, start: Micros) -> int:
    """An instant in x units."""
    return round((at - start) / UNIT)


def lane_path(lane: Lane, start: Micros, end: Micros, budget: int) -> str:
    """The `d` of a lane's path. Each stretch without a hole begins and ends at zero, so that it can be filled."""
    steps = thinned(lane.steps, start, end, budget)
    parts: list[str] = []
    level: float | None = None
    place = 0
    for at, value in steps:
        here = min(max(x(at, start), 0), x(end, start))
        if level is not None and here > place:
            parts.append(f"h{here - place}")
        if level is not None and value is None:
            parts.append("V0")
        elif value is not None and level is None:
            parts.append(f"M{here} 0v{_number(value)}")
        elif value is not None and level is not None and value != level:
            parts.append(f"v{_number(value - level)}")
        level, place = value, here
    if level is not None:
        parts.append(f"h{max(x(end, start) - place, 0)}V0")
    return "".join(parts)


def thinned(steps: Sequence[Step], start: Micros, end: Micros, budget: int) -> Sequence[Step]:
    """At most about `budget` steps: of each stretch of time the low, the high and the last value."""
    if len(steps) <= budget:
        return steps
    width = max(1, (end - start) // max(1, budget // 3))
    buckets: dict[int, list[Step]] = defaultdict(list)
    for step in steps:
        buckets[(step.at - start) // width].append(step)
    out: list[Step] = []
    for bucket in buckets.values():
        told = [step.value for step in bucket if step.value is not None]
        at = bucket[0].at
        if told:
            out += [Step(at, min(told)), Step(at, max(told))]
        out.append(Step(at, bucket[-1].value))
    return out


def stretch(budget: int, start: Micros, end: Micros) -> float:
    """Seconds that one range of a thinned lane stands for."""
    return (end - start) / max(1, budget // 3) / 1e6


def spans_path(spans: Iterable[Span], start: Micros, end: Micros) -> str:
    """Bars of height 1 in one path; what is shorter than a unit is drawn as one."""
    parts = []
    for span in spans:
        left, right = max(x(span.start, start), 0), min(x(span.end, start), x(end, start))
        if right >= left:
            parts.append(f"M{left} 0h{max(right - left, 1)}v1h-{max(right - left, 1)}z")
    return "".join(parts)


def by_kind(spans: Sequence[Span]) -> list[tuple[str, list[Span]]]:
    """Spans by kind, the kind that lasts longest first."""
    groups: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        groups[span.kind].append(span)
    return sorted(groups.items(), key=lambda item: (-sum(s.end - s.start for s in item[1]), item[0]))


def merged(spans: Sequence[Span], start: Micros, end: Micros, budget: int) -> list[Span]:
    """At most about `budget` spans: of each stretch of time the kind that fills most of it."""
    if len(spans) <= budget:
        return list(spans)
    width = max(1, (end - start) // budget)
    filled: dict[int, dict[str, Micros]] = defaultdict(lambda: defaultdict(int))
    for span in spans:
        for bucket in range((span.start - start) // width, (span.end - 1 - start) // width + 1):
            left, right = start + bucket * width, start + (bucket + 1) * width
            filled[bucket][span.kind] += min(span.end, right) - max(span.start, left)
    out: list[Span] = []
    for bucket in sorted(filled):
        kind = max(filled[bucket], key=lambda k: (filled[bucket][k], k))
        left = start + bucket * width
        if out and out[-1].kind == kind and out[-1].end == left:
            left = out.pop().start
        out.append(Span(left, min(start + (bucket + 1) * width, end), kind, ""))
    return out


def few(ticks: Sequence[Tick], most: int) -> Sequence[Tick]:
    """Very many ticks would hide each other: an even choice of them."""
    every = -(-len(ticks) // most) or 1
    return ticks[::every]


def axis(start: Micros, end: Micros, zone: object) -> Iterator[tuple[float, str]]:
    """Round times of the axis: place in percent, text in the zone."""
    length = max(end - start, 1)
    step = next((s for s in _NICE_S if s * _LABELS >= length / 1e6), 86_400 * -(-length // (_LABELS * 86_400_000_000)))
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 43_200 else "%m-%d %H:%M"
    shift = _offset(start, zone)
    at = -(-(start + shift) // (step * 1_000_000)) * step * 1_000_000 - shift
    while at <= start + length * _ROOM:
        yield round((at - start) / length * 100, 3), to_datetime(at + shift).strftime(form)
        at += step * 1_000_000


def _offset(at: Micros, zone: object) -> Micros:
    """How far the zone's clock is ahead of UTC."""
    offset = to_datetime(at).astimezone(zone).utcoffset()  # type: ignore[arg-type]
    return round(offset.total_seconds()) * 1_000_000 if offset else 0


def zone_offset_s(at: Micros, zone: object) -> int:
    """The same in seconds, for the script."""
    return _offset(at, zone) // 1_000_000


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
