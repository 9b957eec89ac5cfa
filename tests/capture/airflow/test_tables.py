"""DAG runs, jobs, pools, DAGs, the audit log and Celery's results."""

from typing import Any

import pytest

from afscope.capture.airflow import small
from afscope.capture.airflow.ids import LIMIT
from afscope.model.clock import SECOND
from tests.capture.airflow.conftest import MakeLab, Watch
from tests.capture.airflow.lab import Lab
from tests.capture.airflow.test_tasks import asked
from tests.capture.conftest import START, Deck

HOUR = 3600 * SECOND


def column(watch: Watch, table: str, *names: str) -> list[Any]:
    return [tuple(row[name] for name in names) if len(names) > 1 else row[names[0]] for row in watch.rows(table)]


def job(lab: Lab, number: int, kind: str = "SchedulerJob", **more: Any) -> dict[str, Any]:
    row = {"id": number, "job_type": kind, "state": "running", "latest_heartbeat": START, "hostname": "h", **more}
    lab.insert("job", row)
    return {"id": number}


# DAG runs


def test_a_run_from_its_creation_to_its_end(watch: Watch, lab: Lab) -> None:
    watch.poll()
    key = lab.run(state="queued", queued_at=START)
    watch.poll()
    lab.move(key, "running", start_date=START + SECOND)
    watch.poll()
    lab.move(key, "success", end_date=START + 2 * SECOND)
    watch.poll()
    watch.poll()
    assert column(watch, "dag_runs", "change", "state") == [
        ("ADDED", "queued"), ("MODIFIED", "running"), ("MODIFIED", "success"),
    ]  # fmt: skip


def test_a_run_whose_row_is_committed_late_is_found(watch: Watch, lab: Lab) -> None:
    lab.run("r5", id=5)
    watch.poll()
    lab.run("r8", "success", id=8)
    watch.poll()
    lab.run("r7", "success", id=7)
    watch.poll()
    watch.poll()
    assert column(watch, "dag_runs", "run_id") == ["r5", "r8", "r7"]


def test_of_decisions_alone_the_newest_is_written(watch: Watch, lab: Lab) -> None:
    keys = [lab.run(f"r{n}", last_scheduling_decision=START) for n in range(4)]
    watch.poll()
    for tick in range(1, 5):
        for n, key in enumerate(keys):
            lab.update("dag_run", key, last_scheduling_decision=START + tick * 5 * SECOND + n)
        watch.poll()
    assert [column(watch, "dag_runs", "run_id").count(f"r{n}") for n in range(4)] == [1, 1, 1, 5]


# Jobs


def test_heartbeats_of_a_scheduler_and_its_end(watch: Watch, lab: Lab) -> None:
    key = job(lab, 7)
    watch.poll()
    for beat in (1, 2):
        lab.update("job", key, latest_heartbeat=START + beat * 5 * SECOND)
        watch.poll()
    lab.update("job", key, state="failed", end_date=START + 20 * SECOND)
    watch.poll()
    watch.poll()
    assert column(watch, "jobs", "change", "state") == [
        ("STATE", "running"), ("MODIFIED", "running"), ("MODIFIED", "running"), ("MODIFIED", "failed"),
    ]  # fmt: skip


def test_jobs_that_fell_silent_long_ago_are_litter(watch: Watch, lab: Lab) -> None:
    job(lab, 1, latest_heartbeat=START - 30 * HOUR)
    job(lab, 2, latest_heartbeat=START - 20 * HOUR)
    watch.poll()
    assert column(watch, "jobs", "id") == [2]


def test_a_job_that_is_cleaned_away_is_deleted(watch: Watch, lab: Lab) -> None:
    job(lab, 3)
    watch.poll()
    lab.delete("job", id=3)
    watch.poll()
    assert column(watch, "jobs", "id", "change") == [(3, "STATE"), (3, "DELETED")]


def test_heartbeats_of_task_jobs_may_wait(watch: Watch, lab: Lab) -> None:
    keys = [job(lab, n, "LocalTaskJob") for n in range(1, 4)]
    watch.poll()
    for beat in range(1, 5):
        for key in keys:
            lab.update("job", key, latest_heartbeat=START + beat * 5 * SECOND + key["id"])
        watch.poll()
    assert [column(watch, "jobs", "id").count(n) for n in (1, 2, 3)] == [1, 1, 5]


def test_of_many_task_jobs_only_who_comes_and_goes_is_read(
    watch: Watch, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "_MANY", 3)
    scheduler = job(lab, 1)
    keys = {n: job(lab, n, "LocalTaskJob") for n in range(2, 9)}
    watch.poll()
    lab.update("job", scheduler, latest_heartbeat=START + 5 * SECOND)
    lab.update("job", keys[2], state="success", end_date=START + 5 * SECOND)
    lab.update("job", keys[3], state="restarting")
    lab.update("job", keys[4], latest_heartbeat=START + 5 * SECOND)
    lab.delete("job", id=5)
    keys[9] = job(lab, 9, "LocalTaskJob")
    with asked() as statements:
        watch.poll()
    assert ["hostname" in words for words in statements if " job" in words] == [False, True]  # ids, and some rows
    watch.poll()
    later = [(row["id"], row["change"], row["state"]) for row in watch.rows("jobs")][8:]
    assert sorted(later) == [
        (1, "MODIFIED", "running"), (2, "MODIFIED", "success"), (3, "MODIFIED", "restarting"), (5, "DELETED", None),
        (9, "ADDED", "running"),
    ]  # fmt: skip
    for _ in range(5):
        watch.poll()
    assert [row["latest_heartbeat"] for row in watch.rows("jobs") if row["id"] == 4][
        -1
    ].timestamp() == START / SECOND + 5


