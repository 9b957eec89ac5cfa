"""Random worlds under random faults: what was recorded is the true history, but for what lies in declared gaps."""

import tempfile
import threading
from pathlib import Path
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from afscope.capture.kube.kinds import WATCHED
from afscope.capture.kube.listwatch import KubeCollector, Timing
from afscope.capture.tape import Tape
from afscope.model.pace import ScaledPace
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter
from tests.capture.conftest import START
from tests.capture.kube.world import FAULTS, HARMLESS, Server, World

PODS = next(watched for watched in WATCHED if watched.kind == "Pod")
PLAN = st.lists(
    st.tuples(st.sampled_from(["write", "write", "delete", "compact"]), st.sampled_from("abcd")), max_size=40
)
SCHEDULE = st.lists(st.sampled_from(FAULTS), max_size=12)


def recorded(plan: list[tuple[str, str]], faults: list[str], path: Path) -> tuple[World, Capture]:
    """Drives the collector through the world and its faults, and then for as long as a calm server needs."""
    pace = ScaledPace(START, paused=True)
    world = World(pace, list(plan))
    for _ in range(3):
        world.turn()
    with CaptureWriter.create(path, clock=pace) as writer:
        tape = Tape(writer, pace)
        server = Server(world, list(faults))
        collector = KubeCollector(cast("Any", server), tape, PODS, timing=Timing())
        stop = threading.Event()
        for _ in range(len(faults) + 60):
            pace.step(1)
            collector._once(stop)
            if not server.faults and not world.plan:
                break
        for _ in range(3):  # a list, if one is due, and a watch that brings the rest
            pace.step(1)
            collector._once(stop)
        stop.set()
        collector.run(stop)
        tape.end()
        writer.close()
    return world, Capture.open(path)


@settings(max_examples=150, deadline=None)
@given(PLAN, SCHEDULE)
def test_the_record_is_the_truth_minus_declared_gaps(plan: list[tuple[str, str]], faults: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world, capture = recorded(plan, faults, Path(folder) / "c.afscope")
        rows = capture.table("pods").sort_by("seen_at").to_pylist()
        seen = {(row["uid"], int(row["resource_version"])) for row in rows if row["change"] != "DELETED"}
        true = {(change.uid, change.version): change for change in world.history if change.change != "DELETED"}
        assert seen <= set(true), "nothing is made up"
        begun = min((row["seen_at"] for row in rows if row["change"] == "STATE"), default=None)
        gaps = [(gap.from_ts, gap.to_ts) for gap in capture.gaps() if gap.source == "pods"]
        for key in set(true) - seen:
            at = true[key].at
            before = begun is None or at <= int(begun.timestamp() * 1_000_000)
            assert before or any(start <= at <= end for start, end in gaps), f"{true[key]} is missing, gaps: {gaps}"
        # Nothing twice, and each object in its order.
        told = [(row["uid"], int(row["resource_version"])) for row in rows if row["change"] != "DELETED"]
        assert len(told) == len(set(told))
        for uid in {uid for uid, _ in told}:
            versions = [version for one, version in told if one == uid]
            assert versions == sorted(versions)
        # In the end the live set is the truth.
        last = {row["uid"]: row for row in rows}
        alive = {(uid, int(row["resource_version"])) for uid, row in last.items() if row["change"] != "DELETED"}
        assert alive == {(change.uid, change.version) for change in world.live.values()}


CALM = st.lists(st.tuples(st.sampled_from(["write", "write", "delete"]), st.sampled_from("abcd")), max_size=40)


@settings(max_examples=100, deadline=None)
@given(CALM, st.lists(st.sampled_from(HARMLESS), max_size=12))
def test_nothing_is_called_a_hole_where_the_server_keeps_its_history(
    plan: list[tuple[str, str]], faults: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world, capture = recorded(plan, faults, Path(folder) / "c.afscope")
        begun = world.listed_at or capture.manifest.ended_at  # before that, nothing is whole
        rows = capture.table("pods").to_pylist()
        assert [gap for gap in capture.gaps() if gap.to_ts > begun] == []
        seen = {int(row["resource_version"]) for row in rows}
        later = {change.version for change in world.history if change.at > begun and change.change != "DELETED"}
        assert later <= seen


def test_the_faults_really_happen(tmp_path: Path) -> None:
    """Else the property above would hold of nothing: a compacted history loses versions, and that is a gap."""
    plan = [("write", "a"), ("write", "b"), ("write", "a"), *[("write", "a"), ("compact", "a")] * 6, ("delete", "b")]
    world, capture = recorded(plan, ["", "cut", "refused", "http500", "error410", "http410"], tmp_path / "c.afscope")
    assert capture.gaps()
    rows = capture.table("pods").to_pylist()
    true = {change.version for change in world.history if change.change != "DELETED"}
    assert len({int(row["resource_version"]) for row in rows}) < len(true)
