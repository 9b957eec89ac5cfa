"""Half of the task instances that are not over: first what changed, then only those rows; or, of too many, a count."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from sys import intern
from typing import Any, NamedTuple

from afscope.capture.airflow.found import chunks
from afscope.capture.airflow.glance import Moved, Token, places_of
from afscope.capture.airflow.ids import position
from afscope.capture.airflow.session import Reader, Row
from afscope.capture.airflow.statements import Live, RunKey, Select, Statements, TaskKey
from afscope.model.clock import SECOND, Micros

# Back from counting to recording only well below the cap, so that a set around it does not flap.
_BACK = 0.9
# So many changes are read by key; more by reading all anew, which is one statement.
_FEW = 100


# How long after a change columns that come later are looked for: the id of the message, the process.
_SETTLES: Micros = 20 * SECOND
# More than these are read by reading all anew.
_MOST_UNSETTLED = 300
_UNKNOWN = Moved(True, True)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at a part showed."""

    rows: list[Row] = field(default_factory=list)
    """Rows that are new or may have changed; maybe also of who left."""
    same: frozenset[TaskKey] = frozenset()
    """Those that are there as they were."""
    tokens: dict[Token, TaskKey] = field(default_factory=dict)
    """What all of them are recognized by the next time."""


class Ask(NamedTuple):
    """How a part is looked at."""

    now: Micros
    refresh: bool = False
    """All are looked at, whatever seems to have moved."""
    settle: bool = False
    """Rows that changed a while ago are read again, where columns can move unseen."""
    moved: Moved = _UNKNOWN
    """What a glance has seen."""


