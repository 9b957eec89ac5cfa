#!/usr/bin/env python3
"""A large capture with the statistics of a real one: the same incident again and again, in every table.

    python benchmarks/large_capture.py captures/samples/metrics-apiserver-hung.afscope.zip big.afscope [--hours 24] [--fan 40]

Waves follow each other for `--hours`. Within a wave every task comes `--fan` times (with its audit rows and results)
and every log line a seventh as often: 24 hours times 40 are 1 M task instances and about 20 M rows. Runs, pods and
tasks get names of their own; objects that are few (HPA, workload, ScaledObject) keep theirs, so that the chain holds.
"""

import argparse
import sys
from pathlib import Path

import duckdb
import google_crc32c
import msgspec

from afscope.model.capture import Segment
from afscope.model.clock import SECOND
from afscope.store import layout
from afscope.store.manifest import write_manifest
from afscope.store.reader import Capture
from afscope.store.schema import TABLES, Table, Type

WAVES_PER_SEGMENT = 16
# Numbers that name it, by table: the column, and which rows are new in each wave.
NUMBERED = {"task_instances": ("job_id", "true"), "jobs": ("id", "job_type = 'LocalTaskJob'")}
_NUMBERS = 1_000_000
# Columns that name what is new in each wave, and the tables in which they do.
RENAMED = {
    "task_instances": ("run_id", "hostname", "external_executor_id"),
    "dag_runs": ("run_id",),
    "db_log": ("run_id",),
    "celery_results": ("task_id",),
    "pods": ("uid", "name"),
}
FANNED = {
    "task_instances": ("task_id", 1),
    "db_log": ("task_id", 1),
    "celery_results": ("task_id", 1),
    "log_lines": ("", 7),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--fan", type=int, default=40)
    given = parser.parse_args()
    rows = multiply(Capture.open(given.source), given.out, round(given.hours * 3600 * SECOND), given.fan)
    print(f"{rows:,} rows in {given.out}")
    return 0


def multiply(source: Capture, out: Path, length: int, fan: int) -> int:
    wave = source.ended_at - source.started_at
    count = max(1, length // wave)
    layout.make_folder(out)
    layout.ensure_folder(out / layout.SEGMENTS)
    segments: list[Segment] = []
    with duckdb.connect() as base:
        base.execute("SET TimeZone = 'UTC'")
        for name, table in TABLES.items():
            if not source.has(name) or name == "gaps":
                continue
            paths = ", ".join(f"'{path}'" for path in source.segments(name))
            base.execute(f'CREATE TABLE "{name}" AS FROM read_parquet([{paths}])')
            if name == "pods":
                end_with_the_wave(base, source.ended_at)
            layout.ensure_folder(out / layout.SEGMENTS / name)
            for seq, first in enumerate(range(0, count, WAVES_PER_SEGMENT), start=1):
                sql = copies(table, wave, first, min(first + WAVES_PER_SEGMENT, count), fan)
                segments.append(written(base, out, name, seq, sql))
    kept = [segment for segment in segments if segment.rows]
    manifest = msgspec.structs.replace(
        source.manifest,
        id=f"large-{count}x{fan}",
        ended_at=source.started_at + count * wave,
        closed=True,
        segments=kept,
    )
    write_manifest(out, manifest)
    return sum(segment.rows for segment in kept)


def end_with_the_wave(base: duckdb.DuckDBPyConnection, at: int) -> None:
    """Pods that outlive the recording are deleted with its end, or a day of waves would leave thousands."""
    base.execute(
        f"""INSERT INTO pods SELECT * REPLACE (make_timestamptz({at}) AS ts, make_timestamptz({at}) AS seen_at, 'DELETED' AS change)
        FROM pods WHERE uid NOT IN (SELECT uid FROM pods WHERE change = 'DELETED')
        QUALIFY row_number() OVER (PARTITION BY uid ORDER BY seen_at DESC) = 1"""
    )


def copies(table: Table, wave: int, first: int, last: int, fan: int) -> str:
    """The rows of waves `first` to `last`: times moved, names made new. What was there before is so only once."""
    named = RENAMED.get(table.name, ())
    task, part = FANNED.get(table.name, ("", 0))
    times = max(1, fan // part) if part else 1
    chosen = []
    for column in table.columns:
        name = f'"{column.name}"'
        if column.type is Type.TIME:
            name = f"{name} + to_microseconds(wave_ * {wave}) AS {name}"
        elif column.name == task and times > 1:
            of_wave = "'_w' || wave_" if table.name == "celery_results" else "''"
            name = f"{name} || '_' || copy_ || {of_wave} AS {name}"
        elif column.name == NUMBERED.get(table.name, ("", ""))[0]:
            name = f"CASE WHEN {NUMBERED[table.name][1]} THEN {name} + wave_ * {_NUMBERS} ELSE {name} END AS {name}"
        elif column.name in named:
            name = f"CASE WHEN {name} <> '' THEN {name} || '-w' || wave_ ELSE {name} END AS {name}"
        chosen.append(name)
    return (
        f'SELECT {", ".join(chosen)} FROM "{table.name}", range({first}, {last}) AS waves(wave_), '
        f"range({times}) AS fan(copy_) "
        "WHERE wave_ = 0 OR change <> 'STATE' ORDER BY ts, seen_at"
    )


def written(base: duckdb.DuckDBPyConnection, out: Path, name: str, seq: int, sql: str) -> Segment:
    relative = layout.segment_name(name, seq)
    path = out / relative
    base.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 40960)")
    row = base.execute(
        f"SELECT count(*), coalesce(epoch_us(min(ts)), 0), coalesce(epoch_us(max(ts)), 0) FROM '{path}'"
    ).fetchall()[0]
    data = path.read_bytes()
    return Segment(name, seq, relative, row[0], len(data), google_crc32c.value(data), row[1], row[2])


if __name__ == "__main__":
    sys.exit(main())
