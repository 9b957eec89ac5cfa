"""What requests cost, and what answers tell of the server's clock."""

import threading
import time
from email.utils import parsedate_to_datetime

from afscope.model.clock import SECOND, Micros, from_datetime


class RequestBudget:
    """A token bucket: at most `per_s` requests a second on average, `burst` at once. Waiting is counted.

    The burst lets a start through: one list per kind and namespace.
    """

    def __init__(self, per_s: float, burst: int = 150) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = time.monotonic()
        self._lock = threading.Lock()
        self.requests = 0
        """Requests so far."""
        self.waited_s = 0.0
        """Seconds that requests had to wait for the budget so far, all together."""

    def take(self, *, wait: bool = True) -> None:
        """Takes the right to one request, waiting for it if need be; without `wait` it is only counted."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
            self._at = now
            self._tokens -= 1
            wait_s = max(0.0, -self._tokens / self._per_s) if wait else 0.0
            self.requests += 1
            self.waited_s += wait_s
        if wait_s:
            time.sleep(wait_s)


class ServerClock:
    """How far the server's clock runs ahead, from the Date headers of its answers.

    A Date is the second that the answer was made in, and the answer was made between request and arrival. Each
    answer thus bounds the offset; their intersection gets narrow, and starts anew when a clock was set.
    """

    def __init__(self) -> None:
        self._low: Micros | None = None
        self._high: Micros = 0

    def heard(self, date: str | None, asked: Micros, answered: Micros) -> None:
        """Takes note of an answer; `asked` and `answered` by the recorder's clock."""
        if not date:
            return
        try:
            second = from_datetime(parsedate_to_datetime(date))
        except ValueError:
            return
        low, high = second - answered, second + SECOND - asked
        if self._low is None or low > self._high or high < self._low:
            self._low, self._high = low, high
        else:
            self._low, self._high = max(low, self._low), min(high, self._high)

    @property
    def offset(self) -> tuple[int, int] | None:
        """Offset and its uncertainty in microseconds; None before the first answer."""
        if self._low is None:
            return None
        return (self._low + self._high) // 2, (self._high - self._low + 1) // 2
