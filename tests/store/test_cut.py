"""Cuts: the state at their first moment, the rows of their time, the verdict of the whole."""

from pathlib import Path

import pytest

from afscope.engine.investigation import Investigation
from afscope.errors import CaptureError, CaptureExists
from afscope.ingest import import_sources
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.row import Row
from afscope.store.cut import Stretch, cut
from afscope.store.objects import full_bodies
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.verify import verify
from afscope.store.writer import CaptureWriter

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
START = 1_800_000_000 * SECOND


def pod(second: float, name: str, change: str = "MODIFIED", phase: str = "Running") -> Row:
    at = START + round(second * SECOND)
    return Row("pods", {"ts": at, "seen_at": at, "change": change, "uid": name, "name": name, "phase": phase})


def body(second: float, name: str, text: str, change: str = "MODIFIED") -> Row:
    at = START + round(second * SECOND)
    identity = {"kind": "Pod", "namespace": "air", "name": name, "uid": name}
    return Row("objects", {"ts": at, "seen_at": at, "change": change, **identity, "full": True, "body": text})


def stretch(start: float, end: float) -> Stretch:
    return Stretch(START + round(start * SECOND), START + round(end * SECOND))


@pytest.fixture
def long(tmp_path: Path) -> Path:
    path = tmp_path / "long.afscope"
    with CaptureWriter.create(path, started_at=START) as writer:
        writer.set_source("pods", SourceState.OK)
        writer.extend([pod(0, "still", "STATE"), body(0, "still", '{"a":{"b":1,"long":"' + "x" * 200 + '"}}', "STATE")])
        writer.extend([pod(1, "gone", "ADDED"), pod(2, "gone", "DELETED")])
        writer.append(body(3, "still", '{"a":{"b":2,"long":"' + "x" * 200 + '"}}'))
        for second in range(10, 60, 10):
            writer.append(pod(second, "busy", phase=f"p{second}"))
        at: Micros = START + 5 * SECOND
        writer.gap("pods", at, at + 20 * SECOND, "watch expired")
        writer.gap("events", at, at + SECOND, "before the cut")
    return path


def test_a_cut_begins_with_the_state_and_ends_before_its_end(long: Path, tmp_path: Path) -> None:
    rows = cut(Capture.open(long), tmp_path / "cut.afscope", stretch(15, 40))
    taken = Capture.open(tmp_path / "cut.afscope")
    pods = [(row["name"], row["change"], row["phase"]) for row in taken.table("pods").sort_by("seen_at").to_pylist()]
    assert pods == [
        ("still", "STATE", "Running"), ("busy", "STATE", "p10"), ("busy", "MODIFIED", "p20"), ("busy", "MODIFIED", "p30"),
    ]  # fmt: skip
    assert (taken.started_at, taken.ended_at) == (START + 15 * SECOND, START + 40 * SECOND)
    assert taken.source("pods").status is SourceState.PARTIAL
    (gap,) = taken.gaps()
    assert (gap.from_ts, gap.to_ts) == (START + 15 * SECOND, START + 25 * SECOND)
    (document,) = full_bodies(taken.table("objects").to_pylist())
    assert document.document["a"]["b"] == 2
    assert rows == 6
    assert verify(taken.path).ok


def test_a_growing_capture_can_be_cut(tmp_path: Path) -> None:
    writer = CaptureWriter.create(tmp_path / "grows.afscope", started_at=START)
    writer.extend([pod(0, "a", "STATE"), pod(5, "b", "ADDED")])
    writer.flush()
    cut(Capture.open(writer.path), tmp_path / "cut.afscope", stretch(3, 100))
    assert [row["name"] for row in Capture.open(tmp_path / "cut.afscope").table("pods").to_pylist()] == ["a", "b"]
    writer.append(pod(6, "c", "ADDED"))
    writer.close()
    assert Capture.open(writer.path).rows("pods") == 3


def test_what_never_changed_is_in_a_cut_of_a_ring(tmp_path: Path) -> None:
    options = WriterOptions(retain_us=1200 * SECOND)
    with CaptureWriter.create(tmp_path / "ring.afscope", started_at=START, options=options) as writer:
        writer.extend([pod(0, "still", "STATE"), body(0, "still", '{"a":1}', "STATE")])
        for minute in range(120):
            writer.append(pod(60 * minute + 1, "busy", phase=f"m{minute}"))
    ring = Capture.open(tmp_path / "ring.afscope")
    assert ring.started_at > START + 3600 * SECOND
    cut(ring, tmp_path / "cut.afscope", stretch(60 * 110, 60 * 112))
    taken = Capture.open(tmp_path / "cut.afscope")
    pods = [(row["name"], row["phase"]) for row in taken.table("pods").sort_by("seen_at").to_pylist()]
    assert pods == [("still", "Running"), ("busy", "m109"), ("busy", "m110"), ("busy", "m111")]
    assert taken.rows("objects") == 1


def test_an_empty_stretch_and_a_taken_path_are_refused(long: Path, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="nothing was recorded"):
        cut(Capture.open(long), tmp_path / "none.afscope", stretch(1000, 2000))
    assert not (tmp_path / "none.afscope").exists()
    with pytest.raises(CaptureExists):
        cut(Capture.open(long), long, stretch(0, 10))


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDINGS.iterdir() if path.is_dir()))
def test_the_verdict_of_the_whole_incident_stays(name: str, tmp_path: Path) -> None:
    import_sources([RECORDINGS / name], tmp_path / "whole.afscope")
    whole = Capture.open(tmp_path / "whole.afscope")
    cut(whole, tmp_path / "cut.afscope", Stretch(whole.started_at, whole.ended_at + 1))
    before, after = (Investigation.open(path).analysis for path in (whole.path, tmp_path / "cut.afscope"))
    assert after.verdict.root_causes == before.verdict.root_causes
    assert after.verdict.healthy == before.verdict.healthy
    assert [(f.cause, f.target, f.role) for f in after.findings] == [
        (f.cause, f.target, f.role) for f in before.findings
    ]
