#!/usr/bin/env python3
"""How long a user waits for a whole process: --help, info and a cold analyze, beside what Python and DuckDB cost alone.

    python benchmarks/cold_start.py CAPTURE_OR_RECORDING [--runs 7]

A recording (a folder without a manifest) is imported first; that is not timed. Wall time, min / median / max in
seconds; the runs of all rows are interleaved, so that a busy moment of the machine hits every row alike.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AFSCOPE = (sys.executable, "-c", "from afscope.cli.main import run; run()")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        capture = prepared(options.source, Path(work) / "bench.afscope")
        rows = measured(commands(capture), options.runs)
    print(f"{'wall seconds, ' + str(options.runs) + ' runs':34} {'min':>7} {'median':>7} {'max':>7}")
    for name, times in rows.items():
        print(f"{name:34} {min(times):7.3f} {statistics.median(times):7.3f} {max(times):7.3f}")
    return 0


def prepared(source: Path, capture: Path) -> Path:
    """The capture to analyze: `source` itself, or an import of it."""
    if source.is_file() or (source / "manifest.json").exists():
        return source
    subprocess.run([*AFSCOPE, "import", str(source), "-o", str(capture)], check=True, capture_output=True)
    return capture


def commands(capture: Path) -> dict[str, list[str]]:
    python = sys.executable
    return {
        "python -c pass": [python, "-c", "pass"],
        "python, import duckdb, SELECT 1": [python, "-c", "import duckdb; duckdb.sql('SELECT 1').fetchall()"],
        "afscope --version": [*AFSCOPE, "--version"],
        "afscope --help": [*AFSCOPE, "--help"],
        "afscope info": [*AFSCOPE, "info", str(capture)],
        "afscope analyze -o json": [*AFSCOPE, "analyze", str(capture), "-o", "json"],
    }


def measured(rows: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Seconds per row; one unmeasured round first fills the page cache and writes the bytecode."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(runs + 1):
        for name, command in rows.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1"})
            if number:
                times[name].append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    sys.exit(main())
