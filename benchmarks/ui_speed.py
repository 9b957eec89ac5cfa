#!/usr/bin/env python3
"""How quick the screen is on a large capture, beside lnav and harlequin on the same log lines in the same run.

    python benchmarks/large_capture.py captures/samples/metrics-apiserver-hung.afscope.zip big.afscope
    python benchmarks/ui_speed.py big.afscope [--presses 200] [--lnav lnav] [--harlequin harlequin]

First each program runs on a terminal of its own (200x50) until it has drawn what is wanted of it: `afscope open` the
lanes, then the log lines (key 8); lnav the log lines as text; harlequin its editor, then the same log lines, for which
it is given a database with a view over their parquet files and types the query. Printed are seconds, the CPU time of
the process, and the most memory that it had by then. Those that are not installed are left out, and said so.

Then the screen runs headless with every paint counted: milliseconds from a key to the first paint that follows it, as
a user waits, and the CPU time within, which another load on the machine does not blur. The analysis is not part of
it: use `afscope analyze` for that.
"""

import argparse
import asyncio
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

SIZE = (200, 50)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=Path)
    parser.add_argument("--presses", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3, help="of each program; the quickest is printed")
    parser.add_argument("--lnav", default="lnav")
    parser.add_argument("--harlequin", default="harlequin")
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory() as work:
        terminals(given, Path(work))
    asyncio.run(keys_of(given.capture, given.presses))
    return 0


# --- on terminals


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.begun = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", HOME=str(home), XDG_STATE_HOME=str(home))
            os.environ.pop("NO_COLOR", None)
            time.sleep(0.02)  # until the size is set
            os.execvp(command[0], command)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        self._seen = b""

    def until(self, wanted: Callable[[str], bool], most_s: float) -> float | None:
        """Seconds since it began until `wanted` says yes to what it has drawn since the last question."""
        while time.perf_counter() - self.begun < most_s:
            if select.select([self._terminal], [], [], 0.05)[0]:
                try:
                    self._seen += os.read(self._terminal, 1 << 20)
                except OSError:
                    return None
            if wanted(_plain(self._seen)):
                self._seen = b""
                return time.perf_counter() - self.begun
        return None

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else float("nan")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def _plain(drawn: bytes) -> str:
    """What was drawn, without the sequences between."""
    return re.sub(
        r"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\\\)|[()][A-Z0-9]|[=>])",
        " ",
        drawn.decode(errors="replace"),
    )


def terminals(given: argparse.Namespace, work: Path) -> None:
    import duckdb

    files = str((given.capture / "segments" / "log_lines" / "*.parquet").resolve())
    text, base = work / "lines.log", work / "lines.duckdb"
    with duckdb.connect(str(base)) as connection:
        connection.execute(f"CREATE VIEW log_lines AS FROM read_parquet('{files}')")
        connection.execute(
            f"COPY (SELECT strftime(ts, '%Y-%m-%d %H:%M:%S.%g') || ' ' || level || ' ' || component || ' ' || text AS line "
            f"FROM log_lines ORDER BY ts) TO '{text}' (FORMAT csv, HEADER false, QUOTE '', DELIMITER '\x01', ESCAPE '')"
        )
        count = connection.execute("SELECT count(*) FROM log_lines").fetchall()[0][0]
        patterns = [
            row[0] for row in connection.execute("SELECT DISTINCT component FROM log_lines").fetchall() if row[0]
        ]
    print(f"{count:,} log lines, as text {text.stat().st_size / 1e6:.0f} MB")
    print(f"{'':44} {'wall':>8} {'CPU':>8} {'memory':>9}")
    lines = any_of(patterns)
    afscope = [sys.executable, "-m", "afscope", "open", str(given.capture)]
    best("afscope: lanes", given.runs, afscope, [("", lambda s: "queued" in s and "running" in s)], work)
    shown = f"{count:,}"
    best("afscope: log lines", given.runs, afscope,
         [("", lambda s: "queued" in s), ("8", lambda s: shown in s and lines(s))], work)  # fmt: skip
    if shutil.which(given.lnav):
        best("lnav: log lines", given.runs, [given.lnav, str(text)], [("", lines)], work)
        whole("lnav -n: indexes all and counts", [given.lnav, "-n", "-c", ";SELECT count(*) FROM all_logs", str(text)])
    else:
        print("lnav is not installed")
    if shutil.which(given.harlequin):
        command = [given.harlequin, "--no-download-tzdata", "--read-only", str(base)]
        opened = ("", lambda s: "Query Editor" in s and base.stem in s)
        best("harlequin: editor and catalog", given.runs, command, [opened], work)
        query = "select ts, level, component, text from log_lines order by ts limit 100000\n"
        best(
            "harlequin: the first 100,000 log lines", given.runs, command, [opened, (query, rows_drawn(patterns))], work
        )
    else:
        print("harlequin is not installed")


