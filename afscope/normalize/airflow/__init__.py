"""Rows of the Airflow metadata DB, of any version from 2.2 to 3.3 and any database, to rows of the capture."""

from collections.abc import Iterable, Iterator
from typing import Any

from afscope.model.clock import SECOND, Micros
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE, Row
from afscope.normalize.airflow.tables import KEYS, READERS, Times
from afscope.normalize.airflow.values import Values, integer, words
from afscope.normalize.airflow.versions import Version, by_columns, first_release, release_range
from afscope.normalize.redact import Redactor

# Before anything is known of the version: the meaning of try_number since 2.10.
_ASSUMED: Version = (2, 10)
# Keys remembered per table: a recorder that runs for weeks must not remember every task that ever ran. Whoever changes
# after so many others came between is taken for new.
_REMEMBERED = 200_000
# What clocks of scheduler, workers and recorder may differ by without a wrong date.
_SLACK: Micros = 2 * SECOND


class AirflowNormalizer:
    """Turns polled or dumped rows into rows of the capture.

    The date (`ts`) of a change is the row's own time for the state that it is in, if that lies between the last good
    poll and this one (give or take 2 s) and after the row's change before; otherwise it is when the change was seen.
    Columns of the attempt before linger in rows that wait, so no time is believed without this. In the first poll
    nothing came before, and a row's own time dates it however old it is.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.version: Version = _ASSUMED
        self.release = ""
        """The releases that the alembic head stands for, once seen."""
        self.unknown_tables: set[str] = set()
        self.keyless: dict[str, int] = {}
        """Rows per Airflow table that lacked a column of their key and were left out."""
        self._head_known = False
        self._good_polls: tuple[Micros | None, Micros | None] = (None, None)
        self._until: Micros = 0
        self._last: dict[str, dict[tuple[Any, ...], Micros]] = {}
        self._counted: set[tuple[Any, ...]] | None = None

    def poll(self, seen_at: Micros, took_s: float, *, ok: bool, error: str | None = None) -> Iterator[Row]:
        """One poll of the DB, begun at `seen_at`: its row in `polls`. The rows that it brought come after it."""
        if ok:
            self._good_polls = (self._good_polls[1], seen_at)
        self._until = seen_at + round(max(0.0, took_s) * SECOND)
        yield Row(
            "polls",
            {
                "ts": seen_at,
                "seen_at": seen_at,
                "change": ADDED,
                "source": "airflow_db",
                "duration_ms": took_s * 1000,
                "outcome": "ok" if ok else "failed",
                "error": self.redactor.optional(error),
            },
        )

    def rows(self, table: str, rows: Iterable[Values], seen_at: Micros) -> Iterator[Row]:
        """Rows of one Airflow table that are new or changed. Unknown tables are noted and skipped."""
        if table == "alembic_version":
            yield from self._alembic(rows, seen_at)
        elif table == "counts":
            yield from self._counts(rows, seen_at)
        elif table in READERS:
            for row in rows:
                yield from self._row(table, row, seen_at)
        else:
            self.unknown_tables.add(table)

    def gone(self, table: str, keys: Iterable[Values], seen_at: Micros) -> Iterator[Row]:
        """Rows that are no longer in an Airflow table, as the columns of their keys: DELETED, nothing else is known."""
        for key in keys:
            name, _, _ = READERS[table](key, self.version, self.redactor)
            self._last.get(table, {}).pop(_key(table, key), None)
            yield Row(name, {**key, "ts": seen_at, "seen_at": seen_at, "change": DELETED})

    def _row(self, table: str, row: Values, seen_at: Micros) -> Iterator[Row]:
        key = _key(table, row)
        if table == "task_instance":
            self._look(row)
        if None in key[: len(KEYS[table])]:
            self.keyless[table] = self.keyless.get(table, 0) + 1
            return
        name, values, own = READERS[table](row, self.version, self.redactor)
        last = self._last.setdefault(table, {})
        change = MODIFIED if key in last else STATE if self._good_polls[0] is None else ADDED
        ts = self._date(own, seen_at, last.get(key))
        if table != "log":  # its rows never change, and there is no end of them
            last.pop(key, None)
            last[key] = ts
            if len(last) > _REMEMBERED:
                del last[next(iter(last))]
        yield Row(name, {**values, "ts": ts, "seen_at": seen_at, "change": change})

    def _look(self, row: Values) -> None:
        """Learns the version from the columns of a task instance, unless the alembic head told it."""
        if not self._head_known:
            self.version = by_columns(row.keys()) or self.version

    def _date(self, own: Times, seen_at: Micros, before: Micros | None) -> Micros:
        """The first of a row's own times that can be the time of this change; else when it was seen."""
        earliest, latest = self._good_polls[0], max(seen_at, self._until) + _SLACK
        for at in own:
            fits = at is not None and at <= latest and (earliest is None or at >= earliest - _SLACK)
            if at is not None and fits and (before is None or at > before):
                return at
        return seen_at

    def _alembic(self, rows: Iterable[Values], seen_at: Micros) -> Iterator[Row]:
        for row in rows:
            head = words(row.get("version_num")) or ""
            known = first_release(head)
            self._head_known = known is not None
            self.version = known or self.version
            self.release = release_range(head)
            values = {"scope": "database", "component": "metadata-db", "key": "alembic_version", "value": head}
            yield Row("airflow_config", {**values, "ts": seen_at, "seen_at": seen_at, "change": STATE})

    def _counts(self, rows: Iterable[Values], seen_at: Micros) -> Iterator[Row]:
        """A complete set: groups that are no longer in it come once more, with n = 0."""
        now: dict[tuple[Any, ...], int] = {}
        for row in rows:
            now[tuple(words(row.get(c)) for c in ("state", "queue", "pool", "executor"))] = integer(row.get("n")) or 0
        change = STATE if self._counted is None else MODIFIED
        gone = dict.fromkeys((self._counted or set()) - now.keys(), 0)
        self._counted = set(now)
        for (state, queue, pool, executor), n in {**now, **gone}.items():
            values = {"state": state, "queue": queue, "pool": pool, "executor": executor, "n": n}
            yield Row("task_counts", {**values, "ts": seen_at, "seen_at": seen_at, "change": change})


def _key(table: str, row: Values) -> tuple[Any, ...]:
    """What identifies a row; a task instance without map_index (2.2) is the one of -1."""
    key: tuple[Any, ...] = tuple(words(row.get(column)) for column in KEYS[table])
    return (*key, integer(row.get("map_index", -1))) if table == "task_instance" else key
