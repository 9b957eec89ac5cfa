"""The collector of one kind in one place: drives a reflector over a cluster, and says what it could not see.

A watch whose other side is gone without a word (a "half-open" connection) looks like a calm one. So silence counts for
nothing: after a watch broke off or was silent for longer than servers are, and when the recording ends, the server is
asked how far the list is, and a short watch has to bring what there is up to there. What then is not proved to be in
the record is a gap.
"""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from afscope.capture.backoff import Backoff
from afscope.capture.kube import frames
from afscope.capture.kube.connection import Cluster, Stream
from afscope.capture.kube.coverage import Coverage
from afscope.capture.kube.errors import ApiError, Silent
from afscope.capture.kube.kinds import Place, Watched, places
from afscope.capture.kube.reflector import BOOKMARK, Malformed, Reflector, decode_page, is_gone
from afscope.capture.tape import ALSO_OF_OBJECTS, Tape, table_of
from afscope.errors import CannotConnect
from afscope.model.clock import SECOND, Micros

_FORBIDDEN, _NOT_FOUND = 403, 404
# What a server has to send it sends without such pauses.
_QUIET: Micros = SECOND // 2
_PAUSE: Micros = 2 * SECOND
# After such a silence at the end, what the last look brings may be as old as the silence.
_LONG: Micros = 5 * SECOND
_LASTING_S = 5.0
# How long a watch lasts that is only to bring what was missed.
_CATCH_UP_S = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """Real seconds: they are between us and a server, whatever clock the capture has."""

    watch_s: tuple[int, int] = (240, 360)
    """timeoutSeconds of a watch is drawn from this range, so that not all end together."""
    idle_s: float = 75.0
    """Without a byte for so long a watch is in doubt; servers send a bookmark about each minute (apiserver's
    storage/cacher: defaultBookmarkFrequency). Events have none, as they are in no cache: there it costs a question."""
    proof_s: float = 10.0
    """Longest silence while it is asked whether something was missed."""
    last_s: float = 2.0
    """The same at the end of the recording, which nobody likes to wait for."""
    list_s: float = 60.0
    """Longest silence while a list is read."""
    refused_s: float = 120.0
    """How long to leave alone what is absent, and in the end what is forbidden."""
    page: int = 500
    """Objects per page of a list."""


