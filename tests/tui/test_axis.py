"""The time axis, and times as people type them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.model.clock import SECOND, parse_time
from afscope.tui.axis import Axis
from afscope.tui.painting import axis_row
from afscope.tui.times import DAY, duration, jump, moment, precise

START, END = parse_time("2026-03-01T23:50:00.5Z"), parse_time("2026-03-02T00:30:00Z")


@given(st.integers(0, 10**13), st.integers(0, 10**13), st.integers(1, 400))
def test_columns_and_edges_agree(left: int, span: int, width: int) -> None:
    axis = Axis(left, left + span + width, left, left + span + width, width)
    for column in {0, width // 2, width - 1}:
        assert axis.column(axis.edge(column)) == column
        assert axis.column(axis.edge(column + 1) - 1) == column
    assert axis.column(axis.right) == width - 1


@given(st.lists(st.sampled_from([0.5, 2.0]), max_size=60), st.floats(0, 1))
def test_zooming_never_leaves_the_capture_nor_loses_the_point(factors: list[float], where: float) -> None:
    axis = Axis.over(START, END, 100)
    point = START + round((END - START) * where)
    for factor in factors:
        axis = axis.zoomed(factor, point)
        assert START <= axis.left < axis.right <= END
        assert axis.visible(point)
        assert axis.span >= 100 * 1000  # a column is never less than a millisecond


def test_a_capture_without_length_can_be_drawn() -> None:
    axis = Axis.over(START, START, 80)
    assert axis.column(START) == 0
    assert axis.zoomed(0.5, START).span > 0


@pytest.mark.parametrize("width", [30, 80, 300])
@pytest.mark.parametrize("seconds", [1, 90, 4000, 90_000, 3_000_000])
def test_labels_are_round_and_far_enough_apart(width: int, seconds: int) -> None:
    found = list(Axis.over(START, START + seconds * SECOND, width).labels())
    columns = [column for column, _ in found]
    assert all(later - earlier >= 11 for earlier, later in itertools.pairwise(columns))
    assert found or seconds == 1


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("2026-03-02T00:10:00Z", "2026-03-02T00:10:00Z"),
        ("2026-03-02T01:10:00+01:00", "2026-03-02T00:10:00Z"),
        ("23:55:00", "2026-03-01T23:55:00Z"),
        ("00:05", "2026-03-02T00:05:00Z"),
        (" 00:05:00.25 ", "2026-03-02T00:05:00.25Z"),
        ("23:50:00", "2026-03-01T23:50:00.5Z"),  # the first second of the capture
        ("3m ago", "2026-03-02T00:27:00Z"),
        ("1h30m ago", "2026-03-01T23:50:00.5Z"),  # before the start: the start
        ("+5m", "2026-03-02T00:05:00Z"),
        ("-90s", "2026-03-01T23:58:30Z"),
        ("+1m30s", "2026-03-02T00:01:30Z"),
        ("+2d", "2026-03-02T00:30:00Z"),
        ("-500ms", "2026-03-01T23:59:59.5Z"),
    ],
)
def test_times_that_people_type(typed: str, expected: str) -> None:
    cursor = parse_time("2026-03-02T00:00:00Z")
    assert jump(typed, cursor=cursor, start=START, end=END) == parse_time(expected)


@pytest.mark.parametrize(
    "typed", ["", "noon", "ago", "+", "5m", "-5", "25:00:00", "12:00", "2026-03-05T00:00:00Z", "\x1b["]
)
def test_times_that_nobody_can_mean(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        jump(typed, cursor=START, start=START, end=END)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0ms"),
        (40_000, "40ms"),
        (4_200_000, "4.2s"),
        (59_960_000, "1m00s"),
        (113 * SECOND, "1m53s"),
        (7500 * SECOND, "2h05m"),
        (3 * DAY, "3d00h"),
    ],
)
def test_lengths_of_time(span: int, text: str) -> None:
    assert duration(span) == text


def test_a_date_is_written_where_it_could_be_doubted() -> None:
    noon = parse_time("2026-03-01T12:00:00.25Z")
    assert moment(noon, noon, noon + SECOND) == "12:00:00"
    assert moment(noon, noon, noon + SECOND, precise) == "12:00:00.250"
    assert moment(noon, noon, noon + DAY) == "03-01 12:00:00"
    assert moment(noon - DAY, noon, noon + SECOND) == "02-28 12:00:00"


@given(st.integers(1, 300), st.integers(0, 299))
def test_the_cursors_time_stands_whole_beside_whole_labels(width: int, cursor: int) -> None:
    axis, cursor = Axis.over(START, END, width), min(cursor, width - 1)
    shown = "".join(cell.glyph for cell in axis_row(axis, cursor, "23:51:07"))
    assert len(shown) == width
    assert shown[cursor] == "▼"
    assert width < 9 or "▼23:51:07" in shown or "23:51:07▼" in shown or cursor < 8
    labels = {f"╷{text}" for _, text in axis.labels()}
    assert all(word in labels for word in shown.split() if "▼" not in word)
