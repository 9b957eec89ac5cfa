"""Attempts that ended between two polls, from task_instance_history (Airflow 2.10 and later)."""

from collections.abc import Mapping

from afscope.capture.airflow.found import chunks
from afscope.capture.airflow.ids import position
from afscope.capture.airflow.schema import HISTORY
from afscope.capture.airflow.session import Reader, Row
from afscope.capture.airflow.statements import Statements, TaskKey
from afscope.model.clock import Micros
from afscope.normalize.airflow.values import time_of


class EndedAttempts:
    """Reads the history by key, and only when a task instance went on to another attempt unseen.

    Airflow copies the row of an attempt into the history as it ends (taskinstancehistory.py record_ti) and goes on
    with the row of task_instance, so what the history says of an attempt is what task_instance said at its end.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self.columns = statements.columns(HISTORY)
        """As rows of task_instance."""
        at = [position(self.columns, name) for name in ("dag_id", "run_id", "task_id", "map_index")]
        self._key = [n for n in at if n is not None]
        self._try, self._end = self.columns.index("try_number"), self.columns.index("end_date")

    def read(self, reader: Reader, missed: Mapping[TaskKey, range], since: Micros) -> dict[TaskKey, list[Row]]:
        """The ended attempts in these spans, oldest first; of a span from 0 only what ended after `since`.

        Whoever was not known before may have ended many attempts long before the recording.
        """
        ended: dict[TaskKey, list[Row]] = {}
        for some in chunks(missed):
            for row in reader.rows(self._statements.ended_attempts(some)):
                key: TaskKey = tuple(row[n] for n in self._key)
                span = missed.get(key)
                if span is None or row[self._try] not in span:
                    continue
                if span.start > 0 or (time_of(row[self._end]) or 0) >= since:
                    ended.setdefault(key, []).append(row)
        return ended
