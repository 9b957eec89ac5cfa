"""What a glance must not miss, and what it must not ask again."""

import random
from typing import Any

import pytest
import sqlalchemy as sa

from afscope.capture.airflow import glance
from afscope.capture.airflow.schema import Schema
from afscope.capture.airflow.statements import OPEN_STATES, Statements
from tests.capture.airflow.conftest import MakeLab, Watch
from tests.capture.airflow.lab import KINDS, Lab
from tests.capture.airflow.test_tasks import asked
from tests.capture.conftest import START, Deck

_TASK_COLUMNS = ("dag_id", "run_id", "task_id", "map_index", "state", "try_number")


def settled(watch: Watch, lab: Lab, *keys: dict[str, Any], polls: int = 6) -> None:
    """Polls until nothing is expected to come any more of those that changed."""
    for _ in range(polls):
        assert watch.poll()


def of_tasks(statements: list[str]) -> list[str]:
    return [words for words in statements if "task_instance" in words]


def update(connection: sa.Connection, task_id: str, state: str) -> None:
    connection.execute(
        sa.text(
            "UPDATE task_instance SET state = :state WHERE dag_id = 'etl' AND run_id = 'r1' AND task_id = :task_id"
        ),
        {"state": state, "task_id": task_id},
    )


@pytest.mark.parametrize("kind", KINDS[1:])
def test_who_commits_late_is_seen_although_others_wrote_later(deck: Deck, make_lab: MakeLab, kind: str) -> None:
    """Its transaction is older than all that was seen meanwhile."""
    lab = make_lab(kind)
    lab.run()
    lab.task("late", "queued")
    other = lab.task("other", "queued")
    watch = Watch(deck, lab)
    settled(watch, lab)
    with lab.engine.connect() as slow:
        update(slow, "late", "running")
        for state in ("running", "deferred", "queued"):
            lab.move(other, state)
            watch.poll(2)
        slow.commit()
    watch.poll(2)
    assert watch.states("late")[-1] == ("MODIFIED", "running")
    assert [state for _, state in watch.states("other")] == ["queued", "running", "deferred", "queued"]
    watch.collector.close()


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_transaction_that_lasts_makes_nobody_read_again(deck: Deck, make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind)
    lab.run()
    key = lab.task("quick", "queued")
    lab.insert("slot_pool", {"pool": "p", "slots": 1})
    watch = Watch(deck, lab)
    settled(watch, lab)
    with lab.engine.connect() as slow:
        slow.execute(sa.text("UPDATE slot_pool SET slots = 2"))
        watch.poll(2)
        lab.move(key, "running")
        watch.poll(2)
        watch.poll(2)
        with asked() as quiet:
            watch.poll(1)
    assert len(of_tasks(quiet)) == 1
    assert watch.states("quick")[-1] == ("MODIFIED", "running")
    watch.collector.close()


def test_as_many_come_as_go(watch: Watch, lab: Lab) -> None:
    """Checksums of such names cancel out under XOR: t00 and t11 go, t01 and t10 come."""
    lab.run()
    going = [lab.task(name, "running", external_executor_id="m") for name in ("t00", "t11")]
    coming = [lab.task(name, "success") for name in ("t01", "t10")]
    settled(watch, lab)
    for key in going:
        lab.move(key, "success")
    for key in coming:
        lab.move(key, "running")
    watch.poll(2)
    assert [watch.states(name)[-1][1] for name in ("t00", "t11", "t01", "t10")] == [
        "success", "success", "running", "running",
    ]  # fmt: skip


def test_who_leaves_one_state_while_others_stay(watch: Watch, lab: Lab) -> None:
    lab.run()
    keys = {name: lab.task(name, state) for name, state in (("q", "queued"), ("r", "running"), ("s", "scheduled"))}
    settled(watch, lab)
    for name, end in (("r", "failed"), ("q", "running"), ("s", "queued"), ("q", "success"), ("s", None)):
        lab.move(keys[name], end)
        watch.poll(2)
        assert watch.states(name)[-1] == ("MODIFIED", end)
    assert len(watch.rows("task_instances")) == 8


