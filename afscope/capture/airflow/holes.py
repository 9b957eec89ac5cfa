"""Holes that are still open: declared piece by piece, so that a killed recorder has declared all but the last."""

from collections.abc import Sequence

from afscope.capture.tape import Tape
from afscope.model.clock import SECOND, Micros

_PIECE: Micros = 60 * SECOND


class Hole:
    """One reason why these tables have a hole, while it lasts."""

    def __init__(self, tape: Tape, tables: Sequence[str]) -> None:
        self._tape = tape
        self._tables = tables
        self._since: Micros | None = None
        self.reason = ""
        """Why, of the hole that is open or the last one; empty when there never was one."""

    @property
    def is_open(self) -> bool:
        """Whether there is a hole now."""
        return self._since is not None

    @property
    def since(self) -> Micros | None:
        """From when on it is not declared yet; None while there is none."""
        return self._since

    def open(self, since: Micros, reason: str) -> None:
        """Begins a hole, or tells the latest reason of the one that is open."""
        self._since = since if self._since is None else self._since
        self.reason = reason

    def extend(self, now: Micros) -> None:
        """It goes on; declares what has grown long enough."""
        if self._since is not None and now - self._since >= _PIECE:
            self._declare(self._since, now)
            self._since = now

    def close(self, now: Micros) -> bool:
        """It ends; returns whether there was one."""
        since, self._since = self._since, None
        if since is None:
            return False
        self._declare(since, now)
        return True

    def _declare(self, since: Micros, now: Micros) -> None:
        for table in self._tables:
            self._tape.gap(table, since, now, self.reason)
