"""A database filled for benchmarks: the numbers asked for, in the shape that an old Airflow leaves behind."""

from collections import Counter
from pathlib import Path

import pytest

from afscope.normalize.airflow.versions import Version
from afscope.replay.airflow.schema import releases
from benchmarks.airflow_mass import Mass, fill, task_uuid, uuid7
from tests.replay.airflow.conftest import Serve, at, query, record, task
from tests.replay.airflow.servers import empty_database

# 150 runs of 20 tasks; the last three are open.
MASS = Mass(task_instances=3000, log_rows=500, open_tasks=60, days=30)
BY_STATE = "SELECT state, count(*) FROM task_instance GROUP BY state"


@pytest.mark.parametrize("version", [(2, 2), (2, 10), (3, 3)])
def test_as_many_rows_as_asked_for_and_only_the_last_are_open(database: str, version: Version) -> None:
    filled = fill(database, version, MASS)

    for table, rows in filled.items():
        assert query(database, f"SELECT count(*) FROM {table}") == [(rows,)], table
    assert (filled["task_instance"], filled["dag_run"], filled["log"]) == (3000, 150, 500)
    states = dict(query(database, BY_STATE))
    # Of 60 open ones each state has its share of six; two failed runs died with 16 tasks undecided, six others failed.
    assert (states["queued"], states["running"], states["scheduled"], states["deferred"]) == (20, 10, 10, 10)
    assert states[None] == 10 + 2 * 16
    assert (states["failed"], states["upstream_failed"]) == (6, 4 * 16)
    assert sum(states.values()) == 3000
    runs = dict(query(database, "SELECT state, count(*) FROM dag_run GROUP BY state"))
    assert runs == {"running": 3, "failed": 6, "success": 141}


@pytest.mark.parametrize("version", releases())
def test_every_release_can_be_filled(version: Version, tmp_path_factory: pytest.TempPathFactory) -> None:
    with empty_database("sqlite", tmp_path_factory.mktemp("mass")) as url:
        filled = fill(url, version, Mass(task_instances=200, log_rows=10, open_tasks=20))

        over = query(url, "SELECT count(*) FROM task_instance WHERE state = 'success' AND end_date > start_date")
        # Of 180 that are over 3 were skipped, and the first run died: 1 failed, 16 were never decided. Airflow 2 has a
        # job for each that began.
        begun = query(url, "SELECT count(*) FROM task_instance WHERE state IN ('success', 'failed', 'running')")
    assert filled["task_instance"] == 200
    assert over == [(160,)]
    assert filled["job"] == (1 + begun[0][0] if version < (3, 0) else 1)


def test_times_are_utc_on_every_database(database: str) -> None:
    fill(database, (2, 10), MASS)

    ((run_id, queued_at),) = query(database, "SELECT run_id, queued_at FROM dag_run WHERE id = 1")

    # The id says when the run began, in UTC.
    assert run_id.startswith(f"scheduled__{queued_at}".replace(" ", "T")[:30])


def test_the_indexes_are_there_after_all(postgresql: str) -> None:
    fill(postgresql, (2, 10), MASS)

    names = {
        name for (name,) in query(postgresql, "SELECT indexname FROM pg_indexes WHERE tablename = 'task_instance'")
    }
    plan = query(postgresql, "EXPLAIN SELECT * FROM task_instance WHERE dag_id = 'dag_001' AND run_id = 'x'")

    assert {"ti_state", "ti_dag_run", "ti_pool", "task_instance_pkey"} <= names
    assert "Index" in plan[0][0]


def test_a_fill_replaces_an_earlier_one_and_a_replay_replaces_it(database: str, serve: Serve, tmp_path: Path) -> None:
    fill(database, (2, 10), MASS)
    fill(database, (3, 3), Mass(task_instances=100, log_rows=1, open_tasks=5))
    assert query(database, "SELECT count(*) FROM task_instance") == [(100,)]

    replay = serve(record(tmp_path / "r", (0, {"task_instance": [task()]}), (1, {})), database)

    assert replay.to(at(1)).query("SELECT task_id, state FROM task_instance") == [("t1", "queued")]


def test_ids_differ_and_those_of_airflow_3_ascend_with_time() -> None:
    made = [uuid7(1_795_000_000_000_000 + n * 1000, n) for n in range(5000)]

    assert made == sorted(made)
    assert Counter(made).most_common(1)[0][1] == 1
    assert len({task_uuid(n) for n in range(5000)}) == 5000
