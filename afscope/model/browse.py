"""What the screens ask of a capture and what they get: pages of rows, lives of pods, decisions, waits by group."""

from typing import NamedTuple

import msgspec

from afscope.model.clock import Micros
from afscope.model.timeline import StageWait


class Ask(msgspec.Struct, frozen=True):
    """Rows of a view, in the order of time, within [start, end] and holding `only` (any case; empty: all)."""

    view: str
    start: Micros
    end: Micros
    only: str = ""


class Line(NamedTuple):
    """One row of a view: its time, its cells as text, and a key that evidence about it would have."""

    at: Micros
    cells: tuple[str, ...]
    key: str


class Listing(msgspec.Struct, frozen=True):
    """How many rows an Ask has, and how they lie in time: `counts[i]` of them from `starts[i]` on, for `width`."""

    ask: Ask
    columns: tuple[str, ...]
    total: int
    width: Micros
    starts: tuple[Micros, ...]
    before: tuple[int, ...]
    """How many rows lie before each stretch."""
    grown: int = 0
    """How often the capture had grown when they were counted."""


class WaitGroup(msgspec.Struct, frozen=True):
    """The waiting of attempts that have something in common; `stages` add up to `seconds`, longest first."""

    name: str
    attempts: int
    seconds: float
    p50_s: float
    p95_s: float
    longest_s: float
    stages: tuple[StageWait, ...]


class WaitedAttempt(msgspec.Struct, frozen=True):
    """One attempt: when it could run, when its wait was over, when it ended; `stages` in the order of the chain."""

    key: str
    try_number: int
    queue: str
    pool: str
    target: str
    host: str
    state: str
    runnable_at: Micros
    wait_ended_at: Micros
    ended_at: Micros | None
    stages: tuple[StageWait, ...]


class Held(NamedTuple):
    """A task that a worker held; `end` is None while it still does, `lost` if it died with its worker."""

    start: Micros
    end: Micros | None
    key: str
    lost: bool


class PodLife(msgspec.Struct, frozen=True):
    """A worker pod from creation to its end; None for what did not happen within the capture.

    `crashed_at` are the ends of its containers that were started again.
    """

    target: str
    name: str
    node: str
    slots: int
    restarts: int
    created_at: Micros
    scheduled_at: Micros | None
    started_at: Micros | None
    consuming_at: Micros | None
    stopping_at: Micros | None
    gone_at: Micros | None
    held: tuple[Held, ...]
    crashed_at: tuple[Micros, ...]


class Scaling(msgspec.Struct, frozen=True):
    """A change of spec.replicas (`kind` write), or a look at the metric that the HPA recorded (`kind` look).

    `metric` is in workers, `ratio` metric over status.replicas; inside [`low`, `high`] workers the HPA keeps its size.
    `limited` is the HPA's own reason; `answered` is None where it did not ask. None where nobody knows.
    """

    kind: str
    at: Micros
    before: int | None
    after: int | None
    author: str
    reason: str
    confidence: float | None
    metric: float | None
    ratio: float | None
    low: float | None
    high: float | None
    desired: int | None
    limited: str
    answered: bool | None
    key: str


class Limit(NamedTuple):
    """A cap at one instant: how much of it is taken, and how many tasks stand before it. None: unknown or none."""

    kind: str
    name: str
    used: float | None
    cap: float | None
    waiting: int | None
    note: str


class SourceLine(NamedTuple):
    """One table of the capture: its state and its rows.

    `proven` is up to when it is known to be whole, while the capture grows or where it was cut off; else None.
    """

    name: str
    status: str
    rows: int
    bytes: int
    reason: str
    proven: Micros | None = None


class Answer(msgspec.Struct, frozen=True):
    """The result of a query: all cells as text. `cut` says that there was more than `rows`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: bool
