#!/usr/bin/env python3
"""The live screen under load: does it keep up, does it stay small, does it answer keys?

    python benchmarks/live_load.py [--minutes 10] [--pods 1000] [--tasks 5000] [--no-analysis] [--every 15]

A process of its own writes pod updates and task changes at the given rates with the real writer. The screen runs
headless, stands on the table of task changes at its end as with `tail -f`, and follows. Once a minute it prints: the lag (seconds
from a row being appended to that row standing under the cursor), the memory of the screen now and at most, that of the
analysis beside it, milliseconds from a key to its paint (every key half a second after the last), how old the verdict
was at most, and the load of the machine. `--no-analysis` leaves the analysis out, to see what the rows alone cost.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASKS_ALIVE, PODS_ALIVE = 20_000, 2_000
STATES = ("scheduled", "queued", "running", "success")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two analyses, at least")
    parser.add_argument("--no-analysis", action="store_true")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(given.write, given.minutes * 60, given.pods, given.tasks)
        return 0
    with tempfile.TemporaryDirectory(prefix="afscope-live-") as work:
        path = Path(work) / "load.afscope"
        rates = ["--minutes", str(given.minutes), "--pods", str(given.pods), "--tasks", str(given.tasks)]
        writer = subprocess.Popen([sys.executable, __file__, "--write", str(path), *rates])
        try:
            asyncio.run(watch(path, given, writer))
        finally:
            writer.terminate()
            writer.wait()
    return 0


# --- the writer


def write(path: Path, seconds: float, pods: int, tasks: int) -> None:
    """Rows at a steady rate, in steps of a tenth of a second; says at the end how many there were."""
    from afscope.model.capture import SourceState
    from afscope.model.clock import SystemClock
    from afscope.store.writer import CaptureWriter

    clock = SystemClock()
    begun, written, behind = time.monotonic(), 0, 0.0
    with CaptureWriter.create(path, clock=clock, cluster="load") as writer:
        for table in ("task_instances", "pods", "task_counts", "dag_runs"):
            writer.set_source(table, SourceState.OK)
        number = {"task": 0, "pod": 0}
        while (spent := time.monotonic() - begun) < seconds:
            due = int(spent * 10) / 10
            while number["task"] < due * tasks:
                writer.append(task(number["task"], clock.now()))
                number["task"] += 1
                written += 1
            while number["pod"] < due * pods:
                writer.append(pod(number["pod"], clock.now()))
                number["pod"] += 1
                written += 1
            writer.append(counts(number["task"], clock.now()))
            writer.tick()
            behind = max(behind, time.monotonic() - begun - due - 0.1)
            time.sleep(max(0.0, due + 0.1 - (time.monotonic() - begun)))
    print(f"writer: {written:,} rows in {time.monotonic() - begun:.0f} s, at most {behind:.1f} s behind", flush=True)


def task(n: int, now: int):  # type: ignore[no-untyped-def]
    """A change of a task; each task goes through its four states and is gone."""
    from afscope.model.row import Row

    generation, rest = divmod(n, TASKS_ALIVE * len(STATES))
    step, slot = divmod(rest, TASKS_ALIVE)
    state, second = STATES[step], 1_000_000
    times = {
        "scheduled_dttm": now - 2 * second,
        "queued_dttm": now - second if step >= 1 else None,
        "start_date": now if step >= 2 else None,
        "end_date": now if step == 3 else None,
    }
    values = {
        "ts": now, "seen_at": now, "change": "MODIFIED" if step else "ADDED", "dag_id": f"dag_{slot % 200}",
        "run_id": f"scheduled__{generation}_{slot // 200 % 10}", "task_id": f"task_{slot // 2000}", "map_index": -1,
        "attempt": 1, "try_number": 1, "state": state, "pool": "default_pool", "pool_slots": 1, "queue": "default",
        "hostname": f"worker-{slot % PODS_ALIVE}" if step >= 2 else "", "priority_weight": 1, "updated_at": now, **times,
    }  # fmt: skip
    return Row("task_instances", values)


def pod(n: int, now: int):  # type: ignore[no-untyped-def]
    """An update of one of many worker pods."""
    from afscope.model.row import Row

    name = n % PODS_ALIVE
    values = {
        "ts": now, "seen_at": now, "change": "MODIFIED" if n >= PODS_ALIVE else "ADDED", "uid": f"uid-{name}",
        "resource_version": str(n), "namespace": "airflow", "name": f"worker-{name}", "owner_kind": "ReplicaSet",
        "owner_name": "worker", "phase": "Running", "node": f"node-{name % 50}", "ready": True,
        "created_at": now - 60_000_000, "restart_count": n // PODS_ALIVE, "worker_concurrency": 16,
    }  # fmt: skip
    return Row("pods", values)


def counts(n: int, now: int):  # type: ignore[no-untyped-def]
    """How many tasks Airflow counts as running."""
    from afscope.model.row import Row

    values = {"ts": now, "seen_at": now, "change": "MODIFIED", "state": "running", "queue": "default", "n": n % 977}
    return Row("task_counts", {**values, "pool": "default_pool", "executor": ""})


# --- the screen


async def watch(path: Path, given: argparse.Namespace, writer: "subprocess.Popen[bytes]") -> None:
    from afscope.engine.apart import Apart
    from afscope.engine.growing import Growing
    from afscope.tui.app import AfscopeApp
    from afscope.tui.case import CaseScreen
    from afscope.tui.live import Live

    painted: list[float] = []

    class Timed(AfscopeApp):
        def _display(self, *args: object, **kwargs: object) -> None:
            super()._display(*args, **kwargs)  # type: ignore[arg-type]
            painted.append(time.perf_counter())

    def load() -> Apart:
        if given.no_analysis:
            live.left.wait()
        return Apart(path, "en", (), live.stop)

    while not (path / "manifest.json").exists():
        await asyncio.sleep(0.05)
    live = Live(
        lambda: None if writer.poll() is None else "the load is over", lambda: Growing(path), every_s=given.every
    )
    app = Timed(load, path.name, live=live)
    app.alone = True  # as `afscope live` does
    sys.setswitchinterval(0.0005)
    async with app.run_test(size=(200, 50)) as pilot:
        while not isinstance(app.screen, CaseScreen):
            await asyncio.sleep(0.01)
        await pilot.press("7", "b")
        await follow(app.screen, painted, pilot, given.minutes, live)
    app.let_go()


async def follow(screen, painted, pilot, minutes, live) -> None:  # type: ignore[no-untyped-def]
    print(f"{'minute':>6} {'rows shown':>12} {'lag s: median':>14} {'p95':>6} {'most':>6} {'RSS MB':>8} {'peak':>6}"
          f" {'analysis':>9} {'key ms: median':>15} {'p95':>7} {'verdict':>9} {'load':>5}", flush=True)  # fmt: skip
    begun, minute = time.monotonic(), 0
    lags: list[float] = []
    keys: list[float] = []
    ages: list[float] = []
    beside, total = 0.0, 0
    while time.monotonic() - begun < minutes * 60:
        await asyncio.sleep(0.1)
        ages += [] if live.age_s is None else [live.age_s]
        grid = screen.body.grid
        if grid.rows.total != total and grid.current is not None:
            last = grid.line(grid.rows.total - 1)  # asks for its page where that is not here
            if last is not None:
                total = grid.rows.total
                lags.append(time.time() - last.at / 1e6)
        if len(keys) < (time.monotonic() - begun) * 2 - minute * 120:
            keys.append(await key(pilot, painted, grid, total))
            beside = max(beside, children())
        if time.monotonic() - begun >= (minute + 1) * 60:
            minute += 1
            report(minute, total, lags, keys, ages, beside)
            lags, keys, ages, beside = [], [], [], 0.0


async def key(pilot, painted, grid, total) -> float:  # type: ignore[no-untyped-def]
    """One row up or down in the table, until it is painted; afterwards the cursor is at the end again."""
    up = grid.row >= total - 1
    painted.clear()
    begin = time.perf_counter()
    pressing = asyncio.create_task(pilot.press("k" if up else "G"))  # returns later than the paint
    while not painted and time.perf_counter() - begin < 2:
        await asyncio.sleep(0.001)
    spent = (painted[0] if painted else time.perf_counter()) - begin
    await pressing
    return spent


def report(minute, total, lags, keys, ages, beside) -> None:  # type: ignore[no-untyped-def]
    lags, keys = sorted(lags) or [float("nan")], sorted(keys) or [float("nan")]
    age = f"{max(ages)} s" if ages else "none"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{minute:6} {total:12,} {lags[len(lags) // 2]:14.2f} {lags[int(len(lags) * 0.95)]:6.2f} {lags[-1]:6.2f}"
          f" {resident():8.0f} {peak:6.0f} {beside:9.0f}"
          f" {keys[len(keys) // 2] * 1000:15.1f} {keys[int(len(keys) * 0.95)] * 1000:7.1f}"
          f" {age:>9} {os.getloadavg()[0]:5.1f}", flush=True)  # fmt: skip


def resident() -> float:
    """Megabytes that this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def children() -> float:
    """Megabytes of the process in which the analysis is made, if there is one."""
    found = [0.0]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
            ours = b"engine.apart" in path.with_name("cmdline").read_bytes() and int(fields[1]) == os.getpid()
        except OSError:  # ended meanwhile
            continue
        if ours:
            found.append(int(fields[21]) * resource.getpagesize() / 1e6)
    return max(found)


if __name__ == "__main__":
    sys.exit(main())
