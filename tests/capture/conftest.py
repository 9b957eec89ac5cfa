"""A tape on a fresh capture, and a clock that only moves when told."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afscope.capture.tape import Tape
from afscope.model.clock import SECOND
from afscope.model.pace import ScaledPace
from afscope.store import proven
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter

START = 1_800_000_000 * SECOND


class Deck:
    """A tape, its writer and its clock."""

    def __init__(self, path: Path, pace: ScaledPace) -> None:
        self.path = path
        self.pace = pace
        self.writer = CaptureWriter.create(path, clock=pace)
        self.tape = Tape(self.writer, pace)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What a reader sees of a table by now; of gaps those that were declared."""
        if not self.writer.manifest.closed:
            self.writer.flush()
        rows: list[dict[str, Any]] = Capture.open(self.path).table(table).to_pylist()
        return [row for row in rows if table != "gaps" or row["reason"] != proven.GROWING]

    @property
    def sources(self) -> dict[str, tuple[str, str]]:
        """Status and reason per table."""
        return {name: (str(s.status), s.reason) for name, s in self.writer.manifest.sources.items()}


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    deck = Deck(tmp_path / "c.afscope", ScaledPace(START, paused=True))
    yield deck
    deck.writer.close()


class Pacer:
    """Moves a paused clock on in the background, a second each 5 ms."""

    def __init__(self, pace: ScaledPace) -> None:
        self._pace, self._stop = pace, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            self._pace.step(1)

    def __enter__(self) -> "Pacer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
