"""Following a capture that grows: each poll returns the rows that came since the last one, across seals."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from afscope.model.capture import Manifest
from afscope.store import snapshot, wal
from afscope.store.manifest import read_manifest, sealed_seq
from afscope.store.reader import Capture

if TYPE_CHECKING:
    import pyarrow as pa


class Follower:
    """Every row of a growing capture exactly once: first those in `capture`, then those of each `poll`.

    It keeps the WAL open that it has read in part. When that WAL is sealed and its file removed, the handle still
    gives the rest, in the order of appending; a WAL that came and went between two polls is read as segments.
    """

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        """With `from_start` the first poll gives the rows of the open WALs as well, and `capture` is of its segments.

        Raises NotACapture, NewerFormat or DamagedCapture.
        """
        self.path = path
        self.warnings: list[str] = []
        self._tails = snapshot.Tails(path)
        try:
            view = snapshot.take(path, self._tails)
        except BaseException:
            self._tails.close()
            raise
        self.capture = Capture(path, snapshot.Snapshot(view.manifest, {}) if from_start else view)
        self.manifest: Manifest = view.manifest
        """The manifest as of the last poll."""
        self._done = sealed_seq(view.manifest)
        self._offsets = {} if from_start else {seq: _good_end(data) for seq, data in view.wals.items()}

    @property
    def closed(self) -> bool:
        """Whether the writer is done and everything was returned."""
        return self.manifest.closed

    def poll(self) -> "dict[str, pa.Table]":
        """The new rows per table, in the order of appending (per seal, if polls are rarer); no empty tables."""
        from afscope.store import arrow

        parts: dict[str, list[Any]] = {}
        for new in self.poll_wals().values():
            for table, rows in new.items():
                parts.setdefault(table, []).append(rows)
        return {table: arrow.concat(table, part) for table, part in parts.items()}

    def poll_wals(self) -> "dict[int, dict[str, pa.Table]]":
        """Like `poll`, by the number of the WAL that the rows were written to; `sealed` says which are segments now."""
        from afscope.store import segment

        parts: dict[int, dict[str, pa.Table]] = {}
        self._tails.look(after=self._done)
        self.manifest = read_manifest(self.path)
        sealed = sealed_seq(self.manifest)
        by_seq = {s.seq for s in self.manifest.segments if s.seq > self._done}
        for seq in sorted(by_seq | set(self._tails.seqs())):
            if seq in self._tails.seqs():
                parts[seq] = segment.frames_by_table(self._new_frames(seq))
            else:
                parts[seq] = self._segments(seq)
            if seq <= sealed:
                self._finish(seq)
        self._done = max(self._done, sealed)
        return parts

    @property
    def sealed(self) -> int:
        """The highest number of a WAL that is sealed, as of the last poll."""
        return self._done

    def close(self) -> None:
        """Lets go of the open WAL."""
        self._tails.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_frames(self, seq: int) -> list[wal.Frame]:
        offset = self._offsets.get(seq, 0)
        reader = wal.WalReader(self._tails.read(seq, offset), offset)
        frames = list(reader)
        self._offsets[seq] = reader.tail.offset
        return frames

    def _segments(self, seq: int) -> "dict[str, pa.Table]":
        from afscope.store import segment

        tables: dict[str, pa.Table] = {}
        for entry in self.manifest.segments:
            if entry.seq == seq:
                try:
                    tables[entry.table] = segment.read_segment(self.path / entry.path, entry.table)
                except (segment.SegmentError, KeyError) as error:
                    self.warnings.append(f"{entry.path} was left out: {error}")
        return tables

    def _finish(self, seq: int) -> None:
        self._offsets.pop(seq, None)
        if seq in self._tails.seqs():
            self._tails.drop(seq)


def _good_end(data: bytes) -> int:
    reader = wal.WalReader(data)
    for _frame in reader:
        pass
    return reader.tail.offset
