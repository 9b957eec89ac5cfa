"""Task instances: the open set by state, what left it by key, and what came and went between two polls."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from afscope.capture.airflow.attempts import EndedAttempts
from afscope.capture.airflow.changes import STALE, Print, Prints
from afscope.capture.airflow.found import Found, chunks
from afscope.capture.airflow.ids import position
from afscope.capture.airflow.part import Ask, Part, Sight, key_of
from afscope.capture.airflow.session import Reader, Row
from afscope.capture.airflow.statements import GROUP, OPEN_STATES, TASK_KEY, RunKey, Statements, TaskKey
from afscope.model.clock import SECOND, Micros
from afscope.normalize.airflow.tables import attempt
from afscope.normalize.airflow.versions import Version

_TABLE = "task_instance"
# Runs whose task instances are read whole in one poll; the others wait for the next.
_RUNS_AT_ONCE, _RUNS_PER_STATEMENT = 100, 20
# A task instance that nobody knew: which of its earlier attempts ended in this recording, by the workers' clocks.
_SLACK: Micros = 10 * SECOND
_IN_ATTEMPT = frozenset((None, *OPEN_STATES)) - {"up_for_retry"}


class Known(NamedTuple):
    """What is remembered of a task instance."""

    print: Print
    attempt: int
    group: tuple[Any, ...]
    """state, queue, pool, executor."""


class _Seen(NamedTuple):
    """What one poll read of the table."""

    rows: dict[TaskKey, Row]
    opened: Sight | None
    """Those in open states; None when they were only counted."""
    idle: Sight | None
    """Those in state none of live runs; None when they were only counted, or not due."""
    left: list[TaskKey]
    """Those that were in a set which was read now, and are not in it any more."""
    gone: list[TaskKey]
    """Those of them that are not in the table any more."""


class Tasks:
    """Reads task_instance, and writes each row once per change."""

    def __init__(
        self, statements: Statements, version: Version, every_us: Micros, limit: int, history: EndedAttempts | None
    ) -> None:
        self._statements, self._version, self._limit, self._history = statements, version, limit, history
        self._columns = columns = statements.columns(_TABLE)
        self._prints = Prints(_TABLE, columns, every_us)
        self._group_at = tuple(position(columns, name) for name in GROUP)
        self._state, self._tries = columns.index("state"), columns.index("try_number")
        self._key_of = key_of(statements)
        self._every = every_us
        self._open = Part(statements, limit, idle=False)
        self._idle = Part(statements, limit, idle=True) if statements.has("dag_run") else None
        self._known: dict[TaskKey, Known] = {}
        self._done: dict[RunKey, dict[TaskKey, Known]] = {}
        self._groups: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._counts: Counter[tuple[Any, ...]] | None = None
        self._whole: dict[RunKey, None] = {}
        self._read_at: Micros | None = None
        self._refreshed_at: Micros | None = None
        self._huge = False

    def inherit(self, before: "Tasks") -> None:
        """Goes on where the poller of another schema ended: all is written anew, and what left meanwhile is found."""
        self._known = {key: known._replace(print=STALE) for key, known in before._known.items()}
        self._whole, self._read_at, self._counts = before._whole, before._read_at, before._counts

    @property
    def too_many(self) -> str:
        """What is only counted, because there is too much of it; empty while all is recorded."""
        names = [name for name, part in (("open", self._open), ("in state none", self._idle)) if part and part.counted]
        if names:
            return f"more than {self._limit} task instances {' and '.join(names)}: only counted"
        if self._huge:
            return f"a run has {self._limit} task instances or more: those that came and went between polls are missing"
        return ""

    @property
    def stirred(self) -> bool:
        """Whether the last look found somebody who left the open states, or moved among them."""
        return self._open.stirred

    @property
    def waiting(self) -> bool:
        """Whether runs are still to be read whole."""
        return bool(self._whole)

    def stale(self, now: Micros) -> bool:
        """Whether it is time to read all anew, whatever seems to have moved."""
        return not 0 <= now - (self._refreshed_at or 0) < self._every

    def read(
        self, reader: Reader, found: Found, now: Micros, live: Collection[RunKey], ended: Iterable[RunKey], ask: Ask,
        *, with_idle: bool,
    ) -> None:  # fmt: skip
        """One poll; nothing is remembered unless it all worked, but for the runs that ended.

        `live` runs are read whole by the first poll, `ended` ones by this: a task instance that came and went between
        two polls is still there. `with_idle`: those in state none are due.
        """
        self._whole.update(dict.fromkeys(live if self._read_at is None else ()))
        self._whole.update(dict.fromkeys(ended))
        whole = list(self._whole)[:_RUNS_AT_ONCE]
        self._huge = False
        seen = self._look(reader, whole, live, ask, with_idle=with_idle)
        write, known = self._compare(seen.rows, now)
        before = self._unseen_attempts(reader, write, known)
        self._write(found, write, before)
        found.lost(_TABLE, TASK_KEY, seen.gone)
        found.read += len(seen.rows)
        self._remember(known, seen, live, now)
        for run in whole:
            del self._whole[run]
            if run not in live:
                self._done.pop(run, None)
        self._read_at = now
        self._refreshed_at = now if ask.refresh and with_idle else self._refreshed_at
        self._count(found)

    # Reading

    def _look(
        self, reader: Reader, whole: list[RunKey], live: Collection[RunKey], ask: Ask, *, with_idle: bool
    ) -> _Seen:
        opened = self._open.read(reader, live, ask)
        idle = self._idle.read(reader, live, ask) if self._idle is not None and with_idle else None
        rows = self._keyed(row for sight in (opened, idle) if sight is not None for row in sight.rows)
        same = {key for sight in (opened, idle) if sight is not None for key in sight.same}
        complete: set[RunKey] = set()
        for some in chunks(whole, _RUNS_PER_STATEMENT):
            complete.update(self._look_at_runs(reader, some, rows))
        left = [
            key
            for key, known in self._known.items()
            if key not in rows and key not in same and (idle if known.group[0] is None else opened) is not None
        ]
        for keys in chunks(key for key in left if key[:2] not in complete):
            rows.update(self._keyed(reader.rows(self._statements.tasks(keys))))
        recorded = {key: row for key, row in rows.items() if self._recorded(row[self._state])}
        return _Seen(recorded, opened, idle, left, [key for key in left if key not in rows])

    def _look_at_runs(self, reader: Reader, runs: list[RunKey], rows: dict[TaskKey, Row]) -> list[RunKey]:
        """Adds all of these runs to `rows`; returns the runs of which that was all."""
        of_runs = reader.rows(self._statements.tasks_of(runs, self._limit))
        if len(of_runs) < self._limit:
            rows.update(self._keyed(of_runs))
            return runs
        if len(runs) > 1:
            return [run for one in runs for run in self._look_at_runs(reader, [one], rows)]
        self._huge = True
        return []

    def _keyed(self, rows: Iterable[Row]) -> dict[TaskKey, Row]:
        return {self._key_of(row): row for row in rows}

    # Comparing

    def _before(self, key: TaskKey) -> Known | None:
        return self._known.get(key) or self._done.get(key[:2], {}).get(key)

    def _compare(self, rows: dict[TaskKey, Row], now: Micros) -> tuple[dict[TaskKey, Row], dict[TaskKey, Known]]:
        """What is to be written, and what will be known of all that was read."""
        write: dict[TaskKey, Row] = {}
        known: dict[TaskKey, Known] = {}
        for key, row in rows.items():
            before, taken = self._before(key), self._prints.take(row, now)
            if before is not None and not self._prints.differs(taken, before.print):
                known[key] = before
                continue
            write[key] = row
            counted = attempt(row[self._state] or None, row[self._tries], self._version)
            group = tuple([None if at is None else row[at] for at in self._group_at])
            known[key] = Known(taken, counted, self._groups.setdefault(group, group))
        return write, known

    def _unseen_attempts(
        self, reader: Reader, write: Iterable[TaskKey], known: dict[TaskKey, Known]
    ) -> dict[TaskKey, list[Row]]:
        """Attempts before those that are written now whose end nobody saw."""
        if self._history is None or self._read_at is None:
            return {}
        missed = {key: span for key in write if (span := self._missed(key, known[key].attempt))}
        return self._history.read(reader, missed, self._read_at - _SLACK) if missed else {}

    def _missed(self, key: TaskKey, now: int) -> range:
        before = self._before(key)
        if before is None:
            return range(now if now > 1 else 0)
        return range(before.attempt + (before.group[0] not in _IN_ATTEMPT), now)

    # Writing and remembering

    def _write(self, found: Found, write: dict[TaskKey, Row], before: dict[TaskKey, list[Row]]) -> None:
        """Earlier attempts first: the last row of a task instance is what it is now."""
        for key, rows in before.items():
            if self._history is not None and key in write:
                found.add(_TABLE, self._history.columns, rows)
        width = len(self._columns)
        found.add(_TABLE, self._columns, (row[:width] for row in write.values()))

    def _remember(self, known: dict[TaskKey, Known], seen: _Seen, live: Collection[RunKey], now: Micros) -> None:
        """Of those in state none only the ones of live runs are followed: on old DBs the others pile up."""
        for part, sight in ((self._open, seen.opened), (self._idle, seen.idle)):
            if part is not None and sight is not None:
                part.keep(sight, now)
        read = {*known, *seen.left}
        kept = {key: old for key, old in self._known.items() if key not in read and self._recorded(old.group[0])}
        in_live_run = None if seen.idle is None else {*seen.idle.tokens.values()}
        for key, new in known.items():
            state = new.group[0]
            if state in OPEN_STATES or (state is None and (in_live_run is None or key in in_live_run)):
                kept[key] = new
            elif key[:2] in live:
                self._done.setdefault(key[:2], {})[key] = new
        self._known = kept

    def _recorded(self, state: str | None) -> bool:
        """Whether task instances in this state are recorded as rows now; those that are over always are."""
        part = self._idle if state is None else self._open if state in OPEN_STATES else None
        return part is None or part.counted is None

    def _count(self, found: Found) -> None:
        counts = Counter(known.group for known in self._known.values())
        for part in (self._open, self._idle):
            if part is not None and part.counted is not None:
                counts.update(part.counted)
        if counts != self._counts:
            found.tables["counts"] = [{**dict(zip(GROUP, group, strict=True)), "n": n} for group, n in counts.items()]
        self._counts = counts
