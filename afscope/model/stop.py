"""A way to call off a question that another thread is answering."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from afscope.errors import QueryError


class Stop:
    """Given along with a question. `now` calls it off: what answers it is interrupted, and its answer is not wanted."""

    def __init__(self) -> None:
        self.asked = False
        self._lock = threading.Lock()
        self._interrupts: list[Callable[[], None]] = []

    def now(self) -> None:
        """Calls the question off; may be called from any thread, and again."""
        with self._lock:
            self.asked = True
            for interrupt in self._interrupts:
                interrupt()

    def check(self) -> None:
        """For work that nothing can interrupt: raises QueryError once the question was called off."""
        if self.asked:
            raise QueryError("called off")

    @contextmanager
    def by(self, interrupt: Callable[[], None]) -> Iterator["Stop"]:
        """While this lasts, `interrupt` stops the work; a question that was called off before is stopped at once."""
        with self._lock:
            self._interrupts.append(interrupt)
            if self.asked:
                interrupt()
        try:
            yield self
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)
