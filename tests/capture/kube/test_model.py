"""Random worlds under random faults: what was recorded is the true history, but for what lies in declared gaps."""

import tempfile
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afscope.capture.kube.kinds import WATCHED
from afscope.capture.kube.listwatch import KubeCollector, Timing
from afscope.capture.tape import Tape
from afscope.model.clock import SECOND
from afscope.model.pace import ScaledPace
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter
from tests.capture.conftest import START
from tests.capture.kube.world import FAULTS, HARMLESS, Server, World

# A watch that broke off is resumed within seconds, and what comes then is dated by its coming.
PROMPT = 7 * SECOND
PODS = next(watched for watched in WATCHED if watched.kind == "Pod")
PLAN = st.lists(
    st.tuples(st.sampled_from(["write", "write", "delete", "compact"]), st.sampled_from("abcd")), max_size=40
)
LENGTH = st.integers(1, 200)
HALF_OPEN = LENGTH.map("half_open:{}".format)
SCHEDULE = st.lists(st.one_of(st.sampled_from(FAULTS), HALF_OPEN), max_size=12)
ENDS = st.one_of(st.just(""), LENGTH.map("stopped:{}".format))
"""How the recording ends: when nothing more happens, or while a watch is dead."""


def recorded(plan: list[tuple[str, str]], faults: list[str], path: Path) -> tuple[World, Capture]:
    """Drives the collector through the world and its faults, and then for as long as a calm server needs.

    Where a fault ends the recording, the faults after it are those of the last questions.
    """
    pace = ScaledPace(START, paused=True)
    world = World(pace, list(plan))
    for _ in range(3):
        world.turn()
    with CaptureWriter.create(path, clock=pace) as writer:
        tape = Tape(writer, pace)
        stop = threading.Event()
        server = Server(world, list(faults), stop)
        collector = KubeCollector(cast("Any", server), tape, PODS, timing=Timing())
        calm = 3  # a list, if one is due, and a watch that brings the rest
        for _ in range(len(faults) + 60):
            if stop.is_set() or not calm:
                break
            pace.step(1)
            collector._once(stop)
            calm -= not server.faults and not world.plan
        world.ended_at = pace.now()
        stop.set()
        collector.run(stop)
        tape.end()
        writer.close()
    return world, Capture.open(path)


@settings(max_examples=150, deadline=None)
@given(PLAN, SCHEDULE, ENDS, st.lists(st.one_of(st.sampled_from(FAULTS), HALF_OPEN), max_size=3))
def test_the_record_is_the_truth_minus_declared_gaps(
    plan: list[tuple[str, str]], faults: list[str], end: str, last: list[str]
) -> None:
    schedule = [*faults, end, *last] if end else faults
    with tempfile.TemporaryDirectory() as folder:
        world, capture = recorded(plan, schedule, Path(folder) / "c.afscope")
        rows = capture.table("pods").sort_by("seen_at").to_pylist()
        seen = {(row["uid"], int(row["resource_version"])) for row in rows if row["change"] != "DELETED"}
        true = {(change.uid, change.version): change for change in world.history if change.change != "DELETED"}
        assert seen <= set(true), "nothing is made up"
        begun = min((row["seen_at"] for row in rows if row["change"] == "STATE"), default=None)
        gaps = [(gap.from_ts, gap.to_ts) for gap in capture.gaps() if gap.source == "pods"]
        for key in set(true) - seen:
            at = true[key].at
            outside = begun is None or at <= micros(begun) or at > world.ended_at
            assert outside or covered(at, gaps), f"{true[key]} is missing, gaps: {gaps}"
        # What came late is told with the time when it happened, not with that of its coming.
        for row in rows:
            change = true.get((row["uid"], int(row["resource_version"])))
            if change is not None and row["change"] in ("ADDED", "MODIFIED"):
                late = micros(row["ts"]) - change.at
                assert late <= PROMPT or covered(change.at, gaps), f"{change} is dated {late / SECOND} s late"
        # Nothing twice, and each object in its order.
        told = [(row["uid"], int(row["resource_version"])) for row in rows if row["change"] != "DELETED"]
        assert len(told) == len(set(told))
        for uid in {uid for uid, _ in told}:
            versions = [version for one, version in told if one == uid]
            assert versions == sorted(versions)
        # In the end the live set is the truth, or the end is a gap.
        newest = {row["uid"]: row for row in rows}
        alive = {(uid, int(row["resource_version"])) for uid, row in newest.items() if row["change"] != "DELETED"}
        wanted = {(change.uid, change.version) for change in world.live.values() if change.at <= world.ended_at}
        later = {(change.uid, change.version) for change in world.history if change.at > world.ended_at}
        touched = {uid for uid, _ in later}
        same = {key for key in alive if key[0] not in touched} == {key for key in wanted if key[0] not in touched}
        assert same or begun is None or covered(world.ended_at, gaps)


