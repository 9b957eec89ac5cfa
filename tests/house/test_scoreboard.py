"""The board that judges the verdicts must itself see each way of being wrong."""

from typing import Any

import pytest

from afscope.model.clock import SECOND
from afscope.model.timeline import AttemptWait, StageWait
from benchmarks.scoreboard import problems_of, wrongly_blamed
from tests.cli.conftest import START, analysis, finding

RIGHT: dict[str, Any] = {"root_causes": ["pool_exhausted"], "acceptable": [], "component": "pool", "subject": "tiny"}


def wait(seconds: float) -> AttemptWait:
    stages = (StageWait("limits", seconds, "pool_exhausted"),)
    return AttemptWait("d", "r", "t", -1, 1, "q", "p", "t", START, START + 10 * SECOND, None, stages)


def problems(label: dict[str, Any], *, unknown: float = 0.0, waits: tuple[AttemptWait, ...] = (wait(10),)) -> list[str]:
    return list(problems_of(analysis(finding()), list(waits), {**RIGHT, **label}, unknown, 100.0))


def test_a_right_verdict_has_no_problem() -> None:
    assert problems({}) == []
    assert problems({"root_causes": [], "acceptable": ["pool_exhausted"]}) == []


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ({"root_causes": ["pool_exhausted", "dag_paused"]}, "missed dag_paused"),
        ({"root_causes": ["dag_paused"]}, "wrong pool_exhausted"),
        ({"root_causes": ["dag_paused"], "acceptable": ["pool_exhausted"]}, "first cause"),
        ({"innocent": ["pool"]}, "blamed innocent pool"),
        ({"healthy": True}, "healthy is False"),
        ({"component": "scheduler"}, "not scheduler"),
        ({"subject": "other"}, "not other"),
    ],
)
def test_each_way_of_being_wrong_is_seen(label: dict[str, Any], word: str) -> None:
    assert any(word in problem for problem in problems(label))


def test_waits_that_do_not_add_up_and_unknown_seconds_are_seen() -> None:
    assert problems({}, waits=(wait(8.5),)) == ["1 attempts' stages do not add up"]
    assert problems({}, unknown=5.0) == []
    assert problems({}, unknown=6.0) == ["6 s of 100 s unknown"]
    assert problems({"partial": True}, unknown=90.0) == []


def test_aliases_stand_for_the_components_behind_them() -> None:
    case = analysis(finding())
    assert wrongly_blamed(case, {"innocent": ["keda", "metrics"]}) == ()
    assert wrongly_blamed(case, {"innocent": ["pool"]}) == ("pool",)
