"""Comparisons: what is worse, better, new and gone, and when nobody can tell."""

from pathlib import Path

import pytest

from afscope.report.diff import CauseChange, Change, Diff, diff, side
from tests.engine.incident import Incident


def many_runs(folder: Path, wait: float, *, runs: int = 12, pool: str = "", missing: str = "") -> Path:
    """`runs` DAG runs of three tasks each, which wait about `wait` seconds; with `pool`, for that pool of one slot."""
    case = Incident(400)
    case.missing = {missing} if missing else set()
    if pool:
        case.pool(pool, 1)
    case.workers(names=("w0", "w1", "w2"))
    for run in range(runs):
        begin = 30 + 4 * run
        case.run(f"r{run}", begin, begin + 0.5)
        for task in range(3):
            late = wait + (run % 4) + task / 2
            held = pool and run == 0 and task == 0
            start = begin + (1 if held else late)
            case.task(
                f"t{task}", f"r{run}", pool=pool or "default_pool", none=begin, scheduled=begin + 0.2,
                queued=begin + 0.4 if held or not pool else start - 0.5, running=start, ended=390 if held else start + 5,
                host="w0",
            )  # fmt: skip
    folder.mkdir()
    opened = case.open(folder)
    opened.close()
    return folder / "incident.afscope"


def compared(a: Path, b: Path, seed: int = 0) -> Diff:
    from afscope.engine.investigation import Investigation

    sides = []
    for path in (a, b):
        opened = Investigation.open(path)
        sides.append(side(opened, path.parent.name))
        opened.close()
    return diff(sides[0], sides[1], seed=seed)


def measure(told: Diff, name: str) -> Change:
    return next(change for change in told.measures if change.measure == name)


def cause(told: Diff, name: str) -> CauseChange:
    return next(change for change in told.causes if change.cause == name)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_runs(tmp_path_factory.mktemp("diff") / "calm", 2)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_runs(tmp_path_factory.mktemp("diff") / "full", 100, pool="tiny")


def test_longer_waits_are_worse_and_the_other_way_round_better(calm: Path, full: Path) -> None:
    told = compared(calm, full)
    for name in ("wait_mean_s", "wait_p50_s", "wait_p95_s"):
        change = measure(told, name)
        assert change.verdict == "worse"
        assert change.interval is not None
        assert change.difference is not None
        assert change.interval[0] > 0
        assert change.interval[0] <= change.difference <= change.interval[1]
    back = measure(compared(full, calm), "wait_mean_s")
    assert back.verdict == "better"


def test_a_capture_does_not_differ_from_itself(full: Path) -> None:
    told = compared(full, full)
    assert {measure(told, n).verdict for n in ("wait_mean_s", "wait_p95_s")} == {"no_difference_shown"}
    assert all(change.change == "same" for change in told.causes)
    assert measure(told, "pod_hours").difference == 0


def test_causes_come_and_go(calm: Path, full: Path) -> None:
    assert cause(compared(calm, full), "pool_exhausted").change == "new"
    gone = cause(compared(full, calm), "pool_exhausted")
    assert gone.change == "gone"
    assert gone.waiting[0] > 60
    assert gone.waiting[1] == 0


def test_what_was_not_looked_for_is_neither_gone_nor_new(full: Path, tmp_path: Path) -> None:
    blind = many_runs(tmp_path / "blind", 2, missing="pools")
    change = cause(compared(full, blind), "pool_exhausted")
    assert change.change == "cannot_tell"
    assert "needs pools" in change.because


def test_few_runs_give_no_interval(calm: Path, tmp_path: Path) -> None:
    few = many_runs(tmp_path / "few", 50, runs=3)
    change = measure(compared(calm, few), "wait_p95_s")
    assert (change.verdict, change.interval) == ("cannot_tell", None)
    assert "at least 5" in change.because


def test_the_same_seed_gives_the_same_intervals(calm: Path, full: Path) -> None:
    first, again, other = (measure(compared(calm, full, seed=s), "wait_mean_s").interval for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_without_task_tables_nothing_is_counted(full: Path, tmp_path: Path) -> None:
    blind = many_runs(tmp_path / "blind", 2, missing="task_instances")
    told = compared(full, blind)
    assert {change.verdict for change in told.measures if change.measure != "pod_hours"} == {"cannot_tell"}
    assert told.b.told.attempts is None
    assert cause(told, "pool_exhausted").change == "cannot_tell"
