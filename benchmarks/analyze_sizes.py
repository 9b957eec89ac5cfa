#!/usr/bin/env python3
"""What an analysis costs by the size of the capture, beside a plain DuckDB aggregation of the same tables.

    PYTHONPATH=. python benchmarks/analyze_sizes.py captures/samples/metrics-apiserver-hung.afscope.zip WORK
        [--sizes 0.05x1,6x4,24x10] [--before CHECKOUT] [--most 600]

Each size is HOURSxFAN of `large_capture.py`; captures are made in the folder WORK unless they are there. Each row is a
process of its own: wall and CPU seconds (all threads) from opening to the verdict, and the highest resident memory. The
aggregation counts the rows of every table by day and change, with as many threads. `--before` is the folder of another
checkout, which analyzes the same captures in the same run, size by size; what takes longer than `--most` is stopped.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from afscope.model.clock import SECOND
from afscope.store.reader import Capture
from benchmarks.large_capture import multiply

_COST = """
import json, resource, sys, time
from pathlib import Path
wall, cpu = time.perf_counter(), time.process_time()
{work}
print(json.dumps({{"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "attempts": attempts,
    "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""
_ANALYSIS = _COST.format(
    work="""from afscope.engine.investigation import Investigation
case = Investigation.open(Path(sys.argv[1]))
case.analysis
attempts = case.session.run("SELECT count(*) FROM attempts").rows[0][0]"""
)
_AGGREGATION = _COST.format(
    work="""import duckdb
attempts = 0
for table in sorted(path for path in (Path(sys.argv[1]) / "segments").iterdir() if path.is_dir()):
    duckdb.sql(f"SELECT date_trunc('day', ts), change, count(*), min(ts), max(ts) FROM '{table}/*.parquet' GROUP BY ALL").fetchall()"""
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", default="0.05x1,6x4,24x10")
    parser.add_argument("--before", type=Path, help="another checkout, for comparison")
    parser.add_argument("--most", type=float, default=600, help="seconds after which a process is stopped")
    options = parser.parse_args()
    ours = Path(__file__).resolve().parents[1]
    print(
        f"{'capture':12} {'rows':>12} {'attempts':>10} {'':12} {'wall s':>8} {'CPU s':>8} {'RSS MiB':>8} {'rows/CPU s':>11}"
    )
    for size in options.sizes.split(","):
        capture = prepared(options.source, options.work, size)
        rows = sum(segment.rows for segment in Capture.open(capture).manifest.segments)
        for label, code, checkout in (
            ("analysis", _ANALYSIS, ours),
            *((("before", _ANALYSIS, options.before),) if options.before else ()),
            ("aggregation", _AGGREGATION, ours),
        ):
            show(size, rows, label, measured(code, checkout, capture, options.most))
    return 0


def prepared(source: Path, work: Path, size: str) -> Path:
    """The capture of a size, made if need be."""
    hours, _, fan = size.partition("x")
    out = work / f"{size}.afscope"
    if not (out / "manifest.json").exists():
        work.mkdir(parents=True, exist_ok=True)
        multiply(Capture.open(source), out, round(float(hours) * 3600 * SECOND), int(fan))
    return out


def measured(code: str, checkout: Path, capture: Path, most: float) -> dict[str, Any] | None:
    """What a process cost; None when it was stopped or failed."""
    command = [sys.executable, "-c", code, str(capture)]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=most, env=env, cwd=capture.parent)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1:], file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show(size: str, rows: int, label: str, cost: dict[str, Any] | None) -> None:
    if cost is None:
        print(f"{size:12} {rows:12,} {'':10} {label:12} {'stopped':>8}", flush=True)
        return
    attempts = f"{cost['attempts']:,}" if cost["attempts"] else ""
    print(
        f"{size:12} {rows:12,} {attempts:>10} {label:12} {cost['wall']:8.1f} {cost['cpu']:8.1f} {cost['rss']:8.0f} "
        f"{rows / max(cost['cpu'], 0.001):11,.0f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
