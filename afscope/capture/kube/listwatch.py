"""The collector of one kind in one place: drives a reflector over a cluster, and says what it could not see."""

import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from afscope.capture.backoff import Backoff
from afscope.capture.kube import frames
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.coverage import Coverage
from afscope.capture.kube.errors import ApiError
from afscope.capture.kube.kinds import WATCHED, Watched
from afscope.capture.kube.reflector import BOOKMARK, Malformed, Reflector, decode_page, is_gone
from afscope.capture.tape import Tape, table_of
from afscope.errors import CannotConnect
from afscope.model.clock import SECOND, Micros

_FORBIDDEN, _NOT_FOUND = 403, 404
# What a server has to send it sends without such pauses.
_QUIET: Micros = SECOND // 2
_LASTING_S = 5.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Real seconds: they are between us and a server, whatever clock the capture has."""

    watch_s: tuple[int, int] = (240, 360)
    """timeoutSeconds of a watch is drawn from this range, so that not all end together."""
    idle_s: float = 150.0
    """Without a byte for so long a watch is taken for dead; servers send a bookmark about each minute."""
    list_s: float = 60.0
    """Longest silence while a list is read."""
    refused_s: float = 120.0
    """How long to leave alone what is forbidden or absent."""
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
        self._reflector = Reflector(watched.kind, self._seen)
        table = table_of(watched.kind)
        self.tables: tuple[str, ...] = (table,)
        where = f"in {namespace}" if namespace else "in the cluster"
        self.name: str = f"{watched.plural}{f' {name}' if name else ''} {where}"
        self._coverage = Coverage(tape, table, self.name, minor=watched.minor)
        self.answered = False
        """Whether the server has said anything to the first request: a list, or a refusal."""

    def run(self, stop: threading.Event) -> None:
        """Lists and watches until `stop` is set."""
        while not stop.is_set():
            wait = self._once(stop)
            if wait and stop.wait(wait):
                break
        self._coverage.end()

    def _once(self, stop: threading.Event) -> float:
        """One list if need be, then one watch; returns how long to wait before the next."""
        try:
            if not self._reflector.version:
                self._list()
            new = self._watch(stop)
        except ApiError as error:
            return 0.0 if stop.is_set() else self._refused(error)
        except (CannotConnect, Malformed, frames.LineTooLong) as error:
            return 0.0 if stop.is_set() else self._failed(str(error))
        return 0.0 if new or stop.is_set() else self._failed("the server ends watches as soon as they begin")

    def _list(self) -> None:
        begun = self._tape.pace.now()
        again = self._reflector.listed_once
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
        low, high = self._timing.watch_s
        since = self._reflector.version
        opened, opened_at = time.monotonic(), self._tape.pace.now()
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": random.randint(low, high),  # noqa: S311  (spread, no secret)
            **self._selection(),
        }
        try:
            with self._cluster.stream(self._path, query, idle_s=self._timing.idle_s) as stream:
                for line in frames.lines(self._attended(stream)):
                    if self._reflector.framed(line) == BOOKMARK:
                        self._coverage.bookmarked()
                    if stop.is_set():
                        break
        finally:
            # By either clock: that of a replay may be fast, or stand still.
            lasted = max(time.monotonic() - opened, (self._tape.pace.now() - opened_at) / SECOND)
            new = self._reflector.version != since or lasted > _LASTING_S
            if new:
                self._backoff.reset()
        return new

    def _attended(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks. Where one has to be waited for, nothing older than the waiting can be on its way."""
        asked = self._tape.pace.now()
        for chunk in stream:
            self._waited(asked)
            yield chunk
            asked = self._tape.pace.now()
        self._waited(asked)

    def _waited(self, since: Micros) -> None:
        if self._tape.pace.now() - since >= _QUIET:
            self._coverage.whole(since)

    def _selection(self) -> dict[str, object]:
        return {"fieldSelector": self._selector} if self._selector else {}

    def _seen(self, change: str, raw: bytes) -> None:
        self._tape.observed(change, raw, kind=self._watched.kind)

    def _refused(self, error: ApiError) -> float:
        """The server said no: for now, for longer, or to this version only."""
        self.answered = True
        if is_gone(error):
            self._reflector.lost()
            return self._failed(str(error.what))
        if error.status == _FORBIDDEN:
            self._reflector.lost()
            self._coverage.refused(str(error.what))
            return self._timing.refused_s
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
        for watched in WATCHED
        for namespace in _places(watched, namespaces)
        for name in watched.only or ("",)
    ]


def _places(watched: Watched, namespaces: tuple[str, ...]) -> tuple[str, ...]:
    if not watched.namespaced:
        return ("",)
    if watched.home:
        return (watched.home,)
    return namespaces or ("",)


class Meter:
    """The cluster's own collector: samples what requests cost, tells its clock, ends all streams at the end."""

    name: str = "requests"
    tables: tuple[str, ...] = ()

    def __init__(self, cluster: Cluster, tape: Tape) -> None:
        self._cluster, self._tape = cluster, tape
        self._waited = 0.0
        self._offset: tuple[int, int] | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then no stream of this cluster goes on."""
        since = self._tape.pace.now()
        while not stop.wait(10):
            now = self._tape.pace.now()
            self._look(since, now)
            since = now
        self._cluster.close()

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
