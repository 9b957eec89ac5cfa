"""Reading a capture: closed, growing, or left behind by a writer that was killed.

Opening reads the manifest and the bytes of the open WALs, nothing else: pyarrow comes with the first table.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from afscope.model.capture import Manifest, Segment, Source, SourceState
from afscope.model.clock import Micros
from afscope.model.finding import Gap
from afscope.store import proven, snapshot, wal, zipcache
from afscope.store.checksum import LOST_ROWS, damage
from afscope.store.lock import is_being_written
from afscope.store.schema import TABLES

if TYPE_CHECKING:
    import pyarrow as pa


def folder_of(path: Path, cache: Path | None = None) -> Path:
    """The folder to read for `path`, which may be a packed capture."""
    return zipcache.extracted(path, cache) if path.is_file() and path.suffix == ".zip" else path


class Capture:
    """What a capture held at the moment of opening. Tables are named as in `schema.TABLES`, KeyError for others."""

    def __init__(self, path: Path, view: snapshot.Snapshot, *, at_work: bool | None = None) -> None:
        """Use `open`. `at_work`: whether its writer still is; None where `view` has not all rows, so that nobody can
        tell what of them is proved.
        """
        self.path = path
        self.view = view
        self._at_work = at_work
        self.manifest: Manifest = view.manifest
        self.warnings: list[str] = []
        """What could not be read and was left out; grows as tables are read."""
        self._good: dict[str, list[Path]] = {}
        self._damaged: list[Gap] = []
        self._tables: dict[str, pa.Table] = {}

    @classmethod
    def open(cls, path: Path | str, *, cache: Path | None = None) -> Self:
        """Opens a folder or an .afscope.zip, which is extracted once into `cache` (default: the user's cache).

        Raises NotACapture, NewerFormat or DamagedCapture.
        """
        root = folder_of(Path(path), cache)
        tails = snapshot.Tails(root)
        at_work = is_being_written(root)  # first: who closes the capture meanwhile has not been cut off
        try:
            return cls(root, snapshot.take(root, tails), at_work=at_work)
        finally:
            tails.close()

    @property
    def started_at(self) -> Micros:
        """When recording began; in a ring, the oldest epoch that is kept."""
        return self.manifest.started_at

    @cached_property
    def ended_at(self) -> Micros:
        """When recording ended; while it goes on or was cut short, the last `seen_at`."""
        ends = [self.manifest.ended_at]
        if not self.manifest.closed:
            from afscope.store.segment import bounds

            ends += [bounds(table, "seen_at")[1] for table in self._written.values() if table.num_rows]
        return max(ends)

    @property
    def cut_off(self) -> bool:
        """Whether its writer is gone and did not close it."""
        return not self.manifest.closed and self._at_work is False

    @cached_property
    def proven(self) -> dict[str, Micros]:
        """Up to when each table is known to be whole, as its recorder said last.

        Empty where that was not said, and of a capture that was closed: there `gaps` tell what is not whole.
        """
        if self.manifest.closed or self._at_work is None:
            return {}
        return proven.stamps(self._put_together("samples", self._written))

    def adopt(self, before: "Capture", unsealed: dict[str, int]) -> None:
        """Takes over what is known of the same capture: checked segments, and how many rows of it are in no segment."""
        now = {segment.path for segment in self.manifest.segments}
        known = {segment.path for segment in before.manifest.segments}
        self.warnings, self._damaged, self._wal_rows = before.warnings, before._damaged, unsealed
        for table, paths in before._good.items():
            self._good[table] = [path for path in paths if str(path.relative_to(self.path)) in now]
        for segment in sorted(self.manifest.segments, key=lambda segment: segment.seq):
            if segment.path not in known and segment.table in self._good:
                self._check(segment, damage(self.path, segment))

    def segments(self, table: str) -> list[Path]:
        """The sealed parquet files of a table, oldest first; damaged ones are left out and get a warning."""
        if table not in self._good:
            name = TABLES[table].name
            self._good[table] = []
            for segment in sorted(self.manifest.segments, key=lambda segment: segment.seq):
                if segment.table == name:
                    self._check(segment, damage(self.path, segment))
        return self._good[table]

    def wal_table(self, table: str) -> "pa.Table":
        """The rows of a table that are not sealed yet, in the order of appending."""
        from afscope.store import arrow

        found = self._wal_tables.get(TABLES[table].name)
        return arrow.concat(table, []) if found is None else found

    def table(self, name: str) -> "pa.Table":
        """All rows of a table: columns as in the schema, times as UTC microseconds.

        Sorted by `ts` (objects by `seen_at`), equal times in the order of appending. Read once, then kept.
        """
        if name not in self._tables:
            self._tables[name] = self._put_together(name, self._wal_tables)
        return self._tables[name]

    def rows(self, table: str) -> int:
        """How many rows a table has, damaged segments included; reads no segment."""
        sealed = sum(segment.rows for segment in self.manifest.segments if segment.table == TABLES[table].name)
        return sealed + self.tail_rows(table)

    def tail_rows(self, table: str) -> int:
        """How many rows of a table are not sealed yet."""
        return self._wal_rows.get(TABLES[table].name, 0) + (len(self.unproven) if table == "gaps" else 0)

    def has(self, table: str) -> bool:
        """Whether a table has rows. For whether it was recorded at all, ask `source`."""
        return self.rows(table) > 0

    def source(self, table: str) -> Source:
        """Whether a table was recorded: `ok` without rows means "listed, there were none"."""
        known = self.manifest.sources.get(TABLES[table].name)
        if known is not None:
            return known
        return Source(SourceState.OK) if self.has(table) else Source(SourceState.NOT_RECORDED)

    def gaps(self) -> tuple[Gap, ...]:
        """The holes of the recording, by the time at which they were noticed; source "*" concerns all tables.

        Of a capture that nobody closed also what is not proved: of each table from its last proof to the end.
        """
        if not self.has("gaps"):
            return ()
        wanted = ("source", "from_ts", "to_ts", "reason")
        rows = self.table("gaps").select(wanted)
        columns = [rows[name].cast("int64") if name.endswith("_ts") else rows[name] for name in wanted]
        return tuple(Gap(*values) for values in zip(*(column.to_pylist() for column in columns), strict=True))

    def damaged(self, table: str) -> tuple[Gap, ...]:
        """Stretches of a table whose rows damage took: those left out here, and those that `recover` dropped."""
        self.segments(table)
        found = [*self._damaged, *(gap for gap in self.gaps() if gap.reason.endswith(LOST_ROWS))]
        return tuple(gap for gap in found if gap.source == table)

    def _check(self, segment: Segment, problem: str) -> None:
        if problem:
            self.warnings.append(f"{segment.path} was left out: {problem}")
            self._damaged.append(Gap(segment.table, segment.first, segment.last, f"{segment.rows} {LOST_ROWS}"))
        else:
            self._good[segment.table].append(self.path / segment.path)

    def _read(self, table: str) -> Any:
        from afscope.store import segment

        def read(path: Path) -> "pa.Table | None":
            try:
                return segment.read_segment(path, table)
            except segment.SegmentError as error:
                self.warnings.append(f"{path.relative_to(self.path)} was left out: {error}")
                return None

        return read

    @cached_property
    def _frames(self) -> list[wal.Frame]:
        frames: list[wal.Frame] = []
        for seq, data in self.view.wals.items():
            reader = wal.WalReader(data)
            frames.extend(reader)
            if reader.tail.cut and not is_being_written(self.path):  # a living writer may be in the middle of a frame
                self.warnings.append(f"wal {seq}: {reader.tail.cut} bytes were left out: {reader.tail.reason}")
        return frames

    @cached_property
    def _wal_rows(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for frame in self._frames:
            counts[frame.table] = counts.get(frame.table, 0) + len(frame.rows)
        return counts

    @cached_property
    def _wal_tables(self) -> "dict[str, pa.Table]":
        """What is in no segment: rows that were written, and gaps that nobody could write."""
        if not self.unproven:
            return self._written
        from afscope.store import arrow

        parts = [self._written["gaps"]] if "gaps" in self._written else []
        gaps = arrow.from_rows("gaps", *proven.rows(self.unproven, self.ended_at))
        return {**self._written, "gaps": arrow.concat("gaps", [*parts, gaps])}

    @cached_property
    def _written(self) -> "dict[str, pa.Table]":
        from afscope.store.segment import frames_by_table

        return frames_by_table(self._frames)

    @cached_property
    def unproven(self) -> tuple[Gap, ...]:
        """Of a capture that nobody closed: from the last proof of each table to the end."""
        if self.manifest.closed or self._at_work is None:
            return ()
        reason, least = (proven.GROWING, proven.FRESH) if self._at_work else (proven.CUT_OFF, 0)
        return tuple(proven.tails(self.manifest.sources, self._known_until, self.ended_at, reason=reason, least=least))

    def _known_until(self, table: str) -> Micros:
        """The last proof of a table; where a recorder told none, its last row, and what it began with."""
        from afscope.store.segment import bounds

        if table in self.proven:
            return self.proven[table]
        rows = self._put_together(table, self._written)
        return bounds(rows, "seen_at")[1] if rows.num_rows else self.started_at

    def _put_together(self, name: str, unsealed: "dict[str, pa.Table]") -> "pa.Table":
        from afscope.store import arrow

        parts = [part for part in map(self._read(name), self.segments(name)) if part is not None]
        parts += [unsealed[name]] if name in unsealed else []
        return arrow.in_order(name, arrow.concat(name, parts))
