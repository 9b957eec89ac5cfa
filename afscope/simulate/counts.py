"""The trigger's value as a simulation computes it: which jobs count, and what the query answers for that many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afscope.engine.counting import Counted, Key, counted, values
from afscope.engine.trigger_sql import Translation
from afscope.simulate.demand import Job

if TYPE_CHECKING:
    from afscope.engine.session import Session


@dataclass(frozen=True, slots=True)
class Counter:
    """`flags` per attempt, `milli` the answer for each number of counted tasks.

    `guessed` tells that the recorded query could not be read: then all tasks of the target count, one worker for each
    full set of slots, as Airflow's chart asks.
    """

    flags: Mapping[Key, Counted]
    milli: Sequence[int]
    guessed: bool = False

    def answer(self, count: int) -> int:
        """The metric in milli for `count` counted tasks."""
        return self.milli[min(count, len(self.milli) - 1)]


def counter(session: "Session", query: Translation, target: str, jobs: Sequence[Job], slots: int = 16) -> Counter:
    """The counter of a translated query. Raises QueryError for a value that DuckDB cannot compute."""
    if not query.predicate:
        flags = {job.key: Counted(queued=True, running=True) for job in jobs if job.target == target}
        return Counter(flags, [-(-n // slots) * 1000 for n in range(len(jobs) + 1)], guessed=True)
    return Counter(counted(session, query), values(session, query, len(jobs)))