def micros(at: datetime) -> int:
    return round(at.timestamp() * SECOND)


def covered(at: int, gaps: list[tuple[int, int]]) -> bool:
    return any(start <= at <= end for start, end in gaps)


CALM = st.lists(st.tuples(st.sampled_from(["write", "write", "delete"]), st.sampled_from("abcd")), max_size=40)


@settings(max_examples=100, deadline=None)
@given(CALM, st.lists(st.one_of(st.sampled_from(HARMLESS), HALF_OPEN), max_size=12), ENDS)
def test_nothing_is_called_a_hole_where_the_server_keeps_its_history(
    plan: list[tuple[str, str]], faults: list[str], end: str
) -> None:
    """Dead watches of any length are no exception, even where the recording ends in one: the last look brings it."""
    with tempfile.TemporaryDirectory() as folder:
        world, capture = recorded(plan, [*faults, end] if end else faults, Path(folder) / "c.afscope")
        begun = world.listed_at or capture.manifest.ended_at  # before that, nothing is whole
        rows = capture.table("pods").to_pylist()
        # But that an object is gone was told late, and no object says when it was deleted.
        untold = [gap for gap in capture.gaps() if gap.to_ts > begun and "came late" in gap.reason]
        assert [gap for gap in capture.gaps() if gap.to_ts > begun and gap not in untold] == []
        gone = [change.at for change in world.history if change.change == "DELETED"]
        assert all(any(gap.from_ts <= at <= gap.to_ts for at in gone) for gap in untold)
        seen = {int(row["resource_version"]) for row in rows}
        told = [change for change in world.history if change.change != "DELETED"]
        assert {change.version for change in told if begun < change.at <= world.ended_at} <= seen


@pytest.mark.parametrize("quiet", [False, True])
def test_a_watch_that_is_refused_for_a_while_is_resumed_and_leaves_no_gap(quiet: bool, tmp_path: Path) -> None:
    """Also where nothing comes afterwards: the refusal is over as soon as a short watch has ended without news."""
    plan = [("write", "a"), ("write", "b"), ("write", "a"), *([] if quiet else [("write", "b")] * 20)]
    faults = ["", "cut", "http403", "http401", "http429"]
    world, capture = recorded(plan, faults, tmp_path / "c.afscope")
    assert capture.gaps() == ()
    assert capture.source("pods").status == "ok"
    seen = {int(version) for version in capture.table("pods")["resource_version"].to_pylist()}
    assert max(change.version for change in world.history) in seen


def test_a_recording_that_ends_while_a_watch_is_dead(tmp_path: Path) -> None:
    """Shorter than any server's bookmarks: only the last look finds out."""
    plan = [("write", "a"), ("write", "b"), ("write", "c"), *[("write", "a")] * 20]
    world, capture = recorded(plan, ["", "stopped:20"], tmp_path / "found.afscope")
    assert capture.gaps() == ()
    assert [int(v) for v in capture.table("pods")["resource_version"].to_pylist()][-1] >= world.version - 2
    plan = [("write", "a"), ("write", "b"), ("write", "c"), *[("write", "a")] * 20]
    world, capture = recorded(plan, ["", "stopped:20", "refused"], tmp_path / "lost.afscope")
    (gap,) = capture.gaps()
    assert gap.to_ts >= world.ended_at
    assert gap.to_ts - gap.from_ts >= 20 * SECOND
    assert "connection refused" in gap.reason


def test_the_faults_really_happen(tmp_path: Path) -> None:
    """Else the property above would hold of nothing: a compacted history loses versions, and that is a gap."""
    plan = [("write", "a"), ("write", "b"), ("write", "a"), *[("write", "a"), ("compact", "a")] * 6, ("delete", "b")]
    world, capture = recorded(plan, ["", "cut", "refused", "http500", "error410", "http410"], tmp_path / "c.afscope")
    assert capture.gaps()
    rows = capture.table("pods").to_pylist()
    true = {change.version for change in world.history if change.change != "DELETED"}
    assert len({int(row["resource_version"]) for row in rows}) < len(true)
