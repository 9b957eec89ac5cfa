"""Merges: nothing twice, nothing lost, holes where nobody looked, clocks that disagree."""

from pathlib import Path
from typing import Any

import pytest

from afscope.errors import CaptureError, CaptureExists
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.row import Row
from afscope.store.merge import merge
from afscope.store.reader import Capture
from afscope.store.verify import verify
from afscope.store.writer import CaptureWriter

START: Micros = 1_795_000_200 * SECOND
Rows = list[tuple[float, str, dict[str, Any]]]


def pod(second: float, name: str, phase: str, version: int, **values: Any) -> tuple[float, str, dict[str, Any]]:
    own = {"uid": name, "name": name, "namespace": "air", "phase": phase, "resource_version": str(version)}
    return second, "pods", {"change": "MODIFIED", **own, **values}


def capture(
    path: Path, rows: Rows, *, start: float = 0, end: float = 100, ahead: float = 0, gaps: Rows = [],  # noqa: B006
    namespace: str = "air", cluster: str = "c",
) -> Capture:  # fmt: skip
    """A recorder's capture; its clock is `ahead` seconds ahead of the truth."""
    shift = round(ahead * SECOND)
    with CaptureWriter.create(path, started_at=START + round(start * SECOND) + shift, cluster=cluster) as writer:
        writer.set_source("pods", SourceState.OK)
        writer.set_source("scaledobjects", SourceState.OK)
        every = [*rows, (start, "scaledobjects", {"change": "STATE", "uid": namespace, "namespace": namespace})]
        for second, table, values in sorted(every, key=lambda row: row[0]):
            at = START + round(second * SECOND)
            writer.append(Row(table, {"ts": at, "seen_at": at + shift, **values}))
        for from_second, source, values in gaps:
            begin = START + round(from_second * SECOND) + shift
            writer.gap(source, begin, START + round(values["to"] * SECOND) + shift, "watch expired")
        writer.close(ended_at=START + round(end * SECOND) + shift)
    return Capture.open(path)


def phases(path: Path) -> list[tuple[float, str, str]]:
    rows = Capture.open(path).table("pods").sort_by("seen_at").to_pylist()
    return [((row["seen_at"].timestamp() * 1e6 - START) / 1e6, row["name"], row["phase"]) for row in rows]


def holes(path: Path) -> list[tuple[str, float, float]]:
    return [(g.source, (g.from_ts - START) / 1e6, (g.to_ts - START) / 1e6) for g in Capture.open(path).gaps()]


def test_what_two_recorders_saw_is_there_once(tmp_path: Path) -> None:
    life = [pod(1, "a", "Pending", 1), pod(5, "a", "Running", 2), pod(9, "a", "Pending", 3), pod(12, "a", "Running", 4)]
    late = [(second + 0.2, table, values) for second, table, values in life]
    extra = [pod(7, "b", "Pending", 9)]
    one = capture(tmp_path / "1.afscope", life)
    two = capture(tmp_path / "2.afscope", [*late, *extra])
    done = merge([one, two], tmp_path / "m.afscope")
    assert phases(tmp_path / "m.afscope") == [
        (1, "a", "Pending"), (5, "a", "Running"), (7, "b", "Pending"), (9, "a", "Pending"), (12, "a", "Running"),
    ]  # fmt: skip
    assert done.duplicates == 5, "four of the pod, one ScaledObject"
    assert verify(tmp_path / "m.afscope").ok
    assert holes(tmp_path / "m.afscope") == []


def test_a_hole_of_one_that_the_other_saw_is_none(tmp_path: Path) -> None:
    one = capture(tmp_path / "1.afscope", [], gaps=[(20, "pods", {"to": 40})])
    two = capture(tmp_path / "2.afscope", [], gaps=[(30, "pods", {"to": 50})])
    merge([one, two], tmp_path / "m.afscope")
    assert holes(tmp_path / "m.afscope") == [("pods", 30, 40)]
    assert Capture.open(tmp_path / "m.afscope").source("pods").status is SourceState.PARTIAL


def test_a_hole_in_one_namespace_stays_a_hole(tmp_path: Path) -> None:
    one = capture(tmp_path / "1.afscope", [], gaps=[(20, "pods", {"to": 40})])
    two = capture(tmp_path / "2.afscope", [], namespace="elsewhere")
    merge([one, two], tmp_path / "m.afscope")
    assert ("pods", 20, 40) in holes(tmp_path / "m.afscope")


def test_between_two_recordings_nobody_looked(tmp_path: Path) -> None:
    one = capture(tmp_path / "1.afscope", [pod(1, "a", "Running", 1)], end=50)
    two = capture(tmp_path / "2.afscope", [pod(81, "a", "Failed", 2)], start=80, end=120)
    merge([one, two], tmp_path / "m.afscope")
    merged = Capture.open(tmp_path / "m.afscope")
    assert (merged.started_at, merged.ended_at) == (START, START + 120 * SECOND)
    assert {hole for hole in holes(tmp_path / "m.afscope") if hole[0] == "pods"} == {("pods", 50, 80)}


def test_a_clock_that_is_off_is_measured_and_put_right(tmp_path: Path) -> None:
    life = [pod(second, "a", f"p{second}", second) for second in range(1, 9)]
    one = capture(tmp_path / "1.afscope", life)
    two = capture(tmp_path / "2.afscope", [*life, pod(20, "a", "last", 99)], ahead=30)
    done = merge([one, two], tmp_path / "m.afscope")
    assert done.skews == (0, 30 * SECOND)
    assert phases(tmp_path / "m.afscope")[-1] == (20, "a", "last")
    assert Capture.open(tmp_path / "m.afscope").ended_at == START + 100 * SECOND


def test_too_little_in_common_says_nothing_about_clocks(tmp_path: Path) -> None:
    one = capture(tmp_path / "1.afscope", [pod(1, "a", "Running", 1)])
    two = capture(tmp_path / "2.afscope", [pod(1, "a", "Running", 1)], ahead=30)
    assert merge([one, two], tmp_path / "m.afscope").skews == (0, None)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    one = capture(tmp_path / "1.afscope", [])
    with pytest.raises(CaptureError, match="two captures"):
        merge([one], tmp_path / "m.afscope")
    with pytest.raises(CaptureError, match="different clusters"):
        merge([one, capture(tmp_path / "2.afscope", [], cluster="other")], tmp_path / "m.afscope")
    with pytest.raises(CaptureExists):
        merge([one, one], tmp_path / "1.afscope")
