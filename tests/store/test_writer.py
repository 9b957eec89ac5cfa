"""The writer: what it refuses, what it fills in, when it writes, and how it survives a bad disk."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import CaptureError, CaptureExists
from afscope.model.capture import ClockOffset, Source, SourceState
from afscope.model.row import Row
from afscope.store import layout, manifest, walfile
from afscope.store.lock import WriterLock, is_being_written
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter

from .conftest import NOTHING_BY_ITSELF, SECOND, START, Make, ManualClock, event, numbers, pod, records


def test_times_and_change_are_filled_in(make: Make, clock: ManualClock) -> None:
    clock.at = START + 5
    with make() as writer:
        writer.append(Row("dags", {"dag_id": "bare"}))
        writer.append(Row("dags", {"dag_id": "seen", "seen_at": 30}))
        writer.append(Row("dags", {"dag_id": "all", "seen_at": 40, "ts": 20, "change": "MODIFIED"}))
    rows = {
        row["dag_id"]: (row["ts"], row["seen_at"], row["change"]) for row in records(Capture.open(writer.path), "dags")
    }
    assert rows == {
        "bare": (START + 5, START + 5, "ADDED"),
        "seen": (30, 30, "ADDED"),
        "all": (20, 40, "MODIFIED"),
    }


@pytest.mark.parametrize(
    ("row", "error", "text"),
    [
        (Row("podz", {}), KeyError, "podz"),
        (Row("pods", {"colour": "red"}), KeyError, "pods has no column 'colour'"),
        (Row("pods", {"exit_code": "1"}), TypeError, r"pods\.exit_code: Expected `int \| null`, got `str`"),
        (Row("pods", {"exit_code": True}), TypeError, "exit_code"),
        (Row("pods", {"exit_code": 2**63}), TypeError, "exit_code"),
        (Row("pods", {"ready": 1}), TypeError, "ready"),
        (Row("pods", {"labels": {"a": "b"}}), TypeError, "labels"),
        (Row("pods", {"ts": 1, "seen_at": 1.5}), TypeError, "seen_at"),
    ],
)
def test_a_row_that_breaks_the_schema_is_refused_and_spoils_nothing(
    make: Make, row: Row, error: type[Exception], text: str
) -> None:
    with make() as writer:
        writer.append(event(1))
        with pytest.raises(error, match=text):
            writer.append(row)
        writer.append(event(2))
    assert numbers(Capture.open(writer.path)) == [1, 2]


def test_extreme_values_come_back(make: Make) -> None:
    values: dict[str, Any] = {
        "exit_code": 2**63 - 1,
        "restart_count": -(2**63),
        "message": "zh 队列 \x00 🚀",
        "reason": "",
    }
    with make() as writer:
        writer.append(pod("a", START, **values))
    (row,) = records(Capture.open(writer.path), "pods")
    assert {name: row[name] for name in values} == values


def test_half_a_character_does_not_stop_the_recorder(make: Make) -> None:
    with make() as writer:
        writer.append(pod("a", START, message="cut \ud83d off"))
    assert records(Capture.open(writer.path), "pods")[0]["message"] == "cut \ufffd off"


def test_an_existing_path_is_refused(make: Make, tmp_path: Path) -> None:
    make("taken").close()
    (tmp_path / "empty.afscope").mkdir()
    (tmp_path / "file.afscope").touch()
    for name in ("taken", "empty", "file"):
        with pytest.raises(CaptureExists, match=name):
            make(name)
    with pytest.raises(CaptureError, match="cannot be created"):
        make("no/such/folder")


def test_two_writers_on_one_folder_are_refused(make: Make) -> None:
    writer = make()
    assert is_being_written(writer.path)
    with pytest.raises(CaptureError, match="being written by another process"):
        WriterLock(writer.path)
    writer.close()
    assert not is_being_written(writer.path)
    with WriterLock(writer.path):
        pass


def test_everything_is_private_whatever_the_umask(make: Make) -> None:
    before = os.umask(0o000)
    try:
        writer = make()
        writer.append(event(1))
        writer.seal()
        writer.append(event(2))
        writer.flush()
        found = [writer.path, *writer.path.rglob("*")]
    finally:
        os.umask(before)
    assert len(found) == 8
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}
    assert modes == {path.name: 0o700 if path.is_dir() else 0o600 for path in found}


def test_rows_are_written_each_second_of_the_clock_given(make: Make, clock: ManualClock) -> None:
    writer = make(options=WriterOptions())
    writer.append(event(1))
    assert numbers(Capture.open(writer.path)) == []
    clock.at += SECOND - 1
    writer.tick()
    assert numbers(Capture.open(writer.path)) == []
    clock.at += 1
    writer.tick()
    assert numbers(Capture.open(writer.path)) == [1]
    clock.at -= 3600 * SECOND  # somebody set the clock back: nothing may wait an hour for it
    writer.append(event(2))
    assert numbers(Capture.open(writer.path)) == [1, 2]


def test_rows_are_synced_every_few_seconds(make: Make, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make(options=WriterOptions())
    synced: list[int] = []
    monkeypatch.setattr(walfile.WalFile, "sync", lambda self: synced.append(clock.at - START))
    for _ in range(12):
        clock.at += SECOND
        writer.append(event(1))
    assert synced == [5 * SECOND, 10 * SECOND]


def test_size_alone_writes_and_seals(make: Make) -> None:
    options = WriterOptions(flush_us=2**62, sync_us=2**62, flush_bytes=2_000, seal_bytes=20_000, seal_epochs=False)
    writer = make(options=options)
    writer.extend(event(number) for number in range(2_000))
    capture = Capture.open(writer.path)
    assert len(capture.manifest.segments) > 2
    assert numbers(capture)[:1_700] == list(range(1_700))
    writer.close()
    assert numbers(Capture.open(writer.path)) == list(range(2_000))


def test_an_exception_leaves_an_open_capture_with_all_rows(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "c.afscope"

    def record() -> None:
        with CaptureWriter.create(path, clock=clock, options=NOTHING_BY_ITSELF) as writer:
            writer.append(event(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        record()
    capture = Capture.open(path)
    assert not capture.manifest.closed
    assert numbers(capture) == [1]
    assert not is_being_written(path)


def test_a_closed_writer_takes_nothing(make: Make) -> None:
    writer = make()
    writer.close()
    writer.close()
    acts: list[Callable[[], None]] = [lambda: writer.append(event(1)), writer.flush, writer.seal, writer.tick]
    for act in acts:
        with pytest.raises(CaptureError, match="is closed"):
            act()


def test_the_manifest_carries_what_was_said(make: Make, clock: ManualClock) -> None:
    with make(id="fixed", origin="capture", cluster="prod", settings={"namespaces": ["airflow"]}) as writer:
        writer.set_source("pods", SourceState.OK)
        writer.set_source("nodes", SourceState.FORBIDDEN, "nodes is forbidden")
        writer.gap("pods", START, START + SECOND, "watch expired")
        writer.gap("*", START, START, "clock step")
        writer.count_redaction("env", 3)
        writer.count_redaction("env")
        writer.note_unread("dump.json:7: no kind")
        writer.set_clock_offset("metadata-db", ClockOffset(-250, 40))
        writer.describe(airflow_version="2.10.3-2.11.2", poll_s=1)
        clock.at += 9 * SECOND
    capture = Capture.open(writer.path)
    said = capture.manifest
    assert (said.id, said.origin, said.cluster, said.airflow_version) == ("fixed", "capture", "prod", "2.10.3-2.11.2")
    assert said.settings == {"namespaces": ["airflow"], "poll_s": 1}
    assert said.sources == {
        "pods": Source(SourceState.PARTIAL, "watch expired"),
        "nodes": Source(SourceState.FORBIDDEN, "nodes is forbidden"),
    }
    assert (said.redactions, said.unread) == ({"env": 4}, ["dump.json:7: no kind"])
    assert said.clock_offsets == {"metadata-db": ClockOffset(-250, 40)}
    assert [(gap.source, gap.reason) for gap in capture.gaps()] == [("pods", "watch expired"), ("*", "clock step")]
    assert (capture.started_at, capture.ended_at, said.closed) == (START, START + 9 * SECOND, True)


def test_a_source_is_seen_before_the_first_seal(make: Make) -> None:
    writer = make()
    writer.set_source("pods", SourceState.OK)
    writer.flush()
    assert Capture.open(writer.path).source("pods").status is SourceState.OK


def test_a_full_disk_tears_no_frame(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make()
    writer.append(event(1))
    writer.flush()
    write_all = layout.write_all

    def half(descriptor: int, data: bytes) -> None:
        write_all(descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    writer.append(event(2))
    with monkeypatch.context() as patch:
        patch.setattr(layout, "write_all", half)
        with pytest.raises(CaptureError, match="No space left on device"):
            writer.flush()
        assert numbers(Capture.open(writer.path)) == [1]
    writer.append(event(3))
    writer.close()
    assert numbers(Capture.open(writer.path)) == [1, 2, 3]


@pytest.mark.parametrize("failing", range(4))
def test_a_seal_that_fails_before_its_commit_can_be_tried_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    writer = make()
    writer.extend([event(1), pod("a", START)])
    calls = iter(range(100))
    sync_folder = layout.sync_folder

    def sync(path: Path) -> None:
        if next(calls) == failing:
            raise OSError(5, "Input/output error")
        sync_folder(path)

    with monkeypatch.context() as patch:
        patch.setattr(layout, "sync_folder", sync)
        with pytest.raises(CaptureError, match="Input/output error"):
            writer.seal()
    assert numbers(Capture.open(writer.path)) == [1]
    writer.append(event(2))
    writer.seal()
    writer.append(event(3))
    writer.close()
    capture = Capture.open(writer.path)
    assert numbers(capture) == [1, 2, 3]
    assert capture.rows("pods") == 1


def test_a_commit_that_fails_ends_the_writer_and_loses_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make()
    writer.append(event(1))

    def fails_late(root: Path, new: Any) -> None:
        layout.replace_file(root / layout.MANIFEST, manifest.encode_manifest(new))
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("afscope.store.writer.write_manifest", fails_late)
    with pytest.raises(CaptureError, match="Input/output error"):
        writer.seal()
    assert numbers(Capture.open(writer.path)) == [1]
    with pytest.raises(CaptureError, match="is closed"):
        writer.append(event(2))


def test_many_threads_may_write(make: Make) -> None:
    writer = make(options=WriterOptions(flush_bytes=500, seal_bytes=20_000))

    def work(first: int) -> None:
        for number in range(first, first + 300):
            writer.append(event(number))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 1_200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert numbers(Capture.open(writer.path)) == list(range(1_200))


def test_a_ring_keeps_whole_epochs_and_everything_that_lives(make: Make, clock: ManualClock) -> None:
    epoch = 600 * SECOND
    writer = make(options=WriterOptions(retain_us=2 * epoch))
    writer.append(pod("old", START, phase="Running"))
    for step in range(1, 60):
        clock.at = START + step * 100 * SECOND
        writer.append(event(step, clock.at - step))
    writer.close()
    capture = Capture.open(writer.path)
    assert capture.started_at == START + 7 * epoch
    assert numbers(capture) == list(range(42, 60))
    assert {row["seen_at"] for row in records(capture, "pods")} == {START + n * epoch for n in (7, 8, 9)}
    assert len(list(writer.path.glob("segments/*/*.parquet"))) == len(capture.manifest.segments)


def test_a_ring_bounds_its_bytes(make: Make, clock: ManualClock) -> None:
    writer = make(options=WriterOptions(max_bytes=20_000, flush_us=2**62, sync_us=2**62))
    for step in range(100):
        clock.at = START + step * 300 * SECOND
        writer.append(event(step, clock.at - step))
    writer.flush()
    kept = sum(path.stat().st_size for path in writer.path.glob("segments/*/*.parquet"))
    assert 10_000 < kept <= 20_000
    assert numbers(Capture.open(writer.path))[-1] == 99
