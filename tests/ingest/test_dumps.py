"""Dumps of the Airflow DB: every form gives the same rows, and only what timestamps prove becomes history."""

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import ImportFailed
from afscope.ingest import Window
from afscope.model.capture import SourceState
from afscope.model.clock import parse_time
from afscope.store.reader import Capture
from tests.ingest.exports import EXPORTS, imported, rows, written

RUN = "id,dag_id,run_id,state,queued_at,start_date,end_date,last_scheduling_decision\n"
TASK = "dag_id,run_id,task_id,map_index,state,try_number,hostname,pool,queue,queued_dttm,start_date,end_date,updated_at"
OLD = f"{TASK},executor,operator\n"
NEW = f"{TASK},scheduled_dttm,last_heartbeat_at,id,dag_version_id\n"
LOG = "id,dttm,dag_id,task_id,event,extra\n"


def at(clock: str) -> str:
    return f"2026-11-22 {clock}+00"


def changes(capture: Capture, **key: Any) -> list[tuple[Any, ...]]:
    """(attempt, state, time of day) of the changes of one task."""
    return [
        (row["attempt"], row["state"], row["ts"].strftime("%H:%M:%S"))
        for row in rows(capture, "task_instances")
        if all(row[name] == value for name, value in key.items())
    ]


def dumped(tmp_path: Path, tasks: str, run: str = "", **more: str) -> Capture:
    folder = tmp_path / "dump"
    written(folder, "a.csv", tasks)
    written(folder, "b.csv", RUN + (run or f"1,d,r,running,{at('20:00:00')},{at('20:00:01')},,{at('20:05:00')}\n"))
    for name, text in more.items():
        written(folder, f"{name}.csv", text)
    return imported(tmp_path / "out.afscope", folder)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return imported(tmp_path_factory.mktemp("copy") / "x", EXPORTS / "pg-dump.sql.gz")


def comparable(capture: Capture, table: str) -> list[str]:
    return sorted(str(sorted(row.items(), key=str)) for row in rows(capture, table))


TABLES = ("task_instances", "dag_runs", "dags", "pools", "jobs", "db_log", "celery_results", "airflow_config")


def test_inserts_give_what_copy_gives(copied: Capture, tmp_path: Path) -> None:
    inserts = imported(tmp_path / "x", EXPORTS / "pg-dump-inserts.sql.gz")
    for table in TABLES:
        assert comparable(inserts, table) == comparable(copied, table)
    assert copied.manifest.airflow_version == "2.10.3 up to before 3.0.0"


def test_a_sqlite_file_and_its_dump_give_what_copy_gives(copied: Capture, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "airflow.db")
    text = gzip.decompress((EXPORTS / "pg-dump-inserts.sql.gz").read_bytes()).decode()
    for statement in text.split(";\n"):
        line = statement[statement.find("INSERT INTO ") :]
        if not line.startswith("INSERT INTO "):
            continue
        table = line.split(" ")[2].removeprefix("public.")
        columns = line[line.index("(") + 1 : line.index(")")].replace('"', "")
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        database.execute(line.replace("public.", "", 1))
    database.commit()
    written(tmp_path, "dump.sql", "\n".join(database.iterdump()))
    database.close()
    for source in ("airflow.db", "dump.sql"):
        capture = imported(tmp_path / f"{source}.afscope", tmp_path / source)
        for table in ("task_instances", "dag_runs", "db_log"):
            assert comparable(capture, table) == comparable(copied, table), source


def test_a_sqlite_file_with_a_log_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    folder.mkdir()
    database = sqlite3.connect(folder / "airflow.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE slot_pool (id, pool, slots)")
    database.execute("INSERT INTO slot_pool VALUES (1, 'tiny', 2)")
    before = sorted(path.name for path in folder.iterdir())
    assert rows(imported(tmp_path / "x", folder / "airflow.db"), "pools")[0]["slots"] == 2
    assert sorted(path.name for path in folder.iterdir()) == before
    database.close()


def test_mariadb_dump(tmp_path: Path) -> None:
    capture = imported(tmp_path / "x", EXPORTS / "mariadb-dump.sql.gz")
    assert capture.manifest.unread == []
    assert capture.rows("dag_runs") == 3
    tasks = rows(capture, "task_instances")
    assert {row["state"] for row in tasks} == {None, "queued", "running", "success"}
    assert all(row["ts"].isoformat().startswith("2026-11-23T07:1") for row in tasks)


