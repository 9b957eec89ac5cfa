"""Rows of the Airflow metadata DB, of any version from 2.2 to 3.3 and any database, to rows of the capture."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from afscope.model.clock import SECOND, Micros
from afscope.model.row import ADDED, MODIFIED, STATE, Row
from afscope.normalize.airflow.tables import KEYS, READERS
from afscope.normalize.airflow.values import Values, integer, words
from afscope.normalize.airflow.versions import Version, first_release, release_range
from afscope.normalize.redact import Redactor

# Before anything is known of the version: the meaning of try_number since 2.10.
_ASSUMED: Version = (2, 10)
# A row's own time dates its change when it lies between the poll before and this one, give or take clock offsets.
_SLACK: Micros = 2 * SECOND


class AirflowNormalizer:
    """Turns polled or dumped rows into rows of the capture, dated by the best time that the row itself knows."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.version: Version = _ASSUMED
        self.release = ""
        """The releases that the alembic head stands for, once seen."""
        self.unknown_tables: set[str] = set()
        self._polled_at: Micros | None = None
        self._previous_poll: Micros | None = None
        self._known: dict[str, set[tuple[Any, ...]]] = {}
        self._counted: set[tuple[Any, ...]] = set()

    def poll(self, seen_at: Micros, took_s: float, *, ok: bool, error: str | None = None) -> Iterator[Row]:
        """One poll of the DB: its row in `polls`. `seen_at` is when it began."""
        self._previous_poll, self._polled_at = self._polled_at, seen_at
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
            read = READERS[table]
            for row in rows:
                yield self._row(table, read, row, seen_at)
        else:
            self.unknown_tables.add(table)

    def _row(
        self,
        table: str,
        read: Callable[[Values, Version, Redactor], tuple[str, dict[str, Any], Micros | None]],
        row: Values,
        seen_at: Micros,
    ) -> Row:
        if table == "task_instance" and row.get("id") is not None and self.version < (3, 0):
            self.version = (3, 0)  # only Airflow 3 gives task instances an id
        name, values, own = read(row, self.version, self.redactor)
        return Row(
            name,
            {**values, "ts": self._date(own, seen_at), "seen_at": seen_at, "change": self._change(table, row)},
        )

    def _date(self, own: Micros | None, seen_at: Micros) -> Micros:
        """The row's own time for its state, if it can be the time of this change; else when it was seen."""
        if own is None or own > seen_at + _SLACK:
            return seen_at
        earliest = self._previous_poll
        return own if earliest is None or own >= earliest - _SLACK else seen_at

    def _change(self, table: str, row: Values) -> str:
        key = tuple(words(row.get(column)) for column in KEYS[table])
        known = self._known.setdefault(table, set())
        if key in known:
            return MODIFIED
        known.add(key)
        return STATE if self._previous_poll is None else ADDED

    def _alembic(self, rows: Iterable[Values], seen_at: Micros) -> Iterator[Row]:
        for row in rows:
            head = words(row.get("version_num")) or ""
            self.version = first_release(head) or self.version
            self.release = release_range(head)
            values = {"scope": "database", "component": "metadata-db", "key": "alembic_version", "value": head}
            yield Row("airflow_config", {**values, "ts": seen_at, "seen_at": seen_at, "change": STATE})

    def _counts(self, rows: Iterable[Values], seen_at: Micros) -> Iterator[Row]:
        """A complete set: groups that are no longer in it come once more, with n = 0."""
        now: dict[tuple[Any, ...], int] = {}
        for row in rows:
            now[tuple(words(row.get(c)) for c in ("state", "queue", "pool", "executor"))] = integer(row.get("n")) or 0
        gone = dict.fromkeys(self._counted - now.keys(), 0)
        self._counted = set(now)
        for (state, queue, pool, executor), n in {**now, **gone}.items():
            values = {"state": state, "queue": queue, "pool": pool, "executor": executor, "n": n}
            yield Row("task_counts", {**values, "ts": seen_at, "seen_at": seen_at, "change": MODIFIED})
