"""Taking a stretch of time out of a capture: out of a ring, a long recording, or one that still grows.

The new capture begins with the complete live state of its first moment, as epochs do, so that nothing that did not
change in the meantime is missing. Everything else is the rows that were seen in that time, in their order.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from afscope.errors import CaptureError
from afscope.model.clock import Micros, rfc3339
from afscope.model.row import DELETED, STATE, Row
from afscope.store.keyframe import CHANGE, SEEN_AT, LiveTable
from afscope.store.objects import Identity, full_bodies
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.schema import TABLES, Type
from afscope.store.writer import CaptureWriter

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 4096
_Seen = tuple[Micros, Row]


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` up to before `end`, in microseconds, by the recorder's clock."""

    start: Micros
    end: Micros
    epoch_us: Micros = 0
    """Epochs of the capture that is cut: their keyframes only repeat, and the new capture makes its own."""

    def is_state(self, seen_at: Micros, change: str) -> bool:
        """Whether a row only tells what holds at the beginning of the stretch, or again at that of an epoch."""
        keyframe = change == STATE and self.epoch_us and seen_at % self.epoch_us == 0
        return seen_at < self.start or bool(keyframe)


def cut(capture: Capture, out: Path, stretch: Stretch) -> int:
    """Writes the stretch into the new capture `out` and returns how many rows it has.

    Raises CaptureError for a stretch outside the capture, CaptureExists when `out` is taken.
    """
    begin, end = max(stretch.start, capture.started_at), min(stretch.end, capture.ended_at + 1)
    if begin >= end:
        raise CaptureError(
            f"nothing was recorded between {rfc3339(stretch.start)} and {rfc3339(stretch.end)}",
            f"the capture lasts from {rfc3339(capture.started_at)} to {rfc3339(capture.ended_at)}",
        )
    known = capture.manifest
    settings = {**known.settings, "cut_from": known.id}
    with CaptureWriter.create(
        out, origin="cut", options=WriterOptions.bulk(), started_at=begin, cluster=known.cluster,
        airflow_version=known.airflow_version, epoch_us=known.epoch_us, settings=settings,
    ) as writer:  # fmt: skip
        for name, source in known.sources.items():
            writer.set_source(name, source.status, source.reason)
        for name, offset in known.clock_offsets.items():
            writer.set_clock_offset(name, offset)
        for rule, count in known.redactions.items():
            writer.count_redaction(rule, count)
        rows = 0
        whole = Stretch(begin, end, known.epoch_us)
        streams = [_stream(capture, name, whole) for name in TABLES]
        for _, row in heapq.merge(*streams, key=lambda seen: seen[0]):
            writer.append(row)
            rows += 1
        writer.close(ended_at=min(end, capture.ended_at))
    return rows


def _stream(capture: Capture, name: str, stretch: Stretch) -> Iterator[_Seen]:
    """The rows of one table that belong to the stretch, its first state included, by `seen_at`."""
    table = capture.table(name)
    if table.num_rows == 0:
        return iter(())
    if name == "gaps":
        return _gaps(table, stretch)
    if name == "objects":
        return _objects(table, stretch)
    return _rows(name, table, stretch)


def _rows(name: str, table: "pa.Table", stretch: Stretch) -> Iterator[_Seen]:
    live = LiveTable(TABLES[name])
    columns = TABLES[name].column_names()
    told = not TABLES[name].is_state
    for values in stored_values(name, table):
        seen_at = values[SEEN_AT]
        if stretch.is_state(seen_at, values[CHANGE]):
            live.see(values)
            continue
        if not told:
            yield from _state(name, live, stretch.start)
            told = True
        if seen_at >= stretch.end:
            return
        yield seen_at, Row(name, dict(zip(columns, values, strict=True)))
    if not told:
        yield from _state(name, live, stretch.start)


def _state(name: str, live: LiveTable, start: Micros) -> Iterator[_Seen]:
    columns = TABLES[name].column_names()
    for values in live.keyframe(start):
        yield start, Row(name, dict(zip(columns, values, strict=True)))


def _objects(table: "pa.Table", stretch: Stretch) -> Iterator[_Seen]:
    """Objects with their whole bodies: the writer makes patches of them again."""
    columns = TABLES["objects"].column_names()
    live: dict[Identity, dict[str, Any]] = {}
    told = False
    documents = full_bodies(dict(zip(columns, values, strict=True)) for values in stored_values("objects", table))
    for row, document in documents:
        whole = {**row, "body": None if document is None else msgspec.json.encode(document).decode()}
        identity = row["kind"], row["namespace"], row["name"], row["uid"]
        if stretch.is_state(row["seen_at"], row["change"]):
            if row["change"] == DELETED:
                live.pop(identity, None)
            else:
                live[identity] = whole
            continue
        if not told:
            yield from _living(live, stretch.start)
            told = True
        if row["seen_at"] >= stretch.end:
            return
        yield row["seen_at"], Row("objects", whole)
    if not told:
        yield from _living(live, stretch.start)


def _living(live: dict[Identity, dict[str, Any]], start: Micros) -> Iterator[_Seen]:
    for row in live.values():
        yield start, Row("objects", {**row, "seen_at": start, "change": STATE})


def _gaps(table: "pa.Table", stretch: Stretch) -> Iterator[_Seen]:
    """Holes that reach into the stretch, as far as they do; one that was noticed after it belongs to it, too."""
    columns = TABLES["gaps"].column_names()
    for values in stored_values("gaps", table):
        gap = dict(zip(columns, values, strict=True))
        start, end = max(gap["from_ts"], stretch.start), min(gap["to_ts"], stretch.end)
        if start > end or gap["from_ts"] >= stretch.end or gap["to_ts"] < stretch.start:
            continue
        seen = min(max(gap["seen_at"], stretch.start), stretch.end - 1)
        yield seen, Row("gaps", {**gap, "from_ts": start, "to_ts": end, "ts": seen, "seen_at": seen})


def stored_values(name: str, table: "pa.Table") -> Iterator[list[Any]]:
    """Rows as lists in storage order, by `seen_at`; times as microseconds."""
    ordered = table.sort_by("seen_at")
    times = [column.name for column in TABLES[name].columns if column.type is Type.TIME]
    for batch in ordered.to_batches(max_chunksize=_BATCH):
        arrays = [
            (batch[field].cast("int64") if field in times else batch[field]).to_pylist() for field in batch.schema.names
        ]
        yield from (list(values) for values in zip(*arrays, strict=True))