def any_of(words: list[str]) -> Callable[[str], bool]:
    """Whether several lines of the log are there."""
    return lambda seen: sum(seen.count(word) for word in words) >= 10


def rows_drawn(words: list[str]) -> Callable[[str], bool]:
    """Whether the query's rows are there: not what was typed, which names no component."""
    return any_of(words)


def best(
    name: str,
    runs: int,
    command: list[str],
    steps: list[tuple[str, Callable[[str], bool]]],
    home: Path,
    most_s: float = 120,
) -> None:
    """The quickest of some runs; each step types something and waits for what it wants."""
    found: list[tuple[float, float, float]] = []
    for _ in range(runs):
        terminal = Terminal(command, home)
        spent: float | None = 0.0
        for keys, wanted in steps:
            if keys:
                terminal.type(keys)
            spent = terminal.until(wanted, most_s)
            if spent is None:
                break
        if spent is not None:
            found.append((spent, terminal.cpu_s(), terminal.memory_mb()))
        terminal.end()
    if not found:
        print(f"{name:44} never drew it")
        return
    spent, cpu, memory = min(found)
    print(f"{name:44} {spent:6.2f} s {cpu:6.2f} s {memory:6.0f} MB", flush=True)


def whole(name: str, command: list[str]) -> None:
    """A program without a screen, to its end."""
    begin = time.perf_counter()
    done = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, _, used = os.wait4(done.pid, 0)
    spent = time.perf_counter() - begin
    print(
        f"{name:44} {spent:6.2f} s {used.ru_utime + used.ru_stime:6.2f} s {used.ru_maxrss / 1024:6.0f} MB", flush=True
    )


# --- keys


async def keys_of(capture: Path, presses: int) -> None:
    from afscope.engine.preview import Preview
    from afscope.tui.app import AfscopeApp
    from afscope.tui.case import CaseScreen

    painted: list[tuple[float, float]] = []

    class Timed(AfscopeApp):
        def _display(self, *args: object, **kwargs: object) -> None:
            super()._display(*args, **kwargs)
            painted.append((time.perf_counter(), time.process_time()))

    app = Timed(lambda: Preview.open(capture), capture.name)
    app.alone = True  # as `afscope open` does
    sys.setswitchinterval(0.0005)
    async with app.run_test(size=SIZE) as pilot:
        while not isinstance(app.screen, CaseScreen):
            await asyncio.sleep(0.005)
        screen = app.screen
        total = sum(source.rows for source in screen.desk.case.look.sources())
        print(f"{total:,} rows in the capture")
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
            print(f"{screen_name}: {grid.rows.total:,} rows counted and shown in {time.perf_counter() - begin:.2f} s")
            await pilot.press("g")
            await keyed(pilot, painted, f"{screen_name}: row by row (the time follows)", ["j"], presses)
            await jumps(grid, screen_name)


async def keyed(pilot: object, painted: list[tuple[float, float]], name: str, keys: list[str], presses: int) -> None:
    spent, cpu = [], []
    for n in range(presses):
        await asyncio.sleep(0.03)  # nobody types faster than keys repeat
        painted.clear()
        begin, used = time.perf_counter(), time.process_time()
        await pilot.press(keys[n % len(keys)])  # type: ignore[attr-defined]
        if painted:  # some keys change nothing
            spent.append(painted[0][0] - begin)
            cpu.append(painted[0][1] - used)
    tell(name, spent, cpu)


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


if __name__ == "__main__":
    sys.exit(main())
