"""Rows of the metadata DB, of old and new versions and of MariaDB."""

from typing import Any

import pytest

from afscope.model.clock import SECOND, parse_time
from afscope.normalize.airflow import AirflowNormalizer
from afscope.normalize.airflow.tables import attempt
from afscope.normalize.airflow.versions import first_release, release_range
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
