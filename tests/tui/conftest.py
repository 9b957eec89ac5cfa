"""Runs the app without a terminal, and compares what it shows with frames kept as text."""

import os
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from afscope.engine.investigation import Investigation
from afscope.engine.preview import Preview
from afscope.ingest import import_sources
from afscope.tui.app import AfscopeApp
from afscope.tui.case import CaseScreen
from afscope.tui.grid import Grid
from afscope.tui.source import CaseFile
from tests.tui.case import Case

FRAMES = Path(__file__).parent / "frames"


def frame(pilot: Pilot[int]) -> str:
    """The screen as text. The compositor is private to Textual; this is the only place that knows it."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


@pytest.fixture
def same_frame() -> Callable[[Pilot[int], str], None]:
    """Compares with frames/NAME.txt; AFSCOPE_UPDATE_FRAMES=1 writes it instead."""

    def compare(pilot: Pilot[int], name: str) -> None:
        path = FRAMES / f"{name}.txt"
        # where the thumb of a scroll bar ends within its cell depends on the rounds that the first layout took
        now = re.sub(r" *[\u2581-\u2588]$", "", frame(pilot), flags=re.MULTILINE)
        if os.environ.get("AFSCOPE_UPDATE_FRAMES") == "1":
            path.write_text(now, encoding="utf-8")
        assert now == path.read_text(encoding="utf-8")

    return compare


class Driver:
    """A running app on a case: keys go in, state and frames come out."""

    def __init__(self, pilot: Pilot[int], case: CaseFile) -> None:
        self.pilot, self.case = pilot, case

    @property
    def screen(self) -> CaseScreen:
        return next(screen for screen in self.pilot.app.screen_stack if isinstance(screen, CaseScreen))

    def top(self) -> Screen[Any]:
        """The screen in front."""
        return self.pilot.app.screen

    def focused(self) -> object:
        return self.screen.focused

    @property
    def cursor(self) -> int:
        return self.screen.place.cursor

    def grid(self) -> Grid:
        """The table of the screen that is shown."""
        grid = self.screen.body.grid
        assert grid is not None
        return grid

    async def type(self, text: str) -> None:
        """Into the field that is asked for, and Enter."""
        field = self.top().query_one(Input)
        field.value = text
        await self.press("enter")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self) -> None:
        """Until threads are through and the screen stands still: layout may take several rounds of messages."""
        await self.pilot.app.workers.wait_for_complete()
        before, still = "", 0
        while still < 2:
            await self.pilot.pause()
            now = self.frame()
            before, still = now, still + 1 if now == before else 0

    def frame(self) -> str:
        return frame(self.pilot)


Start = Callable[..., AbstractAsyncContextManager[Driver]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Opens a case on a screen of the given size."""
    monkeypatch.delenv("NO_COLOR", raising=False)

    @asynccontextmanager
    async def opened(
        case: CaseFile | None = None, size: tuple[int, int] = (120, 40), lang: str = "en", name: str = "hung.afscope"
    ) -> AsyncIterator[Driver]:
        case = case or Case()
        app = AfscopeApp(case, name, lang)
        async with app.run_test(size=size) as pilot:
            while not isinstance(app.screen, CaseScreen):
                await pilot.pause(0.01)
            driver = Driver(pilot, case)
            await driver.settle()
            yield driver

    return opened


@asynccontextmanager
async def analyzing(
    incident: Investigation, capture: Path, size: tuple[int, int]
) -> AsyncIterator[tuple[Driver, Callable[[], Awaitable[None]]]]:
    """A screen on the preview of a capture, and what lets its analysis come."""
    go = threading.Event()

    def load() -> Investigation:
        go.wait(30)
        return incident

    app = AfscopeApp(load, capture.name, preview=lambda: Preview.open(capture))
    async with app.run_test(size=size) as pilot:
        while not isinstance(app.screen, CaseScreen):
            await pilot.pause(0.01)
        driver = Driver(pilot, incident)
        await driver.settle()

        async def analyzed() -> None:
            go.set()
            while not driver.screen.desk.case.analysis.findings:
                await pilot.pause(0.02)
            await driver.settle()

        yield driver, analyzed


RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real incident: a pool of two slots before which tasks wait."""
    out = tmp_path_factory.mktemp("captures") / "pool.afscope"
    import_sources([RECORDINGS / "pool"], out)
    return out


@pytest.fixture(scope="session")
def incident(capture: Path) -> Investigation:
    """The same, analyzed; nothing changes it."""
    return Investigation.open(capture)
