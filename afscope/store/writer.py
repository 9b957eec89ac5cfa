"""Writing a capture: rows go to the WAL, full WALs become segments.

The order of a seal is the whole consistency of a capture. WAL n is sealed so:

1. what is buffered is written to WAL n and synced; nothing is added to it any more
2. WAL n + 1 is created, with its header
3. the rows of WAL n are written as segments n of their tables (tmp, fsync, rename)
4. the manifest that names the segments n replaces the old one: the commit
5. WAL n is removed

With `seal_apart` a child does step 3, while rows go on to WAL n + 1. WALs are sealed one after the other.

So at every instant each written row is in exactly one of: a WAL whose number is above every segment of the manifest,
or a segment of the manifest. Segments above that number and WALs up to it do not count. A reader therefore reads the
WALs first and the manifest second, and drops WALs up to the manifest's highest number. A WAL that vanishes between
listing and reading was sealed before step 5, so the manifest read afterwards has its rows; a WAL that is sealed
after it was read is dropped in favour of its segments. Reading in the other order could miss a whole WAL.
"""

import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import afscope
from afscope.errors import CaptureError, CaptureExists
from afscope.model.capture import FORMAT_VERSION, ClockOffset, Manifest, Segment, Source, SourceState
from afscope.model.clock import SECOND, Clock, Micros
from afscope.model.row import Row
from afscope.store import layout, ring, wal
from afscope.store.keyframe import SEEN_AT, LiveState, Values
from afscope.store.lock import WriterLock
from afscope.store.manifest import write_manifest
from afscope.store.objects import ObjectBodies
from afscope.store.options import RowClock, WriterOptions
from afscope.store.rows import RowCodec, encode_values
from afscope.store.schema import TABLES
from afscope.store.sealing import SealingChild
from afscope.store.walfile import WalFile

__all__ = ["CaptureWriter", "RowClock", "WriterOptions"]
_UNREAD_MAX = 1000


