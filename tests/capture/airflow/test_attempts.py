"""Attempts whose end nobody saw in task_instance: the history has it."""

import pytest

from afscope.model.clock import SECOND
from tests.capture.airflow.conftest import MakeLab, Watch
from tests.capture.airflow.lab import Lab
from tests.capture.conftest import START, Deck


def attempts(watch: Watch) -> list[tuple[int, str | None]]:
    return [(row["attempt"], row["state"]) for row in watch.rows("task_instances")]


def ended(lab: Lab, attempt: int, state: str = "failed", *, at: int = START + 6 * SECOND, task_id: str = "t1") -> None:
    """An attempt as Airflow keeps it in the history."""
    row = {"dag_id": "etl", "run_id": "r1", "task_id": task_id, "map_index": -1, "try_number": attempt}
    lab.insert(
        "task_instance_history", {**row, "state": state, "end_date": at, "pool": "default_pool", "pool_slots": 1}
    )


def test_an_attempt_that_ended_between_two_polls_comes_before_the_next_one(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task(state="running")
    watch.poll()
    ended(lab, 1)
    lab.move(key, "queued", try_number=2)
    watch.poll(2)
    assert attempts(watch) == [(1, "running"), (1, "failed"), (2, "queued")]
    assert watch.rows("task_instances")[1]["ts"].timestamp() * SECOND == START + 6 * SECOND


def test_several_attempts_that_came_and_went(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task(state="queued")
    watch.poll()
    for attempt in (1, 2, 3):
        ended(lab, attempt)
    lab.move(key, "success", try_number=4)
    watch.poll(2)
    assert attempts(watch) == [(1, "queued"), (1, "failed"), (2, "failed"), (3, "failed"), (4, "success")]


def test_an_end_that_was_seen_is_not_asked_for(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task(state="running")
    watch.poll()
    ended(lab, 1)
    lab.move(key, "up_for_retry")
    watch.poll(2)
    lab.move(key, "scheduled", try_number=2)
    watch.poll(2)
    assert attempts(watch) == [(1, "running"), (1, "up_for_retry"), (2, "scheduled")]


def test_of_a_task_that_was_not_known_only_what_ended_since_the_last_poll(watch: Watch, lab: Lab) -> None:
    lab.run()
    watch.poll()
    ended(lab, 1, at=START - 3600 * SECOND)
    ended(lab, 2, at=START + 7 * SECOND)
    lab.task(state="queued", try_number=3)
    watch.poll()
    assert attempts(watch) == [(2, "failed"), (3, "queued")]


def test_attempts_before_the_recording_stay_out(watch: Watch, lab: Lab) -> None:
    lab.run()
    ended(lab, 1)
    lab.task(state="queued", try_number=2)
    watch.poll()
    assert attempts(watch) == [(2, "queued")]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_the_id_of_airflow_3_comes_along(deck: Deck, make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind, (3, 3))
    lab.run()
    key = lab.task(state="running", id="01935e2a-0000-7000-8000-000000000001")
    watch = Watch(deck, lab)
    watch.poll()
    old = {"task_instance_id": "01935e2a-0000-7000-8000-000000000001", "try_number": 1, "state": "failed"}
    row = {"dag_id": "etl", "run_id": "r1", "task_id": "t1", "map_index": -1, "pool": "default_pool", "pool_slots": 1}
    lab.insert("task_instance_history", {**row, **old, "end_date": START + 6 * SECOND})
    lab.move(key, "queued", try_number=2, id="01935e2a-0000-7000-8000-000000000002")
    watch.poll(2)
    rows = [(row["attempt"], row["state"], row["ti_id"].replace("-", "")[-1]) for row in watch.rows("task_instances")]
    assert rows == [(1, "running", "1"), (1, "failed", "1"), (2, "queued", "2")]


def test_without_a_history_there_is_none(deck: Deck, make_lab: MakeLab) -> None:
    lab = make_lab("sqlite", (2, 5))
    lab.run()
    key = lab.task(state="running", try_number=1)
    watch = Watch(deck, lab)
    watch.poll()
    lab.move(key, "running", try_number=2)
    assert watch.poll(2)
    assert attempts(watch) == [(1, "running"), (2, "running")]
