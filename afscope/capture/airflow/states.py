"""What the capture says of each table that polls fill: ok, partial, absent, forbidden, failed."""

from collections.abc import Iterable

from afscope.capture.airflow.schema import Schema
from afscope.capture.tape import Tape
from afscope.model.capture import SourceState

_PART = "airflow_db"
TABLES = {
    "task_instance": "task_instances", "dag_run": "dag_runs", "dag": "dags", "slot_pool": "pools", "job": "jobs",
    "log": "db_log", "celery_taskmeta": "celery_results",
}  # fmt: skip
"""Tables of Airflow to tables of the capture."""
_REASONS = {
    SourceState.ABSENT: "the database has no table {}",
    SourceState.FORBIDDEN: "the role may not read {}",
}


class States:
    """Tells the tape, once per change."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._holes: dict[str, str] = {}
        self._told: dict[str, tuple[SourceState, str]] = {}
        self._was_good = False

    def good(self, schema: Schema) -> None:
        """A poll succeeded; what had a hole stays partial."""
        self._was_good = True
        self._tell("polls", SourceState.OK)
        for table, own in TABLES.items():
            state = schema.unreadable.get(table)
            for each in (own, "task_counts") if table == "task_instance" else (own,):
                if state is None:
                    self._recorded(each)
                else:
                    self._tell(each, state, _REASONS[state].format(table))

    def failed(self, reason: str) -> None:
        """A poll failed: before the first good one nothing is known, later it is a hole."""
        self._tell("polls", SourceState.OK)
        if self._was_good:
            return
        for own in (*TABLES.values(), "task_counts"):
            self._tell(own, SourceState.FAILED, reason)

    def holed(self, tables: Iterable[str], reason: str) -> None:
        """These tables have a hole, and always will have had."""
        self._holes.update(dict.fromkeys(tables, reason))

    def _recorded(self, own: str) -> None:
        if own in self._holes:
            self._tell(own, SourceState.PARTIAL, self._holes[own])
        else:
            self._tell(own, SourceState.OK)

    def _tell(self, own: str, state: SourceState, reason: str = "") -> None:
        if self._told.get(own) != (state, reason):
            self._told[own] = state, reason
            if state in (SourceState.OK, SourceState.FORBIDDEN):  # a whole DB that fails is told once, by the collector
                self._tape.told(f"{own} of the Airflow DB", state, reason)
            self._tape.source(own, _PART, state, reason)
