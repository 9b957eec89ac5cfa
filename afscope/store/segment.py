"""Sealed segments: one parquet file per table and WAL, written once and never touched again.

zstd; sorted by `ts` (objects by `seen_at`); units, types and notes of the columns are field metadata, and the file
says which capture and sequence number it belongs to, so that a lost manifest can be rebuilt from the segments alone.
"""

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from afscope.model.capture import FORMAT_VERSION, Segment
from afscope.model.clock import Micros
from afscope.store import arrow, layout
from afscope.store.schema import TABLES
from afscope.store.wal import Frame

_ZSTD_LEVEL = 3  # level 9 saves 4 % more on real recordings and takes four times as long

# Rows live as Python lists only until there are this many: 20 times the memory of Arrow, and work for the collector.
_BATCH_ROWS = 512


class SegmentError(Exception):
    """A segment file that cannot be read as what it should be."""


class Origin(NamedTuple):
    """What a segment file says about itself."""

    capture: str
    table: str
    seq: int


def frames_by_table(frames: Iterable[Frame]) -> dict[str, pa.Table]:
    """The rows of WAL frames as Arrow tables, in the order of appending; tables unknown to us are left out."""
    with _collector_paused():
        return {table: arrow.concat(table, part) for table, part in _parts(frames).items()}


def _parts(frames: Iterable[Frame]) -> dict[str, list[pa.Table]]:
    waiting: dict[str, _Batch] = {}
    parts: dict[str, list[pa.Table]] = {}
    for frame in frames:
        if frame.table not in TABLES:
            continue
        batch = waiting.setdefault(frame.table, _Batch(frame.columns, []))
        if batch.columns != frame.columns or len(batch.rows) > _BATCH_ROWS:
            parts.setdefault(frame.table, []).append(arrow.from_rows(frame.table, *batch))
            batch = waiting[frame.table] = _Batch(frame.columns, [])
        batch.rows.extend(frame.rows)
    for table, batch in waiting.items():
        parts.setdefault(table, []).append(arrow.from_rows(table, *batch))
    return parts


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows of text and numbers form no cycles, but so many at once make the collector a quarter of the work."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Batch(NamedTuple):
    columns: list[str]
    rows: list[tuple[Any, ...]]


def write_segments(root: Path, capture: str, seq: int, frames: Iterable[Frame]) -> list[Segment]:
    """Writes the frames of WAL `seq` as segments; they count from the moment the manifest names them."""
    with _memory_given_back():
        tables = frames_by_table(frames)
        segments = []
        for name in sorted(tables):
            table = tables.pop(name)  # gone once it is written: all of them and a sorted one are the recorder's peak
            if table.num_rows:
                segments.append(_write(root, Origin(capture, name, seq), table))
        return segments


@contextmanager
def _memory_given_back() -> Iterator[None]:
    """Arrow's own allocator keeps what a seal needed; a recorder seals now and then, and should be small in between."""
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def _write(root: Path, origin: Origin, table: pa.Table) -> Segment:
    table = arrow.in_order(origin.table, table)
    metadata = dict(table.schema.metadata) | {
        "capture": origin.capture,
        "seq": str(origin.seq),
        "format_version": str(FORMAT_VERSION),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd", compression_level=_ZSTD_LEVEL)
    data = sink.getvalue().to_pybytes()
    name = layout.segment_name(origin.table, origin.seq)
    layout.ensure_folder(root / layout.SEGMENTS)
    layout.ensure_folder((root / name).parent)
    layout.replace_file(root / name, data)
    return describe(name, origin, table, data)


def describe(name: str, origin: Origin, table: pa.Table, data: bytes) -> Segment:
    """The manifest's entry for a segment file with these bytes."""
    first, last = bounds(table)
    return Segment(origin.table, origin.seq, name, table.num_rows, len(data), google_crc32c.value(data), first, last)


def bounds(table: pa.Table, column: str = "ts") -> tuple[Micros, Micros]:
    """Smallest and largest time in a column; (0, 0) for an empty table."""
    both = pc.min_max(table[column].cast(pa.int64())).as_py()
    return both["min"] or 0, both["max"] or 0


def read_segment(path: Path, table: str) -> pa.Table:
    """The rows of a segment file in today's schema. Raises SegmentError."""
    return decode_segment(_bytes(path), table)


def decode_segment(data: bytes, table: str) -> pa.Table:
    """Like read_segment, from the bytes of the file."""
    try:
        return arrow.conform(table, pq.ParquetFile(pa.BufferReader(data)).read())
    except (pa.ArrowException, OSError) as error:
        raise SegmentError(f"not readable as parquet: {error}") from error


def read_origin(data: bytes) -> Origin:
    """Which capture, table and seq the bytes of a segment file belong to. Raises SegmentError."""
    try:
        metadata = pq.ParquetFile(pa.BufferReader(data)).schema_arrow.metadata or {}
        return Origin(metadata[b"capture"].decode(), metadata[b"table"].decode(), int(metadata[b"seq"]))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise SegmentError(f"does not say where it belongs: {error}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SegmentError(os.strerror(error.errno or 0)) from error
