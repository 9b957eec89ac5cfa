"""A capture that is not whole says so: in the header of every screen, and part by part on the capture screen."""

import zipfile
from pathlib import Path

import pytest
from rich.cells import cell_len

from afscope.engine.investigation import Investigation
from afscope.model.clock import SystemClock
from afscope.model.row import Row
from afscope.store.layout import wal_files
from afscope.store.writer import CaptureWriter
from afscope.tui.keys import SCREENS
from tests.tui.conftest import Driver, Start, analyzing

SAMPLE = Path(__file__).parents[2] / "captures" / "samples" / "metrics-apiserver-hung.afscope.zip"


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Without the segment of a table, and with a changed byte in that of another one."""
    out = tmp_path / "damaged.afscope"
    with zipfile.ZipFile(SAMPLE) as packed:
        packed.extractall(out)
    next((out / "segments" / "pods").iterdir()).unlink()
    broken = next((out / "segments" / "jobs").iterdir())
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 0xFF
    broken.write_bytes(data)
    return out


def unsplit(app: Driver) -> str:
    return " ".join(app.frame().split())


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_damage_stands_on_every_screen_and_is_told_in_full(
    start: Start, damaged: Path, size: tuple[int, int]
) -> None:
    case = Investigation.open(damaged)
    async with start(case, size=size, name="damaged.afscope") as app:
        for name in SCREENS:
            await app.screen.action_screen(name)
            await app.settle()
            first = app.frame().splitlines()[0]
            assert "! DAMAGED (C)" in first
            assert cell_len(first) <= size[0]
        await app.press("C")
        shown = unsplit(app)
        assert "! 2 damaged part(s) left out" in shown
        rows = app.grid().rows
        told = {line.key: line.cells for line in rows.lines(0, 2)}
        assert set(told) == {"pods", "jobs"}
        assert told["pods"][-1].endswith("was left out: missing")
        assert told["jobs"][-1].endswith("was left out: checksum mismatch")
        for _ in range(2):
            line = app.grid().current
            assert line is not None
            assert line.cells[-1] in unsplit(app), "the chosen one is written out"
            await app.press("j")
    case.close()


async def test_damage_is_told_before_the_analysis(damaged: Path) -> None:
    case = Investigation.open(damaged)
    async with analyzing(case, damaged, (120, 40)) as (app, analyzed):
        while "! DAMAGED (C)" not in app.frame():  # comes once the whole capture was looked at
            await app.pilot.pause(0.02)
        assert "ANALYZING" in app.frame().splitlines()[0]
        await app.press("C")
        assert "checksum mismatch" in app.frame()
        await analyzed()
        assert "! DAMAGED (C)" in app.frame().splitlines()[0]
    case.close()


async def test_a_torn_wal_is_damage(start: Start, tmp_path: Path) -> None:
    clock = SystemClock()
    writer = CaptureWriter.create(tmp_path / "torn.afscope", clock=clock, cluster="x")
    for number in range(50):
        writer.append(Row("events", {"ts": clock.now(), "seen_at": clock.now(), "change": "ADDED", "uid": f"{number}"}))
    writer.flush()
    writer.abandon()
    wal = wal_files(writer.path)[1]
    wal.write_bytes(wal.read_bytes()[:-7])
    case = Investigation.open(writer.path)
    async with start(case, name="torn.afscope") as app:
        await app.press("C")
        assert "! DAMAGED (C)" in app.frame().splitlines()[0]
        assert "bytes were left out" in unsplit(app)
    case.close()


async def test_a_whole_capture_says_nothing_of_damage(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("C")
        assert "DAMAGED" not in app.frame()
        assert "damaged" not in app.frame()
