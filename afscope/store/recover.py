"""Closing a capture whose writer did not, and repairing what can be repaired.

Nothing is destroyed: files that do not count any more are moved to `lost+found/`. A second run changes nothing.
What was cut becomes a row in `gaps`, and so does the time behind the last proof of each source: a hole never looks like
calm.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import afscope
from afscope.errors import DamagedCapture
from afscope.model.capture import FORMAT_VERSION, Manifest, Segment, Source, SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.finding import Gap
from afscope.store import layout, proven, segment, snapshot, wal
from afscope.store.checksum import LOST_ROWS, damage
from afscope.store.lock import WriterLock
from afscope.store.manifest import read_manifest, sealed_seq, write_manifest
from afscope.store.reader import Capture
from afscope.store.schema import TABLES

# A recorder that was killed a moment ago may leave a child that seals, which ends as soon as it notices.
_PATIENCE_S = 2.0


@dataclass(slots=True)
class Recovery:
    """What was done, as sentences about files; empty when there was nothing to do."""

    path: Path
    done: list[str] = field(default_factory=list)
    rows_sealed: int = 0
    bytes_cut: int = 0

    def __str__(self) -> str:
        return f"{self.path}: {'; '.join(self.done) or 'nothing to do'}"


def recover(path: Path) -> Recovery:
    """Repairs and closes the capture folder `path`.

    Raises NotACapture and NewerFormat, CaptureError while a writer is at work, DamagedCapture when nothing is left.
    """
    snapshot.check_folder(path)
    with WriterLock(path, _PATIENCE_S):
        return _Repair(path).run()


class _Repair:
    """One run. A file that counts moves only after the manifest that does without it is on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._result = Recovery(root)
        self._retired: list[str] = []
        self._new: list[Segment] = []
        self._gaps: list[Gap] = []
        self._wals = layout.wal_files(root)
        self._rebuilt = False
        self._manifest = self._load()
        self._sealed = sealed_seq(self._manifest)

    def run(self) -> Recovery:
        self._drop_damaged()
        self._adopt_orphans()
        self._seal_wals()
        if not (self._result.done or self._retired or not self._manifest.closed):
            return self._result
        self._write_gaps()
        self._close()
        for name in self._retired:
            self._retire(name)
        return self._result

    def _say(self, text: str) -> None:
        self._result.done.append(text)

    def _load(self) -> Manifest:
        try:
            return read_manifest(self._root)
        except DamagedCapture as error:
            return self._rebuild(error.what)

    def _rebuild(self, why: str) -> Manifest:
        """A manifest from nothing but the segments and WALs; what it said about sources is lost."""
        self._rebuilt = True
        broken = self._root / layout.MANIFEST
        if broken.exists():
            self._retire(layout.MANIFEST)
        self._say(f"the manifest was rebuilt: {why}")
        return Manifest(FORMAT_VERSION, uuid.uuid4().hex, afscope.__version__, 0, 0, origin="recover")

    def _drop_damaged(self) -> None:
        kept: list[Segment] = []
        for entry in self._manifest.segments:
            problem = damage(self._root, entry)
            if not problem:
                kept.append(entry)
                continue
            self._say(f"{entry.path} was dropped: {problem}")
            self._gaps.append(Gap(entry.table, entry.first, entry.last, f"{entry.rows} {LOST_ROWS}"))
            if (self._root / entry.path).exists():
                self._retired.append(entry.path)
        self._manifest.segments = kept

    def _adopt_orphans(self) -> None:
        """An orphan counts when no WAL holds its rows and it is not one that a ring had dropped.

        The others go at once: sealing their WAL writes files of the same names.
        """
        known = {entry.path for entry in self._manifest.segments} | {layout.MANIFEST, *self._retired}
        for name in [name for name in layout.all_files(self._root) if name not in known]:
            if layout.WAL_NAME.fullmatch(name):
                continue
            match = layout.SEGMENT_NAME.fullmatch(name)
            seq = int(match["seq"]) if match else 0
            entry = self._orphan(name) if seq > self._sealed and seq not in self._wals else None
            if entry is None:
                self._say(f"{name} was moved to {layout.LOST}: it is not part of the capture")
                self._retire(name)
            else:
                self._say(f"{name} was adopted with {entry.rows} rows")
                self._add([entry])

    def _orphan(self, name: str) -> Segment | None:
        """The entry for an orphan that is complete, of this capture, and says that it is what its name says."""
        data = (self._root / name).read_bytes()
        try:
            origin = segment.read_origin(data)
            table = segment.decode_segment(data, origin.table)
        except (segment.SegmentError, KeyError):
            return None
        if self._rebuilt and not self._manifest.segments:
            self._manifest.id = origin.capture
        if name != layout.segment_name(origin.table, origin.seq) or origin.capture != self._manifest.id:
            return None
        return segment.describe(name, origin, table, data)

    def _seal_wals(self) -> None:
        for seq, file in self._wals.items():
            name = layout.wal_name(seq)
            if seq <= self._sealed:
                self._say(f"{name} was moved to {layout.LOST}: it is sealed already")
                self._retired.append(name)
                continue
            reader = wal.WalReader(file.read_bytes())
            frames = list(reader)
            added = segment.write_segments(self._root, self._manifest.id, seq, frames)
            self._add(added)
            rows = sum(entry.rows for entry in added)
            self._result.rows_sealed += rows
            if rows:
                self._say(f"{name} was sealed with {rows} rows")
            self._retired.append(name)
            self._note_cut(name, frames, reader.tail)

    def _note_cut(self, name: str, frames: list[wal.Frame], tail: wal.Tail) -> None:
        if not tail.cut or tail.offset + tail.cut <= wal.HEADER_SIZE:
            return  # a WAL that was torn in its header never had a row
        self._result.bytes_cut += tail.cut
        self._say(f"{name} was cut by {tail.cut} bytes: {tail.reason}")
        last = max((_seen(frame) for frame in frames), default=self._last_seen())
        # How much was lost is unknown; a writer holds rows back for about a second.
        self._gaps.append(Gap("*", last, last + SECOND, f"{tail.cut} bytes were cut from a torn WAL: {tail.reason}"))

    def _add(self, segments: list[Segment]) -> None:
        self._new += segments
        self._manifest.segments = sorted([*self._manifest.segments, *segments], key=lambda s: (s.seq, s.table))

    def _last_seen(self) -> Micros:
        """The manifest knows this of the segments that it named."""
        return max([self._manifest.ended_at, *(last for _, last in _seen_bounds(self._root, self._new))])

    def _write_gaps(self) -> None:
        if self._rebuilt:
            bounds = list(_seen_bounds(self._root, self._new))
            if not bounds:
                raise DamagedCapture(f"{self._root}: nothing readable is left", "restore it from a copy")
            self._manifest.started_at = min(first for first, _ in bounds)
        if not self._manifest.closed:
            self._gaps += self._unproven()
        if not self._gaps:
            return
        at = max(self._last_seen(), max(gap.to_ts for gap in self._gaps))
        seq = max([sealed_seq(self._manifest), self._sealed, *self._wals]) + 1
        frame = wal.Frame("gaps", *proven.rows(self._gaps, at))
        self._add(segment.write_segments(self._root, self._manifest.id, seq, [frame]))
        self._say(f"{len(self._gaps)} gaps were noted")

    def _unproven(self) -> tuple[Gap, ...]:
        """What the writer would have proved or declared, had it ended as it should."""
        self._manifest.ended_at = max(self._manifest.ended_at, self._last_seen())
        return Capture(self._root, snapshot.Snapshot(self._manifest, {}), at_work=False).unproven

    def _close(self) -> None:
        manifest = self._manifest
        if self._rebuilt:
            tables = sorted({entry.table for entry in manifest.segments} & TABLES.keys())
            lost = Source(SourceState.PARTIAL, "the manifest was lost")
            manifest.sources = dict.fromkeys(tables, lost)
        if not manifest.closed:
            manifest.ended_at = max(manifest.ended_at, self._last_seen())
            self._say("the capture was closed")
        manifest.closed = True
        write_manifest(self._root, manifest)

    def _retire(self, name: str) -> None:
        lost = self._root / layout.LOST
        layout.ensure_folder(lost)
        plain = name.replace("/", "-")
        names = (lost / (f"{plain}.{n}" if n else plain) for n in count())
        (self._root / name).rename(next(path for path in names if not path.exists()))


def _seen(frame: wal.Frame) -> Micros:
    at = frame.columns.index("seen_at")
    times: list[Micros] = [row[at] for row in frame.rows]
    return max(times)


def _seen_bounds(root: Path, segments: list[Segment]) -> Iterator[tuple[Micros, Micros]]:
    for entry in segments:
        if entry.table in TABLES:
            table = segment.read_segment(root / entry.path, entry.table)
            yield segment.bounds(table, "seen_at")
