"""Runs the app without a terminal, and compares what it shows with frames kept as text."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from afscope.tui.app import AfscopeApp
from afscope.tui.case import CaseScreen
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
        if os.environ.get("AFSCOPE_UPDATE_FRAMES") == "1":
            path.write_text(frame(pilot), encoding="utf-8")
        assert frame(pilot) == path.read_text(encoding="utf-8")

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
        return self.screen.timeline.cursor

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
