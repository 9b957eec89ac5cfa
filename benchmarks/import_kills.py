#!/usr/bin/env python3
"""Kills an import with SIGKILL at random moments and looks at what is left.

    python benchmarks/import_kills.py RECORDING [--kills 100]

Each capture that exists must open without `recover`, every sealed segment must be whole, and its rows must be rows of
an undisturbed import of the same recording: whole flushes from the beginning, none twice.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from afscope.errors import NotACapture
from afscope.store.reader import Capture
from afscope.store.recover import recover
from afscope.store.schema import TABLES
from afscope.store.verify import verify

CODE = """
import sys
from pathlib import Path
from afscope.ingest import import_sources
import_sources([Path(sys.argv[1])], Path(sys.argv[2]), progress=lambda rows: print(rows, flush=True))
"""


def rows(capture: Capture) -> Counter[str]:
    """Every row as text, with its table; bodies of objects apart, as patches depend on where the chain begins."""
    out: Counter[str] = Counter()
    for name in TABLES:
        if name not in ("objects", "gaps"):
            out.update(f"{name} {row}" for row in capture.table(name).to_pylist())
    return out


def main() -> int:
    """Prints one line per outcome; returns 1 when any capture is damaged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.afscope"
        begin = time.monotonic()
        steps = len(subprocess.check_output([sys.executable, "-c", CODE, str(options.recording), str(whole)]).split())
        length = time.monotonic() - begin
        truth = rows(Capture.open(whole))
        for number in range(options.kills):
            out = Path(folder) / f"{number}.afscope"
            killed(options.recording, out, random.randint(0, steps))
            seen[judge(out, truth)] += 1
    print(f"{options.kills} kills of an import of {length:.2f} s, {truth.total()} rows")
    for outcome, count in sorted(seen.items()):
        print(f"  {count:4} {outcome}")
    return 1 if any(outcome.startswith("BAD") for outcome in seen) else 0


def killed(recording: Path, out: Path, steps: int) -> None:
    """Kills an import after so many words of progress and up to a fraction of a step later."""
    child = subprocess.Popen([sys.executable, "-c", CODE, str(recording), str(out)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(steps):
        child.stdout.readline()
    time.sleep(random.uniform(0, 0.02))
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


def judge(out: Path, truth: Counter[str]) -> str:
    """What became of one killed import."""
    if not out.exists():
        return "died before it wrote anything"
    try:
        capture = Capture.open(out)
    except NotACapture:
        return "died between making the folder and its manifest"
    found = rows(capture)
    if found - truth:
        return "BAD: rows that the recording does not have"
    before = found.total()
    recover(out)
    if not verify(out).ok or rows(Capture.open(out)) != found:
        return "BAD: recover changed or lost rows"
    return "finished" if before == truth.total() else "opens, whole flushes, recovers"


if __name__ == "__main__":
    raise SystemExit(main())
