#!/usr/bin/env python3
"""A day of work, simulated: how many seconds of the capture one second of simulation covers.

    python benchmarks/simulate_day.py [--tasks 200000] [--hours 24] [--keep FOLDER]

Makes a capture of that many task instances (DAGs on schedules of five minutes to a day, tasks of half a minute to
some minutes, workers of 16 slots), opens it as `afscope simulate` does, and prints what each step took: opening
(attribution included), loading the world, and one draw of the baseline and of variants. Simulated seconds are per
second of CPU, which is what a free core takes.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from afscope.engine.catalog import Catalog
from afscope.engine.investigation import Investigation
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.row import Row
from afscope.simulate import world as worlds
from afscope.simulate.machine import Machine
from afscope.simulate.outcomes import simulated
from afscope.simulate.variants import applied
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

ZERO: Micros = 1_795_000_000 * SECOND
TARGET = "air/worker"
SLOTS = 16
_RUN = 20
QUERY = (
    f"SELECT ceil(COUNT(*)::decimal / {SLOTS}) FROM task_instance "
    "WHERE (state='running' OR state='queued') AND queue = 'default'"
)
METRICS = [
    {
        "type": "External",
        "external": {
            "metric": {"name": "s0-postgresql", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "worker"}}},
            "target": {"type": "AverageValue", "averageValue": "1"},
        },
    }
]
VARIANTS: tuple[dict[str, str], ...] = (
    {"maxReplicaCount": "10"},
    {"maxReplicaCount": "40"},
    {"minReplicaCount": "5"},
    {"worker_concurrency": "8"},
)


def tasks(count: int, hours: float, rng: random.Random) -> Iterator[tuple[str, str, str, float, float, float]]:
    """dag, run, task, runnable, started, ended in seconds from the start; runs of 20 tasks at each DAG's schedule."""
    day = hours * 3600
    periods = [300, 900, 3600, 3600, 10_800, 86_400]
    each = sum(day / period for period in periods) / len(periods) * _RUN
    dags = max(1, round(count / each))
    runs = (
        (dag, at) for dag in range(dags) for at in range(dag * 37 % periods[dag % 6], int(day) - 120, periods[dag % 6])
    )
    for dag, at in runs:
        for task in range(_RUN):
            starts = at + 2 + rng.random() * 4
            yield f"dag{dag}", f"scheduled_{at}", f"t{task}", at, starts, starts + rng.uniform(20, 110)


def rows(count: int, hours: float) -> Iterator[Row]:
    """The rows of the capture, unsorted."""
    rng = random.Random(7)

    def row(table: str, second: float, **values: Any) -> Row:
        at = ZERO + round(second * SECOND)
        return Row(table, {"ts": at, "seen_at": at, "change": "MODIFIED", **values})

    seen: set[tuple[str, str]] = set()
    for dag, run, task, begins, starts, ends in tasks(count, hours, rng):
        if (dag, run) not in seen:
            seen.add((dag, run))
            first = ZERO + round(begins * SECOND)
            yield row("dag_runs", begins, dag_id=dag, run_id=run, state="running", queued_at=first, start_date=first)
        base: dict[str, Any] = {
            "dag_id": dag, "run_id": run, "task_id": task, "map_index": -1, "attempt": 1, "try_number": 1,
            "pool": "default_pool", "pool_slots": 1, "queue": "default", "queued_dttm": ZERO + round((begins + 1) * SECOND),
        }  # fmt: skip
        yield row("task_instances", begins + 1, **base, state="queued")
        base |= {"start_date": ZERO + round(starts * SECOND), "hostname": f"w{hash(task) % 20}"}
        yield row("task_instances", starts, **base, state="running")
        yield row("task_instances", ends, **base, state="success", end_date=ZERO + round(ends * SECOND))
    yield row("pools", 0, pool="default_pool", slots=5000, include_deferred=False)
    yield row("airflow_config", 0, scope="air/scheduler", component="scheduler", key="core.parallelism", value="5000")
    yield row(
        "scaledobjects", 0, uid="so", namespace="air", name="worker", target_kind="Deployment", target_name="worker",
        trigger_type="postgresql", query=QUERY, trigger_target=1.0, min_replica_count=0, max_replica_count=20,
        polling_interval_s=5, cooldown_period_s=30, hpa_name="keda-hpa-worker",
    )  # fmt: skip
    yield row(
        "hpas", 0, uid="hpa", namespace="air", name="keda-hpa-worker", owner_kind="ScaledObject", owner_name="worker",
        owner_uid="so", min_replicas=1, max_replicas=20, target_milli=1000, metric_type="AverageValue",
        metrics=json.dumps(METRICS),
    )  # fmt: skip
    yield row(
        "workloads", 0, uid="deploy", kind="Deployment", namespace="air", name="worker", spec_replicas=0,
        status_replicas=0, worker_concurrency=SLOTS, grace_period_s=600,
    )  # fmt: skip
    for number in range(20):
        at = ZERO + (10 + number) * SECOND
        yield row(
            "pods", 30 + number, uid=f"w{number}", namespace="air", name=f"w{number}", owner_kind="Deployment",
            owner_uid="deploy", created_at=at, phase="Running", ready=True, ready_at=at + rng.randrange(8, 25) * SECOND,
            started_at=at + 5 * SECOND, scheduled_status="True", scheduled_at=at, worker_concurrency=SLOTS,
        )  # fmt: skip


def capture(folder: Path, count: int, hours: float) -> Path:
    """Writes the capture."""
    path = folder / "day.afscope"
    with CaptureWriter.create(path, options=WriterOptions.bulk()) as writer:
        for row in sorted(rows(count, hours), key=lambda row: row.values["seen_at"]):
            writer.append(row)
        for table in TABLES:
            writer.set_source(table, SourceState.OK)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--keep", type=Path, help="make the capture here, and use it if it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        path = folder / "day.afscope"
        if not path.exists():
            path = capture(folder, options.tasks, options.hours)
        clock = time.perf_counter()
        investigation = Investigation(Capture.open(path), Catalog.load())
        opened = time.perf_counter()
        world = worlds.load(investigation)
        loaded = time.perf_counter()
        length = (world.end - world.start) / SECOND
        print(f"{len(world.demand.jobs)} task instances over {length / 3600:.1f} h")
        print(f"opened in {opened - clock:.1f} s, world loaded in {loaded - opened:.1f} s")
        print(
            f"{'one draw of':32} {'wall s':>8} {'CPU s':>7} {'simulated s/s':>14} {'wait p50':>9} {'p95':>8} {'pod-h':>7}"
        )
        for settings in ({}, *VARIANTS):
            clock, busy = time.perf_counter(), time.process_time()
            changed = applied(investigation, world, TARGET, settings)
            run = Machine(changed, Random(1)).run()
            took, spent = time.perf_counter() - clock, time.process_time() - busy
            result = simulated([run], TARGET, dict(settings))
            name = " ".join(f"{key}={value}" for key, value in settings.items()) or "baseline"
            print(
                f"{name:32} {took:8.2f} {spent:7.2f} {length / spent:14.0f} {result.wait_p50_s:9.1f} {result.wait_p95_s:8.1f}"
                f" {result.pod_hours:7.1f}"
            )
        investigation.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
