"""The live state of a capture: what each epoch starts with.

For every state table the last row of each key, unless that thing is gone. Gone is what was DELETED, and what can
never change again without being written anew: else the live set of a long capture would grow with all that ever ran.

- task instances in a final state, finished DAG runs, jobs that ended, Celery results that are in
- `task_counts` groups with n = 0

A keyframe row is the last row again with change = STATE and the `seen_at` of the epoch's start. Its `ts` stays what it
was: that is when the thing became so, and a later `ts` could overtake a change that happened before the epoch began
but was seen after.
"""

from collections.abc import Callable, Iterator
from typing import Any

from afscope.model.clock import Micros
from afscope.model.row import DELETED, STATE
from afscope.store.schema import TABLES, Table

Values = list[Any]
"""A row as a list in storage order; the first three are ts, seen_at, change."""
SEEN_AT, CHANGE = 1, 2

# up_for_retry, up_for_reschedule, deferred and restarting come back by themselves and stay.
_FINAL_TASK = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
_FINAL_RESULT = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


def _in(column: str, *values: Any) -> Callable[[Table], Callable[[Values], bool]]:
    def bind(table: Table) -> Callable[[Values], bool]:
        at, final = table.column_names().index(column), frozenset(values)
        return lambda row: row[at] in final

    return bind


_FINISHED = {
    "task_instances": _in("state", *_FINAL_TASK),
    "dag_runs": _in("state", "success", "failed"),
    "jobs": _in("state", "success", "failed"),
    "celery_results": _in("status", *_FINAL_RESULT),
    "task_counts": _in("n", 0),
}


def _never(_row: Values) -> bool:
    return False


class LiveTable:
    """The live rows of one state table."""

    def __init__(self, table: Table) -> None:
        names = table.column_names()
        self._key = tuple(names.index(name) for name in table.key)
        bind = _FINISHED.get(table.name)
        self._finished = bind(table) if bind else _never
        self._rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def see(self, row: Values) -> None:
        """Takes note of a row."""
        key = tuple([row[at] for at in self._key])
        if row[CHANGE] == DELETED or self._finished(row):
            self._rows.pop(key, None)
        else:
            self._rows[key] = tuple(row)  # a tuple of texts and numbers costs the collector nothing

    def keyframe(self, seen_at: Micros) -> Iterator[Values]:
        """The live rows as the keyframe of the epoch that starts at `seen_at`."""
        for row in self._rows.values():
            yield [row[0], seen_at, STATE, *row[CHANGE + 1 :]]


class LiveState:
    """The live rows of all state tables, and the epoch that is open."""

    def __init__(self, epoch_us: Micros) -> None:
        self._epoch_us = epoch_us
        self._epoch: int | None = None
        self._tables = {table.name: LiveTable(table) for table in TABLES.values() if table.is_state}

    def enter(self, seen_at: Micros) -> Micros | None:
        """The start of a new epoch when `seen_at` opens one, which needs a keyframe first; None otherwise.

        Epochs are multiples of `epoch_us`. The first one of a capture needs none: it begins with the first listings.
        """
        epoch = seen_at // self._epoch_us
        before, self._epoch = self._epoch, max(epoch, self._epoch or epoch)
        return epoch * self._epoch_us if before is not None and epoch > before else None

    def see(self, table: str, row: Values) -> None:
        """Takes note of a row of any table; point tables have no live state."""
        live = self._tables.get(table)
        if live is not None:
            live.see(row)

    def keyframe(self, seen_at: Micros) -> Iterator[tuple[str, Values]]:
        """The live rows of all tables."""
        for name, live in self._tables.items():
            for row in live.keyframe(seen_at):
                yield name, row
