"""One open watch: which versions its client is still to be sent, and when."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from afscope.model.clock import SECOND, Micros
from afscope.model.pace import ScaledPace
from afscope.model.row import DELETED
from afscope.replay.kube.history import History
from afscope.replay.kube.log import Key, Log, Version, renumbered
from afscope.replay.kube.selectors import Selector
from afscope.replay.kube.status import ApiError, expired
from afscope.replay.kube.views import View

# kube-apiserver sends a bookmark about every minute, and a last one shortly before a watch times out.
_BOOKMARK_EVERY: Micros = 60 * SECOND
_FOREVER: Micros = 3600 * SECOND
_BATCH = 256


class Frame(NamedTuple):
    """One line of a watch and how many objects it delivers."""

    data: bytes
    objects: int


class Asked(NamedTuple):
    """What a client wants to watch: a namespace ("" for all), what in it, in which form, and for how long."""

    namespace: str
    selector: Selector
    view: View
    bookmarks: bool
    timeout_s: float | None
    initial: bool
    """Whether the state comes first, as ADDED: the client has named no version, or any."""
    initial_end: bool
    """Whether a bookmark marks the end of it (sendInitialEvents)."""


class Watch:
    """Yields frames, in batches of what is due; times are the replay's. Ends when it timed out or is told to."""

    def __init__(
        self, history: History, log: Log, pace: ScaledPace, asked: Asked, index: int, extra: Callable[[], bytes | None]
    ) -> None:
        """`index` is the first version that the client has not seen; `extra` may give an object of no history."""
        self._history, self._log, self._pace, self._asked = history, log, pace, asked
        self._index = index
        self._extra = extra
        self._wake = threading.Event()
        self._over = False
        self._expired = False
        self._began = self._latest = pace.now()
        if asked.initial:
            self._index = history.upto(log, self._began)
        self._told_state = not asked.initial
        self._matching: dict[Key, Version] | None = None

    def wake(self) -> None:
        """Lets it look around: something has changed that is not the time."""
        self._wake.set()

    def end(self) -> None:
        """Ends it without a word: the client is gone or the server stops."""
        self._over = True
        self._wake.set()

    def expire(self) -> None:
        """Ends it with an ERROR frame: too old."""
        self._expired = True
        self._wake.set()

    def look_at_clock(self) -> None:
        """Ends it when the clock was set back: only a new list shows the past."""
        latest = self._latest  # read before the clock, which moves on meanwhile
        if self._pace.now() < latest:
            self.expire()

    def settled(self) -> bool:
        """Whether the client was sent everything up to now."""
        return self._told_state and self._index >= self._history.upto(self._log, self._pace.now())

    def frames(self) -> Iterator[Sequence[Frame]]:
        """What to send, as it becomes due."""
        marked = self._began
        deadline = None if self._asked.timeout_s is None else self._began + round(self._asked.timeout_s * SECOND)
        if self._asked.initial:
            yield from self._initial()
            self._told_state = True
        while not self._over:
            now = self._pace.now()
            if self._expired or now < self._latest:
                yield [self._gone()]
                return
            self._latest = now
            yield from self._due(now)
            timed_out = deadline is not None and now >= deadline
            if self._asked.bookmarks and (timed_out or now - marked >= _BOOKMARK_EVERY):
                marked = now
                yield [self._bookmark(now)]
            if timed_out:
                return
            self._wait(now, deadline, marked)

    def _initial(self) -> Iterator[Sequence[Frame]]:
        state = [v for v in self._history.state(self._log, self._index) if self._wanted(v)]
        if not self._asked.selector.everything:
            self._matching = {version.key: version for version in state}
        for start in range(0, len(state), _BATCH):
            yield [self._frame("ADDED", version.body) for version in state[start : start + _BATCH]]
        if self._asked.initial_end:
            yield [self._bookmark(self._began, initial_end=True)]

    def _due(self, now: Micros) -> Iterator[Sequence[Frame]]:
        """All versions up to now. The index follows what was sent, so `settled` tells the truth."""
        upto = self._history.upto(self._log, now)
        while self._index < upto and not self._over:
            stop = min(upto, self._index + _BATCH)
            batch = [frame for version in self._log.versions[self._index : stop] if (frame := self._change(version))]
            if batch:
                yield batch
            self._index = stop
        if (extra := self._extra()) is not None:
            yield [self._frame("ADDED", extra)]

    def _change(self, version: Version) -> Frame | None:
        if self._asked.namespace and version.key[0] != self._asked.namespace:
            return None
        if self._asked.selector.everything:
            return self._frame(version.change, version.body)
        return self._selected(version)

    def _selected(self, version: Version) -> Frame | None:
        """An object that enters the selection was added to it, one that leaves it was deleted from it.

        As the watch cache of kube-apiserver has it: the client is sent the last body that it was to know, under the
        new number.
        """
        matching = self._matches_so_far()
        before = matching.pop(version.key, None)
        if version.change != DELETED and self._wanted(version):
            matching[version.key] = version
            return self._frame("ADDED" if before is None else "MODIFIED", version.body)
        if before is None:
            return None
        same = version.change == DELETED and self._wanted(version)
        return self._frame(DELETED, version.body if same else renumbered(before.body, version.position))

    def _matches_so_far(self) -> dict[Key, Version]:
        if self._matching is None:
            state = self._history.state(self._log, self._index)
            self._matching = {version.key: version for version in state if self._wanted(version)}
        return self._matching

    def _wanted(self, version: Version) -> bool:
        return self._asked.namespace in ("", version.key[0]) and self._asked.selector.matches(version.body)

    def _wait(self, now: Micros, deadline: Micros | None, marked: Micros) -> None:
        due = [now + _FOREVER] if deadline is None else [deadline]
        if self._index < len(self._log.versions):
            due.append(self._log.versions[self._index].at)
        if self._asked.bookmarks:
            due.append(marked + _BOOKMARK_EVERY)
        self._pace.wait_until(self._wake, min(due))
        self._wake.clear()

    def _frame(self, change: str, body: bytes) -> Frame:
        return Frame(_line(change, self._asked.view.single(body, self._pace.now())), 1)

    def _bookmark(self, now: Micros, *, initial_end: bool = False) -> Frame:
        meta: dict[str, object] = {"resourceVersion": str(self._history.resource_version(self._log, now))}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        return Frame(_line("BOOKMARK", self._asked.view.bookmark(meta)), 0)

    def _gone(self) -> Frame:
        return error_frame(expired("The resourceVersion for the provided watch is too old."))


def error_frame(error: ApiError) -> Frame:
    """The frame that ends a watch."""
    return Frame(_line("ERROR", error.body.rstrip()), 0)


def _line(change: str, body: bytes) -> bytes:
    return b'{"type":"' + change.encode() + b'","object":' + body + b"}\n"
