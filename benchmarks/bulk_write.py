#!/usr/bin/env python3
"""How many rows a second an import can hand to the store: wide task rows and short events, closed and sealed.

    python benchmarks/bulk_write.py [--rows 300000]

Making the rows is not counted. CPU seconds, because the machine may be busy; the target is 100,000 rows a second.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from afscope.model.row import Row
from afscope.store.options import WriterOptions
from afscope.store.writer import CaptureWriter

START = 1_795_000_200_000_000
CHUNK = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as work:
        seconds = spent(Path(work) / "bulk.afscope", count)
    print(f"{count} rows in {seconds:.2f} CPU seconds: {count / seconds:,.0f} rows/s")
    return 0


def spent(path: Path, count: int) -> float:
    import pyarrow.parquet  # noqa: F401  (its import is paid once per process, not per row)

    total = 0.0
    writer = CaptureWriter.create(path, options=WriterOptions.bulk())
    for first in range(0, count, CHUNK):
        chunk = list(rows(first, min(first + CHUNK, count)))
        begin = time.process_time()
        writer.extend(chunk)
        total += time.process_time() - begin
    begin = time.process_time()
    writer.close()
    return total + time.process_time() - begin


def rows(first: int, last: int) -> Iterator[Row]:
    for n in range(first, last):
        at = START + n * 1_000
        if n % 3 == 0:
            yield Row(
                "events", {"seen_at": at, "uid": f"uid-{n}", "reason": "Scheduled", "message": "x" * 80, "count": 1}
            )
            continue
        yield Row(
            "task_instances",
            {
                "ts": at, "seen_at": at, "change": "MODIFIED", "dag_id": f"dag_{n % 50}", "run_id": f"run_{n // 100}",
                "task_id": f"task_{n % 97}", "map_index": -1, "attempt": 1, "try_number": 1,
                "state": ("scheduled", "queued", "running", "success")[n % 4], "hostname": "", "pool": "default_pool",
                "pool_slots": 1, "queue": "default", "priority_weight": 1, "operator": "PythonOperator",
                "queued_dttm": at, "updated_at": at,
            },
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