class KubeCollector:
    """Records one kind, in one namespace or (with "") in the whole cluster."""

    def __init__(
        self, cluster: Cluster, tape: Tape, watched: Watched, namespace: str = "", *, name: str = "", timing: Timing
    ) -> None:
        """`name` narrows it down to the object of that name."""
        self._cluster, self._tape, self._watched = cluster, tape, watched
        self._path = watched.path(namespace)
        self._selector = f"metadata.name={name}" if name else ""
        self._timing = timing
        self._backoff = Backoff()
        self._refusals = Backoff(first=min(5.0, timing.refused_s), most=timing.refused_s)
        self._watched_once = False
        self._asked: Micros = 0
        self._pause: Micros | None = None
        self._late_from: Micros | None = None
        self._reflector = Reflector(watched.kind, self._seen)
        table = table_of(watched.kind)
        self.tables: tuple[str, ...] = (table,)
        self.name: str = Place(watched, namespace, name).title
        self._coverage = Coverage(tape, table, self.name, minor=watched.minor)
        self.answered = False
        """Whether the server has said anything to the first request: a list, or a refusal."""

    def run(self, stop: threading.Event) -> None:
        """Lists and watches until `stop` is set."""
        vouched = (*self.tables, *ALSO_OF_OBJECTS)
        self._tape.vouch(vouched, self.name, self._proven)
        while not stop.is_set():
            wait = self._once(stop)
            if wait and stop.wait(wait):
                break
        self._end()
        self._tape.vouch(vouched, self.name, None)  # what it could not prove it has declared

    def _proven(self) -> Micros | None:
        """Up to when all is in the record: to when we began to wait, if that is a while ago. Any thread may ask."""
        until, asked = self._coverage.proven, self._asked
        if until is None or self._coverage.doubtful or self._tape.pace.now() - asked < _QUIET:
            return until
        return max(until, asked)

    def _end(self) -> None:
        """One last look, so that what came last is there, or known to be missing."""
        stopped = self._tape.pace.now()
        if self._reflector.version:
            if stopped - self._asked > _LONG:
                self._coverage.silent()
            try:
                self._catch_up(last=True)
            except (CannotConnect, Malformed, frames.LineTooLong) as error:
                self._coverage.failed(str(error))
        self._coverage.end(stopped)

    def _once(self, stop: threading.Event) -> float:
        """One list if need be, then one watch; returns how long to wait before the next."""
        try:
            if not self._reflector.version:
                self._list()
            elif self._coverage.doubtful:
                self._catch_up()
            new = stop.is_set() or self._watch(stop)
        except Silent as error:
            if stop.is_set():
                return 0.0
            if self._coverage.doubtful:
                return self._failed(str(error))
            self._coverage.silent()
            return 0.0
        except ApiError as error:
            return 0.0 if stop.is_set() else self._refused(error)
        except (CannotConnect, Malformed, frames.LineTooLong) as error:
            return 0.0 if stop.is_set() else self._failed(str(error))
        return 0.0 if new or stop.is_set() else self._failed("the server ends watches as soon as they begin")

    def _list(self) -> None:
        begun = self._tape.pace.now()
        again = self._reflector.listed_once
        self._late_from = self._coverage.overdue_since if again else None
        result = self._reflector.listed(self._pages())
        self._coverage.listed(begun, f"{result.changed} changed, {result.gone} gone" if again else "")
        self.answered = True

    def _pages(self) -> Iterator[bytes]:
        token = ""
        while True:
            query = {"limit": self._timing.page, **self._selection()}
            if token:
                query["continue"] = token
            body = self._cluster.get(self._path, query, timeout_s=self._timing.list_s)
            yield body
            self._coverage.began()
            token = decode_page(self._watched.kind, body).metadata.continue_
            if not token:
                return

    def _watch(self, stop: threading.Event) -> bool:
        """One watch; whether it brought something new or lasted. Only that ends the back-off: a server that answers
        lists and then ends each watch at once must not be asked in a loop.
        """
        since = self._reflector.version
        opened, opened_at = time.monotonic(), self._tape.pace.now()
        seconds = random.randint(*self._timing.watch_s)  # noqa: S311  (spread, no secret)
        try:
            with self._cluster.stream(self._path, self._query(seconds), idle_s=self._timing.idle_s) as stream:
                self._watched_once = True
                self._refusals.reset()
                for kind in self._frames(stream):
                    if kind == BOOKMARK:  # it says that there is nothing else up to when it was sent
                        self._coverage.whole(self._asked)
                    if stop.is_set():
                        break
        finally:
            # By either clock: that of a replay may be fast, or stand still.
            lasted = max(time.monotonic() - opened, (self._tape.pace.now() - opened_at) / SECOND)
            new = self._reflector.version != since or lasted > _LASTING_S
            if new:
                self._backoff.reset()
        return new

    def _catch_up(self, *, last: bool = False) -> None:
        """Asks how far the list is, and reads on up to there: the proof that nothing up to now is missing.

        A change of the list is told in its order, so a frame at or after that version is the proof, or a watch that
        the server ends after a silence. Without a proof the doubt stays. Raises as a list and a watch do.
        """
        idle_s = self._timing.last_s if last else self._timing.proof_s
        asked = self._tape.pace.now()
        page = self._cluster.get(self._path, {"limit": 1, **self._selection()}, timeout_s=idle_s, last=last)
        until = decode_page(self._watched.kind, page).metadata.resource_version
        if self._is_at(until):
            self._coverage.whole(asked)
            return
        opened = self._tape.pace.now()
        try:
            with self._cluster.stream(self._path, self._query(_CATCH_UP_S), idle_s=idle_s, last=last) as stream:
                for _ in self._frames(stream):
                    if self._is_at(until):
                        self._coverage.whole(asked)
                        return
        except Silent:
            if self._tape.pace.now() != opened:  # a replay whose clock stands ends no watch
                raise
            self._coverage.whole(opened)

    def _is_at(self, version: str) -> bool:
        """Whether what we have is as new as this. They are numbers that grow (KEP-5504); others are not compared."""
        mine = self._reflector.version
        return mine == version or (mine.isdigit() and version.isdigit() and int(mine) >= int(version))

    def _frames(self, stream: Stream) -> Iterator[str]:
        """The types of the frames of a watch, each after it was recorded."""
        for line in frames.lines(self._attended(stream)):
            self._late_from = self._coverage.overdue_since or self._pause
            yield self._reflector.framed(line)

    def _attended(self, stream: Stream) -> Iterator[bytes]:
        """The same chunks. Where one had to be waited for, nothing older than the waiting was on its way.

        That does not hold while in doubt: there is a past to tell, and a server may take its time for it. The end
        proves it even then, unless it was we who ended it, or the watch broke off.
        """
        self._asked = self._tape.pace.now()
        self._pause = None
        for chunk in stream:
            waited = self._tape.pace.now() - self._asked
            if waited >= _QUIET:  # if the way was blocked all the time, what comes now at once is as old as that
                self._pause = self._asked if waited > _PAUSE else None
            if not self._coverage.doubtful:
                self._waited()
            yield chunk
            self._asked = self._tape.pace.now()
        if not stream.stopped:
            self._waited()

    def _waited(self) -> None:
        if self._tape.pace.now() - self._asked >= _QUIET:
            self._coverage.whole(self._asked)

    def _query(self, seconds: int) -> dict[str, object]:
        """What a watch asks for, from what is known on."""
        return {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._reflector.version,
            "timeoutSeconds": seconds,
            **self._selection(),
        }

    def _selection(self) -> dict[str, object]:
        return {"fieldSelector": self._selector} if self._selector else {}

    def _seen(self, change: str, raw: bytes) -> None:
        late = self._late_from
        timed = self._tape.observed(change, raw, kind=self._watched.kind, since=late)
        if not timed and late is not None and self._coverage.overdue_since is not None:
            self._coverage.untimed()

    def _refused(self, error: ApiError) -> float:
        """The server said no: for now, for longer, or to this version only."""
        self.answered = True
        if is_gone(error):
            self._reflector.lost()
            return self._failed(str(error.what))
        if error.status == _FORBIDDEN:
            if not self._watched_once:  # who may list and never watch is left with a list now and then
                self._reflector.lost()
            self._coverage.refused(str(error.what))
            return self._refusals.next()
        if error.status == _NOT_FOUND:
            self._reflector.lost()
            self._coverage.absent(f"the API has no {self._watched.plural} ({self._watched.group})")
            return self._timing.refused_s
        return self._failed(str(error.what), error.retry_after_s)

    def _failed(self, why: str, at_least: float = 0.0) -> float:
        self._coverage.failed(why)
        return self._backoff.next(at_least)


