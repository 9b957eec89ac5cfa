"""A database on a clock: its rows at any time, changes poll by poll, jumps back and forth."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from afscope.ingest import import_sources
from afscope.model.clock import Micros, from_seconds, parse_time
from tests.replay.airflow.conftest import REAL, START, Serve, at, query, record, run, task, until
from tests.replay.airflow.test_history import recordings

COUNTS = "SELECT state, count(*) FROM task_instance GROUP BY state"


def recorded(source: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(source / "airflow_db.jsonl.gz", "rt") as file:
        yield from map(json.loads, file)


def tasks_at(source: Path, when: Micros) -> list[dict[str, Any]]:
    """The task instances at a time, counted out of the recording without any of our code."""
    found = {}
    for line in recorded(source):
        if line.get("table") == "task_instance" and from_seconds(line["t"]) <= when:
            for row in line["rows"]:
                found[row["dag_id"], row["run_id"], row["task_id"], row["map_index"]] = row
    return list(found.values())


def instants(source: Path) -> list[Micros]:
    """Between polls, from the first to the last."""
    times = sorted({from_seconds(line["t"]) for line in recorded(source)})
    return [times[round((len(times) - 1) * part / 6)] + 1 for part in range(7)]


def test_rows_at_any_time_are_those_of_the_recording(serve: Serve, database: str) -> None:
    source = REAL / "pool"
    replay = serve(source, database)
    moments = instants(source)
    for when in [*moments, moments[1], moments[4], moments[0], moments[6]]:
        states = Counter(row["state"] for row in tasks_at(source, when))
        assert dict(replay.to(when).query(COUNTS)) == states
    assert states["success"] > 0


def test_a_capture_is_served_as_its_recording_is(serve: Serve, tmp_path: Path) -> None:
    source = REAL / "healthy_airflow3"
    import_sources([source], tmp_path / "out.afscope")
    raw, captured = serve(source), serve(tmp_path / "out.afscope")
    listing = (
        "SELECT t.id, t.run_id, t.task_id, t.state, t.queued_dttm, t.scheduled_dttm, t.hostname, t.dag_version_id, "
        "r.state, r.run_after, r.logical_date, d.is_stale, d.bundle_name FROM task_instance t "
        "JOIN dag_run r ON r.dag_id = t.dag_id AND r.run_id = t.run_id JOIN dag d ON d.dag_id = t.dag_id ORDER BY 1"
    )
    for when in instants(source):
        assert captured.to(when).query(listing) == raw.to(when).query(listing)
    assert len(raw.query(listing)) == 24


@pytest.mark.parametrize("source", recordings(), ids=lambda path: path.name)
def test_the_triggers_query_counts_what_the_recording_says(
    serve: Serve, source: Path, databases: Callable[[str], str]
) -> None:
    """KEDA's own SQL, on the kind of database that it is written for."""
    kind, sql = trigger(source)
    replay = serve(source, databases({"postgresql": "postgresql", "mysql": "mariadb"}[kind]))
    if "task_instances" in sql:  # the incident is that this table does not exist
        with pytest.raises(Exception, match="task_instances"):
            replay.query(sql)
        return
    wanted_states = {state for state in ("running", "queued") if f"state='{state}'" in sql}
    queue, slots = ("default" if "queue = 'default'" in sql else None), 4
    assert wanted_states
    assert f"/ {slots})" in sql
    answers = set()
    for when in instants(source):
        counted = [
            row
            for row in tasks_at(source, when)
            if row["state"] in wanted_states and (queue is None or row["queue"] == queue)
        ]
        ((answer,),) = replay.to(when).query(sql)
        assert int(answer) == -(-len(counted) // slots)
        answers.add(int(answer))
    assert 0 in answers


def trigger(source: Path) -> tuple[str, str]:
    with gzip.open(source / "k8s" / "scaledobjects.jsonl.gz", "rt") as file:
        for line in map(json.loads, file):
            for found in line["object"].get("spec", {}).get("triggers", ()):
                return found["type"], found["metadata"]["query"]
    raise AssertionError("no trigger")


def test_times_are_utc_in_every_database(serve: Serve, database: str, tmp_path: Path) -> None:
    queued = "2026-11-18T12:00:00.123456+00:00"
    rows = {
        "task_instance": [task(queued_dttm=queued)],
        "celery_taskmeta": [{"id": 1, "task_id": "m", "date_done": queued}],
    }
    replay = serve(record(tmp_path / "r", (0, rows)), database)
    ((found,),) = replay.query("SELECT queued_dttm FROM task_instance")
    assert micros(found) == parse_time(queued)
    ((done,),) = replay.query("SELECT date_done FROM celery_taskmeta")
    # Celery's DATETIME has no fraction in MariaDB.
    assert micros(done) // 1_000_000 == parse_time(queued) // 1_000_000


def micros(value: Any) -> Micros:
    if isinstance(value, str):
        return parse_time(value)
    moment: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
    return parse_time(moment.isoformat())


def test_rebased_rows_are_in_the_replays_time(serve: Serve, database: str, tmp_path: Path) -> None:
    queued = "2026-11-18T12:00:00.500000+00:00"
    to = parse_time("2031-05-05T05:05:05Z")
    replay = serve(record(tmp_path / "r", (0, {"task_instance": [task(queued_dttm=queued)]})), database, rebase_to=to)
    ((found,),) = replay.query("SELECT queued_dttm FROM task_instance")
    assert micros(found) - to == parse_time(queued) - at(0)


def test_what_is_gone_is_gone_and_comes_back_when_the_clock_does(serve: Serve, database: str, tmp_path: Path) -> None:
    again = run("manual__2", id=2)  # the same date: whoever deleted manual__1 did it unseen
    replay = serve(record(tmp_path / "r", (0, {"dag_run": [run()]}), (5, {"dag_run": [again]})), database)
    assert replay.query("SELECT run_id FROM dag_run") == [("manual__1",)]
    assert replay.to(at(5)).query("SELECT run_id FROM dag_run") == [("manual__2",)]
    assert replay.to(at(4)).query("SELECT run_id FROM dag_run") == [("manual__1",)]


def test_a_poll_is_one_transaction(serve: Serve, database: str, tmp_path: Path) -> None:
    polls = [
        (number, {"slot_pool": [{"pool": "p", "slots": number}], "dag": [{"dag_id": "d", "max_active_tasks": number}]})
        for number in range(1, 80)
    ]
    replay = serve(record(tmp_path / "r", *polls), database)
    both = "SELECT (SELECT slots FROM slot_pool), (SELECT max_active_tasks FROM dag)"
    seen = set()
    replay.pace.resume(40)
    while replay.pace.now() < at(79):
        ((slots, active),) = replay.query(both)
        assert slots == active
        seen.add(slots)
    assert replay.settle().query(both) == [(79, 79)]
    assert len(seen) > 3


def test_a_poll_that_changes_nothing_and_one_that_failed_are_no_harm(serve: Serve, tmp_path: Path) -> None:
    source = record(tmp_path / "r", (0, {"task_instance": [task()]}), (3, {"task_instance": [task()]}))
    with (source / "airflow_db.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"t": START + 6, "poll": "failed", "took": 5.0, "error": "timeout"}) + "\n")
    replay = serve(source)
    assert replay.to(at(6)).query(COUNTS) == [("queued", 1)]
    assert replay.server.history.ends == at(6)


def test_a_long_jump_writes_the_rows_of_its_time(serve: Serve, database: str, tmp_path: Path) -> None:
    polls = [(number, {"task_instance": [task(state=f"s{number}"), task(f"t{number}")]}) for number in range(300)]
    replay = serve(record(tmp_path / "r", *polls), database)
    assert replay.to(at(299)).query("SELECT state FROM task_instance WHERE task_id = 't1'") == [("s299",)]
    assert replay.query("SELECT count(*) FROM task_instance") == [(300,)]
    assert replay.to(at(10)).query("SELECT count(*) FROM task_instance") == [(11,)]


def test_the_clock_may_be_turned_from_many_threads(serve: Serve, tmp_path: Path) -> None:
    polls = [(number, {"task_instance": [task(f"t{number}")]}) for number in range(50)]
    replay = serve(record(tmp_path / "r", *polls))

    def turn(start: int) -> None:
        for number in range(60):
            replay.pace.jump(at((start + number * 7) % 50))

    threads = [threading.Thread(target=turn, args=(start,)) for start in (0, 11, 23)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replay.to(at(20)).query("SELECT count(*) FROM task_instance") == [(21,)]


def test_nobody_elses_transaction_is_in_the_way(serve: Serve, server_database: str, tmp_path: Path) -> None:
    """A reader that keeps a snapshot open goes on seeing it; the replay goes on writing."""
    replay = serve(
        record(tmp_path / "r", (0, {"task_instance": [task()]}), (5, {"task_instance": [task("t2")]})), server_database
    )
    engine = create_engine(server_database, poolclass=NullPool, isolation_level="REPEATABLE READ")
    with engine.connect() as reader:
        before = reader.scalar(text("SELECT count(*) FROM task_instance"))
        assert replay.to(at(5)).query("SELECT count(*) FROM task_instance") == [(2,)]
        assert reader.scalar(text("SELECT count(*) FROM task_instance")) == before == 1


def test_the_database_of_its_own_is_gone_afterwards(tmp_path: Path, serve: Serve) -> None:
    replay = serve(record(tmp_path / "r", (0, {"task_instance": [task()]})))
    file = Path(replay.server.url.removeprefix("sqlite:///"))
    assert query(replay.server.url, "PRAGMA journal_mode") == [("wal",)]
    assert file.is_file()
    replay.server.stop()
    replay.server.stop()
    assert not file.parent.exists()
    until(lambda: not any(thread.name == "airflow replay" for thread in threading.enumerate()))
