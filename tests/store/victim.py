"""A recorder that lives only to be killed: the child process, and the check of what it left.

The child writes events 0, 1, 2, … and, after each flush, prints how many of them it acknowledges.
"""

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.recover import Recovery, recover
from afscope.store.verify import verify
from afscope.store.writer import CaptureWriter

from .conftest import START, ManualClock, event, numbers


class Victim:
    """The running child."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def kill(self) -> int:
        """Sends SIGKILL; returns how many rows were acknowledged until then."""
        self._process.send_signal(signal.SIGKILL)
        output, _ = self._process.communicate()
        assert self._process.returncode == -signal.SIGKILL
        # A kill may cut the last line short, so only lines that ended count.
        lines = [line for line in output.splitlines(keepends=True) if line.endswith("\n")]
        return int(lines[-1]) if lines else 1


class Survivor(NamedTuple):
    """What was found in a capture whose writer was killed."""

    rows: int
    segments: int
    recovery: Recovery


def start_victim(path: Path, seed: int, *, apart: bool = False) -> Victim:
    """Starts a child that records into `path`; returns once it has acknowledged its first row.

    `apart`: it seals in a process of its own, as recorders do.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.victim", str(path), str(seed), *(["apart"] if apart else [])],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    return Victim(process)


def check_survivor(path: Path, acknowledged: int) -> Survivor:
    """Asserts that all acknowledged rows are there, without a hole or a repeat, before and after `recover`."""
    capture = Capture.open(path)
    found = numbers(capture)
    assert found == list(range(len(found)))
    assert len(found) >= acknowledged
    recovery = recover(path)
    recovered = Capture.open(path)
    assert numbers(recovered) == found
    assert recovered.manifest.closed
    assert verify(path).ok
    return Survivor(len(found), len(recovered.manifest.segments), recovery)


def main(path: Path, seed: int, *, apart: bool) -> None:
    """Records until it is killed."""
    chance, clock, number = random.Random(seed), ManualClock(), 0
    options = WriterOptions(flush_us=2**62, sync_us=2**62, seal_bytes=40_000, seal_apart=apart)
    writer = CaptureWriter.create(path, clock=clock, options=options)
    while True:
        count = chance.randrange(1, 40) if number else 1
        writer.extend(event(each, START) for each in range(number, number + count))
        number += count
        writer.flush()
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), apart=len(sys.argv) > 3)