# Pools and DAGs


def test_dags_are_read_whole_now_and_then_and_pools_with_the_runs(watch: Watch, lab: Lab) -> None:
    lab.insert("slot_pool", {"pool": "default_pool", "slots": 128}, {"pool": "tiny", "slots": 2})
    lab.insert("dag", {"dag_id": "etl", "is_paused": False}, {"dag_id": "idle", "is_paused": False})
    lab.run()
    watch.poll()
    lab.update("slot_pool", {"pool": "tiny"}, slots=4)
    lab.update("dag", {"dag_id": "etl"}, is_paused=True)
    lab.update("dag", {"dag_id": "idle"}, is_paused=True)
    watch.poll()
    assert column(watch, "pools", "pool", "slots") == [("default_pool", 128), ("tiny", 2), ("tiny", 4)]
    # The DAG of a live run is as fresh as the run itself.
    assert column(watch, "dags", "dag_id", "is_paused")[2:] == [("etl", True)]
    watch.poll(30)
    assert column(watch, "dags", "dag_id", "is_paused")[3:] == [("idle", True)]
    lab.delete("slot_pool", pool="tiny")
    lab.delete("dag", dag_id="idle")
    watch.poll(30)
    assert column(watch, "pools", "pool", "change")[-1] == ("tiny", "DELETED")
    assert column(watch, "dags", "dag_id", "change")[-1] == ("idle", "DELETED")


# The audit log


def test_the_log_of_the_last_hour_and_then_what_is_new(watch: Watch, lab: Lab) -> None:
    for number in range(100, 1201, 100):
        age = HOUR + HOUR // 2 if number <= 500 else HOUR // 2
        lab.insert("log", {"id": number, "dttm": START - age + number, "event": "running", "owner": "x"})
    watch.poll()
    assert column(watch, "db_log", "id") == [600, 700, 800, 900, 1000, 1100, 1200]
    lab.insert("log", {"id": 1201, "dttm": START, "event": "success"})
    watch.poll()
    watch.poll()
    assert column(watch, "db_log", "id") == [600, 700, 800, 900, 1000, 1100, 1200, 1201]


def test_log_rows_that_are_committed_late_are_read_once(watch: Watch, lab: Lab) -> None:
    lab.insert("log", {"id": 10, "dttm": START, "event": "a"})
    watch.poll()
    lab.insert("log", {"id": 13, "dttm": START, "event": "b"})
    watch.poll()
    lab.insert("log", {"id": 11, "dttm": START, "event": "c"})
    watch.poll()
    watch.poll(70)
    lab.insert("log", {"id": 12, "dttm": START, "event": "too late"})
    watch.poll()
    assert column(watch, "db_log", "id") == [10, 13, 11]


def test_a_flood_of_log_rows_is_read_in_turns(watch: Watch, lab: Lab) -> None:
    lab.insert("log", {"id": 1, "dttm": START, "event": "a"})
    watch.poll()
    lab.insert("log", *({"id": n, "dttm": START, "event": "b"} for n in range(2, LIMIT + 100)))
    watch.poll()
    assert len(watch.rows("db_log")) == 1 + LIMIT
    watch.poll()
    assert column(watch, "db_log", "id") == list(range(1, LIMIT + 100))


def test_an_empty_log_begins_with_its_first_row(watch: Watch, lab: Lab) -> None:
    watch.poll()
    lab.insert("log", {"id": 1, "dttm": START, "event": "a"}, {"id": 2, "dttm": START, "event": "b"})
    watch.poll()
    assert column(watch, "db_log", "id") == [1, 2]


# Celery's results


def test_a_message_is_followed_until_its_result_is_in(watch: Watch, lab: Lab) -> None:
    lab.insert("celery_taskmeta", {"id": 1, "task_id": "m1", "status": "STARTED"})
    watch.poll()
    lab.insert("celery_taskmeta", {"id": 2, "task_id": "m2", "status": "STARTED"})
    watch.poll()
    trace = "Traceback (most recent call last):\n" + "  File\n" * 2000 + "ValueError: no\n"
    lab.update("celery_taskmeta", {"id": 1}, status="FAILURE", traceback=trace, date_done=START + SECOND)
    watch.poll()
    watch.poll()
    assert column(watch, "celery_results", "task_id", "status", "failure") == [
        ("m1", "STARTED", None), ("m2", "STARTED", None), ("m1", "FAILURE", "ValueError: no"),
    ]  # fmt: skip


def test_a_database_without_celery_says_so(deck: Deck, make_lab: MakeLab) -> None:
    lab = make_lab("sqlite", tables=("alembic_version", "dag", "dag_run", "task_instance", "slot_pool", "job", "log"))
    watch = Watch(deck, lab)
    assert watch.poll()
    assert deck.sources["celery_results"] == ("absent", "airflow_db: the database has no table celery_taskmeta")
    assert {deck.sources[name][0] for name in ("task_instances", "dag_runs", "dags", "pools", "jobs", "db_log")} == {
        "ok"
    }
    assert deck.sources["task_counts"] == deck.sources["polls"] == ("ok", "")
