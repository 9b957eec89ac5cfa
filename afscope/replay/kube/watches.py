"""The open watches of a server."""

from threading import Lock

from afscope.model.pace import ScaledPace
from afscope.replay.kube.exchange import Request, Stream
from afscope.replay.kube.faults import Faults
from afscope.replay.kube.freshness import Freshness
from afscope.replay.kube.history import History
from afscope.replay.kube.huge import huge_object
from afscope.replay.kube.log import Log
from afscope.replay.kube.objects import number_of, selector_of, view_of
from afscope.replay.kube.resources import Resource
from afscope.replay.kube.watch import Asked, Watch, error_frame


class Watches:
    """Opens watches and knows those that are open; safe to share between threads."""

    def __init__(self, history: History, pace: ScaledPace, faults: Faults, freshness: Freshness) -> None:
        self._history, self._pace, self._faults, self._freshness = history, pace, faults, freshness
        self._lock = Lock()
        self._open: set[Watch] = set()

    def open(self, request: Request, resource: Resource, log: Log, namespace: str) -> Stream:
        """A watch. Raises ApiError for parameters that make no sense; too old a version is told in the stream."""
        text, events = request.query.get("resourceVersion", ""), request.flag("sendInitialEvents")
        bookmarks = request.flag("allowWatchBookmarks")
        position = number_of(text)
        asked = Asked(
            namespace,
            selector_of(request, resource),
            view_of(request, resource),
            bookmarks=bookmarks,
            timeout_s=request.number("timeoutSeconds") or None,
            initial=not position or events,
            initial_end=events and bookmarks,
        )
        refusal = None if asked.initial else self._freshness.refusal(log, position)
        if refusal is not None:
            return Stream(iter([[error_frame(refusal)]]), end=lambda: None)
        if asked.initial:
            self._freshness.listed(log)

        def extra() -> bytes | None:
            fault = self._faults.take("watch", request.target, "huge")
            return huge_object(resource, namespace, self._freshness.current(log), fault.size) if fault else None

        watch = Watch(self._history, log, self._pace, asked, log.after(position), extra)
        with self._lock:
            self._open.add(watch)
        return Stream(watch.frames(), end=lambda: self._close(watch))

    def settled(self) -> bool:
        """Whether every open watch was sent all that is due."""
        return all(watch.settled() for watch in self._all())

    def wake(self) -> None:
        """Lets all look around."""
        for watch in self._all():
            watch.wake()

    def expire(self) -> None:
        """Ends all with an ERROR frame."""
        for watch in self._all():
            watch.expire()

    def look_at_clock(self) -> None:
        """Ends those that are ahead of a clock that was set back. To be called now and then."""
        for watch in self._all():
            watch.look_at_clock()

    def _all(self) -> list[Watch]:
        with self._lock:
            return list(self._open)

    def _close(self, watch: Watch) -> None:
        watch.end()
        with self._lock:
            self._open.discard(watch)
