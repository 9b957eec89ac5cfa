"""Task instances: each change once, whatever happens between two polls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from afscope.capture.airflow import glance
from afscope.model.clock import SECOND
from tests.capture.airflow.conftest import MakeLab, Watch
from tests.capture.airflow.lab import KINDS, Lab
from tests.capture.conftest import START, Deck


@contextmanager
def asked() -> Iterator[list[str]]:
    """The SELECTs that read a table meanwhile."""
    seen: list[str] = []

    def note(_c: object, _k: object, words: str, *_more: object) -> None:
        if "FROM" in words:
            seen.append(words)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def counts(watch: Watch) -> dict[tuple[Any, ...], int]:
    """The latest count of each group, without those that are empty."""
    latest = {(row["state"], row["queue"], row["pool"]): row["n"] for row in watch.rows("task_counts")}
    return {group: n for group, n in latest.items() if n}


def test_each_state_is_written_once(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task(state=None, try_number=0)
    assert watch.poll()
    states = (
        "scheduled", "queued", "running", "deferred", "scheduled", "queued", "running", "up_for_reschedule",
        "restarting", "up_for_retry", "success",
    )  # fmt: skip
    for state in states:
        lab.move(key, state)
        assert watch.poll()
        assert watch.poll(2)
    assert watch.states() == [("STATE", None), *(("MODIFIED", state) for state in states)]


@pytest.mark.parametrize("end", ["success", "failed", "skipped", "upstream_failed", "removed"])
def test_who_leaves_the_open_set_is_read_once_more(watch: Watch, lab: Lab, end: str) -> None:
    lab.run()
    key = lab.task(state="running")
    watch.poll()
    lab.move(key, end, end_date=START, duration=3.5)
    watch.poll(2)
    watch.poll(2)
    assert watch.states() == [("STATE", "running"), ("MODIFIED", end)]
    assert watch.rows("task_instances")[-1]["end_date"] is not None


def test_a_task_without_an_operator_goes_from_none_to_success(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task(state=None, try_number=0)
    watch.poll()
    lab.move(key, "success")
    watch.poll(2)
    assert watch.states() == [("STATE", None), ("MODIFIED", "success")]


def test_a_quiet_poll_asks_a_server_one_thing(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task(state="running")
    lab.task("waits", None)
    for _ in range(2):
        watch.poll()
    with asked() as quiet:
        watch.poll(2)
    if lab.kind != "sqlite":  # a file, no server
        assert [words.count("task_instance") > 0 for words in quiet] == [True]
    lab.move(key, "success")
    watch.poll(2)
    assert watch.states()[-1] == ("MODIFIED", "success")


@pytest.mark.parametrize("version", [(2, 2), (2, 10), (3, 0)])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_glance_of_each_schema(deck: Deck, make_lab: MakeLab, kind: str, version: tuple[int, int]) -> None:
    """Heartbeats move nothing, states do."""
    lab = make_lab(kind, version)
    lab.run()
    key = lab.task(state="running")
    watch = Watch(deck, lab)
    for _ in range(2):
        watch.poll()
    if version >= (3, 0):
        lab.move(key, "running", last_heartbeat_at=START + SECOND)
    with asked() as quiet:
        watch.poll(2)
    assert len(quiet) == 1
    lab.move(key, "queued")
    watch.poll(2)
    assert watch.states()[-1] == ("MODIFIED", "queued")
    watch.collector.close()


def test_two_tasks_that_trade_their_states_are_seen_by_the_next_poll(watch: Watch, lab: Lab) -> None:
    lab.run()
    one, other = lab.task("one", "running"), lab.task("other", "queued")
    for _ in range(2):
        watch.poll()
    lab.move(one, "queued")
    lab.move(other, "running")
    watch.poll(2)
    assert watch.states("one")[-1] == ("MODIFIED", "queued")
    assert watch.states("other")[-1] == ("MODIFIED", "running")


def test_a_column_that_moves_without_the_state_is_seen_soon(watch: Watch, lab: Lab) -> None:
    """By the next poll where rows have versions, else within live_every_s."""
    lab.run()
    key = lab.task(state="queued")
    for _ in range(2):
        watch.poll()
    lab.move(key, "queued", external_executor_id="message-1")
    watch.poll(2)
    if lab.kind == "mysql":
        watch.poll(3)
    assert watch.rows("task_instances")[-1]["external_executor_id"] == "message-1"


def test_more_task_instances_in_state_none_than_a_glance_looks_at(
    watch: Watch, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "_MOST_NONE", 1)
    lab.run()
    key = lab.task(state=None)
    lab.task("t2", None)
    for _ in range(2):
        watch.poll()
    lab.move(key, "skipped")
    watch.poll(5)
    assert watch.states()[-1] == ("MODIFIED", "skipped")


def test_what_came_and_went_between_two_polls_is_found_when_its_run_ends(watch: Watch, lab: Lab) -> None:
    run = lab.run()
    watch.poll()
    lab.task("quick", "success", end_date=START)
    watch.poll()
    assert watch.states("quick") == []
    lab.move(run, "success")
    watch.poll()
    assert watch.states("quick") == [("ADDED", "success")]


def test_a_whole_run_that_came_and_went_is_found(watch: Watch, lab: Lab) -> None:
    watch.poll()
    lab.run("r2", "failed")
    lab.task("a", "failed", run_id="r2")
    lab.task("b", "upstream_failed", run_id="r2")
    watch.poll()
    assert watch.states("a", "r2") == [("ADDED", "failed")]
    assert watch.states("b", "r2") == [("ADDED", "upstream_failed")]
    assert [(row["run_id"], row["state"]) for row in watch.rows("dag_runs")] == [("r2", "failed")]


def test_what_was_written_is_not_written_again_when_the_run_ends(watch: Watch, lab: Lab) -> None:
    run = lab.run()
    first, second = lab.task("a", "running"), lab.task("b", "queued")
    watch.poll()
    lab.move(first, "success")
    watch.poll()
    lab.move(second, "success")
    lab.move(run, "success")
    watch.poll()
    watch.poll()
    assert watch.states("a") == [("STATE", "running"), ("MODIFIED", "success")]
    assert watch.states("b") == [("STATE", "queued"), ("MODIFIED", "success")]


def test_the_first_poll_has_what_is_over_in_live_runs_and_nothing_of_others(watch: Watch, lab: Lab) -> None:
    lab.run("live", "running")
    lab.run("old", "success")
    lab.task("a", "success", run_id="live")
    lab.task("a", "success", run_id="old")
    lab.task("b", None, run_id="old")
    lab.task("c", "deferred", run_id="old")
    watch.poll()
    seen = {(row["run_id"], row["task_id"]) for row in watch.rows("task_instances")}
    assert seen == {("live", "a"), ("old", "c")}
    assert [row["run_id"] for row in watch.rows("dag_runs")] == ["live"]


def test_mapped_tasks_are_many(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.mapped(1200, "m", "queued")
    watch.poll()
    lab.move(key, "success")
    watch.poll()
    rows = watch.rows("task_instances")
    assert sorted(row["map_index"] for row in rows if row["state"] == "success") == list(range(1200))
    assert len(rows) == 2400


def test_a_clear_brings_a_finished_task_back(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task("a", "running")
    lab.task("b", "running")
    watch.poll()
    lab.move(key, "success")
    watch.poll()
    lab.move(key, None)
    watch.poll()
    lab.move(key, "scheduled", try_number=2)
    watch.poll(2)
    assert [state for _, state in watch.states("a")] == ["running", "success", None, "scheduled"]
    assert [row["attempt"] for row in watch.rows("task_instances") if row["task_id"] == "a"] == [1, 1, 2, 2]


def test_an_orphan_that_is_reset_is_in_state_none_at_once(watch: Watch, lab: Lab) -> None:
    lab.run()
    key = lab.task("a", "queued")
    watch.poll()
    lab.move(key, None)
    watch.poll(2)
    assert watch.states("a") == [("STATE", "queued"), ("MODIFIED", None)]
    assert counts(watch) == {(None, "default", "default_pool"): 1}


def test_state_none_in_a_run_that_ends_is_left_alone(watch: Watch, lab: Lab) -> None:
    run = lab.run()
    lab.task("a", None)
    watch.poll()
    lab.move(run, "failed")
    watch.poll()
    watch.poll()
    assert watch.states("a") == [("STATE", None)]
    assert counts(watch) == {}


def test_what_is_deleted_is_deleted(watch: Watch, lab: Lab) -> None:
    lab.run()
    lab.run("r2")
    lab.task("a", "running")
    lab.task("a", "running", run_id="r2")
    watch.poll()
    lab.delete("task_instance", run_id="r1")
    lab.delete("dag_run", run_id="r1")
    watch.poll()
    assert watch.states("a", "r1") == [("STATE", "running"), ("DELETED", None)]
    assert watch.states("a", "r2") == [("STATE", "running")]
    assert [(row["run_id"], row["change"]) for row in watch.rows("dag_runs")][-1] == ("r1", "DELETED")
    lab.run("r1")
    lab.task("a", "queued")
    watch.poll()
    assert watch.states("a", "r1")[-1] == ("ADDED", "queued")


def test_counts_are_whole_whenever_they_differ(watch: Watch, lab: Lab) -> None:
    lab.run()
    lab.task("a", "queued")
    lab.task("b", "queued", queue="gpu")
    lab.task("c", None)
    watch.poll()
    assert counts(watch) == {
        ("queued", "default", "default_pool"): 1,
        ("queued", "gpu", "default_pool"): 1,
        (None, "default", "default_pool"): 1,
    }
    written = len(watch.rows("task_counts"))
    watch.poll()
    assert len(watch.rows("task_counts")) == written
    lab.move({"dag_id": "etl", "run_id": "r1", "task_id": "a"}, "running")
    watch.poll(2)
    assert counts(watch) == {
        ("running", "default", "default_pool"): 1,
        ("queued", "gpu", "default_pool"): 1,
        (None, "default", "default_pool"): 1,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_heartbeat_alone_is_written_now_and_then(deck: Deck, make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind, (3, 3))
    lab.run()
    keys = [lab.task(name, "running", last_heartbeat_at=START) for name in ("a", "b", "c")]
    watch = Watch(deck, lab, quiet_every_s=30)
    watch.poll()
    for beat in range(1, 21):
        for key in keys:
            lab.update("task_instance", key, last_heartbeat_at=START + beat * 5 * SECOND)
        watch.poll()
    beats = [row["last_heartbeat_at"] for row in watch.rows("task_instances") if row["task_id"] == "a"]
    assert len(beats) == 4  # the first, and one each 30 s of 100 s
    assert beats == sorted(set(beats))
    lab.move(keys[0], "failed")
    watch.poll()
    assert watch.rows("task_instances")[-1]["last_heartbeat_at"].timestamp() * SECOND == START + 100 * SECOND
    watch.collector.close()


def test_a_column_that_nobody_watches_is_seen_when_all_is_read_again(watch: Watch, lab: Lab) -> None:
    """Somebody's UPDATE by hand; PostgreSQL's row versions show it at once."""
    lab.run()
    key = lab.task("a", "running", priority_weight=1)
    for _ in range(6):  # a while after it began to run nothing is expected to come any more
        watch.poll()
    lab.update("task_instance", key, priority_weight=9)
    watch.poll(2)
    assert len(watch.states("a")) == (2 if lab.kind == "postgresql" else 1)
    watch.poll(30)
    watch.poll()
    assert [row["priority_weight"] for row in watch.rows("task_instances")] == [1, 9]


def test_a_retry_of_airflow_3_changes_the_id_and_not_the_task(deck: Deck, make_lab: MakeLab) -> None:
    lab = make_lab("postgresql", (3, 3))
    lab.run()
    key = lab.task("a", "running", id="01935e2a-0000-7000-8000-000000000001")
    watch = Watch(deck, lab)
    watch.poll()
    lab.move(key, "up_for_retry", end_date=START)
    watch.poll()
    lab.move(key, "scheduled", id="01935e2a-0000-7000-8000-000000000002", try_number=2)
    watch.poll()
    rows = watch.rows("task_instances")
    assert [(row["state"], row["attempt"], row["ti_id"][-1]) for row in rows] == [
        ("running", 1, "1"), ("up_for_retry", 1, "1"), ("scheduled", 2, "2"),
    ]  # fmt: skip
