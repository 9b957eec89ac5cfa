"""Whatever happens between polls: what is recorded equals what the tables said at each poll."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from afscope.capture.airflow.statements import OPEN_STATES
from afscope.model.pace import ScaledPace
from tests.capture.airflow.conftest import Watch
from tests.capture.airflow.lab import Lab
from tests.capture.conftest import START, Deck

RUNS = ("r1", "r2", "r3")
TASKS = ("a", "b", "c")
STATES = (None, "scheduled", "queued", "running", "deferred", "up_for_retry", "success", "failed", "skipped")
# A task instance to a state, or away; a run to a state, or away; nothing but time.
STEP = st.one_of(
    st.tuples(st.just("task"), st.sampled_from(RUNS), st.sampled_from(TASKS), st.sampled_from((*STATES, "gone"))),
    st.tuples(st.just("run"), st.sampled_from(RUNS), st.just(""), st.sampled_from(("queued", "running", "success", "failed", "gone"))),
)  # fmt: skip
HISTORY = st.lists(st.lists(STEP, max_size=6), min_size=1, max_size=8)
Step = tuple[str, str, str, str | None]


class World:
    """The tables, and what ought to be known of them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.runs: dict[str, str] = {}
        self.tasks: dict[tuple[str, str], tuple[str | None, int]] = {}

    def apply(self, step: Step) -> None:
        kind, run, task, state = step
        if kind == "run":
            self._run(run, str(state))
        elif run in self.runs:  # a task instance belongs to a run
            self._task((run, task), state)

    def _run(self, run: str, state: str) -> None:
        key = {"dag_id": "etl", "run_id": run}
        if state == "gone":
            self.lab.delete("task_instance", **key)
            self.lab.delete("dag_run", **key)
            self.runs.pop(run, None)
            self.tasks = {k: v for k, v in self.tasks.items() if k[0] != run}
        elif run in self.runs:
            self.lab.move(key, state)
            self.runs[run] = state
        else:
            self.lab.run(run, state)
            self.runs[run] = state

    def _task(self, key: tuple[str, str], state: str | None) -> None:
        run, task = key
        there = {"dag_id": "etl", "run_id": run, "task_id": task, "map_index": -1}
        known = self.tasks.get(key)
        if state == "gone":
            self.lab.delete("task_instance", **there)
            self.tasks.pop(key, None)
        elif known is None:
            self.lab.task(task, state, run_id=run, try_number=1)
            self.tasks[key] = (state, 1)
        else:
            tries = known[1] + (state == "scheduled" and known[0] in ("up_for_retry", "failed"))
            self.lab.move(there, state, try_number=tries)
            self.tasks[key] = (state, tries)

    def must_be_known(self) -> dict[tuple[str, str], tuple[str | None, int]]:
        """Task instances that are open, or in state none of a live run."""
        live = {run for run, state in self.runs.items() if state in ("queued", "running")}
        return {
            key: value
            for key, value in self.tasks.items()
            if value[0] in OPEN_STATES or (value[0] is None and key[0] in live)
        }


def last_rows(watch: Watch) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["run_id"], row["task_id"]): row for row in watch.rows("task_instances")}


@contextmanager
def fresh() -> Iterator[tuple[World, Watch]]:
    with TemporaryDirectory() as folder:
        lab = Lab(f"sqlite:///{folder}/airflow.db")
        deck = Deck(Path(folder) / "c.afscope", ScaledPace(START, paused=True))
        watch = Watch(deck, lab)
        try:
            yield World(lab), watch
        finally:
            watch.collector.close()
            deck.writer.close()
            lab.engine.dispose()


@settings(max_examples=60, deadline=None)
@given(HISTORY)
def test_after_each_poll_what_is_recorded_is_what_there_is(history: list[list[Step]]) -> None:
    with fresh() as (world, watch):
        open_before: set[tuple[str, str]] = set()
        for steps in history:
            for step in steps:
                world.apply(step)
            assert watch.poll()
            known = last_rows(watch)
            must = world.must_be_known()
            for key, (state, tries) in must.items():
                assert (known[key]["state"], known[key]["try_number"], known[key]["change"] != "DELETED") == (
                    state,
                    tries,
                    True,
                )
            for key in open_before - must.keys():  # whoever left: how it ended, or that it is gone
                expected = world.tasks.get(key)
                assert (known[key]["change"] == "DELETED") == (expected is None)
                assert expected is None or known[key]["state"] == expected[0]
            live = {run for run, state in world.runs.items() if state in ("queued", "running")}
            runs = {row["run_id"]: row["state"] for row in watch.rows("dag_runs") if row["change"] != "DELETED"}
            assert {run: runs.get(run) for run in live} == {run: world.runs[run] for run in live}
            counted = {(row["state"], row["queue"]): row["n"] for row in watch.rows("task_counts")}
            assert sum(counted.values()) == len(must)
            open_before = set(must)


@settings(max_examples=40, deadline=None)
@given(HISTORY)
def test_nothing_is_written_twice(history: list[list[Step]]) -> None:
    with fresh() as (world, watch):
        for steps in history:
            for step in steps:
                world.apply(step)
            assert watch.poll()
        before = {table: len(watch.rows(table)) for table in ("task_instances", "dag_runs", "task_counts")}
        for _ in range(3):
            assert watch.poll()
        assert {table: len(watch.rows(table)) for table in before} == before


@settings(max_examples=30, deadline=None)
@given(HISTORY)
def test_when_a_run_ends_all_its_task_instances_are_known_as_they_ended(history: list[list[Step]]) -> None:
    with fresh() as (world, watch):
        world.apply(("run", "r1", "", "running"))
        assert watch.poll()
        for steps in history:
            for step in steps:
                if step[0] == "task":
                    world.apply(step)
        ended = {task: "success" for task in TASKS if ("r1", task) in world.tasks}
        for task, state in ended.items():
            world.apply(("task", "r1", task, state))
        world.apply(("run", "r1", "", "success"))
        assert watch.poll()
        assert {task: row["state"] for (run, task), row in last_rows(watch).items() if run == "r1"} == ended
