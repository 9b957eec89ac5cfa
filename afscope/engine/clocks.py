"""One clock for an analysis: what the clocks of the cluster and of Airflow say is told by the recorder's.

A cause in the one and its effect in the other can only be ordered by one clock. The API server's is measured by the
recorder (Date headers); otherwise events tell it, which arrive within the second of their own time. Airflow's rows hold
the clock of whoever wrote them, not the database's, so they are compared with the polls that found them changed: a
row's newest time is at most a poll old, and never in the future.
"""

from typing import NamedTuple

from afscope.engine.session import Session
from afscope.model.clock import SECOND, Micros
from afscope.normalize.kube import TABLE_OF_KIND
from afscope.store.reader import Capture

# Less than this polls and whole seconds explain.
_NOTABLE: Micros = 3 * SECOND
_TIGHT: Micros = 3 * SECOND
_LEAST = 10
_KUBE = (*dict.fromkeys(TABLE_OF_KIND.values()), "objects")
_AIRFLOW = ("task_instances", "dag_runs", "dags", "pools", "jobs", "db_log", "celery_results", "log_lines")
_EVENTS = "SELECT epoch_us(last_ts) - epoch_us(seen_at) AS ahead FROM events WHERE change <> 'STATE'"
_TASKS = """SELECT epoch_us(greatest(updated_at, queued_dttm, start_date, end_date)) - epoch_us(seen_at) AS ahead
FROM task_instances WHERE change IN ('ADDED', 'MODIFIED')"""
_AHEAD = "SELECT count(ahead), max(ahead), CAST(median(ahead) AS BIGINT) FROM ({})"


class Clocks(NamedTuple):
    """How far the cluster's and Airflow's clocks run ahead of the recorder's, where they do not agree."""

    cluster: Micros = 0
    airflow: Micros = 0

    @property
    def differ(self) -> bool:
        """Whether times of the two cannot be compared as they are."""
        return abs(self.cluster - self.airflow) >= _NOTABLE

    def shifts(self) -> dict[str, Micros]:
        """By table what its times are to be set back by."""
        return dict.fromkeys(_KUBE, self.cluster) | dict.fromkeys(_AIRFLOW, self.airflow) if self.differ else {}


def measured(capture: Capture) -> Clocks:
    """From the manifest and the rows; two clocks that agree, or of which one is unknown, are left as they are."""
    told = capture.manifest.clock_offsets.get("kubernetes")
    session = Session(capture, copy_rows=0, lazy=True)
    try:
        airflow = _ahead(session, _TASKS)
        known = told is not None and told.uncertainty_us <= SECOND
        cluster = told.offset_us if told is not None and known else _ahead(session, _EVENTS)
    finally:
        session.close()
    return Clocks() if airflow is None or cluster is None else Clocks(cluster, airflow)


def _ahead(session: Session, rows: str) -> Micros | None:
    """None where the rows say little: too few, or found so late that nobody can tell a slow clock from a slow look."""
    ((count, most, usual),) = session.run(_AHEAD.format(rows)).rows
    return int(most) if count >= _LEAST and most - usual <= _TIGHT else None
