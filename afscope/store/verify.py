"""Checking a capture: every checksum, count, bound, order and file. Reads all of it, changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from afscope.errors import DamagedCapture
from afscope.model.capture import Manifest, Segment
from afscope.store import arrow, layout, segment, snapshot, wal
from afscope.store.checksum import damage
from afscope.store.lock import is_being_written
from afscope.store.manifest import read_manifest, sealed_seq
from afscope.store.reader import folder_of
from afscope.store.schema import TABLES


@dataclass(frozen=True, slots=True)
class Problem:
    """A file and what is wrong with it."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path} {self.what}"


@dataclass(slots=True)
class Report:
    """Problems are damage. Notes are what a crash or a newer afscope leaves and what reads well all the same."""

    path: Path
    segments: int = 0
    rows: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems


def verify(path: Path) -> Report:
    """Checks a capture, folder or zip. Raises NotACapture and NewerFormat; a damaged manifest is in the report."""
    path = folder_of(path)
    snapshot.check_folder(path)
    report = Report(path)
    try:
        manifest = read_manifest(path)
    except DamagedCapture as error:
        report.problems.append(Problem(layout.MANIFEST, error.what))
        return report
    for entry in manifest.segments:
        report.segments += 1
        report.rows += entry.rows
        report.problems += [Problem(entry.path, what) for what in _segment_problems(path, entry)]
    _check_wals(path, manifest, report)
    _check_strays(path, manifest, report)
    return report


def _segment_problems(root: Path, entry: Segment) -> Iterator[str]:
    problem = damage(root, entry)
    if problem or entry.table not in TABLES:
        yield problem or "belongs to a table that this afscope does not know"
        return
    try:
        table = segment.read_segment(root / entry.path, entry.table)
    except segment.SegmentError as error:
        yield str(error)
        return
    if table.num_rows != entry.rows:
        yield f"has {table.num_rows} rows instead of {entry.rows}"
    if segment.bounds(table) != (entry.first, entry.last):
        yield "has other times than the manifest says"
    times = table[arrow.order_column(entry.table)].combine_chunks()
    if len(times) > 1 and pc.any(pc.less(times[1:], times[:-1])).as_py():
        yield f"is not sorted by {arrow.order_column(entry.table)}"


def _check_wals(root: Path, manifest: Manifest, report: Report) -> None:
    sealed, alive = sealed_seq(manifest), is_being_written(root)
    if not manifest.closed:
        report.notes.append(Problem(layout.MANIFEST, "is being written" if alive else "was never closed"))
    for seq, file in layout.wal_files(root).items():
        name = layout.wal_name(seq)
        if seq <= sealed:
            report.notes.append(Problem(name, "is sealed already and not read any more"))
            continue
        reader = wal.WalReader(file.read_bytes())
        rows = sum(len(frame.rows) for frame in reader)
        report.rows += rows
        if reader.tail.cut:
            found = Problem(name, f"{reader.tail.cut} bytes at {reader.tail.offset} are no frame: {reader.tail.reason}")
            (report.notes if alive else report.problems).append(found)
        if manifest.closed and rows:
            report.problems.append(Problem(name, f"holds {rows} rows, but the capture is closed"))


def _check_strays(root: Path, manifest: Manifest, report: Report) -> None:
    """A segment without an entry is an unfinished seal while its WAL is there, else somebody's rows are missing."""
    known = {layout.MANIFEST} | {entry.path for entry in manifest.segments}
    wals = {layout.wal_name(seq) for seq in layout.wal_files(root)}
    for name in layout.all_files(root):
        if name in known or name in wals:
            continue
        match = layout.SEGMENT_NAME.fullmatch(name)
        if match is None:
            report.notes.append(Problem(name, "is no file of a capture"))
        elif layout.wal_name(int(match["seq"])) in wals:
            report.notes.append(Problem(name, "belongs to a seal that did not finish; its rows are in the WAL"))
        else:
            report.problems.append(Problem(name, "is not in the manifest"))
