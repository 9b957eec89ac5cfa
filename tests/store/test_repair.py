"""verify finds damage, recover repairs what can be repaired and destroys nothing."""

import random
import shutil
from pathlib import Path

import pytest

from afscope.errors import CaptureError, DamagedCapture
from afscope.store import layout
from afscope.store.manifest import read_manifest, write_manifest
from afscope.store.reader import Capture
from afscope.store.recover import recover
from afscope.store.verify import verify
from afscope.store.writer import CaptureWriter

from .conftest import Make, event, numbers, pod


@pytest.fixture
def closed(make: Make) -> Path:
    """A closed capture with three segments of events and one of pods."""
    writer = make(id="mine")
    for number in range(3):
        writer.append(event(number))
        if number == 1:
            writer.append(pod("a", 5))
        writer.seal()
    writer.close()
    return writer.path


def contents(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in layout.all_files(path)}


def test_a_sound_capture_is_left_alone(closed: Path) -> None:
    before = contents(closed)
    report = verify(closed)
    assert (report.ok, report.segments, report.rows, report.notes) == (True, 4, 4, [])
    assert recover(closed).done == []
    assert contents(closed) == before
    assert not (closed / layout.LOST).exists()


def test_every_flipped_bit_of_a_segment_or_wal_is_found(make: Make) -> None:
    writer = make()
    writer.append(event(0))
    writer.seal()
    writer.append(event(1))
    writer.abandon()
    chance = random.Random(5)
    for name in (layout.segment_name("events", 1), layout.wal_name(2)):
        data = (writer.path / name).read_bytes()
        for at in chance.sample(range(len(data)), min(len(data), 60)):
            if name == layout.wal_name(2) and 12 <= at < 20:
                continue  # the sequence number in the head is for people; the file's name counts
            (writer.path / name).write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
            report = verify(writer.path)
            if not (name == layout.wal_name(2) and 8 <= at < 12):
                assert [problem.path for problem in report.problems] == [name], at
        (writer.path / name).write_bytes(data)
    assert verify(writer.path).ok


def test_a_living_writer_is_no_damage(make: Make) -> None:
    writer = make()
    writer.append(event(0))
    writer.flush()
    with (writer.path / layout.wal_name(1)).open("ab") as file:
        file.write(b"half a fra")
    report = verify(writer.path)
    assert report.ok
    assert {note.path for note in report.notes} == {layout.MANIFEST, layout.wal_name(1)}
    assert Capture.open(writer.path).warnings == []
    with pytest.raises(CaptureError, match="being written by another process"):
        recover(writer.path)


def test_wrong_counts_bounds_and_order_are_found(closed: Path) -> None:
    manifest = read_manifest(closed)
    import msgspec

    first, second, *others = manifest.segments
    manifest.segments = [
        msgspec.structs.replace(first, rows=9),
        msgspec.structs.replace(second, last=second.last + 1),
        *others,
    ]
    write_manifest(closed, manifest)
    found = sorted(str(problem) for problem in verify(closed).problems)
    assert found == sorted(
        [f"{first.path} has 1 rows instead of 9", f"{second.path} has other times than the manifest says"]
    )


def test_a_damaged_segment_becomes_a_gap(closed: Path) -> None:
    file = closed / layout.segment_name("events", 2)
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    (lost,) = [
        segment for segment in read_manifest(closed).segments if segment.path.endswith("events/00000002.parquet")
    ]
    assert not verify(closed).ok
    recover(closed)
    capture = Capture.open(closed)
    assert numbers(capture) == [0, 2]
    (gap,) = capture.gaps()
    assert (gap.source, gap.from_ts, gap.to_ts) == ("events", lost.first, lost.last)
    assert verify(closed).ok
    assert [path.read_bytes() for path in (closed / layout.LOST).iterdir()] == [data[:-1]]
    assert recover(closed).done == []


def test_a_lost_manifest_is_rebuilt_from_the_segments(closed: Path, make: Make) -> None:
    stranger = make("stranger", id="other")
    stranger.append(event(77))
    stranger.close()
    shutil.copy(stranger.path / layout.segment_name("events", 1), closed / layout.segment_name("events", 9))
    whole = read_manifest(closed)
    (closed / layout.MANIFEST).write_text("{")
    assert not verify(closed).ok
    with pytest.raises(DamagedCapture):
        Capture.open(closed)
    recover(closed)
    capture = Capture.open(closed)
    assert numbers(capture) == [0, 1, 2]
    assert capture.manifest.id == "mine"
    assert capture.manifest.segments == whole.segments
    assert capture.source("pods").reason == "the manifest was lost"
    assert verify(closed).ok
    assert len(list((closed / layout.LOST).iterdir())) == 2


def test_a_lost_manifest_of_an_open_capture_is_rebuilt_with_its_wal(make: Make) -> None:
    writer = make()
    writer.append(event(0))
    writer.seal()
    writer.append(event(1))
    writer.abandon()
    (writer.path / layout.MANIFEST).unlink()
    recover(writer.path)
    capture = Capture.open(writer.path)
    assert numbers(capture) == [0, 1]
    assert capture.manifest.id == writer.manifest.id
    assert (capture.started_at, capture.ended_at) == (writer.manifest.started_at, writer.manifest.started_at + 1)


def test_nothing_left_is_said(closed: Path) -> None:
    shutil.rmtree(closed / layout.SEGMENTS)
    (closed / layout.MANIFEST).unlink()
    with pytest.raises(DamagedCapture, match="nothing readable is left"):
        recover(closed)


def test_complete_orphans_are_adopted_half_ones_and_strangers_are_not(closed: Path) -> None:
    manifest = read_manifest(closed)
    orphan = max(manifest.segments, key=lambda segment: segment.seq)
    manifest.segments.remove(orphan)
    write_manifest(closed, manifest)
    half = closed / layout.segment_name("pods", 4)
    half.write_bytes((closed / orphan.path).read_bytes()[:500])
    (closed / "segments" / "events" / "00000008.parquet.tmp").write_bytes(b"PAR1")
    assert {problem.path for problem in verify(closed).problems} == {orphan.path, "segments/pods/00000004.parquet"}
    assert numbers(Capture.open(closed)) == [0, 1]
    recover(closed)
    assert numbers(Capture.open(closed)) == [0, 1, 2]
    assert verify(closed).ok
    assert sorted(path.name for path in (closed / layout.LOST).iterdir()) == [
        "segments-events-00000008.parquet.tmp",
        "segments-pods-00000004.parquet",
    ]


def test_an_empty_recording_is_closed_without_a_gap(make: Make) -> None:
    writer = make()
    writer.abandon()
    recovery = recover(writer.path)
    capture = Capture.open(writer.path)
    assert (capture.manifest.closed, capture.gaps(), recovery.rows_sealed) == (True, (), 0)
    assert verify(writer.path).notes == []
    assert "closed" in str(recovery)


def test_a_recovered_capture_is_not_written_on(closed: Path) -> None:
    with pytest.raises(CaptureError):
        CaptureWriter.create(closed)
