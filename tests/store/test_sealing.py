"""Sealing in a child: the recorder stays small, and nothing is lost whichever of the two is killed."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import CaptureError
from afscope.store import sealing, writer
from afscope.store.follow import Follower
from afscope.store.lock import WriterLock, is_being_written
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.recover import recover
from afscope.store.verify import verify
from afscope.store.writer import CaptureWriter

from .conftest import START, Make, ManualClock, event, numbers

APART = WriterOptions(flush_us=2**62, sync_us=2**62, seal_epochs=False, seal_apart=True)
SLOW = "import sys; sys.stdin.buffer.read()"


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_PROGRAM", SLOW)
    monkeypatch.setattr(sealing, "_PATIENCE_S", 0.2)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child takes until its parent is gone."""
    monkeypatch.setattr(sealing, "_PROGRAM", SLOW)


def turn(of: CaptureWriter) -> subprocess.Popen[bytes]:
    """Spends the open WAL without waiting for it; returns the child."""
    of._turn()
    assert of._child is not None
    return of._child._process


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_child_sealed_is_as_if_the_writer_had(make: Make) -> None:
    captures = []
    for name, apart in (("one", False), ("other", True)):
        made = make(name, options=WriterOptions(seal_epochs=False, seal_apart=apart), id="the same")
        made.extend(event(number) for number in range(10))
        made.seal()
        made.extend(event(number) for number in range(10, 20))
        made.close()
        captures.append(Capture.open(made.path))
        assert verify(made.path).ok
    one, other = captures
    assert one.manifest.segments == other.manifest.segments
    assert numbers(other) == list(range(20))


def test_rows_go_on_while_a_child_seals(make: Make, slow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(options=APART)
    with Follower(made.path) as follower:
        made.extend(event(number) for number in range(5))
        child = turn(made)
        made.extend(event(number) for number in range(5, 9))
        made.flush()
        assert child.poll() is None
        assert numbers(Capture.open(made.path)) == list(range(9))
        assert follower.poll()["events"]["uid"].to_pylist() == [str(number) for number in range(9)]
        child.kill()  # out of memory, say: the writer does it itself
        monkeypatch.undo()
        made.close()
        assert follower.poll() == {}
    assert numbers(Capture.open(made.path)) == list(range(9))
    assert [segment.seq for segment in Capture.open(made.path).manifest.segments] == [1, 2]


def test_a_child_that_hangs_is_done_without(make: Make, hung: None) -> None:
    made = make(options=APART)
    made.append(event(0))
    made.close()
    assert numbers(Capture.open(made.path)) == [0]
    assert verify(made.path).ok


def test_a_child_that_is_done_is_noticed_by_the_next_flush(make: Make) -> None:
    made = make(options=APART)
    made.append(event(0))
    child = turn(made)
    until(lambda: child.poll() is not None)
    made.append(event(1))
    made.flush()
    assert [segment.seq for segment in Capture.open(made.path).manifest.segments] == [1]
    assert numbers(Capture.open(made.path)) == [0, 1]


def test_an_abandoned_capture_keeps_what_was_being_sealed(make: Make, slow: None) -> None:
    made = make(options=APART)
    made.append(event(0))
    child = turn(made)
    made.append(event(1))
    made.abandon()
    assert child.poll() is not None
    assert not is_being_written(made.path)
    assert recover(made.path).rows_sealed == 2
    assert numbers(Capture.open(made.path)) == [0, 1]


def test_a_full_disk_loses_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_PROGRAM", f"import os; os.write(1, b'{errno.ENOSPC}'); os._exit({sealing._DISK})")
    made = make(options=APART)
    made.append(event(0))
    with pytest.raises(CaptureError, match="No space left"):
        made.seal()
    made.append(event(1))
    monkeypatch.undo()
    made.seal()
    assert numbers(Capture.open(made.path)) == [0, 1]
    assert [segment.seq for segment in Capture.open(made.path).manifest.segments] == [1, 2]


def test_without_a_process_to_be_had_the_writer_seals(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> sealing.SealingChild:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(writer, "SealingChild", none)
    made = make(options=APART)
    made.append(event(0))
    made.close()
    assert numbers(Capture.open(made.path)) == [0]


RECORDER = """
import sys
from pathlib import Path
from afscope.store import sealing
from tests.store.test_sealing import APART, SLOW, ManualClock, event, turn
from afscope.store.writer import CaptureWriter
made = CaptureWriter.create(Path(sys.argv[1]), clock=ManualClock(), options=APART)
made.append(event(0))
sealing._PROGRAM = "import afscope.store.sealing as s, threading; threading.Thread(target=s._end_with_parent).start()"
print(turn(made).pid, flush=True)
made.append(event(1))
made.flush()
sys.stdin.read()
"""


def test_a_child_holds_the_lock_and_ends_with_its_recorder(tmp_path: Path) -> None:
    path = tmp_path / "c.afscope"
    command = [sys.executable, "-c", RECORDER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        os.kill(child, signal.SIGSTOP)
        until(lambda: numbers(Capture.open(path)) == [0, 1])
        process.kill()
        process.wait()
        with pytest.raises(CaptureError, match="being written"):
            WriterLock(path, 0.1)
        os.kill(child, signal.SIGCONT)
        assert recover(path).rows_sealed == 2
    assert numbers(Capture.open(path)) == [0, 1]


ARROWLESS = """
import sys
from pathlib import Path
from tests.store.conftest import ManualClock, event
from afscope.store.options import WriterOptions
from afscope.store.writer import CaptureWriter
options = WriterOptions(seal_bytes=20_000, seal_apart=True)
with CaptureWriter.create(Path(sys.argv[1]), clock=ManualClock(), options=options) as made:
    before = "pyarrow" in sys.modules
    for number in range(2_000):
        made.append(event(number))
print(before, "pyarrow" in sys.modules)
"""


def test_a_recorder_never_loads_arrow(tmp_path: Path) -> None:
    path = tmp_path / "c.afscope"
    script = ARROWLESS.replace("from tests.store.conftest import ManualClock, event", _INLINE)
    said = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert said.stdout.split() == ["False", "False"]
    assert numbers(Capture.open(path)) == list(range(2_000))
    assert len(Capture.open(path).manifest.segments) > 2


# The conftest imports readers, and with them Arrow.
_INLINE = f"""
from afscope.model.row import Row
class ManualClock:
    def now(self): return {START}
def event(number): return Row("events", {{"uid": str(number), "seen_at": {START} + number, "count": number}})
"""
__all__ = ["APART", "SLOW", "ManualClock", "event", "turn"]
