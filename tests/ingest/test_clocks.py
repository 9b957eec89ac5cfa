"""Clocks of several sources: what differs is stated, what may agree is taken to agree."""

from typing import Any

import pytest

from afscope.ingest.clocks import Clocks
from afscope.model.capture import ClockOffset
from afscope.model.clock import SECOND, Micros
from afscope.model.row import ADDED, Row

T = 1_795_377_600 * SECOND


def row(table: str, at: Micros, **values: Any) -> Row:
    return Row(table, {"ts": at, "seen_at": at, "change": ADDED, **values})


def heard(skew_s: float, *, pods: bool = False, end: bool = False) -> dict[str, ClockOffset]:
    """Five pods that each ran a task 2 s after it was queued, on workers whose clock is `skew_s` ahead."""
    clocks = Clocks()
    skew = round(skew_s * SECOND)
    for n in range(5):
        queued = T + n * 60 * SECOND
        start, over = queued + 2 * SECOND + skew, queued + 12 * SECOND + skew
        if pods:
            finished = queued + 14 * SECOND if end else None
            clocks.see(row("pods", queued, name=f"w-{n}", started_at=queued + SECOND, finished_at=finished))
        clocks.see(
            row(
                "task_instances",
                start,
                queued_dttm=queued,
                start_date=start,
                end_date=over,
                state="success",
                hostname=f"w-{n}.air",
            )
        )
    return clocks.offsets()


def test_workers_that_seem_to_start_before_they_were_told_are_behind() -> None:
    found = heard(-10)["workers"]
    assert found.offset_us == -8 * SECOND
    assert found.uncertainty_us >= 2 * SECOND


@pytest.mark.parametrize("skew", [0, 1, -1])
def test_clocks_that_may_agree_are_not_told_apart(skew: float) -> None:
    assert "workers" not in heard(skew)
    assert heard(skew, pods=True, end=True)["airflow_db"].offset_us == 0


@pytest.mark.parametrize("skew", [-30, 30])
def test_pods_bound_the_clock_of_their_tasks_from_both_sides(skew: float) -> None:
    found = heard(skew, pods=True, end=True)["airflow_db"]
    assert abs(found.offset_us - skew * SECOND) <= found.uncertainty_us
    assert found.uncertainty_us < 5 * SECOND


def test_one_pair_is_no_estimate() -> None:
    clocks = Clocks()
    clocks.see(
        row("task_instances", T, queued_dttm=T, start_date=T - 20 * SECOND, end_date=T, state="success", hostname="w")
    )
    assert clocks.offsets() == {}
