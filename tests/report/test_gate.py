"""The gate on settings: worse, not worse, and not to be judged."""

import json
from pathlib import Path

import pytest

from afscope.cli.gate_commands import _trip
from afscope.errors import GateTripped
from afscope.model.simulation import Fidelity, Outcome, Simulation
from afscope.report.gate import Judgement, _judged
from tests.cli.conftest import Run, run

__all__ = ["run"]

VALUES = "workers:\n  keda:\n    maxReplicaCount: {}\n"


def outcome(p95: float, lost: float = 0.0, unfinished: int = 0) -> Outcome:
    return Outcome({}, p95 / 2, p95, p95 * 10, lost, 1.0, {}, (), None, unfinished)


def judged(before: Outcome, after: Outcome, *, trusted: bool = True, tolerance: float = 0.05) -> Judgement:
    fidelity = Fidelity(4, 4, 4, 4, 0, (), 0.0, trusted, "because")
    return _judged("c", Simulation("ns/w", fidelity, before, before, (after,)), True, tolerance)


@pytest.mark.parametrize(
    ("after", "worse"),
    [
        (outcome(100), ()),
        (outcome(104), ()),
        (outcome(107), ("wait_p95_s",)),
        (outcome(60), ()),
        (outcome(100, lost=30), ("lost_task_seconds",)),
        (outcome(100, unfinished=1), ("unfinished",)),
        (outcome(200, lost=30), ("wait_p95_s", "lost_task_seconds")),
    ],
)
def test_worse_is_more_than_the_tolerance(after: Outcome, worse: tuple[str, ...]) -> None:
    told = judged(outcome(100), after)
    assert told.worse == worse
    assert told.verdict == ("worse" if worse else "ok")


def test_less_than_a_second_is_no_difference() -> None:
    assert judged(outcome(0.4), outcome(1.3)).verdict == "ok"


def test_what_cannot_be_trusted_is_no_pass() -> None:
    told = judged(outcome(100), outcome(50), trusted=False)
    assert told.verdict == "cannot_tell"
    with pytest.raises(GateTripped, match="cannot be judged"):
        _trip([told], strict=False)
    good = judged(outcome(100), outcome(50))
    _trip([told, good], strict=False)
    with pytest.raises(GateTripped):
        _trip([told, good], strict=True)


@pytest.fixture
def values(tmp_path: Path) -> Path:
    return tmp_path / "values.yaml"


def test_a_lower_ceiling_trips_on_a_real_incident(shipped: dict[str, Path], values: Path, run: Run) -> None:
    values.write_text(VALUES.format(1))
    done = run("gate", shipped["healthy"], "--from", values, "-o", "json")
    assert done.code == 1
    (judgement,) = json.loads(done.out)["judgements"]
    assert judgement["verdict"] == "worse"
    assert judgement["after"]["set"] == {"maxReplicaCount": "1"}
    assert judgement["after"]["wait_p95_s"] > judgement["before"]["wait_p95_s"]
    assert "get worse" in done.err


def test_the_same_change_on_both_sides_passes(shipped: dict[str, Path], values: Path, run: Run) -> None:
    values.write_text(VALUES.format(1))
    done = run("gate", shipped["healthy"], "--from", values, "--against", values, "-o", "junit")
    assert done.code == 0
    assert 'failures="0"' in done.out


def test_nothing_changed_is_a_usage_error(shipped: dict[str, Path], run: Run) -> None:
    assert run("gate", shipped["healthy"]).code == 2
