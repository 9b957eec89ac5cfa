"""What is taken from a recording and from a capture: the version, the rows, the times, and what is left out."""

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import CannotReplay, NotACapture
from afscope.ingest import import_sources
from afscope.model.clock import Micros, parse_time
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE, Row
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.state import State
from afscope.store.writer import CaptureWriter
from tests.replay.airflow.conftest import HEAD_3_3, REAL, Tables, at, record, run, task


def rows(history: AirflowHistory, when: Micros) -> dict[str, dict[Any, Any]]:
    """The tables at a time."""
    state = State(history.schema, history.begins)
    for poll in history.polls[: history.upto(when)]:
        state.take(poll.changes)
    return {table: dict(found) for table, found in state.rows.items()}


def test_the_alembic_head_tells_the_version(tmp_path: Path) -> None:
    assert AirflowHistory.of(record(tmp_path, (0, {}), head=HEAD_3_3)).schema.release == "3.3.2"


@pytest.mark.parametrize(
    ("tables", "release"),
    [
        ({"task_instance": [{**task(), "operator": "X", "external_executor_id": None, "queued_by_job_id": 1}]}, "2.3.4"),
        ({"task_instance": [task(scheduled_dttm=None)]}, "3.0.6"),
        ({"dag": [{"dag_id": "etl", "is_stale": False}]}, "3.0.6"),
        ({"dag": [{"dag_id": "etl", "is_active": True}]}, "2.10.5"),
        ({}, "2.10.5"),
    ],
)  # fmt: skip
def test_without_a_known_head_the_columns_tell(tmp_path: Path, tables: dict[str, Any], release: str) -> None:
    history = AirflowHistory.of(record(tmp_path, (0, tables), head=None))
    assert history.schema.release == release
    assert rows(history, at(0))["alembic_version"][()]["version_num"] == history.schema.head


def test_an_unknown_head_is_given_back_as_it_was(tmp_path: Path) -> None:
    history = AirflowHistory.of(record(tmp_path, (0, {}), head={"version_num": "feedfacecafe"}))
    assert rows(history, at(0))["alembic_version"][()]["version_num"] == "feedfacecafe"


def test_a_time_before_the_beginning_is_the_beginning_and_after_the_end_the_end(tmp_path: Path) -> None:
    history = AirflowHistory.of(
        record(tmp_path, (0, {"task_instance": [task()]}), (5, {"task_instance": [task("t2")]}))
    )
    assert len(rows(history, at(-100))["task_instance"]) == 1
    assert len(rows(history, at(4.9))["task_instance"]) == 1
    assert len(rows(history, at(5))["task_instance"]) == 2
    assert len(rows(history, at(1e6))["task_instance"]) == 2
    assert (history.begins, history.ends) == (at(0), at(5))


def test_sums_are_no_table_and_unknown_ones_are_told(tmp_path: Path) -> None:
    tables: Tables = {
        "counts": [{"state": "queued", "n": 3}],
        "xcom": [{"key": "a"}],
        "task_instance": [{"task_id": "t"}],
    }
    history = AirflowHistory.of(record(tmp_path, (0, tables)))
    assert rows(history, at(0))["task_instance"] == {}
    assert history.unread == [
        "task_instance: a row without dag_id or run_id or task_id or map_index",
        "Airflow 2.10.5 has no table 'xcom'",
    ]


def test_values_that_no_column_holds_are_left_out_or_cut(tmp_path: Path) -> None:
    odd = task(state="q" * 30, priority_weight=2**40, queued_dttm="soon", hostname="a\0b", duration="long")
    history = AirflowHistory.of(record(tmp_path, (0, {"task_instance": [odd]})))
    (row,) = rows(history, at(0))["task_instance"].values()
    assert (row["state"], row["hostname"]) == ("q" * 20, "ab")
    assert (row["priority_weight"], row["queued_dttm"], row["duration"]) == (None, None, None)


def test_a_recording_that_breaks_off_is_served_as_far_as_it_goes(tmp_path: Path) -> None:
    source = shutil.copytree(REAL / "pool", tmp_path / "pool")
    path = source / "airflow_db.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    history = AirflowHistory.of(source)
    assert len(history.polls) > 10
    assert any("airflow_db.jsonl.gz" in reason for reason in history.unread)


