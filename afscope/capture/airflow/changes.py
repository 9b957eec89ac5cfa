"""Which rows are new or changed since they were last written, for tables whose rows are read again and again."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from afscope.capture.airflow.session import Row
from afscope.model.clock import Micros

QUIET = {
    "task_instance": ("last_heartbeat_at", "updated_at"),
    "job": ("latest_heartbeat",),
    "dag_run": ("last_scheduling_decision",),
    "dag": ("last_parsed_time",),
}
"""Columns that move all the time without saying anything new of their row: heartbeats. Airflow 3 writes one every few
seconds into each running task instance, the scheduler one into each running run, so thousands would be written each
second. A row of which only these moved is written now and then; the newest of a table always is, because that one
proves that somebody lives."""


class Print(NamedTuple):
    """What is remembered of a row as it was written: not the row, because there may be 200,000 of them."""

    loud: int
    quiet: int
    at: Micros


STALE = Print(0, 0, 0)
"""The fingerprint of a row that was written with other columns: it differs from any."""


class Prints:
    """Takes fingerprints of one table's rows, and tells whether a row is worth writing."""

    def __init__(self, table: str, columns: Sequence[str], every_us: Micros) -> None:
        quiet = [columns.index(name) for name in QUIET.get(table, ()) if name in columns]
        self._loud_of = _getter(n for n in range(len(columns)) if n not in quiet)
        self._quiet_of = _getter(quiet)
        self._beat_of = _getter(quiet[:1])
        self._every = every_us

    def take(self, row: Row, now: Micros) -> Print:
        """The fingerprint of a row that is seen now."""
        return Print(hash(self._loud_of(row)), hash(self._quiet_of(row)), now)

    def differs(self, taken: Print, before: Print | None, *, patient: bool = True) -> bool:
        """Whether the row is to be written; a heartbeat alone is enough when it was not written for a while."""
        if before is None or taken.loud != before.loud:
            return True
        return taken.quiet != before.quiet and not (patient and 0 <= taken.at - before.at < self._every)

    def newest(self, rows: Iterable[Row]) -> Row | None:
        """The row with the newest heartbeat, None when none has any."""
        beating = (row for row in rows if self._beat_of(row) is not None)
        return max(beating, key=self._beat_of, default=None)


class Look(NamedTuple):
    """What one look at a table's live rows showed."""

    write: list[Row]
    prints: dict[Any, Print]
    left: list[Any]
    """Keys that were there the last time and are not any more."""


class Live:
    """The live rows of one small table. `look` changes nothing; `keep` takes note of what was written."""

    def __init__(
        self, prints: Prints, key_of: Callable[[Row], Any], patient: Callable[[Row], bool] = lambda _: True
    ) -> None:
        """`patient`: whether a row's heartbeats may wait."""
        self._prints = prints
        self._key_of = key_of
        self._patient = patient
        self._known: dict[Any, Print] = {}

    def look(self, rows: Sequence[Row], now: Micros) -> Look:
        """Compares all live rows with what is known."""
        newest = self._prints.newest(rows)
        write, known = [], {}
        for row in rows:
            key = self._key_of(row)
            taken, before = self._prints.take(row, now), self._known.get(key)
            patient = self._patient(row) and row is not newest
            if self._prints.differs(taken, before, patient=patient):
                write.append(row)
                known[key] = taken
            else:
                known[key] = before or taken
        return Look(write, known, [key for key in self._known if key not in known])

    def keep(self, look: Look) -> None:
        """From now on this is what is known."""
        self._known = look.prints

    def keep_some(self, look: Look, gone: Iterable[Any] = ()) -> None:
        """As `keep`, after a look at some of the rows only; `gone` are keys that need not be known any more."""
        self._known |= look.prints
        for key in gone:
            self._known.pop(key, None)

    def inherit(self, before: "Live") -> None:
        """Goes on where another schema ended: every row is written anew, and what left meanwhile is found."""
        self._known = dict.fromkeys(before._known, STALE)

    def __len__(self) -> int:
        return len(self._known)


def _getter(positions: Iterable[int]) -> Callable[[Row], Any]:
    at = list(positions)
    return itemgetter(*at) if at else lambda _: None
