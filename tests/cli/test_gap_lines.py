"""Holes with one reason and one end are one line, and each source keeps its own beginning."""

from afscope.cli.gap_lines import gap_lines
from afscope.model.finding import Gap


def test_a_recorder_that_was_killed_is_one_line() -> None:
    gaps = [Gap("pods", 5, 90, "killed"), Gap("events", 7, 90, "killed"), Gap("hpas", 5, 90, "killed")]
    assert list(gap_lines(gaps, str)) == [("5–90", "pods, events (7), hpas", "killed")]


def test_other_ends_and_other_reasons_stay_apart() -> None:
    gaps = [Gap("pods", 1, 2, "lost"), Gap("pods", 3, 4, "lost"), Gap("pods", 1, 2, "shed")]
    assert list(gap_lines(gaps, str)) == [("1–2", "pods", "lost"), ("3–4", "pods", "lost"), ("1–2", "pods", "shed")]


def test_two_holes_of_one_source_both_show() -> None:
    gaps = [Gap("log_lines", 1, 9, "silent"), Gap("log_lines", 4, 9, "silent")]
    assert list(gap_lines(gaps, str)) == [("1–9", "log_lines, log_lines (4)", "silent")]
