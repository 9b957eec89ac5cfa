"""Clocks that can be waited on: real time for a recorder, any speed for a replay and for tests."""

import threading
import time
from typing import Protocol

from afscope.model.clock import SECOND, Clock, Micros, SystemClock

# A waiter looks at its `stop` at least this often, in real seconds: an Event cannot wake a Condition.
_LOOK = 0.2


class Pace(Clock, Protocol):
    """A clock and the waiting on it, so that a program paced by it lives in the clock's time."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits until `seconds` of this clock have passed or `stop` is set; returns whether it is set."""
        ...


class SystemPace(SystemClock):
    """Real time."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits in real seconds."""
        return stop.wait(max(0.0, seconds))


class ScaledPace:
    """A clock that runs at `speed` times real time from `start`, and can be paused, stepped and set.

    Between two changes its now is a line through the last change. A step never goes back; a jump may. Safe to use
    from several threads: every change wakes those that wait.
    """

    def __init__(self, start: Micros, speed: float = 1.0, *, paused: bool = False) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._changed = threading.Condition()
        self._speed = speed
        self._paused = paused
        self._at = start
        self._since = time.monotonic()

    @property
    def speed(self) -> float:
        """Seconds of this clock per real second, while it is not paused."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    def now(self) -> Micros:
        """The current time."""
        with self._changed:
            return self._now()

    def pause(self) -> None:
        """Stands still from now on."""
        with self._changed:
            self._set(self._now(), paused=True)

    def resume(self, speed: float | None = None) -> None:
        """Runs on, at another speed if given."""
        if speed is not None and speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        with self._changed:
            at = self._now()
            self._speed = speed or self._speed
            self._set(at, paused=False)

    def step(self, seconds: float) -> None:
        """Moves on by this much at once, running or paused."""
        if seconds < 0:
            raise ValueError("a step goes forward; use jump to go back")
        with self._changed:
            self._set(self._now() + round(seconds * SECOND), paused=self._paused)

    def jump(self, to: Micros) -> None:
        """Sets the clock, back as well as forth."""
        with self._changed:
            self._set(to, paused=self._paused)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits in seconds of this clock; while it is paused only a step, a jump or `stop` ends that."""
        return self.wait_until(stop, self.now() + round(seconds * SECOND))

    def wait_until(self, stop: threading.Event, due: Micros) -> bool:
        """Waits until this clock shows `due`; a change between looking at the clock and waiting is not missed."""
        with self._changed:
            while not stop.is_set() and (left := due - self._now()) > 0:
                real = _LOOK if self._paused else min(_LOOK, left / SECOND / self._speed)
                self._changed.wait(real)
        return stop.is_set()

    def _now(self) -> Micros:
        if self._paused:
            return self._at
        return self._at + round((time.monotonic() - self._since) * self._speed * SECOND)

    def _set(self, at: Micros, *, paused: bool) -> None:
        self._at, self._since, self._paused = at, time.monotonic(), paused
        self._changed.notify_all()