def test_columns_of_a_table_without_rows_count(copied: Capture) -> None:
    assert copied.source("celery_results").status is SourceState.OK
    assert copied.source("task_instances").status is SourceState.PARTIAL
    assert "not when it was scheduled" in copied.source("task_instances").reason


def test_a_task_is_none_queued_running_and_over_when_its_columns_say_so(tmp_path: Path) -> None:
    line = f"d,r,t,-1,success,1,w-0,p,q,{at('20:00:05')},{at('20:00:09')},{at('20:01:00')},{at('20:01:00')},,X\n"
    found = changes(dumped(tmp_path, OLD + line))
    assert found == [
        (1, None, "20:00:00"),
        (1, "queued", "20:00:05"),
        (1, "running", "20:00:09"),
        (1, "success", "20:01:00"),
    ]


def test_airflow_3_also_says_when_it_was_scheduled(tmp_path: Path) -> None:
    line = f"d,r,t,-1,running,1,w-0,p,q,{at('20:00:05')},{at('20:00:09')},,{at('20:04:30')},{at('20:00:02')},{at('20:04:30')},i,v\n"
    found = changes(dumped(tmp_path, NEW + line))
    assert [state for _, state, _ in found] == [None, "scheduled", "queued", "running"]


def test_columns_of_the_attempt_before_are_not_those_of_what_waits(tmp_path: Path) -> None:
    line = f"d,r,t,-1,queued,2,w-0,p,q,{at('20:03:00')},{at('20:00:09')},{at('20:01:00')},{at('20:03:00')},,X\n"
    capture = dumped(tmp_path, OLD + line)
    (row,) = [row for row in rows(capture, "task_instances") if row["state"] == "queued"]
    assert changes(capture) == [(2, "queued", "20:03:00")]
    assert row["attempt"] == 2


def test_attempts_before_the_last_come_from_the_history(tmp_path: Path) -> None:
    line = f"d,r,t,-1,success,2,w-1,p,q,{at('20:03:00')},{at('20:03:05')},{at('20:04:00')},{at('20:04:00')},,X\n"
    past = f"1,7,{TASK}\n".replace("1,7", "id,job_id")
    past += f"1,7,d,r,t,-1,failed,1,w-0,p,q,{at('20:00:05')},{at('20:00:09')},{at('20:01:00')},{at('20:01:00')}\n"
    found = changes(dumped(tmp_path, OLD + line, history=past))
    assert [(attempt, state) for attempt, state, _ in found] == [
        (1, None), (1, "queued"), (1, "running"), (1, "failed"), (2, "queued"), (2, "running"), (2, "success"),
    ]  # fmt: skip


def test_a_resumption_from_a_deferral_does_not_make_the_start_late(tmp_path: Path) -> None:
    line = f"d,r,t,-1,success,1,w-0,p,q,{at('20:03:00')},{at('20:00:09')},{at('20:04:00')},{at('20:04:00')},,X\n"
    found = changes(dumped(tmp_path, OLD + line))
    assert found == [
        (1, None, "20:00:00"),
        (1, "running", "20:00:09"),
        (1, "queued", "20:03:00"),
        (1, "success", "20:04:00"),
    ]


def test_a_task_that_never_started_has_no_start(tmp_path: Path) -> None:
    line = f"d,r,t,-1,upstream_failed,0,,p,q,,{at('20:05:00')},{at('20:05:00')},{at('20:05:00')},,X\n"
    assert [state for _, state, _ in changes(dumped(tmp_path, OLD + line))] == [None, "upstream_failed"]


def test_a_paused_dag_was_not_before_somebody_paused_it(tmp_path: Path) -> None:
    line = f"d,r,t,-1,,0,,p,q,,,,{at('20:00:00')},,X\n"
    dags = "dag_id,is_paused,is_active,max_active_tasks\nd,t,t,16\nother,t,t,16\n"
    log = f"{LOG}5,{at('20:04:00')},d,,paused,\n"
    found = rows(dumped(tmp_path, OLD + line, dags=dags, log=log), "dags")
    first = {row["dag_id"]: row["is_paused"] for row in reversed(found)}
    assert first == {"d": False, "other": True}
    assert [row["seen_at"].strftime("%H:%M") for row in found if row["dag_id"] == "d"][1] == "20:04"


