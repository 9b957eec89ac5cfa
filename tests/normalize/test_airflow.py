"""Rows of the metadata DB, of old and new versions and of MariaDB."""

from typing import Any

import pytest

from afscope.model.clock import SECOND, parse_time
from afscope.normalize.airflow import AirflowNormalizer
from afscope.normalize.airflow.tables import attempt
from afscope.normalize.airflow.versions import by_columns, first_release, release_range
from afscope.normalize.redact import Redactor
from afscope.store.schema import check_row

POLL = parse_time("2026-11-22T20:30:00Z")


def normalizer(polls: int = 2) -> AirflowNormalizer:
    """One that has polled each second until POLL."""
    airflow = AirflowNormalizer(Redactor())
    for n in reversed(range(polls)):
        list(airflow.poll(POLL - n * SECOND, 0.01, ok=True))
    return airflow


def read(table: str, row: dict[str, Any], airflow: AirflowNormalizer | None = None) -> dict[str, Any]:
    (out,) = (airflow or normalizer()).rows(table, [row], POLL)
    check_row(out.table, out.values)
    return dict(out.values)


@pytest.mark.parametrize(
    ("version", "state", "tries", "number"),
    [
        ((2, 9), None, 0, 1), ((2, 9), "scheduled", 0, 1), ((2, 9), "queued", 0, 1), ((2, 9), "running", 1, 1),
        ((2, 9), "queued", 1, 2), ((2, 9), "up_for_retry", 1, 1), ((2, 9), "failed", 2, 2),
        ((2, 9), "deferred", 0, 1), ((2, 9), "up_for_reschedule", 1, 2), ((2, 10), "deferred", 1, 1),
        ((2, 10), None, 0, 1), ((2, 10), "scheduled", 1, 1), ((2, 10), "queued", 1, 1), ((2, 10), "running", 1, 1),
        ((2, 10), "queued", 2, 2), ((2, 10), "up_for_retry", 1, 1), ((3, 0), None, 1, 2), ((3, 3), "running", 2, 2),
    ],
)  # fmt: skip
def test_an_attempt_has_one_number_in_every_version(
    version: tuple[int, int], state: str | None, tries: int, number: int
) -> None:
    assert attempt(state, tries, version) == number


def test_a_change_is_dated_by_the_column_that_its_state_writes() -> None:
    row = {"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1, "state": "queued",
           "queued_dttm": "2026-11-22T20:29:59.5+00:00", "start_date": "2026-11-22T20:00:00+00:00"}  # fmt: skip
    assert read("task_instance", row)["ts"] == POLL - SECOND // 2


def test_a_time_of_the_attempt_before_does_not_date_this_change() -> None:
    row = {"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1, "state": "queued",
           "queued_dttm": "2026-11-22T19:00:00+00:00"}  # fmt: skip
    assert read("task_instance", row)["ts"] == POLL


def test_mariadb_has_no_zones_and_no_booleans() -> None:
    row = {"dag_id": "d", "is_paused": 1, "is_active": 0, "last_parsed_time": "2026-11-22 20:29:00.5"}
    out = read("dag", row)
    assert (out["is_paused"], out["is_active"]) == (True, False)
    assert out["last_parsed_time"] == parse_time("2026-11-22T20:29:00.5Z")


def test_airflow_3_renames() -> None:
    assert read("dag", {"dag_id": "d", "is_stale": True})["is_active"] is False
    run = {
        "dag_id": "d",
        "run_id": "r",
        "state": "queued",
        "logical_date": None,
        "run_after": "2026-11-22T20:29:59Z",
        "triggered_by": "CLI",
    }
    out = read("dag_run", run)
    assert out["run_after"] == POLL - SECOND
    assert out["triggered_by"] == "CLI"
    old = {
        "dag_id": "d",
        "run_id": "r",
        "state": "queued",
        "execution_date": "2026-11-22T20:00:00Z",
        "external_trigger": 0,
    }
    assert read("dag_run", old)["logical_date"] == parse_time("2026-11-22T20:00:00Z")
    assert read("dag_run", old)["triggered_by"] == "schedule"


def test_an_id_of_a_task_instance_tells_airflow_3() -> None:
    airflow = normalizer()
    read(
        "task_instance",
        {"id": "uuid", "dag_id": "d", "run_id": "r", "task_id": "t", "state": None, "try_number": 0},
        airflow,
    )
    assert airflow.version >= (3, 0)


def test_the_head_gives_a_range_of_releases() -> None:
    airflow = normalizer()
    list(airflow.rows("alembic_version", [{"version_num": "5f2621c13b39"}], POLL))
    assert airflow.version == (2, 10)
    assert airflow.release == "2.10.3 up to before 3.0.0"
    assert first_release("unheard") is None
    assert release_range("d2f4e1b3c5a7") == "3.3.0 or later"


def test_groups_that_vanish_are_counted_once_more_as_zero() -> None:
    airflow = normalizer()
    group = {"state": "queued", "queue": "default", "pool": "p", "n": 3}
    assert [r.values["n"] for r in airflow.rows("counts", [group], POLL)] == [3]
    assert [r.values["n"] for r in airflow.rows("counts", [], POLL)] == [0]
    assert list(airflow.rows("counts", [], POLL)) == []


def test_of_a_traceback_only_the_last_line_stays() -> None:
    row = {
        "id": 1,
        "task_id": "c",
        "status": "FAILURE",
        "traceback": "File x\npassword=hunter2\nInvalid auth token: Signature has expired\n",
    }
    out = read("celery_taskmeta", row)
    assert out["failure"] == "Invalid auth token: Signature has expired"


