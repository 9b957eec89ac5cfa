#!/usr/bin/env python3
"""Does the recorder stay as small as it was? Pod updates at a steady rate for minutes, through tape, WAL and seals.

    PYTHONPATH=. python benchmarks/steady_memory.py [--minutes 10] [--rate 1000] [--pods 2000]

Once a minute it prints the updates so far, the memory of this process, which is the recorder without its sockets, the
most that it ever had, CPU per second, the largest sealing child so far, and how far it fell behind the rate.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

from afscope.capture.tape import Tape
from afscope.model.pace import SystemPace
from afscope.store.options import WriterOptions
from afscope.store.writer import CaptureWriter
from benchmarks.watch_to_wal import pods

BATCH_S = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=2000)
    parser.add_argument("--in-process", action="store_true", help="seal in this process, as until 0.1")
    options = parser.parse_args()
    pace, at_once = SystemPace(), round(options.rate * BATCH_S)
    # As many bodies as are kept anyway, twice over: each pod alternates between two of its own.
    bodies = [json.dumps(line["object"]).encode() for line in pods(options.pods, 2 * options.pods)]
    with tempfile.TemporaryDirectory() as folder:
        sealing = WriterOptions(seal_apart=not options.in_process)
        with CaptureWriter.create(Path(folder) / "load.afscope", clock=pace, options=sealing) as writer:
            tape = Tape(writer, pace)
            begun, number, cpu, minute, behind = time.monotonic(), 0, time.process_time(), 0, 0.0
            print(f"{'minute':>6} {'updates':>10} {'MiB':>6} {'most':>6} {'CPU/s':>6} {'child MiB':>9} {'behind s':>8}")
            while (spent := time.monotonic() - begun) < options.minutes * 60:
                for _ in range(at_once):
                    body = bodies[options.pods + number % (2 * options.pods)]
                    tape.observed("MODIFIED", body, kind="Pod")
                    number += 1
                tape.tick()
                behind = max(behind, time.monotonic() - begun - number / options.rate)
                if spent >= (minute + 1) * 60:
                    minute += 1
                    report(minute, number, (time.process_time() - cpu) / 60, behind)
                    cpu, behind = time.process_time(), 0.0
                time.sleep(max(0.0, number / options.rate - (time.monotonic() - begun)))
            report(minute + 1, number, (time.process_time() - cpu) / 60, behind)


def report(minute: int, number: int, cpu: float, behind: float) -> None:
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{minute:6} {number:10,} {resident:6.0f} {most:6.0f} {cpu:6.2f} {child:9.0f} {behind:8.1f}", flush=True)


if __name__ == "__main__":
    main()
