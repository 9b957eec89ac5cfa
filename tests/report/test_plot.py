"""Paths say what the lanes say, and thinning keeps what matters: lows, highs, ends, holes."""

import re

from afscope.model.clock import SECOND
from afscope.model.timeline import Lane, Span, Step
from afscope.report import plot
from tests.report.conftest import UTC

START = 1_795_000_000 * SECOND


def steps_of(path: str) -> list[tuple[int, float | None]]:
    """What the report's script reads from a path: time and value."""
    out: list[tuple[int, float | None]] = []
    x, y = 0, 0.0
    for op, a, b in re.findall(r"([MhvV])(-?[\d.]+)(?: (-?[\d.]+))?", path):
        if op == "M":
            x, y = int(a), float(b)
        elif op == "h":
            x += int(a)
        elif op == "v":
            y += float(a)
            out.append((x, y))
        else:
            out.append((x, None))
    return out


def lane(*steps: tuple[float, float | None]) -> Lane:
    return Lane("running", tuple(Step(START + round(at * SECOND), value) for at, value in steps))


def test_a_path_holds_the_values() -> None:
    path = plot.lane_path(lane((0, 0), (1, 3), (2.5, 1)), START, START + 10 * SECOND, 100)
    assert steps_of(path) == [(0, 0), (10, 3), (25, 1), (100, None)]


def test_a_hole_is_no_zero() -> None:
    path = plot.lane_path(lane((1, 2), (3, None), (5, 0.5)), START, START + 8 * SECOND, 100)
    assert steps_of(path) == [(10, 2), (30, None), (50, 0.5), (80, None)]
    assert path.count("M") == 2


def test_what_began_before_the_bounds_begins_at_the_edge() -> None:
    path = plot.lane_path(lane((-5, 2), (1, 1)), START, START + 2 * SECOND, 100)
    assert steps_of(path)[0] == (0, 2)


def test_thinning_keeps_extremes_and_the_end() -> None:
    steps = [Step(START + k * SECOND, 1.0) for k in range(10_000)]
    steps[4321] = Step(steps[4321].at, 99.0)
    steps[8765] = Step(steps[8765].at, -7.0)
    steps[-1] = Step(steps[-1].at, 5.0)
    thin = plot.thinned(steps, START, START + 10_000 * SECOND, 300)
    assert len(thin) <= 310
    assert {99.0, -7.0} <= {step.value for step in thin}
    assert thin[-1].value == 5.0
    assert [s.at for s in thin] == sorted(s.at for s in thin)


def test_many_spans_become_the_kinds_that_fill_most() -> None:
    spans = [Span(START + k * SECOND, START + (k + 1) * SECOND, "b" if k % 10 == 0 else "a", "") for k in range(5000)]
    thin = plot.merged(spans, START, START + 5000 * SECOND, 100)
    assert [(span.kind, span.start, span.end) for span in thin] == [("a", START, START + 5000 * SECOND)]


def test_the_axis_has_round_times_in_the_zone() -> None:
    start = 1_772_359_203 * SECOND  # 10:00:03 UTC
    labels = list(plot.axis(start, start + 600 * SECOND, UTC))
    assert [text for _, text in labels][:2] == ["10:02", "10:04"]
    assert all(0 <= place <= 100 for place, _ in labels)