def test_lines_that_are_none_are_told_and_skipped(tmp_path: Path) -> None:
    source = record(tmp_path, (0, {"task_instance": [task()]}))
    with (source / "airflow_db.jsonl").open("ab") as file:
        file.write(b'{"t": "noon"}\n\xff\xfe\n[]\n{"t": 1e300}\n\n')
    history = AirflowHistory.of(source)
    assert len(history.unread) == 4
    assert len(rows(history, at(0))["task_instance"]) == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", b"nothing\n"])
def test_a_recording_without_a_poll_cannot_be_served(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "airflow_db.jsonl.gz").write_bytes(gzip.compress(content))
    with pytest.raises(CannotReplay, match="holds no poll"):
        AirflowHistory.of(tmp_path)


def test_what_is_neither_recording_nor_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotReplay, match="holds no Airflow tables"):
        AirflowHistory.of(tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(NotACapture):
        AirflowHistory.of(tmp_path / "text")


def test_rebasing_moves_every_time_by_whole_seconds(tmp_path: Path) -> None:
    queued = "2026-11-18T12:00:00.123456+00:00"
    source = record(tmp_path, (0, {"task_instance": [task(queued_dttm=queued)], "dag_run": [run()]}), (7, {}))
    to = parse_time("2030-01-01T00:00:00Z")
    history = AirflowHistory.of(source, rebase_to=to)
    assert (history.begins, history.ends) == (to, to + 7_000_000)
    assert history.shift == to - at(0)
    (row,) = rows(history, to)["task_instance"].values()
    assert row["queued_dttm"] == parse_time(queued) + history.shift
    (made,) = rows(history, to)["dag_run"].values()
    assert made["execution_date"] == parse_time("2026-11-18T12:00:00Z") + history.shift
    assert row["start_date"] is None


def test_rebasing_leaves_what_would_fall_out_of_the_calendar(tmp_path: Path) -> None:
    forever = "9999-12-31T00:00:00+00:00"
    source = record(tmp_path, (0, {"dag": [{"dag_id": "etl", "next_dagrun_create_after": forever}]}))
    history = AirflowHistory.of(source, rebase_to=parse_time("2126-01-01T00:00:00Z"))
    assert rows(history, history.begins)["dag"][("etl",)]["next_dagrun_create_after"] == parse_time(forever)


def written(folder: Path, *found: tuple[float, str, str, dict[str, Any]]) -> Path:
    """A capture with these rows: (seconds, table, change, values)."""
    path = folder / "case.afscope"
    writer = CaptureWriter.create(path, started_at=at(0))
    for seconds, table, change, values in found:
        writer.append(Row(table, {"ts": at(seconds), "seen_at": at(seconds), "change": change, **values}))
    writer.close(at(60))
    return path


TI = {"dag_id": "etl", "run_id": "r", "task_id": "t", "map_index": -1, "attempt": 1, "pool": "p", "pool_slots": 1}


def test_in_a_capture_what_was_deleted_is_gone_and_what_is_repeated_changes_nothing(tmp_path: Path) -> None:
    source = written(
        tmp_path,
        (0, "pools", STATE, {"pool": "tiny", "slots": 2}),
        (0, "task_instances", STATE, {**TI, "state": "queued"}),
        (5, "pools", STATE, {"pool": "tiny", "slots": 2}),
        (5, "task_instances", MODIFIED, {**TI, "state": "running"}),
        (9, "pools", DELETED, {"pool": "tiny"}),
    )
    history = AirflowHistory.of(source)
    assert rows(history, at(8))["slot_pool"][("tiny",)]["slots"] == 2
    assert rows(history, at(9))["slot_pool"] == {}
    assert [row["state"] for row in rows(history, at(5))["task_instance"].values()] == ["running"]
    state = State(history.schema, history.begins)
    for poll in history.polls[:1]:
        state.take(poll.changes)
    writes = [write for change in history.polls[1].changes for write in state.apply(change)]
    assert [write.table for write in writes] == ["task_instance"]


@pytest.mark.parametrize(
    ("head", "dag", "dag_run"),
    [
        ("5f2621c13b39", {"is_active": True}, {"execution_date": at(0), "external_trigger": True}),
        ("d2f4e1b3c5a7", {"is_stale": False}, {"logical_date": at(0), "triggered_by": "external"}),
    ],
)  # fmt: skip
def test_a_capture_goes_back_to_the_names_of_its_version(
    tmp_path: Path, head: str, dag: dict[str, Any], dag_run: dict[str, Any]
) -> None:
    source = written(
        tmp_path,
        (0, "airflow_config", STATE, {"scope": "database", "key": "alembic_version", "value": head}),
        (0, "airflow_config", STATE, {"scope": "airflow/worker", "key": "AIRFLOW__CORE__PARALLELISM", "value": "8"}),
        (0, "dags", STATE, {"dag_id": "etl", "is_active": True}),
        (0, "dag_runs", ADDED, {"id": 1, "dag_id": "etl", "run_id": "r", "run_type": "manual", "logical_date": at(0), "triggered_by": "external"}),
        (0, "db_log", ADDED, {"id": 7, "event": "running", "owner": "me"}),
    )  # fmt: skip
    found = rows(AirflowHistory.of(source), at(0))
    assert dag.items() <= found["dag"][("etl",)].items()
    assert dag_run.items() <= found["dag_run"][("etl", "r")].items()
    assert found["log"][(7,)]["dttm"] == at(0)
    assert found["alembic_version"][()]["version_num"] == head


def test_a_capture_without_airflow_tables_cannot_be_served(tmp_path: Path) -> None:
    source = written(tmp_path, (0, "nodes", STATE, {"name": "n1"}))
    with pytest.raises(CannotReplay, match="holds no Airflow tables"):
        AirflowHistory.of(source)


def recordings() -> list[Path]:
    more = os.environ.get("AFSCOPE_RECORDINGS", "")
    folders = [REAL, *([Path(more)] if more else [])]
    return list({path.name: path for folder in folders for path in sorted(folder.iterdir()) if path.is_dir()}.values())


@pytest.mark.parametrize("source", recordings(), ids=lambda path: path.name)
def test_import_and_back_is_the_recording(tmp_path: Path, source: Path) -> None:
    """Recording to capture to Airflow's tables: the same rows, in every column that was recorded and that is kept."""
    only_db = tmp_path / source.name
    only_db.mkdir()
    shutil.copy(source / "airflow_db.jsonl.gz", only_db)
    import_sources([only_db], tmp_path / "out.afscope")
    direct, back = AirflowHistory.of(source), AirflowHistory.of(tmp_path / "out.afscope")
    recorded = recorded_columns(source)
    assert back.schema.release == direct.schema.release
    for part in (0, 0.3, 0.5, 0.8, 1):
        when = direct.begins + round((direct.ends - direct.begins) * part)
        wanted, got = rows(direct, when), rows(back, when)
        for table, columns in recorded.items():
            assert picked(got[table], columns) == picked(wanted[table], columns), (table, part)


# Which scheduler scheduled a run is the one column that captures do not keep.
NOT_KEPT = {"scheduled_by_job_id"}


def recorded_columns(source: Path) -> dict[str, set[str]]:
    columns: dict[str, set[str]] = {}
    with gzip.open(source / "airflow_db.jsonl.gz", "rt") as file:
        for line in map(json.loads, file):
            for row in line.get("rows", ()):
                columns.setdefault(line["table"], set()).update(row.keys() - NOT_KEPT)
    columns.pop("counts", None)
    return columns


def picked(found: dict[Any, Any], columns: set[str]) -> dict[Any, dict[str, Any]]:
    return {key: {name: row[name] for name in columns} for key, row in found.items()}


def test_the_times_of_polls_are_those_of_the_recording() -> None:
    with gzip.open(REAL / "pool" / "airflow_db.jsonl.gz", "rt") as file:
        times = sorted({json.loads(line)["t"] for line in file})
    assert [poll.at for poll in AirflowHistory.of(REAL / "pool").polls] == [round(t * 1e6) for t in times]