@pytest.mark.parametrize("version", [(2, 2), (2, 10), (3, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_took_a_minute_to_be_sent(
    deck: Deck, make_lab: MakeLab, kind: str, version: tuple[int, int]
) -> None:
    """Queued without an id for long means never sent; so the id must be seen soon, whenever it comes."""
    lab = make_lab(kind, version)
    lab.run()
    key = lab.task("t1", "queued")
    watch = Watch(deck, lab, quiet_every_s=3600)
    settled(watch, lab, polls=20)
    lab.move(key, "queued", external_executor_id="message-1")
    watch.poll(6)
    assert watch.rows("task_instances")[-1]["external_executor_id"] == "message-1"
    with asked() as quiet:
        for _ in range(6):
            watch.poll(6)
    if kind != "sqlite":  # a file, no server to spare
        assert sum("external_executor_id" in words for words in of_tasks(quiet)) <= 4
    watch.collector.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_is_told_after_the_state(deck: Deck, make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind, (3, 0))
    lab.run()
    key = lab.task("t1", "queued", external_executor_id="m")
    watch = Watch(deck, lab, quiet_every_s=3600)
    settled(watch, lab)
    lab.move(key, "running", start_date=START)
    watch.poll(2)
    lab.move(key, "running", pid=4711)
    watch.poll(6)
    assert watch.rows("task_instances")[-1]["pid"] == 4711
    watch.collector.close()


def test_keys_of_any_letters_are_found_again(watch: Watch, lab: Lab) -> None:
    names = ["it's", 'say "hi"', "100%s :k0_0 \\\\ 数据", "A", "a"]
    lab.run()
    keys = [lab.task(name, "running", external_executor_id="m") for name in names]
    settled(watch, lab)
    for key in keys:
        lab.move(key, "failed")
    watch.poll(2)
    assert {watch.states(name)[-1] for name in names} == {("MODIFIED", "failed")}


@pytest.mark.parametrize(
    ("head", "asks"), [("e07f49787c9d", True), ("10b52ebd31f7", False), ("d2f4e1b3c5a7", False), ("unknown", True)]
)
def test_states_that_went_are_not_asked_for_where_the_version_is_known(head: str, asks: bool) -> None:
    states = Statements(Schema(head, {"task_instance": _TASK_COLUMNS}), "postgresql").open_states
    assert set(states) == set(OPEN_STATES) - (set() if asks else {"sensing", "shutdown"})


@pytest.mark.parametrize("version", [(2, 2), (2, 10), (3, 3)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [2_000, 20])
def test_whatever_moves_is_seen_by_the_next_poll(
    deck: Deck, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, kind: str, version: tuple[int, int], most: int
) -> None:
    """Bursts and lulls, so that each way of asking follows each other; `most`: so many keys are still looked at."""
    monkeypatch.setattr(glance, "_MOST_KEYS", most)
    dice = random.Random(7)
    lab = make_lab(kind, version)
    lab.run()
    keys = {f"t{n}": lab.task(f"t{n}", "queued", external_executor_id="m") for n in range(25)}
    truth: dict[str, str | None] = dict.fromkeys(keys, "queued")
    alive, over = ("scheduled", "queued", "running", "deferred", None), ("success", "failed")
    watch = Watch(deck, lab)
    for burst in (1, 0, 0, 3, 3, 3, 3, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 0, 8, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 1):
        for name in dice.sample(sorted(keys), burst):
            truth[name] = dice.choice(alive if truth[name] in over else alive + over)  # who is over is not looked at
            lab.move(keys[name], truth[name])
        assert watch.poll(2)
        seen = watch.newest()
        assert {name: seen[name] for name in keys} == truth
    lab.delete("task_instance", task_id="t0")
    assert watch.poll(30)
    assert (watch.states("t0")[-1][0] == "DELETED") == (truth["t0"] not in over)
    watch.collector.close()
