"""The true history of an Airflow DB: which schema it has, and which rows each poll found new, changed or gone."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from afscope.model.clock import SECOND, Micros
from afscope.normalize.airflow.tables import KEYS
from afscope.normalize.airflow.versions import Version, by_columns, first_release
from afscope.replay.airflow.observations import Observed, Seen, observed
from afscope.replay.airflow.schema import Schema, schema
from afscope.replay.airflow.values import read

Key = tuple[Any, ...]
# What tells an Airflow 3 when no task instance was recorded, and the version that most installations are near to.
_SINCE_3 = {"dag": "is_stale", "dag_run": "run_after"}
_ALEMBIC = "alembic_version"
_ASSUMED: Version = (2, 10)


class Change(NamedTuple):
    """A row that is new or changed, with the columns that were recorded; None for one that is gone."""

    table: str
    key: Key
    row: dict[str, Any] | None


class Poll(NamedTuple):
    """What one poll found."""

    at: Micros
    changes: list[Change]


class AirflowHistory:
    """What a recording or a capture knows of the Airflow DB. Immutable to its users and safe to share."""

    def __init__(self, seen: Observed, *, shift: Micros = 0) -> None:
        """Use `of`, or give observations and by how much to move all times, which is rounded to whole seconds."""
        self.shift: Micros = round(shift / SECOND) * SECOND
        """By how much all times were moved, in microseconds."""
        self.begins: Micros = seen.begins + self.shift
        self.ends: Micros = seen.ends + self.shift
        self.unread = list(seen.unread)
        """What was left out because it could not be read."""
        self.schema: Schema = schema(_version(seen))
        """The tables of the version that was recorded, or of the one nearest to it."""
        self._unknown: set[str] = set()
        self.polls = [Poll(at + self.shift, list(self._changes(found))) for at, found in seen.polls]
        """In order."""
        if not any(change.table == _ALEMBIC for poll in self.polls for change in poll.changes):
            self.polls[0].changes.insert(0, Change(_ALEMBIC, (), {"version_num": self.schema.head}))
        self.unread += [f"Airflow {self.schema.release} has no {name}" for name in sorted(self._unknown)]
        self._times = [poll.at for poll in self.polls]

    @classmethod
    def of(cls, source: Path, *, rebase_to: Micros | None = None) -> Self:
        """The history in a recording folder or a capture (folder or .zip).

        `rebase_to` moves every time, to the second, so that the history begins there. Raises CannotReplay when there
        are no Airflow tables, CaptureError when a capture cannot be opened.
        """
        seen = observed(source)
        return cls(seen, shift=0 if rebase_to is None else rebase_to - seen.begins)

    def upto(self, at: Micros) -> int:
        """How many polls are over at a time; before the beginning, as many as at the beginning."""
        return max(bisect_right(self._times, at), 1)

    def _changes(self, found: Iterable[Seen]) -> Iterator[Change]:
        for seen in found:
            table = self.schema.tables.get(seen.table)
            if table is None or seen.table not in key_columns(self.schema):
                self._unknown.add(f"table {seen.table!r}")
                continue
            names = key_columns(self.schema)[seen.table]
            known = ((name, table.columns[name], value) for name, value in seen.row.items() if name in table.columns)
            row = {name: read(column, value, self.shift) for name, column, value in known}
            if "map_index" in names and row.get("map_index") is None:
                row["map_index"] = -1
            key = tuple(row.get(name) for name in names)
            if None in key:
                self.unread.append(f"{seen.table}: a row without {' or '.join(names)}")
            else:
                yield Change(seen.table, key, None if seen.gone else row)


def key_columns(of: Schema) -> Mapping[str, tuple[str, ...]]:
    """The columns that tell the rows of a table apart, for each table that is recorded."""
    mapped = ("map_index",) if "map_index" in of.tables["task_instance"].columns else ()
    return {**KEYS, "task_instance": (*KEYS["task_instance"], *mapped), _ALEMBIC: ()}


def _version(seen: Observed) -> Version:
    """By the alembic head; else by the columns that rows of task_instance have, or those of dag and dag_run."""
    columns: dict[str, set[str]] = {}
    for _, found in seen.polls:
        for table, row, _ in found:
            if table == _ALEMBIC and (known := first_release(str(row.get("version_num")))):
                return known
            names = (name for name, value in row.items() if seen.complete or value is not None)
            columns.setdefault(table, set()).update(names)
    told = by_columns(columns.get("task_instance", set()))
    if told is None and any(column in columns.get(table, ()) for table, column in _SINCE_3.items()):
        return (3, 0)
    return told or _ASSUMED
