"""Which resourceVersions still work: those from before an expiry, or from a future that a jump undid, do not."""

from threading import Lock

from afscope.model.pace import ScaledPace
from afscope.replay.kube.history import History
from afscope.replay.kube.log import Log
from afscope.replay.kube.resources import Resource
from afscope.replay.kube.status import ApiError, expired

_TOO_OLD_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)


class Freshness:
    """The compactions of a server that has none of its own; safe to share between threads."""

    def __init__(self, history: History, pace: ScaledPace) -> None:
        self._history, self._pace = history, pace
        self._lock = Lock()
        self._epoch = 0
        self._expired: dict[Resource, int] = {}
        self._listed: set[Resource] = set()

    @property
    def epoch(self) -> int:
        """Counts the expiries."""
        return self._epoch

    def current(self, log: Log) -> int:
        """The number that a list would carry now."""
        return self._history.resource_version(log, self._pace.now())

    def expire(self) -> None:
        """Makes all numbers so far too old.

        A list that comes after this may carry the same number again, when nothing has happened: it is good then.
        """
        with self._lock:
            self._epoch += 1
            self._listed.clear()
            logs = [log for resource in self._history.kinds if (log := self._history.log(resource)) is not None]
            self._expired = {log.resource: self.current(log) for log in logs}

    def listed(self, log: Log) -> None:
        """A list of this kind was made."""
        with self._lock:
            self._listed.add(log.resource)

    def refusal(self, log: Log, position: int) -> ApiError | None:
        """Why no watch can start from this number, None when one can."""
        with self._lock:
            expired_at = self._expired.get(log.resource, -1)
            listed = log.resource in self._listed
        current = self.current(log)
        if position < expired_at or (position == expired_at and not listed) or position > current:
            return expired(f"too old resource version: {position} ({current})")
        return None

    def check_page(self, epoch: int) -> None:
        """Raises ApiError 410 for a continue token from before an expiry."""
        if epoch != self._epoch:
            raise expired(_TOO_OLD_PAGE)
