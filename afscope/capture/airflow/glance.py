"""Whether anything moved among the task instances that are not over, and what: one statement, by index.

A poll that finds that nothing moved reads nothing else of task_instance, so that a quiet DB pays for one statement
that costs about what KEDA's own does.
"""

from collections import deque
from struct import iter_unpack
from typing import Any, NamedTuple

from afscope.capture.airflow.session import Reader
from afscope.capture.airflow.statements import Statements
from afscope.model.clock import SECOND, Micros

# Task instances in state none that dead runs left behind are looked through by every glance: only so many.
_MOST_NONE = 5_000
# They are counted anew this often; more than that are left to the statement that joins the live runs.
_COUNT_EVERY: Micros = 300 * SECOND
# Where versions tell who moved: after so many polls in a row that somebody left, it is asked at once where all are.
_LEAVING = 2
# Where keys do: so many polls after somebody moved it is asked for the keys and not for their sums, which costs the
# server as much, and the recorder more the more there are.
_MOVING, _MOST_KEYS = 5, 2_000

Token = tuple[Any, ...]


class Moved(NamedTuple):
    """Which task instances may have changed since the rows were read."""

    opened: bool
    """Some of those in open states."""
    none: bool
    """Some of those in state none."""
    total: int | None = None
    """How many are in open states; None if nobody counted."""
    versions: tuple[Token, ...] | None = None
    """ctid and xmin of all rows in open states that were written since, and maybe of older ones; None if not known."""
    places: frozenset[str] | None = None
    """Where all in open states are (ctid); None if not known."""
    states: tuple[str, ...] | None = None
    """The open states that somebody joined or left; None if not known."""
    keys: frozenset[Token] | None = None
    """Who is in which open state, as the first marks; None if not known."""
    nobody_idle: bool = False
    """Nobody is in state none, of no run."""


class _Look(NamedTuple):
    """What is compared with the next look."""

    opened: Any
    none: Any
    """None when they were not looked at."""
    horizon: int | None = None
    """Below this transaction all are over, so that this look saw what they wrote."""
    size: int = 0
    """How many were looked at, where rows have no versions."""
    by_key: bool = False
    """Whether `opened` and `none` are keys, not sums over them."""


class Glance:
    """Compares all open task instances with what they were when they were last read.

    PostgreSQL keeps in each row which transaction wrote it (xmin), and tells which of them were not over yet. So
    it is asked for rows that were written by others, and for their number, which shows who left: every write is seen.
    Where rows have no versions, or heartbeats write them all the time (Airflow 3), it is asked per state for a sum over
    the keys: that shows who joined, left or changed its state, and columns that moved without the state do not show.
    """

    def __init__(self, statements: Statements, backend: str) -> None:
        self._statements = statements
        self._backend = backend
        self._seen: _Look | None = None
        self._looked: _Look | None = None
        self._with_none = False
        self._counted_at: Micros | None = None
        self._stirred: deque[bool] = deque(maxlen=_MOVING)

    @property
    def sees_all(self) -> bool:
        """Whether nothing can change unseen by it."""
        return self._with_none and self._statements.row_versions

    @property
    def sees_none(self) -> bool:
        """Whether it looks at those in state none; else nobody does but whoever reads them."""
        return self._with_none

    def look(self, reader: Reader, now: Micros) -> Moved:
        """What has to be read; `keep` it once that was done. Raises CannotConnect."""
        self._looked = None
        if self._backend == "sqlite":  # a file, no server to spare
            return Moved(True, True)
        if self._counted_at is None or not 0 <= now - self._counted_at < _COUNT_EVERY:
            self._with_none = reader.one(self._statements.none_up_to(_MOST_NONE + 1)) <= _MOST_NONE
            self._counted_at = now
        return self._at_versions(reader) if self._statements.row_versions else self._at_keys(reader)

    def keep(self, *, stirred: bool) -> None:
        """The rows were read after the last look: what moved in between shows at the next.

        `stirred`: somebody left the open states; where rows have no versions, or went from one of them to another.
        """
        self._seen = self._looked
        self._stirred.append(stirred)

    def forget(self) -> None:
        """What moved since the last look is not read yet: the next one cannot compare."""
        self._seen = None

    def _at_versions(self, reader: Reader) -> Moved:
        before = self._seen
        leaving = [*self._stirred][-_LEAVING:] == [True] * _LEAVING
        asked = self._statements.versions(before and before.horizon, with_none=self._with_none, places=leaving)
        count, fresh, horizon, places, *none = reader.rows(asked)[0]
        written = frozenset(fresh or ())
        idle = tuple(none[0]) if none else None
        self._looked = _Look((count, written), idle, int(horizon))
        if before is None or (idle is None) != (before.none is None):
            return Moved(True, True)
        tokens = tuple(tuple(version.split(" ")) for version in written)
        opened = count != before.opened[0] or not written <= before.opened[1]
        there = opened if idle is None else idle != before.none
        nobody_idle = idle is not None and idle[0] == 0
        return Moved(opened, there, count, tokens, places_of(places) if leaving else None, nobody_idle=nobody_idle)

    def _at_keys(self, reader: Reader) -> Moved:
        """As long as somebody moves: by the keys themselves, which need not be asked for again once sums differ."""
        before = self._seen
        if before is None or before.size > _MOST_KEYS:
            return self._at_sums(reader, before)
        if any(self._stirred):
            return self._at_every_key(reader, before) or self._at_sums(reader, before)
        sums = self._at_sums(reader, before)
        if not before.by_key:
            return sums
        # Keys after sums: what moves in between shows in the keys now, and once more when the sums differ.
        look = self._looked
        moved = self._at_every_key(reader, before) or sums
        self._looked = look
        return moved

    def _at_sums(self, reader: Reader, before: _Look | None) -> Moved:
        rows = reader.rows(self._statements.digest(with_none=self._with_none))
        sums = {state: (int(count), int(total)) for state, count, total in rows}
        idle = sums.pop(None, (0, 0)) if self._with_none else None
        self._looked = _Look(sums, idle, size=sum(count for count, _ in (*sums.values(), idle or (0, 0))))
        if before is None or before.by_key:
            return Moved(True, True)
        states = tuple(each for each in self._statements.open_states if sums.get(each) != before.opened.get(each))
        none = bool(states) if idle is None else idle != before.none
        return Moved(bool(states), none, states=states, nobody_idle=idle is not None and idle[0] == 0)

    def _at_every_key(self, reader: Reader, before: _Look) -> Moved | None:
        """None if there are too many."""
        asked = self._statements.briefly(self._statements.open_states, 2 * _MOST_KEYS, with_none=self._with_none)
        rows = [tuple(row) for row in reader.rows(asked)]
        if len(rows) == 2 * _MOST_KEYS:
            return None
        keys = frozenset(row for row in rows if row[-1] is not None)
        idle = frozenset(row for row in rows if row[-1] is None) if self._with_none else None
        self._looked = _Look(keys, idle, size=len(rows), by_key=True)
        opened = not before.by_key or keys != before.opened
        none = opened if idle is None else idle != before.none if before.by_key else bool(idle)
        return Moved(opened, none, keys=keys, nobody_idle=idle is not None and not idle)


def places_of(packed: bytes | None) -> frozenset[str]:
    """Places as `Statements.versions` returns them; of nobody it is NULL."""
    return frozenset(f"({block},{item})" for block, item in iter_unpack(">IH", packed or b""))
