"""Whether anything moved among the task instances that are not over: one number that the server makes, by index.

A poll that finds the number as it was reads nothing else of task_instance, so that a quiet DB pays for one statement
that costs what KEDA's own does, and sends one row.
"""

from typing import NamedTuple

from afscope.capture.airflow.session import Reader
from afscope.capture.airflow.statements import Statements
from afscope.model.clock import SECOND, Micros

# Task instances in state none that dead runs left behind are looked through by every glance: only so many.
_MOST_NONE = 5_000
# They are counted anew this often; more than that are left to the statement that joins the live runs.
_COUNT_EVERY: Micros = 300 * SECOND


class Look(NamedTuple):
    """How many there are, and the sum over them."""

    opened: tuple[int, int]
    none: tuple[int, int] | None
    """Of those in state none; None when they were not looked at."""


class Moved(NamedTuple):
    """Which of them may have changed."""

    opened: bool
    none: bool


class Glance:
    """Compares the sum over all open task instances with the sum of the last time that they were read.

    PostgreSQL sums the transactions that wrote the rows (xmin), so it sees every write. Where rows have no versions, or
    heartbeats write them all the time (Airflow 3), the sum is over state and key, which the index on state holds
    (MySQL): it shows who joined, left or changed its state, and columns that moved without the state do not show.
    """

    def __init__(self, statements: Statements, backend: str) -> None:
        self._statements = statements
        self._backend = backend
        self._seen: Look | None = None
        self._with_none = False
        self._counted_at: Micros | None = None

    @property
    def sees_all(self) -> bool:
        """Whether nothing can change unseen by it."""
        return self._with_none and self._statements.glance_sees_writes

    def look(self, reader: Reader, now: Micros) -> Look | None:
        """What to `keep` once the rows are read; None where there is no server to spare. Raises CannotConnect."""
        if self._backend == "sqlite":
            return None
        if self._counted_at is None or not 0 <= now - self._counted_at < _COUNT_EVERY:
            self._with_none = reader.one(self._statements.none_up_to(_MOST_NONE + 1)) <= _MOST_NONE
            self._counted_at = now
        row = reader.rows(self._statements.glance(with_none=self._with_none))[0]
        # Sums are Decimals, or None over no rows.
        opened, total, *rest = (int(value or 0) for value in row)
        count, none = rest or (0, 0)
        return Look((opened, total - none), (count - opened, none) if rest else None)

    def moved(self, looked: Look | None) -> Moved:
        """What has to be read. Where nobody looked at those in state none, they may have moved with the others."""
        if looked is None or self._seen is None:
            return Moved(True, True)
        opened = looked.opened != self._seen.opened
        return Moved(opened, opened if looked.none is None else looked.none != self._seen.none)

    def keep(self, looked: Look | None) -> None:
        """The rows were read after this look: what moved in between shows at the next."""
        self._seen = looked