class Part:
    """Task instances in open states, or those in state none of live runs.

    A table that is asked every two seconds must not be sent over every two seconds. PostgreSQL gives every version of
    a row a place and a transaction (ctid, xmin), the two smallest columns there are; elsewhere the key and the state
    have to do. There a column that moves without the state does so soon after it (the message's id once the broker
    took it, the process once it runs), so rows that changed are read again for a while, and all of them now and then.
    """

    def __init__(self, statements: Statements, limit: int, *, idle: bool) -> None:
        """`idle`: those in state none of live runs; else those in open states."""
        self._statements, self._limit, self._idle = statements, limit, idle
        self._live: Collection[RunKey] = ()
        self._key_of = key_of(statements)
        self._tokens: dict[Token, TaskKey] = {}
        columns = statements.columns("task_instance")
        self._state, self._message = columns.index("state"), position(columns, "external_executor_id")
        marks = [columns.index(name) for name in statements.marks]
        at = [len(columns), len(columns) + 1] if statements.row_versions else marks
        self._token_of: Callable[[Row], Token] = itemgetter(*at)
        self._key_in_marks = [statements.marks.index(name) for name in statements.task_key]
        self._unsettled: dict[TaskKey, Micros] = {}
        self.counted: Counter[tuple[Any, ...]] | None = Counter()
        """state, queue, pool, executor: how many, while they are only counted; None while they are rows."""
        self.stirred = False
        """Somebody left by the last look; where rows have no versions: came, left, or changed."""

    def read(self, reader: Reader, live: Collection[RunKey], ask: Ask) -> Sight | None:
        """Looks; None when there are too many, and then `counted` says how many.

        It begins by counting: nobody wants to learn from a million rows that they are too many.
        """
        self._live = live
        if self.counted is not None:
            counted = self._count(reader)
            if counted.total() > _BACK * self._limit:
                self.counted = counted
                return None
        nobody = self._idle and ask.moved.nobody_idle
        refresh = (ask.refresh and not self._statements.row_versions and not nobody) or self.counted is not None
        sight = self._all(reader) if refresh else self._some(reader, ask)
        if len(sight.tokens) > self._limit:
            self._tokens, self.counted = {}, self._count(reader)
            return None
        self.counted = None
        return sight

    def keep(self, sight: Sight, now: Micros) -> None:
        """What was seen is written, and need not be read again."""
        before, self._tokens = self._tokens, sight.tokens
        if self._statements.row_versions:
            self.stirred = not frozenset(sight.tokens.values()).issuperset(before.values())
            return
        self.stirred = sight.tokens.keys() != before.keys()
        there = frozenset(self._tokens.values())
        self._unsettled = {k: at for k, at in self._unsettled.items() if k in there and 0 <= now - at <= _SETTLES}
        for row in sight.rows:
            waits = row[self._state] == "queued" and self._message is not None and row[self._message] is None
            if waits or self._token_of(row) not in before:
                self._unsettled[self._key_of(row)] = now

    def _some(self, reader: Reader, ask: Ask) -> Sight:
        """What changed, by the cheapest way to know."""
        moved = ask.moved
        if self._idle and moved.nobody_idle:
            return Sight()
        if self._idle or ask.refresh:
            return self._changed(reader, self._marked(reader))
        if moved.versions is not None:
            return self._written(reader, moved.versions, moved)
        if moved.keys is not None or moved.states is not None:
            tokens = self._named(reader, moved.states or ()) if moved.keys is None else self._seen_before(moved.keys)
            sight = self._changed(reader, tokens)
            return self._settled(reader, sight) if ask.settle else sight
        return self._changed(reader, self._marked(reader))

    def _marked(self, reader: Reader) -> list[Token]:
        return [tuple(row) for row in self._rows(reader, marks=True)]

    def _written(self, reader: Reader, versions: Sequence[Token], moved: Moved) -> Sight:
        """Only what was written, if that makes as many as were counted; else somebody left."""
        new = [token for token in versions if token not in self._tokens]
        if len(new) > max(_FEW, len(self._tokens) // 3):
            return self._changed(reader, self._marked(reader))
        if moved.places is not None:
            return self._placed(reader, versions, moved.places)
        rows = self._fetch(reader, new)
        now = self._recognized(rows)
        changed = frozenset(now.values())
        same = {token: key for token, key in self._tokens.items() if key not in changed}
        if now.keys() == frozenset(new) and len(same) + len(now) == moved.total:
            return Sight(rows, frozenset(same.values()), now | same)
        packed = reader.rows(self._statements.versions(None, with_none=False, places=True))[0][3]
        return self._placed(reader, versions, places_of(packed), rows)

    def _placed(
        self, reader: Reader, versions: Sequence[Token], places: frozenset[str], read: Sequence[Row] = ()
    ) -> Sight:
        """By where all are: whose place is empty, or taken by another version, went on or left, and is read by key.

        `versions` are those that were written lately, so that any other at a known place is the one that is known.
        """
        other = {place for place, xmin in versions if (place, xmin) not in self._tokens}
        there = {*self._recognized(read).values()}
        same = {
            token: key
            for token, key in self._tokens.items()
            if token[0] in places and token[0] not in other and key not in there
        }
        there.update(same.values())
        rows = [*read, *self._by_key(reader, [key for key in self._tokens.values() if key not in there])]
        found = {place for place, _ in (*same, *self._recognized(rows))}
        rows += [row for some in chunks(places - found) for row in reader.rows(self._statements.tasks_at(some))]
        now = self._recognized(rows)
        changed = frozenset(now.values())
        same = {token: key for token, key in same.items() if key not in changed}
        return Sight(rows, frozenset(same.values()), now | same)

    def _by_key(self, reader: Reader, keys: Collection[tuple[Any, ...]]) -> list[Row]:
        return [row for some in chunks(sorted(keys)) for row in reader.rows(self._statements.tasks(some))]

    def _named(self, reader: Reader, states: Collection[str]) -> list[Token]:
        """As marks; of those whose state is as it was, the marks that were seen the last time."""
        at = self._statements.marks.index("state")
        rows = reader.rows(self._statements.briefly(states, self._limit + 1, with_none=False)) if states else ()
        unmoved = [token for token in self._tokens if token[at] not in states]
        return [*unmoved, *self._seen_before(map(tuple, rows))]

    def _seen_before(self, keys: Iterable[Token]) -> list[Token]:
        """The marks that were seen the last time of those that are in the same state; else what is known of them."""
        width = self._statements.brief
        before = {token[:width]: token for token in self._tokens}
        return [before.get(key, key) for key in keys]

    def _changed(self, reader: Reader, tokens: list[Token]) -> Sight:
        """Those of `tokens` that are new; of open ones also those that left, as far as one statement reads both.

        Who left those in state none of live runs may still be in state none, of a run that ended.
        """
        there = frozenset(tokens)
        same = {token: self._tokens[token] for token in tokens if token in self._tokens}
        new = [token for token in tokens if token not in self._tokens]
        if len(new) > max(_FEW, len(tokens) // 3):
            return self._all(reader)
        left = [] if self._idle else [key for token, key in self._tokens.items() if token not in there]
        rows = self._fetch(reader, new, left)
        now = self._recognized(rows)
        return Sight(rows, frozenset(same.values()).difference(now.values()), now | same)

    def _settled(self, reader: Reader, sight: Sight) -> Sight:
        """With those that changed lately, in case that a column came later."""
        again = [key for key in self._unsettled if key in sight.same]
        if len(again) > _MOST_UNSETTLED:
            return self._changed(reader, self._marked(reader))
        rows = self._by_key(reader, again)
        now, read = self._recognized(rows), frozenset(again)
        same = {token: key for token, key in sight.tokens.items() if key not in read}
        return Sight([*sight.rows, *rows], sight.same - read, now | same)

    def _all(self, reader: Reader) -> Sight:
        rows = list(self._rows(reader, marks=False))
        return Sight(rows, tokens=self._recognized(rows))

    def _recognized(self, rows: Sequence[Row]) -> dict[Token, TaskKey]:
        """Of those that are still in this part; some were read by key, a moment after they were seen in it."""
        return {self._token_of(row): self._key_of(row) for row in rows if self._belongs(row[self._state])}

    def _belongs(self, state: str | None) -> bool:
        return not state if self._idle else state in self._statements.open_states

    def _rows(self, reader: Reader, *, marks: bool) -> Iterator[Row]:
        most = self._limit + 1
        for statement in self._selects(
            lambda: self._statements.open_tasks(most, marks=marks),
            lambda live: self._statements.idle_tasks(live, most, marks=marks),
        ):
            yield from reader.rows(statement)

    def _fetch(self, reader: Reader, tokens: Sequence[Token], left: Collection[TaskKey] = ()) -> list[Row]:
        """Those with these tokens; where they are read by key, those that left as well."""
        if not self._statements.row_versions and not self._statements.with_ids:
            named = [tuple(token[at] for at in self._key_in_marks) for token in tokens]
            return self._by_key(reader, {key[: len(self._key_in_marks)] for key in (*named, *left)})
        by_id = partial(self._statements.by_id, "task_instance")
        statement = self._statements.tasks_at if self._statements.row_versions else by_id
        return [row for some in chunks(token[0] for token in tokens) for row in reader.rows(statement(some))]

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