class CaptureWriter:
    """The one writer of a capture. Safe to call from several threads.

    Rows should come in order of `seen_at`; a late row is kept, but belongs to the epoch that is open, and an object's
    chain is never late (`objects.py`). Nothing runs in the background: a recorder that may be idle calls `tick`.
    As a context manager it closes on success; on an exception it syncs and leaves an open capture, which reads as it
    is and which `recover` closes.
    """

    def __init__(self, path: Path, manifest: Manifest, clock: Clock | None, options: WriterOptions) -> None:
        """Use `create`."""
        self.path = path
        self.manifest = manifest
        self._rows_clock = RowClock() if clock is None else None
        self._clock: Clock = clock or self._rows_clock or RowClock()
        self._begins_with_rows = clock is None and not manifest.started_at
        self._options = options
        self._lock = WriterLock(path)
        self._mutex = threading.RLock()
        self._codecs = {name: RowCodec(name) for name in TABLES}
        self._live = LiveState(manifest.epoch_us)
        self._bodies = ObjectBodies()
        self._wal: WalFile | None = None
        self._spent: list[WalFile] = []
        self._child: SealingChild | None = None
        self._pending: dict[str, list[bytes]] = {}
        self._pending_bytes = 0
        self._manifest_due = False
        self._last_seen: Micros = 0
        self._flushed_at = self._synced_at = self._clock.now()
        self._epoch_starts: list[ring.EpochStart] = []

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        clock: Clock | None = None,
        options: WriterOptions | None = None,
        id: str = "",  # noqa: A002  (the manifest's own word)
        origin: str = "",
        cluster: str = "",
        airflow_version: str = "",
        started_at: Micros | None = None,
        epoch_us: Micros = 600 * SECOND,
        settings: Mapping[str, Any] | None = None,
    ) -> Self:
        """Makes the folder `path` and an empty, open capture in it; without `clock` the rows' `seen_at` are the time.

        Raises CaptureExists when the path is taken, CaptureError when it cannot be written.
        """
        try:
            layout.make_folder(path)
        except FileExistsError as error:
            raise CaptureExists(f"{path} exists", "captures are never overwritten: choose another -o") from error
        except OSError as error:
            raise CaptureError(f"{path} cannot be created: {error.strerror}") from error
        begin = started_at if started_at is not None else clock.now() if clock is not None else 0
        manifest = Manifest(
            format_version=FORMAT_VERSION, id=id or uuid.uuid4().hex, afscope_version=afscope.__version__,
            started_at=begin, ended_at=begin, cluster=cluster, origin=origin, airflow_version=airflow_version,
            epoch_us=epoch_us, settings=dict(settings or {}),
        )  # fmt: skip
        writer = cls(path, manifest, clock, options or WriterOptions())
        layout.make_folder(path / layout.SEGMENTS)
        layout.make_folder(path / layout.WAL)
        writer._wal = WalFile(path, 1)
        writer._epoch_starts.append(ring.EpochStart(1, begin))
        write_manifest(path, manifest)
        layout.sync_folder(path.parent)
        return writer

    # Rows

    def append(self, row: Row) -> None:
        """Adds a row. Raises KeyError or TypeError for a row that breaks the schema, and then keeps nothing of it."""
        with self._mutex:
            self._append(row)
            self._work_due(self._clock.now())

    def extend(self, rows: Iterable[Row]) -> None:
        """Adds rows; like append for each, the clock is asked once per 256 rows."""
        with self._mutex:
            for count, row in enumerate(rows):
                self._append(row)
                if count % 256 == 255:
                    self._work_due(self._clock.now())
            self._work_due(self._clock.now())

    def gap(self, source: str, from_ts: Micros, to_ts: Micros, reason: str) -> None:
        """Records that `source` (a table, "*" for all) has a hole; a source that was ok becomes partial."""
        with self._mutex:
            self.append(Row("gaps", {"source": source, "from_ts": from_ts, "to_ts": to_ts, "reason": reason}))
            known = self.manifest.sources.get(source)
            if known is not None and known.status is SourceState.OK:
                self.set_source(source, SourceState.PARTIAL, reason)

    # What the manifest says

    def set_source(self, table: str, state: SourceState, reason: str = "") -> None:
        """Says how much `table` can be trusted from now on. Raises KeyError for an unknown table."""
        with self._mutex:
            source = Source(state, reason)
            if self.manifest.sources.get(TABLES[table].name) != source:
                self.manifest.sources[table] = source
                self._manifest_due = True

    def set_clock_offset(self, source: str, offset: ClockOffset) -> None:
        """Says how far a source's clock runs ahead of the recorder's."""
        with self._mutex:
            self.manifest.clock_offsets[source] = offset
            self._manifest_due = True

    def describe(self, *, cluster: str = "", airflow_version: str = "", **settings: Any) -> None:
        """Fills in what is only known once connected; empty texts change nothing, settings must be JSON."""
        with self._mutex:
            self.manifest.cluster = cluster or self.manifest.cluster
            self.manifest.airflow_version = airflow_version or self.manifest.airflow_version
            self.manifest.settings.update(settings)
            self._manifest_due = True

    def count_redaction(self, rule: str, n: int = 1) -> None:
        """Counts what was masked. Written with the next manifest, so a kill -9 can lose the latest counts."""
        with self._mutex:
            self.manifest.redactions[rule] = self.manifest.redactions.get(rule, 0) + n

    def note_unread(self, text: str) -> None:
        """Lists something that could not be read, as "file:line: why"; after 1000 only the number grows."""
        with self._mutex:
            unread = self.manifest.unread
            if len(unread) < _UNREAD_MAX:
                unread.append(text)
            else:
                more = self.manifest.settings.get("unread_not_listed", 0)
                self.manifest.settings["unread_not_listed"] = more + 1
            self._manifest_due = True

    def forget_bodies(self) -> None:
        """Frees the bodies kept for patches of `objects`; whatever comes next of an object is stored in full."""
        with self._mutex:
            self._bodies = ObjectBodies()

    # From memory to disk

    def tick(self) -> None:
        """Does what is due by the clock: flush, sync, keyframe and seal of a new epoch. Call it about each second."""
        with self._mutex:
            now = self._clock.now()
            self._enter_epoch(now)
            self._work_due(now)

    def flush(self) -> None:
        """Hands all rows to the operating system: readers see them, and a kill -9 no longer loses them."""
        with self._mutex:
            self._open_wal()
            if self._child is not None and self._child.done:
                self._seal_spent()
            if self._pending:
                self._write_pending()
            self._flushed_at = self._clock.now()
            if self._manifest_due:
                self._commit_manifest()

    def sync(self) -> None:
        """Flushes and waits for the disk: a power loss no longer loses what was appended before."""
        with self._mutex:
            self.flush()
            with _disk(self.path):
                self._open_wal().sync()
            self._synced_at = self._clock.now()

    def seal(self) -> None:
        """Turns the open WAL into segments, in the order that the module's docstring gives; nothing if it is empty."""
        with self._mutex:
            self._turn()
            self._seal_spent()

    def close(self, ended_at: Micros | None = None) -> None:
        """Seals and marks the capture as closed; the second call does nothing.

        `ended_at` defaults to the clock's now, or the last `seen_at` when that is later.
        """
        with self._mutex:
            if self._wal is None:
                return
            try:
                self.flush()
                self._seal_spent()
                if ended_at is not None:
                    self.manifest.ended_at = ended_at
                self.manifest.closed = True
                self._turn(go_on=False)
                self._seal_spent(keep_end=ended_at is not None)
            finally:
                self._leave()

    def abandon(self) -> None:
        """Syncs and lets go without closing: the capture stays open, as after a crash."""
        with self._mutex:
            if self._wal is not None:
                try:
                    self.sync()
                finally:
                    self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    # The inside; callers hold the mutex

    def _append(self, row: Row) -> None:
        values = self._codecs[row.table].values(row.values, self._clock)
        seen_at: Micros = values[SEEN_AT]
        if seen_at > self._last_seen:
            self._see(seen_at)
        elif self._begins_with_rows and seen_at < self.manifest.started_at:
            self.manifest.started_at = seen_at
        if row.table == "objects":
            values = self._bodies.shrink(values)
        else:
            self._live.see(row.table, values)
        self._put(row.table, values)

    def _see(self, seen_at: Micros) -> None:
        """Time moves on; without a clock it begins with the first row."""
        if self._rows_clock is not None:
            if self._begins_with_rows and not self._last_seen:
                self.manifest.started_at = seen_at
                self._epoch_starts[0] = ring.EpochStart(1, seen_at)
            self._rows_clock.advance(seen_at)
        self._last_seen = seen_at
        self._enter_epoch(seen_at)

    def _put(self, table: str, values: Values) -> None:
        encoded = encode_values(values)
        self._pending.setdefault(table, []).append(encoded)
        self._pending_bytes += len(encoded)

    def _enter_epoch(self, at: Micros) -> None:
        start = self._live.enter(at)
        if start is None:
            return
        if self._options.seal_epochs:
            self._turn()
            self._epoch_starts.append(ring.EpochStart(self._open_wal().seq, start))
        for table, values in self._live.keyframe(start):
            self._put(table, values)
        for values in self._bodies.keyframe(start):
            self._put("objects", values)

    def _work_due(self, now: Micros) -> None:
        """A clock that was set back makes everything due, else it would stay so until it caught up."""
        options = self._options
        if self._open_wal().size + self._pending_bytes >= options.seal_bytes:
            self._turn()
        elif not 0 <= now - self._synced_at < options.sync_us:
            self.sync()
        elif self._pending_bytes >= options.flush_bytes or not 0 <= now - self._flushed_at < options.flush_us:
            self.flush()

    def _write_pending(self) -> None:
        frames = [wal.encode_frame(table, self._codecs[table].columns, rows) for table, rows in self._pending.items()]
        with _disk(self.path):
            self._open_wal().write(b"".join(frames))
        self._pending = {}
        self._pending_bytes = 0

    def _turn(self, *, go_on: bool = True) -> None:
        """Spends the open WAL, unless it is empty, and opens the next one, or none; sealing begins, or is done."""
        self.flush()
        spent = self._open_wal()
        if go_on and spent.is_empty:
            return
        self._seal_spent()  # what failed before, or is still at work: one after the other
        with _disk(self.path):
            spent.sync()
            if not go_on:
                self._spent.append(spent)
                return
            self._wal = WalFile(self.path, spent.seq + 1)
        self._spent.append(spent)
        if self._options.seal_apart:
            self._begin_apart()
        else:
            self._seal_spent()

    def _begin_apart(self) -> None:
        try:
            self._child = SealingChild(self.path, self.manifest.id, self._spent[0].seq, self._lock.fileno())
        except OSError:  # no process to be had: it is sealed here when its turn comes
            self._child = None

    def _seal_spent(self, *, keep_end: bool = False) -> None:
        """Seals what is spent.

        What fails before the commit changes nothing and may be tried again. When the commit itself fails nobody knows
        which manifest is on the disk, and a row in the wrong WAL would be lost: the writer lets go.
        """
        while self._spent:
            spent = self._spent[0]
            with _disk(self.path):
                added = self._segments_of(spent)
            self.manifest.segments = [*self.manifest.segments, *added]
            try:
                self._commit_manifest(keep_end=keep_end)
            except CaptureError:
                self._leave()
                raise
            spent.remove()
            spent.close()
            del self._spent[0]
            self._synced_at = self._flushed_at = self._clock.now()
            if not self.manifest.closed:
                self._drop_expired()

    def _segments_of(self, spent: WalFile) -> list[Segment]:
        if spent.is_empty:
            return []
        if self._options.seal_apart and self._child is None:
            self._begin_apart()
        child, self._child = self._child, None
        added = child.result() if child is not None else None
        if added is None:  # nobody did it, or somebody killed who did
            from afscope.store.segment import write_segments

            added = write_segments(self.path, self.manifest.id, spent.seq, spent.read())
        return added

    def _commit_manifest(self, *, keep_end: bool = False) -> None:
        if not keep_end:
            self.manifest.ended_at = max(self.manifest.ended_at, self._last_seen, self._clock.now())
        with _disk(self.path):
            write_manifest(self.path, self.manifest)
        self._manifest_due = False

    def _drop_expired(self) -> None:
        options, manifest = self._options, self.manifest
        if options.retain_us is None and options.max_bytes is None:
            return
        kept = ring.first_kept(
            self._epoch_starts, manifest.segments, self._clock.now(), options.retain_us, options.max_bytes
        )
        if kept is None:
            return
        expired = [segment for segment in manifest.segments if segment.seq < kept.seq]
        manifest.segments = [segment for segment in manifest.segments if segment.seq >= kept.seq]
        manifest.started_at = kept.at
        self._epoch_starts = [start for start in self._epoch_starts if start.seq >= kept.seq]
        self._commit_manifest()
        for segment in expired:
            (self.path / segment.path).unlink(missing_ok=True)

    def _open_wal(self) -> WalFile:
        if self._wal is None:
            raise CaptureError(f"{self.path} is closed")
        return self._wal

    def _leave(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None
        for file in (*self._spent, *([self._wal] if self._wal is not None else ())):
            file.close()
        self._spent, self._wal = [], None
        self._lock.release()


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CaptureError(
            f"{path} cannot be written: {error.strerror}", "what was written before stays readable"
        ) from error
