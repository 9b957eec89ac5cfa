"""DAG runs: those that live, those that ended, and those that came and went between two polls."""

from typing import Any

from afscope.capture.airflow.changes import Live, Prints
from afscope.capture.airflow.found import Found, chunks
from afscope.capture.airflow.ids import NewIds
from afscope.capture.airflow.session import Reader, Row
from afscope.capture.airflow.statements import LIVE_STATES, RunKey, Statements
from afscope.model.clock import Micros


class Runs:
    """Reads dag_run: the live ones by state, new ones by id, those that are live no more by id."""

    def __init__(self, statements: Statements, every_us: Micros, limit: int) -> None:
        self._statements = statements
        self._columns = statements.columns("dag_run")
        self._id, self._state = self._columns.index("id"), self._columns.index("state")
        self._dag, self._run = self._columns.index("dag_id"), self._columns.index("run_id")
        self._rows = Live(Prints("dag_run", self._columns, every_us), lambda row: row[self._id])
        self._new = NewIds("dag_run")
        self._keys: dict[Any, RunKey] = {}
        self._states: dict[Any, str] = {}
        self._limit = limit
        self.live: frozenset[RunKey] = frozenset()
        """Runs that are queued or running, as of the last look."""
        self._ended: list[RunKey] = []

    def inherit(self, before: "Runs") -> None:
        """Goes on where another schema ended."""
        self._rows.inherit(before._rows)
        self._keys, self._new = before._keys, before._new
        self.live, self._ended = before.live, before._ended

    def read(self, reader: Reader, found: Found, now: Micros) -> bool:
        """One look; whether a run began, ended or changed its state. Remembers only what it also puts into `found`."""
        if self._new.last is None:
            self._new.start(reader, self._statements)
        live = {row[self._id]: row for row in reader.rows(self._statements.live_runs(self._limit))}
        new, remember = self._new.read(reader, self._statements, now)
        newcomers = {row[self._id]: row for row in new}
        ended = [row for number, row in newcomers.items() if number not in live]
        left = [number for number in self._keys if number not in live and number not in newcomers]
        for some in chunks(left):
            ended += reader.rows(self._statements.by_id("dag_run", some))
        over = [row for row in ended if row[self._state] not in LIVE_STATES]
        live.update((row[self._id], row) for row in ended if row[self._state] in LIVE_STATES)
        look = self._rows.look([*live.values()], now)
        found.read += len(live) + len(ended)
        found.add("dag_run", self._columns, [*look.write, *over])
        answered = {row[self._id] for row in ended}
        found.lost("dag_run", ("dag_id", "run_id"), [self._keys[n] for n in left if n not in answered])
        self._rows.keep(look)
        remember()
        self._keys = {number: self._key(row) for number, row in live.items()}
        self.live = frozenset(self._keys.values())
        self._ended += map(self._key, over)
        before, self._states = self._states, {number: row[self._state] for number, row in live.items()}
        return before != self._states or bool(over)

    def take_ended(self) -> list[RunKey]:
        """Runs that ended since the last call: their task instances are final, but not all were seen so."""
        ended, self._ended = self._ended, []
        return ended

    def _key(self, row: Row) -> RunKey:
        return row[self._dag], row[self._run]
