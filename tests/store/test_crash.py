"""Writers that are killed: what they acknowledged is there, whatever the byte at which they died."""

import random
import shutil
import time
from pathlib import Path

import pytest

from afscope.store import layout, wal
from afscope.store.reader import Capture
from afscope.store.recover import recover
from afscope.store.verify import verify

from .conftest import Make, event, numbers
from .victim import check_survivor, start_victim


@pytest.mark.parametrize("attempt", range(10))
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, attempt: int) -> None:
    path = tmp_path / "c.afscope"
    victim = start_victim(path, seed=attempt, apart=attempt % 2 == 1)
    time.sleep(random.Random(attempt).uniform(0.02, 0.5))
    acknowledged = victim.kill()
    assert acknowledged > 0
    result = check_survivor(path, acknowledged)
    assert result.rows >= acknowledged


def test_ten_thousand_truncated_captures_open(make: Make) -> None:
    """Sealed rows stay, and of the open WAL everything before the cut. In memory: 10,000 files would take minutes."""
    writer = make()
    writer.extend(event(number) for number in range(10))
    writer.seal()
    ends = [wal.HEADER_SIZE]
    for number in range(10, 60):
        writer.append(event(number))
        writer.flush()
        ends.append((writer.path / layout.wal_name(2)).stat().st_size)
    writer.abandon()
    whole = Capture.open(writer.path)
    data = (writer.path / layout.wal_name(2)).read_bytes()
    chance = random.Random(7)
    for _ in range(10_000):
        cut = chance.randrange(len(data) + 1)
        capture = Capture(writer.path, whole.view._replace(wals={2: data[:cut]}))
        complete = sum(end <= cut for end in ends[1:])
        assert capture.rows("events") == 10 + complete
        if chance.random() < 0.02:
            assert numbers(capture) == list(range(10 + complete))
            assert len(capture.warnings) == (cut not in ends)


@pytest.mark.parametrize("seed", range(8))
def test_a_truncated_capture_recovers(make: Make, tmp_path: Path, seed: int) -> None:
    writer = make()
    writer.extend(event(number) for number in range(10))
    writer.seal()
    ends = []
    for number in range(10, 30):
        writer.append(event(number))
        writer.flush()
        ends.append((writer.path / layout.wal_name(2)).stat().st_size)
    writer.abandon()
    torn = tmp_path / "torn.afscope"
    shutil.copytree(writer.path, torn)
    cut = random.Random(seed).randrange(wal.HEADER_SIZE, ends[-1])
    with (torn / layout.wal_name(2)).open("r+b") as file:
        file.truncate(cut)
    kept, clean = 10 + sum(end <= cut for end in ends), cut in (wal.HEADER_SIZE, *ends)
    assert numbers(Capture.open(torn)) == list(range(kept))
    assert verify(torn).ok == clean
    recovery = recover(torn)
    capture = Capture.open(torn)
    assert numbers(capture) == list(range(kept))
    assert (recovery.rows_sealed, recovery.bytes_cut > 0) == (kept - 10, not clean)
    assert [gap.source for gap in capture.gaps()] == ([] if clean else ["*"])
    assert capture.manifest.closed
    assert verify(torn).ok
    assert (torn / layout.LOST / "wal-00000002.wal").stat().st_size == cut
