"""Lanes and spans per column: exact, whatever the zoom."""

from hypothesis import given
from hypothesis import strategies as st

from afscope.model.clock import SECOND
from afscope.model.timeline import Lane, Span, Step, Tick
from afscope.tui.axis import Axis
from afscope.tui.columns import (
    Column,
    columns,
    covered,
    edges,
    holding,
    longest,
    next_change,
    previous_change,
    runs,
    ticks,
)
from tests.tui.case import CHART, END, START

TEN = Axis.over(0, 10 * SECOND, 10)


def lane(*steps: tuple[float, float | None]) -> Lane:
    return Lane("x", tuple(Step(round(at * SECOND), value) for at, value in steps))


def span(start: float, end: float, kind: str) -> Span:
    return Span(round(start * SECOND), round(end * SECOND), kind, "")


def test_a_column_holds_the_lowest_and_the_highest_value() -> None:
    found = columns(lane((0, 1), (2.5, 9), (2.6, 0), (2.7, 4)), TEN)
    assert found[1] == Column(1, 1, False)
    assert found[2] == Column(0, 9, False)
    assert found[3] == Column(4, 4, False)


def test_a_step_on_the_edge_belongs_to_its_column_alone() -> None:
    found = columns(lane((0, 1), (3, 5)), TEN)
    assert found[2] == Column(1, 1, False)
    assert found[3] == Column(5, 5, False)


def test_before_the_first_step_and_in_holes_nobody_knows() -> None:
    found = columns(lane((2, 3), (5.5, None), (7, 1)), TEN)
    assert found[0] == found[1] == Column(None, None, True)
    assert found[5] == Column(3, 3, True)
    assert found[6] == Column(None, None, True)
    assert found[7] == Column(1, 1, False)


def test_a_step_at_the_very_end_is_seen() -> None:
    assert columns(lane((0, 1), (10, 7)), TEN)[9] == Column(1, 7, False)


def test_an_empty_lane_is_one_hole() -> None:
    assert set(columns(Lane("x", ()), TEN)) == {Column(None, None, True)}


moments = st.integers(0, 10 * SECOND)
values = st.none() | st.integers(0, 50).map(float)


@given(st.dictionaries(moments, values, max_size=30), st.integers(1, 40), moments, moments)
def test_columns_agree_with_the_lane_at_every_instant(
    steps: dict[int, float | None], width: int, one: int, other: int
) -> None:
    left, right = sorted((one, other))
    axis = Axis(0, 10 * SECOND, left, max(right, left + width), width)
    of = Lane("x", tuple(Step(at, steps[at]) for at in sorted(steps)))
    found = columns(of, axis)
    assert len(found) == width
    for moment in [*steps, left, right, (left + right) // 2]:
        if axis.visible(moment):
            column, value = found[axis.column(moment)], of.at(moment)
            if value is None:
                assert column.hole
            else:
                assert column.low is not None
                assert column.high is not None
                assert column.low <= value <= column.high


def test_the_longest_span_of_a_column_wins() -> None:
    found = longest([span(0, 2.2, "a"), span(2.2, 2.9, "b"), span(2.9, 4, "c")], TEN)
    assert [each and each.kind for each in found] == ["a", "a", "b", "c", None, None, None, None, None, None]


def test_a_hole_of_a_millisecond_is_a_hole() -> None:
    assert covered([span(3.5, 3.501, "x"), span(8, 20, "x")], TEN) == [n in (3, 8, 9) for n in range(10)]
    assert covered([span(3, 4, "x")], TEN) == [n == 3 for n in range(10)]


def test_runs_join_neighbours_of_one_kind() -> None:
    found = runs(longest([span(0, 2, "a"), span(2, 4, "a"), span(5, 6, "a")], TEN), lambda s: s.kind)
    assert [(run.first, run.last) for run in found] == [(0, 3), (5, 5)]


def test_ticks_fall_into_their_column() -> None:
    found = ticks([Tick(0, "a", ""), Tick(10 * SECOND, "b", ""), Tick(11 * SECOND, "out", "")], TEN)
    assert [len(each) for each in found] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_changes_lead_from_start_to_end_and_back() -> None:
    strips = edges(CHART)
    every = {step.at for lane in CHART.lanes for step in lane.steps} | set(strips)
    forth, at = [START], next_change(CHART, strips, START)
    while at is not None:
        forth.append(at)
        at = next_change(CHART, strips, at)
    assert forth == sorted(every)
    back, at = [END], previous_change(CHART, strips, END)
    while at is not None:
        back.append(at)
        at = previous_change(CHART, strips, at)
    assert back[::-1] == forth


def test_the_span_that_holds_is_found() -> None:
    spans = [span(0, 2, "a"), span(2, 4, "b"), span(5, 5, "c")]
    found = [holding(spans, round(at * SECOND)) for at in (0, 1.9, 2, 4, 5, 6)]
    assert [each and each.kind for each in found] == ["a", "a", "b", None, "c", None]