def test_unknown_tables_are_noted_not_fatal() -> None:
    airflow = normalizer()
    assert list(airflow.rows("asset_event", [{"id": 1}], POLL)) == []
    assert airflow.unknown_tables == {"asset_event"}


def test_changes_are_state_then_added_then_modified() -> None:
    airflow = AirflowNormalizer(Redactor())
    list(airflow.poll(POLL, 0.01, ok=True))
    pool = {"pool": "a", "slots": 1}
    assert read("slot_pool", pool, airflow)["change"] == "STATE"
    list(airflow.poll(POLL + SECOND, 0.01, ok=True))
    assert read("slot_pool", {"pool": "b", "slots": 1}, airflow)["change"] == "ADDED"
    assert read("slot_pool", pool, airflow)["change"] == "MODIFIED"


def instance(state: str | None, **columns: Any) -> dict[str, Any]:
    return {"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1, "state": state, **columns}


def test_what_happened_during_an_outage_of_the_db_keeps_its_own_time() -> None:
    airflow = normalizer(0)
    list(airflow.poll(POLL - 30 * SECOND, 0.01, ok=True))
    for n in reversed(range(1, 30)):
        list(airflow.poll(POLL - n * SECOND, 5.0, ok=False))
    list(airflow.poll(POLL, 0.01, ok=True))
    out = read("task_instance", instance("queued", queued_dttm="2026-11-22T20:29:35Z"), airflow)
    assert out["ts"] == POLL - 25 * SECOND


def test_the_first_good_poll_is_the_first_listing_whatever_failed_before() -> None:
    airflow = AirflowNormalizer(Redactor())
    list(airflow.poll(POLL - SECOND, 5.0, ok=False))
    list(airflow.poll(POLL, 0.01, ok=True))
    assert read("slot_pool", {"pool": "p", "slots": 1}, airflow)["change"] == "STATE"


def test_a_slow_worker_clock_does_not_put_a_start_before_the_queueing() -> None:
    airflow = normalizer()
    queued = read("task_instance", instance("queued", queued_dttm="2026-11-22T20:29:59.9Z"), airflow)
    list(airflow.poll(POLL + SECOND, 0.01, ok=True))
    row = instance("running", queued_dttm="2026-11-22T20:29:59.9Z", start_date="2026-11-22T20:29:59.2Z")
    (running,) = airflow.rows("task_instance", [row], POLL + SECOND)
    assert queued["ts"] < running.values["ts"] == POLL + SECOND


def test_a_heartbeat_is_not_dated_by_the_start() -> None:
    airflow = normalizer()
    columns = {"start_date": "2026-11-22T20:29:59Z", "last_heartbeat_at": "2026-11-22T20:29:59Z"}
    assert read("task_instance", instance("running", **columns), airflow)["ts"] == POLL - SECOND
    list(airflow.poll(POLL + 5 * SECOND, 0.01, ok=True))
    beat = {**columns, "last_heartbeat_at": "2026-11-22T20:30:04Z"}
    (row,) = airflow.rows("task_instance", [instance("running", **beat)], POLL + 5 * SECOND)
    assert row.values["ts"] == POLL + 4 * SECOND


def test_a_run_is_dated_by_its_start_then_by_the_scheduler_looking_at_it() -> None:
    airflow = normalizer()
    run = {"dag_id": "d", "run_id": "r", "state": "running", "start_date": "2026-11-22T20:29:59Z"}
    assert (
        read("dag_run", {**run, "last_scheduling_decision": "2026-11-22T20:29:59.5Z"}, airflow)["ts"] == POLL - SECOND
    )
    list(airflow.poll(POLL + 5 * SECOND, 0.01, ok=True))
    later = {**run, "last_scheduling_decision": "2026-11-22T20:30:03Z"}
    (row,) = airflow.rows("dag_run", [later], POLL + 5 * SECOND)
    assert row.values["ts"] == POLL + 3 * SECOND


OLD = {"dag_id", "task_id", "run_id", "state", "operator", "external_executor_id", "queued_by_job_id", "pool_slots"}


@pytest.mark.parametrize(
    ("columns", "version"),
    [
        (OLD, (2, 2)), (OLD | {"map_index"}, (2, 3)), (OLD | {"map_index", "updated_at"}, (2, 5)),
        (OLD | {"updated_at", "task_display_name"}, (2, 9)), (OLD | {"updated_at", "executor"}, (2, 10)),
        ({"executor"}, (2, 10)), (OLD | {"executor", "scheduled_dttm"}, (3, 0)), ({"dag_id", "state"}, None),
        ({"dag_id", "state", "updated_at"}, None),
    ],
)  # fmt: skip
def test_columns_tell_the_version_when_enough_of_them_were_read(
    columns: set[str], version: tuple[int, int] | None
) -> None:
    assert by_columns(columns) == version


def test_a_known_head_outweighs_columns() -> None:
    airflow = normalizer()
    list(airflow.rows("alembic_version", [{"version_num": "1949afb29106"}], POLL))
    assert read("task_instance", instance("queued", executor=None), airflow)["attempt"] == 2


def test_rows_without_a_key_are_counted_and_left_out() -> None:
    airflow = normalizer()
    assert list(airflow.rows("task_instance", [{"dag_id": "d", "state": "queued"}], POLL)) == []
    assert airflow.keyless == {"task_instance": 1}


@pytest.mark.parametrize("number", [2**70, -(2**70), float("inf"), "many", [1]])
def test_numbers_that_no_database_holds_are_null(number: Any) -> None:
    assert read("slot_pool", {"pool": "p", "slots": number})["slots"] is None
