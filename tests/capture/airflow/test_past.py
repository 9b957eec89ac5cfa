"""What a live database still holds of a past window, on each kind of database."""

from typing import Any

import pytest

from afscope.capture.airflow import past as module
from afscope.capture.airflow.login import parse
from afscope.capture.airflow.past import past
from afscope.errors import CannotConnect
from afscope.model.clock import SECOND, Micros, parse_time
from tests.capture.airflow.conftest import MakeLab
from tests.capture.airflow.lab import Lab

NOON = parse_time("2026-11-22T12:00:00Z")


def clock(minutes: float) -> Micros:
    return NOON + round(minutes * 60) * SECOND


def read(lab: Lab, since: float = 0, until: float = 10) -> dict[str, list[dict[str, Any]]]:
    """All rows per table of the window, in minutes from noon."""
    found: dict[str, list[dict[str, Any]]] = {}
    for part in past(lab.login(), clock(since), clock(until)):
        found[part.table] = [dict(row) for row in part.rows]
        assert all(tuple(row) == part.columns for row in found[part.table])
    return found


def filled(lab: Lab) -> Lab:
    for name, begun, over, state in (
        ("before", -30, -20, "success"), ("into", -20, 2, "success"), ("within", 2, 5, "failed"),
        ("open", 5, None, "running"), ("after", 20, 30, "success"),
    ):  # fmt: skip
        end = None if over is None else clock(over)
        lab.run(name, state, queued_at=clock(begun), start_date=clock(begun), end_date=end)
        lab.task("t", state, run_id=name, queued_dttm=clock(begun), external_executor_id=f"m-{name}")
        lab.insert("celery_taskmeta", {"task_id": f"m-{name}", "status": "SUCCESS", "date_done": clock(over or begun)})
    for minute in (-5, 1, 9, 11):
        lab.insert("log", {"dttm": clock(minute), "event": f"at {minute}"})
        lab.insert("job", {"job_type": "SchedulerJob", "start_date": clock(-60), "latest_heartbeat": clock(minute)})
    lab.insert("dag", {"dag_id": "etl"})
    lab.insert("dag", {"dag_id": "idle"})
    lab.insert("slot_pool", {"pool": "tiny", "slots": 2})
    return lab


def test_only_what_lived_in_the_window_is_read(lab: Lab) -> None:
    found = read(filled(lab))
    names = {"into", "within", "open"}
    assert {row["run_id"] for row in found["dag_run"]} == names
    assert {row["run_id"] for row in found["task_instance"]} == names
    assert {row["task_id"] for row in found["celery_taskmeta"]} == {f"m-{name}" for name in names}
    assert {row["event"] for row in found["log"]} == {"at 1", "at 9"}
    assert len(found["job"]) == 3
    assert [row["dag_id"] for row in found["dag"]] == ["etl"]
    assert [row["pool"] for row in found["slot_pool"]] == ["tiny"]
    assert found["alembic_version"]


def test_attempts_that_ended_are_in_the_history(lab: Lab) -> None:
    lab.run("r1", queued_at=clock(1), start_date=clock(1))
    lab.task(try_number=2)
    old = {"dag_id": "etl", "run_id": "r1", "task_id": "t1", "map_index": -1, "try_number": 1, "state": "failed"}
    lab.insert("task_instance_history", {**old, "external_executor_id": "m-1", "end_date": clock(2)})
    lab.insert("celery_taskmeta", {"task_id": "m-1", "status": "FAILURE"})
    found = read(lab)
    assert [row["try_number"] for row in found["task_instance_history"]] == [1]
    assert [row["status"] for row in found["celery_taskmeta"]] == ["FAILURE"]


@pytest.mark.parametrize("version", [(2, 2), (2, 9), (3, 3)])
def test_every_version_is_read(make_lab: MakeLab, version: tuple[int, int]) -> None:
    lab = make_lab("sqlite", version)
    lab.run("r1", queued_at=clock(1), start_date=clock(1))
    lab.task()
    found = read(lab)
    assert len(found["task_instance"]) == 1
    assert ("task_instance_history" in found) == (version >= (2, 10))


def test_many_rows_come_in_pages(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    monkeypatch.setattr(module, "_RUNS_AT_ONCE", 2)
    lab = make_lab("sqlite")
    for number in range(10):
        lab.run(f"r{number}", queued_at=clock(1), start_date=clock(1))
        lab.task(run_id=f"r{number}")
        lab.insert("log", {"dttm": clock(2), "event": "x"})
    found = read(lab)
    assert [len(found[table]) for table in ("dag_run", "task_instance", "log")] == [10, 10, 10]


def test_who_cannot_be_reached_is_named_without_the_password() -> None:
    login = parse("postgresql://someone:hunter2@127.0.0.1:1/airflow")
    with pytest.raises(CannotConnect) as caught:
        next(past(login, NOON, clock(1)))
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)
