"""The seal, instant by instant: whoever looks at the capture between any two writes sees each row exactly once."""

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afscope.store import follow, layout, snapshot
from afscope.store.follow import Follower
from afscope.store.manifest import read_manifest
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.recover import recover
from afscope.store.verify import verify
from afscope.store.writer import CaptureWriter

from .conftest import Make, event, numbers, pod


def photograph(monkeypatch: pytest.MonkeyPatch, source: Path, into: Path) -> list[Path]:
    """From now on copies the capture after each change of the folder: what a crash at that instant leaves."""
    taken: list[Path] = []

    def watched(act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = act(*args, **kwargs)
            taken.append(into / f"{len(taken)}.afscope")
            shutil.copytree(source, taken[-1])
            return result

        return wrapper

    for name in ("write", "fsync", "fchmod"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, watched(getattr(Path, name)))
    return taken


@pytest.fixture
def instants(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Copies of one capture, taken at every instant of a seal. 20 events are written before, 5 more are sealed."""
    writer = make()
    writer.extend(event(number) for number in range(15))
    writer.append(pod("a", 5))
    writer.seal()
    writer.extend(event(number) for number in range(15, 20))
    writer.append(pod("b", 5))
    writer.sync()
    with monkeypatch.context() as patch:
        taken = photograph(patch, writer.path, tmp_path)
        writer.seal()
    assert len(taken) > 15
    return taken


def test_every_instant_shows_each_row_once(instants: list[Path]) -> None:
    sealed = Counter[int]()
    for path in instants:
        capture = Capture.open(path)
        assert numbers(capture) == list(range(20))
        assert sorted(capture.table("pods")["uid"].to_pylist()) == ["a", "b"]
        assert capture.warnings == []
        sealed[len(capture.manifest.segments)] += 1
    assert sealed.keys() == {2, 4}


def test_every_instant_recovers_to_each_row_once(instants: list[Path]) -> None:
    for path in instants:
        recover(path)
        capture = Capture.open(path)
        assert numbers(capture) == list(range(20))
        assert sorted(capture.table("pods")["uid"].to_pylist()) == ["a", "b"]
        assert capture.manifest.closed
        assert capture.gaps() == ()
        report = verify(path)
        assert (report.problems, report.notes, report.rows) == ([], [], 22)
        assert recover(path).done == []


def seal_after(writer: CaptureWriter, act: Callable[..., Any]) -> Callable[..., Any]:
    """`act`, with a seal of whatever is open right behind it: the worst moment for a reader that takes two steps."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = act(*args, **kwargs)
        writer.seal()
        return result

    return wrapper


def test_a_seal_between_the_two_steps_of_a_reader_hides_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make()
    writer.extend(event(number) for number in range(5))
    writer.flush()
    monkeypatch.setattr(snapshot, "read_manifest", seal_after(writer, read_manifest))
    monkeypatch.setattr(snapshot.Tails, "look", seal_after(writer, snapshot.Tails.look))
    assert numbers(Capture.open(writer.path)) == list(range(5))


def test_a_seal_between_the_two_steps_of_a_follower_hides_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make()
    with Follower(writer.path) as follower:
        writer.append(event(0))
        writer.seal()
        writer.append(event(1))
        writer.flush()
        monkeypatch.setattr(follow, "read_manifest", seal_after(writer, read_manifest))
        monkeypatch.setattr(snapshot.Tails, "look", seal_after(writer, snapshot.Tails.look))
        assert follower.poll()["events"]["uid"].to_pylist() == ["0", "1"]
        assert follower.poll() == {}


def test_a_follower_waits_for_the_rest_of_a_frame(make: Make, tmp_path: Path) -> None:
    writer, sizes = make(), []
    for number in range(3):
        writer.append(event(number))
        writer.flush()
        sizes.append((writer.path / layout.wal_name(1)).stat().st_size)
    data, half = (writer.path / layout.wal_name(1)).read_bytes(), tmp_path / "half.afscope"
    shutil.copytree(writer.path, half)
    file, got = half / layout.wal_name(1), []
    file.write_bytes(data[: sizes[0] + 5])
    with Follower(half) as follower:
        assert numbers(follower.capture) == [0]
        for end in (sizes[0] + 30, sizes[1] - 1, sizes[1] + 1, sizes[2]):
            file.write_bytes(data[:end])
            got.append([int(uid) for table in follower.poll().values() for uid in table["uid"].to_pylist()])
    assert got == [[], [], [1], [2]]


@pytest.fixture
def busy(make: Make) -> tuple[CaptureWriter, threading.Thread]:
    """A writer that flushes and seals all the time, and the thread that feeds it 6000 events."""
    options = WriterOptions(flush_us=2**62, sync_us=2**62, flush_bytes=1_500, seal_bytes=15_000, seal_epochs=False)
    writer = make(options=options)

    def feed() -> None:
        for number in range(6_000):
            writer.append(event(number))
            if number % 50 == 0:
                time.sleep(0.001)  # lets the reader in, on one core too
        writer.close()

    return writer, threading.Thread(target=feed)


def test_readers_of_a_sealing_writer_see_each_row_once(busy: tuple[CaptureWriter, threading.Thread]) -> None:
    writer, thread = busy
    thread.start()
    counts: list[int] = []
    while thread.is_alive() or not counts:
        found = numbers(Capture.open(writer.path))
        assert found == list(range(len(found)))
        counts.append(len(found))
    thread.join()
    assert counts == sorted(counts)
    assert len(set(counts)) > 3
    assert numbers(Capture.open(writer.path)) == list(range(6_000))


def test_a_follower_of_a_sealing_writer_gets_each_row_once(busy: tuple[CaptureWriter, threading.Thread]) -> None:
    writer, thread = busy
    with Follower(writer.path) as follower:
        thread.start()
        got, polls = numbers(follower.capture), 0
        while not follower.closed:
            new = follower.poll()
            got += [int(uid) for uid in new["events"]["uid"].to_pylist()] if new else []
            polls += bool(new)
        thread.join()
    assert Counter(got) == Counter(range(6_000))
    assert polls > 3
    assert follower.warnings == []


def test_a_follower_gets_the_rest_of_a_wal_that_it_knew_and_all_of_one_that_it_never_saw(make: Make) -> None:
    writer = make()
    writer.extend([event(0), event(1)])
    writer.flush()
    with Follower(writer.path) as follower:
        assert numbers(follower.capture) == [0, 1]
        assert follower.poll() == {}
        writer.append(event(2))
        writer.seal()
        writer.extend([event(3), pod("a", 5)])
        writer.seal()
        writer.append(event(4))
        writer.flush()
        new = follower.poll()
        assert new["events"]["uid"].to_pylist() == ["2", "3", "4"]
        assert new["pods"]["uid"].to_pylist() == ["a"]
        assert (follower.poll(), follower.closed) == ({}, False)
        writer.append(event(5))
        writer.close()
        assert follower.poll()["events"]["uid"].to_pylist() == ["5"]
        assert (follower.poll(), follower.closed) == ({}, True)


def test_a_follower_stays_with_a_capture_that_is_recovered(make: Make) -> None:
    writer = make()
    writer.extend([event(0), event(1)])
    writer.flush()
    with Follower(writer.path) as follower:
        writer.append(event(2))
        writer.abandon()
        with next(writer.path.glob("wal/*")).open("ab") as file:
            file.write(b"\x99" * 11)
        recover(writer.path)
        new = follower.poll()
        assert new["events"]["uid"].to_pylist() == ["2"]
        assert new["gaps"]["source"].to_pylist() == ["*"]
        assert follower.closed
