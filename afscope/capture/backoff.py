"""Waiting before the next try: longer each time, never in step with others, short again after a success."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Seconds to wait: up to `first`, then up to twice that and so on up to `most`.

    Each wait is drawn from the upper half of its range (equal jitter): many recorders that lost one server at the
    same moment do not come back in one, and none comes back at once.
    """

    first: float = 0.5
    most: float = 30.0
    _tries: int = field(default=0, init=False)

    def next(self, at_least: float = 0.0) -> float:
        """The next wait; `at_least` is what a server asked for (Retry-After)."""
        ceiling = min(self.most, self.first * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return max(at_least, random.uniform(ceiling / 2, ceiling))  # noqa: S311  (jitter is no secret)

    @property
    def waiting(self) -> bool:
        """Whether the last try failed."""
        return self._tries > 0

    def reset(self) -> None:
        """After a success."""
        self._tries = 0
