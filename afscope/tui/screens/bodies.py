"""Which class is which screen. Each module is imported when its screen is first wanted: some are dear to import."""

from importlib import import_module

from afscope.tui.desk import Desk
from afscope.tui.screens.body import Body

_BODIES = {
    "findings": ("findings", "Findings"),
    "tasks": ("tasks", "Tasks"),
    "workers": ("workers", "Workers"),
    "autoscaler": ("autoscaler", "Autoscaler"),
    "limits": ("limits", "Limits"),
    "events": ("streams", "Events"),
    "logs": ("streams", "Logs"),
    "sql": ("sql", "Sql"),
    "capture": ("capture", "CaptureScreen"),
    "whatif": ("whatif", "WhatIf"),
}
"""Module and class of each screen."""


def make(name: str, desk: Desk) -> Body:
    """The body of a screen of `keys.SCREENS`."""
    module, kind = _BODIES[name]
    made: Body = getattr(import_module(f"afscope.tui.screens.{module}"), kind)(desk)
    return made
