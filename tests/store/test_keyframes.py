"""Each epoch starts with what is live; bodies of objects come back whole from any epoch on."""

import json
import random
from typing import Any

import pytest

from afscope.model.row import Row
from afscope.store.objects import full_bodies
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter

from .conftest import NOTHING_BY_ITSELF, SECOND, START, Make, ManualClock, pod, records

EPOCH = 600 * SECOND


def closed(writer: CaptureWriter) -> Capture:
    writer.close()
    return Capture.open(writer.path)


def keyframe(capture: Capture, table: str, at: int) -> list[dict[str, Any]]:
    return [row for row in records(capture, table) if row["seen_at"] == at and row["change"] == "STATE"]


def test_an_epoch_starts_with_the_last_row_of_each_live_key(make: Make) -> None:
    writer = make()
    writer.extend([pod("a", START, phase="Pending"), pod("b", START, phase="Pending"), pod("c", START)])
    writer.append(pod("a", START + SECOND, change="MODIFIED", phase="Running", ts=START + 7))
    writer.append(pod("c", START + SECOND, change="DELETED"))
    writer.append(pod("d", START + EPOCH + 5 * SECOND))
    rows = keyframe(closed(writer), "pods", START + EPOCH)
    assert {(row["uid"], row["phase"], row["ts"]) for row in rows} == {
        ("a", "Running", START + 7),
        ("b", "Pending", START),
    }


def test_a_keyframe_never_overtakes_a_change_that_was_seen_late(make: Make) -> None:
    """The pod became ready before the epoch began, and the recorder saw it after: by `ts`, ready must come last."""
    writer = make()
    writer.append(pod("a", START, ready=False))
    writer.append(pod("a", START + EPOCH + SECOND, ts=START + EPOCH - SECOND, change="MODIFIED", ready=True))
    rows = records(closed(writer), "pods")
    assert [row["ready"] for row in sorted(rows, key=lambda row: row["ts"])] == [False, False, True]


@pytest.mark.parametrize(
    ("table", "key", "alive", "gone"),
    [
        ("task_instances", {"dag_id": "d", "run_id": "r", "map_index": -1}, {"state": "queued"}, {"state": "success"}),
        ("task_instances", {"dag_id": "d", "run_id": "r", "map_index": -1}, {}, {"state": "upstream_failed"}),
        ("dag_runs", {"dag_id": "d"}, {"state": "running"}, {"state": "failed"}),
        ("task_counts", {"queue": "q"}, {"n": 3}, {"n": 0}),
        ("jobs", {"job_type": "SchedulerJob"}, {"state": "running"}, {"state": "failed"}),
        ("celery_results", {}, {"status": "STARTED"}, {"status": "SUCCESS"}),
    ],
)
def test_what_is_final_leaves_the_live_state(
    make: Make, table: str, key: dict[str, Any], alive: dict[str, Any], gone: dict[str, Any]
) -> None:
    names = {"task_instances": "task_id", "dag_runs": "run_id", "task_counts": "pool", "celery_results": "task_id"}
    one, two = ({"id": 1}, {"id": 2}) if table == "jobs" else ({names[table]: "1"}, {names[table]: "2"})
    writer = make()
    for which in (one, two):
        writer.append(Row(table, {**key, **which, **alive, "seen_at": START}))
    writer.append(Row(table, {**key, **two, **gone, "seen_at": START + SECOND}))
    writer.append(pod("later", START + 2 * EPOCH))
    rows = keyframe(closed(writer), table, START + 2 * EPOCH)
    assert [one.items() <= row.items() and alive.items() <= row.items() for row in rows] == [True]


def test_an_idle_recorder_starts_its_epochs_by_the_clock(make: Make, clock: ManualClock) -> None:
    writer = make(options=WriterOptions())
    writer.append(pod("a", START))
    for clock.at in (START + EPOCH + SECOND, START + EPOCH + 2 * SECOND):
        writer.tick()
    assert [row["uid"] for row in keyframe(Capture.open(writer.path), "pods", START + EPOCH)] == ["a"]
    assert [segment.seq for segment in writer.manifest.segments] == [1]


def body(row: Row) -> Any:
    return json.loads(row.values["body"])


def history(count: int, seed: int = 3) -> list[Row]:
    """Changes of a few objects whose bodies grow, shrink and at times hold nulls."""
    chance, rows = random.Random(seed), []
    for number in range(count):
        uid = chance.choice("abc")
        spec = {"replicas": chance.randrange(3)} | ({"filler": "x" * 60} if chance.random() < 0.8 else {})
        document = {"spec": spec, "status": {"n": None if chance.random() < 0.2 else number % 4}}
        values = {"kind": "Pod", "uid": uid, "resource_version": str(number), "body": json.dumps(document)}
        rows.append(Row("objects", {**values, "seen_at": START + number * 20 * SECOND}))
    return rows


def test_bodies_come_back_whole_and_mostly_as_patches(make: Make) -> None:
    rows, writer = history(200), make()
    writer.extend(rows)
    stored = records(closed(writer), "objects")
    found = {(b.row["uid"], b.row["resource_version"]): b.document for b in full_bodies(map(complete, stored))}
    assert found == {(row.values["uid"], row.values["resource_version"]): body(row) for row in rows}
    assert sum(not row["full"] for row in stored) > 80
    assert {row["full"] for row in stored if row["change"] == "STATE"} == {True}


def test_bodies_come_back_from_the_middle(make: Make) -> None:
    """A ring that dropped the first epochs still knows every object."""
    rows, writer = history(200), make()
    writer.extend(rows)
    middle = START + 3 * EPOCH
    stored = [row for row in records(closed(writer), "objects") if row["seen_at"] >= middle]
    last = {b.row["uid"]: b.document for b in full_bodies(map(complete, stored))}
    assert last == {row.values["uid"]: body(row) for row in rows}
    assert all(b.document is not None for b in full_bodies(map(complete, stored)))


def test_a_clock_that_steps_back_does_not_mix_up_a_chain(make: Make) -> None:
    writer = make()
    for number, at in enumerate([5, 3, 1, 4]):
        document = {"filler": "x" * 50, "n": number, f"k{number}": 1}
        values = {"kind": "Pod", "uid": "u", "body": json.dumps(document), "seen_at": START + at * SECOND}
        writer.append(Row("objects", values))
    *_, last = full_bodies(map(complete, records(closed(writer), "objects")))
    assert last.document == {"filler": "x" * 50, "n": 3, "k3": 1}


def test_a_body_that_is_no_json_is_kept_as_it_is(make: Make) -> None:
    writer = make()
    for text in ("{", "[1"):
        writer.append(Row("objects", {"uid": "u", "body": text, "seen_at": START}))
    assert [(row["full"], row["body"]) for row in records(closed(writer), "objects")] == [(True, "{"), (True, "[1")]


def test_rows_decide_about_epochs_without_a_clock(make: Make) -> None:
    path = make().path.with_name("rows.afscope")
    with CaptureWriter.create(path, options=NOTHING_BY_ITSELF) as writer:
        writer.append(pod("a", START + 50 * SECOND))
        writer.append(pod("b", START + EPOCH))
        writer.append(pod("z", START + 20 * SECOND))
    capture = Capture.open(path)
    assert (capture.started_at, capture.ended_at) == (START + 20 * SECOND, START + EPOCH)
    assert [row["uid"] for row in keyframe(capture, "pods", START + EPOCH)] == ["a"]


def complete(row: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(("kind", "namespace", "name", "uid", "body")) | row
