"""Half of the task instances that are not over: first what changed, then only those rows; or, of too many, a count."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from sys import intern
from typing import Any

from afscope.capture.airflow.found import chunks
from afscope.capture.airflow.session import Reader, Row
from afscope.capture.airflow.statements import Live, RunKey, Select, Statements, TaskKey

# Back from counting to recording only well below the cap, so that a set around it does not flap.
_BACK = 0.9
# So many changes are read by key; more by reading all anew, which is one statement.
_FEW = 100


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at a part showed."""

    rows: list[Row] = field(default_factory=list)
    """Rows that are new or may have changed."""
    same: frozenset[TaskKey] = frozenset()
    """Those that are there as they were."""
    tokens: dict[tuple[Any, ...], TaskKey] = field(default_factory=dict)
    """What all of them are recognized by the next time."""


class Part:
    """Task instances in open states, or those in state none of live runs.

    A table that is asked every two seconds must not be sent over every two seconds. PostgreSQL gives every version of
    a row a place and a transaction (ctid, xmin), the two smallest columns there are; elsewhere the key and the columns
    that move have to do, and all rows are read now and then in case another column moved.
    """

    def __init__(self, statements: Statements, limit: int, *, idle: bool) -> None:
        """`idle`: those in state none of live runs; else those in open states."""
        self._statements, self._limit, self._idle = statements, limit, idle
        self._live: Collection[RunKey] = ()
        self._key_of = key_of(statements)
        self._tokens: dict[tuple[Any, ...], TaskKey] = {}
        columns = statements.columns("task_instance")
        marks = [columns.index(name) for name in statements.marks]
        self._token_of: Callable[[Row], tuple[Any, ...]] = (
            itemgetter(len(columns), len(columns) + 1) if statements.row_versions else itemgetter(*marks)
        )
        self.counted: Counter[tuple[Any, ...]] | None = Counter()
        """state, queue, pool, executor: how many, while they are only counted; None while they are rows."""

    def read(self, reader: Reader, live: Collection[RunKey], *, refresh: bool, brief: bool = False) -> Sight | None:
        """Looks; None when there are too many, and then `counted` says how many.

        `refresh` reads all rows; `brief` looks only for those that joined, left or changed their state, where an index
        has that.

        It begins by counting: nobody wants to learn from a million rows that they are too many.
        """
        self._live = live
        if self.counted is not None:
            counted = self._count(reader)
            if counted.total() > _BACK * self._limit:
                self.counted = counted
                return None
        sight = self._all(reader) if refresh or self.counted is not None else self._changed(reader, brief=brief)
        if len(sight.tokens) > self._limit:
            self._tokens, self.counted = {}, self._count(reader)
            return None
        self.counted = None
        return sight

    def keep(self, sight: Sight) -> None:
        """What was seen is written, and need not be read again."""
        self._tokens = sight.tokens

    def _changed(self, reader: Reader, *, brief: bool) -> Sight:
        tokens = self._briefly(reader) if brief else [tuple(row) for row in self._rows(reader, marks=True)]
        same = {token: self._tokens[token] for token in tokens if token in self._tokens}
        new = [token for token in tokens if token not in self._tokens]
        if len(new) > max(_FEW, len(tokens) // 3):
            return self._all(reader)
        rows = [row for some in chunks(new) for row in self._fetch(reader, some)]
        now = self._recognized(rows)
        return Sight(rows, frozenset(same.values()).difference(now.values()), now | same)

    def _briefly(self, reader: Reader) -> list[tuple[Any, ...]]:
        """As marks; of those whose state is as it was, the marks that were seen the last time."""
        width = self._statements.brief
        before = {token[:width]: token for token in self._tokens}
        rows = map(tuple, reader.rows(self._statements.open_briefly(self._limit + 1)))
        return [before.get(row, row) for row in rows]

    def _all(self, reader: Reader) -> Sight:
        rows = list(self._rows(reader, marks=False))
        return Sight(rows, tokens=self._recognized(rows))

    def _recognized(self, rows: Sequence[Row]) -> dict[tuple[Any, ...], TaskKey]:
        return {self._token_of(row): self._key_of(row) for row in rows}

    def _rows(self, reader: Reader, *, marks: bool) -> Iterator[Row]:
        most = self._limit + 1
        for statement in self._selects(
            lambda: self._statements.open_tasks(most, marks=marks),
            lambda live: self._statements.idle_tasks(live, most, marks=marks),
        ):
            yield from reader.rows(statement)

    def _fetch(self, reader: Reader, tokens: list[tuple[Any, ...]]) -> Sequence[Row]:
        if self._statements.row_versions:
            return reader.rows(self._statements.tasks_at([place for place, _ in tokens]))
        return reader.rows(self._statements.tasks([self._key_of(token) for token in tokens]))

    def _count(self, reader: Reader) -> Counter[tuple[Any, ...]]:
        counted: Counter[tuple[Any, ...]] = Counter()
        for statement in self._selects(self._statements.count_open, self._statements.count_idle):
            for *group, n in reader.rows(statement):
                counted[tuple(group)] += int(n)
        return counted

    def _selects(self, of_open: Callable[[], Select], of_idle: Callable[[Live], Select]) -> Iterator[Select]:
        if self._idle:
            yield from map(of_idle, self._statements.live_parts(self._live))
        else:
            yield of_open()


def key_of(statements: Statements) -> Callable[[Row], TaskKey]:
    """Takes the key out of a row of task_instance; its columns come first. Ids repeat, so they are interned."""
    mapped = "map_index" in statements.task_key
    return lambda row: (intern(row[0]), intern(row[1]), intern(row[2]), row[3] if mapped else -1)