def collectors(
    cluster: Cluster, tape: Tape, namespaces: tuple[str, ...], timing: Timing | None = None
) -> list[KubeCollector]:
    """One per kind and namespace; without namespaces one per kind for the whole cluster."""
    timing = timing or Timing()
    return [
        KubeCollector(cluster, tape, watched, namespace, name=name, timing=timing)
        for watched, namespace, name in places(namespaces)
    ]


class Meter:
    """The cluster's own collector: samples what requests cost, tells its clock, ends all waiting at the end."""

    name: str = "requests"
    tables: tuple[str, ...] = ()

    def __init__(self, cluster: Cluster, tape: Tape) -> None:
        self._cluster, self._tape = cluster, tape
        self._waited = 0.0
        self._offset: tuple[int, int] | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then no stream of this cluster goes on, and only last questions are asked."""
        since = self._tape.pace.now()
        while not stop.wait(10):
            now = self._tape.pace.now()
            self._look(since, now)
            since = now
        self._look(since, self._tape.pace.now())
        self._cluster.interrupt()

    def _look(self, since: Micros, now: Micros) -> None:
        budget = self._cluster.budget
        self._tape.sample("api_requests", budget.requests)
        self._tape.sample("api_wait_s", budget.waited_s)
        if budget.waited_s - self._waited > 1.0:
            more = budget.waited_s - self._waited
            self._tape.gap("objects", since, now, f"requests waited {more:.1f} s for the request budget")
        self._waited = budget.waited_s
        offset = self._cluster.clock.offset
        if offset is not None and offset != self._offset:
            self._offset = offset
            self._tape.clock_offset("kubernetes", *offset)