def test_a_pool_that_was_edited_is_not_known_before(tmp_path: Path) -> None:
    line = f"d,r,t,-1,,0,,p,q,,,,{at('20:00:00')},,X\n"
    pools = "id,pool,slots\n1,p,100\n2,q,5\n"
    log = f'{LOG}5,{at("20:04:00")},,,cli_pool_set,"airflow pools set p 100"\n'
    found = rows(dumped(tmp_path, OLD + line, pools=pools, log=log), "pools")
    begins = {row["pool"]: row["seen_at"].strftime("%H:%M") for row in reversed(found)}
    assert begins == {"p": "20:04", "q": "20:00"}


def test_of_a_job_only_start_and_last_heartbeat_are_known(tmp_path: Path) -> None:
    line = f"d,r,t,-1,,0,,p,q,,,,{at('20:00:00')},,X\n"
    jobs = f"id,job_type,state,latest_heartbeat,start_date,end_date\n1,SchedulerJob,running,{at('20:05:00')},{at('20:00:00')},\n"
    found = rows(dumped(tmp_path, OLD + line, jobs=jobs), "jobs")
    assert [row["latest_heartbeat"].strftime("%H:%M") for row in found] == ["20:00", "20:05"]


def test_a_window_begins_with_the_state_of_then(tmp_path: Path) -> None:
    window = Window(parse_time("2026-11-22T20:00:30Z"), parse_time("2026-11-22T20:00:50Z"))
    folder = tmp_path / "dump"
    line = f"d,r,t,-1,success,1,w-0,p,q,{at('20:00:05')},{at('20:00:40')},{at('20:01:00')},{at('20:01:00')},,X\n"
    gone = f"d,r,u,-1,success,1,w-0,p,q,{at('20:00:05')},{at('20:00:06')},{at('20:00:07')},{at('20:00:07')},,X\n"
    written(folder, "a.csv", OLD + line + gone)
    written(
        folder, "b.csv", f"{RUN}1,d,r,success,{at('20:00:00')},{at('20:00:01')},{at('20:01:00')},{at('20:01:00')}\n"
    )
    capture = imported(tmp_path / "x", folder, window=window)
    found = [(row["task_id"], row["state"], row["change"]) for row in rows(capture, "task_instances")]
    assert found == [("t", "queued", "STATE"), ("t", "running", "MODIFIED")]
    assert (capture.started_at, capture.ended_at) == tuple(window)


@pytest.mark.parametrize(
    "text",
    [
        f"{OLD}d,r,t,-1\nd,r,u,-1,,0,,p,q,,,,,,X\n",
        f'{OLD}d,r,"t,-1,,0,,p,q,,,,,,X\n',
        f"{OLD}d,r,u,-1,,0,,p,q,nonsense,,,,,X\n",
        f"{OLD}d,,u,-1,,0,,p,q,,,,,,X\n",
    ],
)
def test_damaged_lines_are_named_and_cost_themselves_only(tmp_path: Path, text: str) -> None:
    capture = dumped(tmp_path, text)
    assert capture.rows("dag_runs") == 3
    assert len(capture.manifest.unread) >= 1


def test_a_dump_that_breaks_off_keeps_its_rows(tmp_path: Path) -> None:
    text = gzip.decompress((EXPORTS / "pg-dump.sql.gz").read_bytes())
    cut = text[: text.index(b"COPY public.task_instance ") + 2500]
    capture = imported(tmp_path / "x", written(tmp_path, "cut.sql", cut))
    assert capture.rows("task_instances") > 0
    assert any("in the middle of table task_instance" in line for line in capture.manifest.unread)


def test_pg_dumps_own_format_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="pg_restore"):
        imported(tmp_path / "x", written(tmp_path, "d.dump", b"PGDMP\x01\x0e" + b"\0" * 99))


def test_texts_that_hold_sql_are_texts(tmp_path: Path) -> None:
    evil = "x'),('d','r','zz');\nINSERT INTO slot_pool VALUES (9,'evil',1);".replace("'", "''")
    sql = f"CREATE TABLE slot_pool (id, pool, slots);\nINSERT INTO slot_pool VALUES (1,'{evil}',5),(2,'b',6);\n"
    assert [row["slots"] for row in rows(imported(tmp_path / "x", written(tmp_path, "d.sql", sql)), "pools")] == [5, 6]


def test_old_airflow_has_no_map_index(tmp_path: Path) -> None:
    head = "dag_id,run_id,task_id,state,try_number,queued_dttm,start_date,end_date,operator,external_executor_id,queued_by_job_id,pool_slots\n"
    line = f"d,r,t,queued,0,{at('20:00:05')},,,X,,,1\n"
    assert changes(dumped(tmp_path, head + line))[-1] == (1, "queued", "20:00:05")
