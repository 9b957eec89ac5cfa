"""Writers, clocks and rows for the tests of the store."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from afscope.model.clock import SECOND, Micros
from afscope.model.row import Row
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter

START: Micros = 1_795_000_200_000_000  # a multiple of 600 s
NOTHING_BY_ITSELF = WriterOptions(flush_us=2**62, sync_us=2**62, seal_epochs=False)
Make = Callable[..., CaptureWriter]


class ManualClock:
    """A clock that the test moves."""

    def __init__(self, at: Micros = START) -> None:
        self.at = at

    def now(self) -> Micros:
        return self.at


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(tmp_path: Path, clock: ManualClock) -> Iterator[Make]:
    """Makes writers on NAME.afscope that flush, sync and seal only when told; lets go of them afterwards."""
    writers: list[CaptureWriter] = []

    def create(name: str = "c", options: WriterOptions = NOTHING_BY_ITSELF, **fields: Any) -> CaptureWriter:
        writers.append(CaptureWriter.create(tmp_path / f"{name}.afscope", clock=clock, options=options, **fields))
        return writers[-1]

    yield create
    for writer in writers:
        writer.abandon()


def event(number: int, at: Micros = START) -> Row:
    """An event whose `uid` is its number."""
    return Row("events", {"uid": str(number), "seen_at": at + number, "reason": "Scheduled", "count": number})


def pod(uid: str, at: Micros, **values: Any) -> Row:
    """A pod row seen at `at`."""
    return Row("pods", {"uid": uid, "seen_at": at, **values})


def numbers(capture: Capture) -> list[int]:
    """The numbers of all events of a capture, ascending; a row that is there twice is there twice."""
    return sorted(int(uid) for uid in capture.table("events")["uid"].to_pylist())


def records(capture: Capture, table: str) -> list[dict[str, Any]]:
    """The rows of a table without their nulls, times as microseconds."""
    arrow = capture.table(table)
    for index, field in enumerate(arrow.schema):
        if str(field.type).startswith("timestamp"):
            arrow = arrow.set_column(index, field.name, arrow[field.name].cast("int64"))
    return [{name: value for name, value in row.items() if value is not None} for row in arrow.to_pylist()]


__all__ = ["NOTHING_BY_ITSELF", "SECOND", "START", "Make", "ManualClock", "event", "numbers", "pod", "records"]
