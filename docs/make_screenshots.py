#!/usr/bin/env python3
"""Pictures of every screen, from a sample that ships: docs/screens/NAME.svg.

    python docs/make_screenshots.py [NAME …]

Textual writes fonts by reference, so each picture is some tens of kilobytes; it looks the same wherever it is shown.
"""

import asyncio
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "captures" / "samples" / "metrics-apiserver-hung.afscope.zip"
SIZE = (120, 36)
KEYS = {
    "overview": [],
    "findings": [],
    "tasks": [],
    "workers": ["G"],
    "autoscaler": ["b", "G"],
    "limits": ["G", "right_parenthesis"],
    "events": ["e", "e"],
    "logs": ["e"],
    "sql": ["f5"],
    "capture": [],
    "whatif": ["enter", "WRITE 12", "f5"],
}


async def pictures(names: list[str]) -> None:
    """Opens the sample, walks the screens, saves each."""
    from textual.widgets import Input

    from afscope.engine.investigation import Investigation
    from afscope.tui.app import AfscopeApp
    from afscope.tui.case import CaseScreen

    app = AfscopeApp(Investigation.open(SAMPLE), "metrics-apiserver-hung")
    async with app.run_test(size=SIZE) as pilot:
        while not isinstance(app.screen, CaseScreen):
            await pilot.pause(0.05)
        screen = app.screen
        while not screen.overview.list.is_mounted:
            await pilot.pause(0.05)
        await settled(app, pilot)
        for name in names:
            await screen.action_screen(name)
            await settled(app, pilot)
            for key in KEYS[name]:
                if key.startswith("WRITE "):
                    app.screen.query_one(Input).value = key.removeprefix("WRITE ")
                    key = "enter"
                await pilot.press(key)
                await settled(app, pilot)
            (HERE / "screens").mkdir(exist_ok=True)
            (HERE / "screens" / f"{name}.svg").write_text(
                app.export_screenshot(title=f"afscope: {name}"), encoding="utf-8"
            )


async def settled(app: object, pilot: object) -> None:
    """Until threads have answered and messages are through."""
    for _ in range(6):
        await app.workers.wait_for_complete()  # type: ignore[attr-defined]
        await pilot.pause(0.08)  # type: ignore[attr-defined]


if __name__ == "__main__":
    os.environ.pop("NO_COLOR", None)
    asyncio.run(pictures(sys.argv[1:] or list(KEYS)))
