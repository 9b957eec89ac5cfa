"""The tape: where everything that collectors saw becomes rows of the capture, one observation at a time.

Collectors run in threads of their own and call in here; one lock orders them, so `seen_at` never runs backwards. There
is no queue in between on purpose: a collector that has to wait stops reading its socket, and TCP tells the server. So
memory stays bounded, and a recorder that cannot keep up shows as late `seen_at` and lost watches, never as a hole
that nobody declared.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from afscope.capture.proofs import Proofs, Until
from afscope.capture.sources import Sources
from afscope.capture.tidings import News, Tidings
from afscope.model.capture import ClockOffset, Source, SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.pace import Pace
from afscope.model.row import ADDED, Row
from afscope.normalize.airflow import AirflowNormalizer
from afscope.normalize.kube import TABLE_OF_KIND, KubeNormalizer
from afscope.normalize.redact import Redactor
from afscope.store import proven
from afscope.store.writer import CaptureWriter

_NOTES_PER_SOURCE = 20
_PROOFS_EVERY: Micros = 5 * SECOND
# Whoever sees objects of the Kubernetes API also fills `objects` and what their containers say of Airflow's settings.
_OF_OBJECTS = frozenset(TABLE_OF_KIND.values())
ALSO_OF_OBJECTS = ("objects", "airflow_config")


class Tape:
    """Writes what collectors saw. Safe to call from several threads."""

    def __init__(self, writer: CaptureWriter, pace: Pace) -> None:
        self.pace = pace
        self.redactor = Redactor()
        """For texts that a collector prepares itself; masks and counts."""
        self._writer = writer
        self._kube = KubeNormalizer(self.redactor)
        self._airflow = AirflowNormalizer(self.redactor)
        self._sources = Sources()
        self._lock = threading.RLock()
        self._counted: dict[str, int] = {}
        self._notes: dict[str, int] = {}
        self._shed: dict[str, tuple[Micros, str]] = {}
        self._proofs = Proofs()
        self._proofs_at: Micros = 0
        self._holes: dict[str, str] = {}
        self._listeners: dict[str, list[Callable[[Row], None]]] = {}
        self.rows = 0
        """Rows written so far."""
        self.gaps = 0
        """Gaps declared so far."""
        self.say: Callable[[str], None] = lambda _: None
        """Gets one sentence for people whenever sources are lost or come back."""
        self._said: dict[str, SourceState] = {}
        self._tidings = Tidings()

    def listen(self, table: str, listener: Callable[[Row], None]) -> None:
        """Calls `listener` with each row of a table; it must be quick, as all collectors wait for it."""
        with self._lock:
            self._listeners.setdefault(table, []).append(listener)

    # What was seen

    def observed(self, change: str, raw: bytes, *, kind: str, since: Micros | None = None) -> bool:
        """One observation of one API object: `raw` as sent, `change` STATE for a listed one, else as the watch says.

        `since` for one that may come late: it happened then at the earliest. Returns whether such an object said when
        it happened; where not it is recorded as of now. What is no JSON object is noted in the manifest and costs
        nothing else.
        """
        with self._lock:
            try:
                self._put(self._kube.observe(change, raw, self.pace.now(), kind=kind, since=since))
            except msgspec.DecodeError as error:
                self._note(kind, f"{kind}: {error}")
            while self._kube.problems:
                self._note(kind, f"only kept as an object: {self._kube.problems.pop()}")
            return self._kube.timed

    def polled(
        self,
        seen_at: Micros,
        took_s: float,
        tables: Mapping[str, Iterable[Mapping[str, Any]]],
        *,
        gone: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
        error: str | None = None,
    ) -> None:
        """One poll of the Airflow DB: begun at `seen_at`, and rows per Airflow table that are new or changed.

        With `error` the poll failed. `counts` (state, queue, pool, executor, n) is complete whenever it is there.
        `gone` has the keys of rows that somebody deleted.
        """
        with self._lock:
            self._put(self._airflow.poll(seen_at, took_s, ok=error is None, error=error))
            for table, rows in tables.items():
                self._put(self._airflow.rows(table, rows, seen_at))
            for table, keys in (gone or {}).items():
                self._put(self._airflow.gone(table, keys, seen_at))
            if self._airflow.release:
                self._writer.describe(airflow_version=self._airflow.release)

    def put(self, rows: Iterable[Row]) -> None:
        """Rows that a collector made itself (log lines, broker queues, settings); redacted by it."""
        with self._lock:
            self._put(rows)

    def sample(self, metric: str, value: float) -> None:
        """The recorder's own cost."""
        now = self.pace.now()
        self.put((Row("samples", {"ts": now, "seen_at": now, "change": ADDED, "metric": metric, "value": value}),))

    def vouch(self, tables: Iterable[str], part: str, until: Until | None) -> None:
        """`until` tells, whenever it is asked, up to when that part of these tables is in the record; None: nobody."""
        with self._lock:
            self._proofs.vouch(tables, part, until)

    # What could not be seen

    def gap(self, source: str, from_ts: Micros, to_ts: Micros, reason: str) -> None:
        """`source` (a table, "*" for all) has a hole in this time."""
        with self._lock:
            self.gaps += 1
            self._holes[source] = self.redactor.text(reason)
            self._writer.gap(source, from_ts, max(from_ts, to_ts), self._holes[source])

    def source(self, table: str, part: str, state: SourceState, reason: str = "") -> None:
        """How much a part of a table's sources (such as "pods in airflow") can be trusted from now on."""
        with self._lock:
            whole = self._sources.set(table, part, state, self.redactor.text(reason))
            if whole.status is SourceState.OK and table in self._holes:  # good again is not good throughout
                whole = Source(SourceState.PARTIAL, self._holes[table])
            self._writer.set_source(table, whole.status, whole.reason)
            if state is SourceState.OK and table in _OF_OBJECTS:
                for also in ALSO_OF_OBJECTS:
                    if also not in self._shed:
                        self._writer.set_source(also, SourceState.OK)

    def told(self, part: str, state: SourceState, reason: str = "", *, of_many: bool = False) -> None:
        """Tells people how it is with a part of the sources, when that is news; the reason alone is none.

        One list `of_many` of the Kubernetes API is told a moment later, in one sentence with those of the same fate.
        """
        with self._lock:
            if of_many:
                self._tidings.hear(News(part, state, self.redactor.text(reason)))
                return
            before, self._said[part] = self._said.get(part, SourceState.OK), state
            if state is before:
                return
            if state is SourceState.OK:
                self.say(f"recorded again: {part}")
            else:
                self.say(f"not recorded: {part}: {self.redactor.text(reason)}")

    def shed(self, table: str, reason: str) -> None:
        """From now on rows of `table` are dropped; `end` declares that as a gap."""
        with self._lock:
            self._shed.setdefault(table, (self.pace.now(), reason))
            self.source(table, "budget", SourceState.PARTIAL, reason)
            if table == "objects":
                self._writer.forget_bodies()

    def end(self, stopped: Micros | None = None) -> None:
        """Declares what was shed and what is not proved up to when the recording was `stopped`, counts what was masked;
        nothing comes after it.
        """
        with self._lock:
            now = self.pace.now()
            for table, part, until in self._proofs.lacking(now if stopped is None else stopped):
                self.gap(table, until, now, f"{part}: nothing was heard at the end")
            for sentence in self._tidings.due(all_of_it=True):
                self.say(sentence)
            for table, (since, reason) in self._shed.items():
                self.gap(table, since, now, reason)
            self._count_redactions()

    def clock_offset(self, source: str, offset_us: int, uncertainty_us: int) -> None:
        """How far a source's clock runs ahead of the recorder's."""
        with self._lock:
            self._writer.set_clock_offset(source, ClockOffset(offset_us, uncertainty_us))

    def describe(self, *, cluster: str = "", **settings: Any) -> None:
        """What is only known once connected; settings must be JSON and hold no secret."""
        with self._lock:
            self._writer.describe(cluster=cluster, **settings)

    # Housekeeping

    def tick(self) -> None:
        """Flush, sync and seal what is due; call it about each second."""
        with self._lock:
            for sentence in self._tidings.due():
                self.say(sentence)
            self._count_redactions()
            self._tell_proofs()
            self._writer.tick()

    def _tell_proofs(self) -> None:
        now = self.pace.now()
        if 0 <= now - self._proofs_at < _PROOFS_EVERY:
            return
        self._proofs_at = now
        for table, until in self._proofs.news():
            if table not in self._shed:
                self.sample(proven.METRIC + table, (now - until) / SECOND)

    def _put(self, rows: Iterable[Row]) -> None:
        kept = [row for row in rows if row.table not in self._shed]
        self._writer.extend(kept)
        self.rows += len(kept)
        for row in kept if self._listeners else ():
            for listener in self._listeners.get(row.table, ()):
                listener(row)

    def _note(self, source: str, text: str) -> None:
        """A server that sends the same nonsense for ever fills no manifest."""
        seen = self._notes[source] = self._notes.get(source, 0) + 1
        if seen <= _NOTES_PER_SOURCE:
            self._writer.note_unread(self.redactor.text(text))

    def _count_redactions(self) -> None:
        for rule, count in self.redactor.counts.items():
            new = count - self._counted.get(rule, 0)
            if new:
                self._writer.count_redaction(rule, new)
                self._counted[rule] = count


def table_of(kind: str) -> str:
    """The table that a kind fills; other kinds only leave their object."""
    return TABLE_OF_KIND.get(kind, "objects")
