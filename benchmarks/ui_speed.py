#!/usr/bin/env python3
"""How quick the screen is on a large capture, beside lnav and harlequin on the same events in the same run.

    python benchmarks/large_capture.py captures/samples/metrics-apiserver-hung.afscope.zip big.afscope
    python benchmarks/ui_speed.py big.afscope [--presses 200] [--lnav lnav] [--harlequin harlequin]

The screen runs headless with every paint counted: seconds to the first useful paint (lanes and tables, before the
analysis), milliseconds from a key to its paint while scrubbing, zooming and paging through all events, and peak
memory. The analysis itself is not part of it: use `afscope analyze` for that. lnav and harlequin run in a terminal of
their own until they have drawn what they show of the events; where they are not installed, they are left out.
"""

import argparse
import asyncio
import os
import pty
import resource
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = (200, 50)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=Path)
    parser.add_argument("--presses", type=int, default=200)
    parser.add_argument("--lnav", default="lnav")
    parser.add_argument("--harlequin", default="harlequin")
    given = parser.parse_args()
    ours(given.capture, given.presses)
    with tempfile.TemporaryDirectory() as work:
        others(given, Path(work))
    return 0


def ours(capture: Path, presses: int) -> None:
    begun = time.perf_counter()
    asyncio.run(_ours(capture, presses, begun))
    print(f"{'afscope peak memory':44} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


async def _ours(capture: Path, presses: int, begun: float) -> None:
    from afscope.engine.preview import Preview
    from afscope.tui.app import AfscopeApp
    from afscope.tui.case import CaseScreen

    painted: list[float] = []

    class Timed(AfscopeApp):
        def _display(self, *args: object, **kwargs: object) -> None:
            super()._display(*args, **kwargs)
            painted.append(time.perf_counter())

    app = Timed(lambda: Preview.open(capture), capture.name)
    async with app.run_test(size=SIZE) as pilot:
        while not isinstance(app.screen, CaseScreen):
            await asyncio.sleep(0.005)
        screen = app.screen
        await painted_after(painted, time.perf_counter())
        say("afscope, start to first useful paint", painted[-1] - begun, f"s   CPU {time.process_time():.2f} s")
        total = sum(source.rows for source in screen.desk.case.look.sources())
        print(f"{'rows in the capture':44} {total:8,}")
        for name, keys in (
            ("scrubbing over the lanes", ["right"]),
            ("zooming in and out", ["plus", "plus", "minus", "minus"]),
        ):
            await keyed(pilot, painted, name, keys, presses)
        for screen_name, key in (("events", "7"), ("log lines", "8")):
            begin = time.perf_counter()
            await pilot.press(key)
            grid = screen.body.grid
            assert grid is not None
            while grid.rows.total == 0 or grid.current is None:
                await asyncio.sleep(0.005)
            say(f"{screen_name}: {grid.rows.total:,} rows counted and shown", time.perf_counter() - begin, "s")
            await pilot.press("g")
            await keyed(pilot, painted, f"{screen_name}: row by row (the time follows)", ["j"], presses)
            await jumps(grid, screen_name)


async def keyed(pilot: object, painted: list[float], name: str, keys: list[str], presses: int) -> None:
    spent, cpu = [], []
    for n in range(presses):
        begin, used = time.perf_counter(), time.process_time()
        await pilot.press(keys[n % len(keys)])  # type: ignore[attr-defined]
        await painted_after(painted, begin)
        spent.append(painted[-1] - begin)
        cpu.append(time.process_time() - used)
    tell(name, spent, cpu)


async def painted_after(painted: list[float], since: float) -> None:
    """Until something was painted after `since`, half a second at most: some keys change nothing."""
    while (not painted or painted[-1] < since) and time.perf_counter() - since < 0.5:
        await asyncio.sleep(0)


async def jumps(grid: object, name: str) -> None:
    """Far jumps within the table: until the row itself is there."""
    spent, cpu = [], []
    for n in range(40):
        begin, used = time.perf_counter(), time.process_time()
        grid.move((n * 7919 * 104_729) % grid.rows.total)  # type: ignore[attr-defined]
        while grid.current is None:  # type: ignore[attr-defined]
            await asyncio.sleep(0.001)
        spent.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    tell(f"{name}: a jump to any row, until it is read", spent, cpu)


def tell(name: str, spent: list[float], cpu: list[float]) -> None:
    wall = f"{statistics.median(spent) * 1000:8.1f} ms median {p95(spent) * 1000:8.1f} ms p95"
    print(f"{name:44} {wall}   CPU {statistics.median(cpu) * 1000:6.1f} {p95(cpu) * 1000:6.1f} ms  ({len(spent)})")


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def say(name: str, value: float, unit: str) -> None:
    print(f"{name:44} {value:8.2f} {unit}")


def others(given: argparse.Namespace, work: Path) -> None:
    """lnav on the log lines as text, harlequin on their parquet: until their screen shows them."""
    import duckdb

    files = str(given.capture / "segments" / "log_lines" / "*.parquet")
    text = work / "lines.log"
    with duckdb.connect() as base:
        base.execute(
            f"COPY (SELECT strftime(ts, '%Y-%m-%d %H:%M:%S.%g') || ' ' || level || ' ' || component || ' ' || text AS line "
            f"FROM read_parquet('{files}') ORDER BY ts) TO '{text}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\x01', ESCAPE '')"
        )
    print(f"{'the log lines as text':44} {text.stat().st_size / 1e6:8.0f} MB")
    if shutil.which(given.lnav):
        # -n runs without a screen: index everything, answer one query, leave.
        run("lnav: opens and counts them", [given.lnav, "-n", "-c", ";SELECT count(*) FROM all_logs", str(text)])
    if shutil.which(given.harlequin):
        script = work / "harlequin.txt"
        query = f"SELECT * FROM read_parquet('{files}') ORDER BY ts"
        script.write_text(query)
        until("harlequin: opens", [given.harlequin, "--no-download-tzdata"], b"Query Editor", 60)


def run(name: str, command: list[str]) -> None:
    begin = time.perf_counter()
    done = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, _, used = os.wait4(done.pid, 0)
    print(f"{name:44} {time.perf_counter() - begin:8.2f} s {used.ru_maxrss / 1024:8.0f} MB")


def until(name: str, command: list[str], wanted: bytes, most_s: float) -> None:
    """Runs a screen program on a terminal of its own until it has drawn `wanted`."""
    begin = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="200", LINES="50")
        os.execvp(command[0], command)
    seen = b""
    while wanted not in seen and time.perf_counter() - begin < most_s:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    spent = time.perf_counter() - begin
    os.kill(child, 9)
    _, _, used = os.wait4(child, 0)
    found = "" if wanted in seen else "  (never drew it)"
    print(f"{name:44} {spent:8.2f} s {used.ru_maxrss / 1024:8.0f} MB{found}")


if __name__ == "__main__":
    sys.exit(main())
