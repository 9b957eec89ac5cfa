"""Which class is which screen."""

from afscope.tui.desk import Desk
from afscope.tui.screens.autoscaler import Autoscaler
from afscope.tui.screens.body import Body
from afscope.tui.screens.capture import CaptureScreen
from afscope.tui.screens.findings import Findings
from afscope.tui.screens.limits import Limits
from afscope.tui.screens.sql import Sql
from afscope.tui.screens.streams import Events, Logs
from afscope.tui.screens.tasks import Tasks
from afscope.tui.screens.whatif import WhatIf
from afscope.tui.screens.workers import Workers

_BODIES: dict[str, type[Body]] = {
    body.name_: body
    for body in (Findings, Tasks, Workers, Autoscaler, Limits, Events, Logs, Sql, CaptureScreen, WhatIf)
}


def make(name: str, desk: Desk) -> Body:
    """The body of a screen of `keys.SCREENS`."""
    return _BODIES[name](desk)
