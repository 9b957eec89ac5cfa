#!/usr/bin/env python3
"""Kills a recorder with SIGKILL at random moments and counts what it lost: acknowledged rows must all be there.

    python benchmarks/crash_kills.py [--kills 100] [--seed 1]

Every second recorder seals in a child of its own, as `afscope capture` does.

A row is acknowledged when the recorder printed so after its flush. Each capture is read as it was left, recovered,
and read again. Exits 1 when a row is missing, doubled, or the recovered capture does not verify.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.store.victim import Survivor, check_survivor, start_victim


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, lost = random.Random(options.seed), 0
    print(f"{'kill':>4} {'after s':>8} {'acknowledged':>12} {'found':>8} {'segments':>8} {'cut bytes':>9}  result")
    for number in range(1, options.kills + 1):
        delay = chance.uniform(0.0, 1.5)
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "c.afscope"
            acknowledged, survivor, result = kill_one(path, number + options.seed * 1_000, delay)
        lost += result != "ok"
        found, segments, cut = (
            (survivor.rows, survivor.segments, survivor.recovery.bytes_cut) if survivor else ("-", "-", "-")
        )
        print(f"{number:4} {delay:8.3f} {acknowledged:12} {found:>8} {segments:>8} {cut:>9}  {result}")
    print(f"{options.kills} kills, {lost} with a loss")
    return 1 if lost else 0


def kill_one(path: Path, seed: int, delay: float) -> tuple[int, Survivor | None, str]:
    victim = start_victim(path, seed, apart=seed % 2 == 0)
    time.sleep(delay)
    acknowledged = victim.kill()
    try:
        return acknowledged, check_survivor(path, acknowledged), "ok"
    except AssertionError as error:
        return acknowledged, None, f"LOSS: {error}"


if __name__ == "__main__":
    sys.exit(main())
