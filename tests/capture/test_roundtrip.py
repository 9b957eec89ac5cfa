"""Every recording, served and recorded again: the same objects, the same tasks, the same verdict as its import."""

import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.finding import Ruling
from afscope.store.reader import Capture
from afscope.store.verify import verify
from tests.capture.databases import database
from tests.capture.roundtrip import STEP_S, record_again, troubles
from tests.incidents.test_recordings import recordings

KINDS = ("sqlite", "postgresql", "mariadb")
ALL = bool(os.environ.get("AFSCOPE_ALL_DATABASES"))
"""Each recording on each database, instead of one after the other."""
# Rows of running tasks change with each heartbeat; which of these the last poll saw is no property of the task.
_FLEETING = {"ts", "seen_at", "change", "updated_at", "last_heartbeat_at"}
Key = tuple[Any, ...]


class Pair(NamedTuple):
    """A recording's import and what was recorded of its replay."""

    recording: Path
    imported: Capture
    again: Capture


def cases() -> Iterator[Any]:
    """Each recording with the database that it was made on, or the next one in turn."""
    for number, recording in enumerate(recordings()):
        natural = "mariadb" if "mariadb" in recording.name else KINDS[number % 3]
        if troubles(recording):
            natural = "postgresql"  # where a locked table can be had
        for kind in KINDS if ALL and not troubles(recording) else (natural,):
            yield pytest.param((recording, kind), id=f"{recording.name}-{kind}")


@pytest.fixture(scope="module", params=cases())
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    recording, kind = request.param
    folder = tmp_path_factory.mktemp("roundtrip")
    import_sources([recording], folder / "imported.afscope")
    with database(kind) as url:
        again = record_again(recording, folder, url)
    return Pair(recording, Capture.open(folder / "imported.afscope"), Capture.open(again))


def test_every_version_of_every_object(pair: Pair) -> None:
    def versions(capture: Capture) -> set[Key]:
        rows = capture.table("objects").select(["kind", "uid", "resource_version", "change"]).to_pylist()
        return {(r["kind"], r["uid"], r["resource_version"]) for r in rows if r["change"] != "DELETED"}

    wanted = versions(pair.imported)
    assert len(wanted) > 20
    assert versions(pair.again) == wanted
    assert verify(pair.again.path).ok


def tasks(capture: Capture) -> dict[Key, list[dict[str, Any]]]:
    """The rows of each task instance in the order they were seen; times as microseconds."""
    table = capture.table("task_instances").sort_by("seen_at")
    table = table.set_column(1, "seen_at", table["seen_at"].cast("int64"))
    found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in table.to_pylist():
        found[row["dag_id"], row["run_id"], row["task_id"], row["map_index"]].append(row)
    return found


def test_the_last_row_of_every_task_instance(pair: Pair) -> None:
    imported, again = tasks(pair.imported), tasks(pair.again)
    assert set(again) == set(imported)
    differing = {
        (key, column): (rows[-1][column], again[key][-1][column])
        for key, rows in imported.items()
        for column in rows[-1]
        if column not in _FLEETING and not _same(column, rows[-1][column], again[key][-1][column])
    }
    assert differing == {}


def _same(column: str, one: Any, other: Any) -> bool:
    """Equal, as far as every database can keep it: MariaDB's FLOAT has seven digits, SQLite's UUIDs have no dashes."""
    if column == "duration" and one is not None:
        return bool(other == pytest.approx(one, rel=1e-4))
    if column in ("ti_id", "dag_version_id") and one is not None:
        return str(one).replace("-", "") == str(other).replace("-", "")
    return bool(one == other)


def test_states_within_one_poll(pair: Pair) -> None:
    """At each good poll every task instance is in a state that it really had at most one poll ago."""
    imported, again = tasks(pair.imported), tasks(pair.again)
    polls = pair.again.table("polls").to_pylist()
    moments = [int(p["seen_at"].timestamp() * SECOND) for p in polls if p["outcome"] == "ok"]
    slack = round(2 * STEP_S * SECOND) + SECOND // 10
    wrong = [
        (key, at, state)
        for key, rows in again.items()
        for at in moments
        if (state := _state(rows, at + SECOND // 10)) not in _states(imported[key], at - slack, at + SECOND // 10)
    ]
    assert wrong == []


def _state(rows: list[dict[str, Any]], at: Micros) -> object:
    index = bisect_right([row["seen_at"] for row in rows], at)
    return rows[index - 1]["state"] if index else "unseen"


def _states(rows: list[dict[str, Any]], start: Micros, end: Micros) -> set[object]:
    """All states in a stretch of time; unseen as long as no row was there."""
    within = {row["state"] for row in rows if start < row["seen_at"] <= end}
    return within | {_state(rows, start)}


def test_the_same_verdict(pair: Pair) -> None:
    imported, again = (Investigation.open(capture.path).analysis for capture in (pair.imported, pair.again))
    assert again.verdict.root_causes == imported.verdict.root_causes
    assert again.verdict.healthy == imported.verdict.healthy
    guilty = [
        {(c.component, c.target) for c in analysis.verdict.components if c.ruling is Ruling.GUILTY}
        for analysis in (imported, again)
    ]
    assert guilty[0] == guilty[1]


def test_nothing_is_called_a_hole_that_is_none(pair: Pair) -> None:
    if troubles(pair.recording):
        assert {gap.source for gap in pair.again.gaps()} >= {"task_instances", "dag_runs"}
    else:
        assert pair.again.gaps() == ()
        for table in ("pods", "events", "workloads", "hpas", "scaledobjects", "task_instances", "dag_runs", "jobs"):
            assert pair.again.source(table).status is SourceState.OK
