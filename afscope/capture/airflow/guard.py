"""A deadline on a driver that blocks: a thread that cuts the connection when no answer comes."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_LOOK = 0.1
# A poll that is under way when the recording ends may finish, if it is quick.
_GRACE = 0.5


class Guard:
    """While entered: calls `cut` once when an answer is overdue, or soon after `stop` was set.

    A server that is stopped, or a network that swallows packets, keeps a socket open for hours; no timeout of the
    server helps then, and libpq has none for answers.
    """

    def __init__(self, cut: Callable[[], None], answer_within_s: float, stop: threading.Event) -> None:
        self._cut = cut
        self._within = answer_within_s
        self._stop = stop
        self._over = threading.Event()
        self._until = time.monotonic() + answer_within_s
        self._thread = threading.Thread(target=self._watch, name="airflow_db guard", daemon=True)
        self.overdue = False
        """The connection was cut because no answer came."""
        self.stopped = False
        """The connection was cut because the recording ended."""

    def asked(self) -> None:
        """A statement goes out now: its answer is due in time."""
        self._until = time.monotonic() + self._within

    def _watch(self) -> None:
        stopped_at: float | None = None
        while not self._over.wait(_LOOK):
            now = time.monotonic()
            if stopped_at is None and self._stop.is_set():
                stopped_at = now
            self.overdue = now > self._until
            self.stopped = stopped_at is not None and now > stopped_at + _GRACE
            if self.overdue or self.stopped:
                self._cut()
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
