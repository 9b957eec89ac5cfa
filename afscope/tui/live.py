"""A case that grows while a recorder writes it: rows come in by the second, an analysis now and then."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from afscope.errors import AfscopeError
from afscope.model.stop import Stop
from afscope.tui.source import CaseFile, Growth, LiveFile, Load, News

_WAIT_S = 0.5
_REST = 0.1
"""Between two analyses that take long, as a share of their length. They run in a process that gives way to others."""
Failed = Callable[[Exception], None]


@dataclass(slots=True)
class Live:
    """How a growing capture is followed. `ended` says why the recorder ended, None while it runs."""

    ended: Callable[[], str | None]
    rows: Callable[[], Growth] | None = None
    """Opens the capture for what is added to it; without, all that is shown comes with the analysis."""
    every_s: float = 15.0
    """Seconds from the start of one analysis to that of the next; a tenth longer than it takes, when that is more."""
    rows_every_s: float = 1.0
    """The same for rows and quick lanes; half as much again as they take, when that is more."""
    paused: bool = False
    """Whether the screen stands still; recording goes on."""
    why_ended: str | None = None
    """Why the recorder ended, once the last reading came after that."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the user leaves."""
    stop: Stop = field(default_factory=Stop)
    """Calls off the analysis that is being made."""
    concluded_at: float | None = None
    """When the shown analysis began to read, by the monotonic clock."""
    _growth: Growth | None = None
    _shown: LiveFile | None = None
    _begun: threading.Event = field(default_factory=threading.Event)

    def pause(self, *, paused: bool) -> None:
        """Holds the screen still, or lets it go on. What is recorded meanwhile comes in afterwards."""
        self.paused = paused
        if paused:
            self.stop.now()

    def leave(self) -> None:
        """The user is gone: nothing more is read."""
        self.left.set()
        self.stop.now()

    @property
    def age_s(self) -> int | None:
        """How old the shown verdict is; None before the first one."""
        return None if self.concluded_at is None else int(time.monotonic() - self.concluded_at)

    # --- rows

    def grow(self, show: Callable[[CaseFile], None], grew: Callable[[LiveFile, News], None], fail: Failed) -> None:
        """Brings in rows until the recorder has ended or the user leaves. For a thread of its own."""
        missed, wait = False, 0.0
        while not self.left.wait(wait):
            wait = self.rows_every_s
            if self.paused:
                missed, wait = True, min(_WAIT_S, wait)
                continue
            ended, started = self.ended(), time.monotonic()
            try:
                missed = self._poll(show, grew, missed=missed)
            except AfscopeError as error:
                if ended is not None:
                    fail(error)
                    return
            except Exception as error:  # shown by the caller once the terminal is its own again
                fail(error)
                return
            if ended is not None:
                return
            # What it costs hangs on how many rows came: whoever waits longer has more to do then, and never catches up.
            spent = time.monotonic() - started
            wait = max(self.rows_every_s - spent, spent / 2)

    def _poll(self, show: Callable[[CaseFile], None], grew: Callable[[LiveFile, News], None], *, missed: bool) -> bool:
        """Shows what is new; True when the user paused meanwhile, so that it is still to be shown."""
        if self._growth is None and self.rows is not None:
            self._growth = self.rows()
            self._shown = self._growth.case()
            show(self._shown)
            self._begun.set()
        elif self._growth is not None and self._shown is not None and (self._growth.poll() or missed):
            case = self._shown
            news = case.refreshed()
            if self.paused:
                return True
            grew(case, news)
        return False

    # --- analysis

    def follow(self, load: Load, show: Callable[[CaseFile], None], fail: Failed) -> None:
        """Analyzes until the recorder has ended or the user leaves. For a thread of its own.

        As long as the recorder runs, a capture that cannot be read yet is waited for; afterwards it is a failure.
        """
        while self.rows is not None and not self._begun.wait(_WAIT_S):
            if self.left.is_set():
                return
        while not self.left.is_set():
            ended = self.ended()
            self.stop, started = Stop(), time.monotonic()
            if self.paused:
                self.left.wait(_WAIT_S)
                continue
            try:
                case = load()
                _ = case.analysis, case.charts
                if self._growth is not None:
                    case = self._shown = self._growth.case(case)
            except AfscopeError as error:
                if ended is not None and not self.stop.asked:
                    fail(error)
                    return
                self.left.wait(_WAIT_S)
                continue
            except Exception as error:  # shown by the caller once the terminal is its own again
                fail(error)
                return
            self._stand_still()
            self.why_ended, self.concluded_at = ended, started
            show(case)
            if ended is not None:
                return
            self._wait(started)

    def _stand_still(self) -> None:
        """What was finished in the moment of a pause waits: nothing moves before the user goes on."""
        while self.paused and not self.left.wait(_WAIT_S):
            pass

    def _wait(self, started: float) -> None:
        """Until the next analysis is due; at once when the recorder ends, not at all while paused."""
        now = time.monotonic()
        until = max(started + self.every_s, now + _REST * (now - started))
        while not self.left.wait(min(_WAIT_S, self.every_s)):
            if self.paused:
                continue
            if time.monotonic() >= until or self.ended() is not None:
                return
