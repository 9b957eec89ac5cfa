"""The timeline as screens and reports draw it: step lanes, spans and ticks over one time axis."""

from typing import NamedTuple

import msgspec

from afscope.model.clock import Micros
from afscope.model.finding import Evidence


class Step(NamedTuple):
    """A lane takes `value` at `at` and keeps it until the next step; None is a hole: nobody knows."""

    at: Micros
    value: float | None


class Lane(msgspec.Struct, frozen=True):
    """A step function, sorted by time, without repeats."""

    name: str
    steps: tuple[Step, ...]

    def at(self, when: Micros) -> float | None:
        """The value that holds at `when`; None before the first step and in holes."""
        low, high = 0, len(self.steps)
        while low < high:
            middle = (low + high) // 2
            if self.steps[middle].at <= when:
                low = middle + 1
            else:
                high = middle
        return self.steps[low - 1].value if low else None


class Span(msgspec.Struct, frozen=True):
    """Something that holds from `start` to `end`; `kind` picks its colour, `text` says it to a person."""

    start: Micros
    end: Micros
    kind: str
    text: str


class Tick(msgspec.Struct, frozen=True):
    """Something that happened at one instant: an event, a decision."""

    at: Micros
    kind: str
    text: str


class Chart(msgspec.Struct, frozen=True):
    """One target over the whole capture.

    Lanes, in drawing order: waiting (runnable, not yet queued), queued, running (task instances); metric (what the
    HPA was told, in workers); desired (spec.replicas), current (status.replicas), ready (replicas);
    slots (of consuming workers), slots_used. `health` spans are of kind ok, failing or silent (the metric path);
    `constraint` spans carry the cause that most waiting tasks waited for as kind; `gaps` the holes of the capture.
    """

    target: str
    start: Micros
    end: Micros
    lanes: tuple[Lane, ...]
    health: tuple[Span, ...]
    constraint: tuple[Span, ...]
    gaps: tuple[Span, ...]
    ticks: tuple[Tick, ...]


class Decision(msgspec.Struct, frozen=True):
    """A change of spec.replicas and who wrote it: keda, hpa, or the name of another field manager."""

    at: Micros
    target: str
    before: int
    after: int
    author: str
    reason: str


class Phase(msgspec.Struct, frozen=True):
    """A stage of an episode; `author` is the component that carried it, `text` says what happened.

    `evidence` are the rows that show it: the write of spec.replicas, the HPA's status, the slowest pod.
    """

    stage: str
    started_at: Micros
    ended_at: Micros | None
    author: str
    text: str
    evidence: tuple[Evidence, ...] = ()


class Episode(msgspec.Struct, frozen=True):
    """From demand rising above zero to the workers being gone again; changes without demand have a peak of 0."""

    target: str
    started_at: Micros
    ended_at: Micros | None
    peak_demand: int
    peak_replicas: int
    phases: tuple[Phase, ...]
    decisions: tuple[Decision, ...]


class StageWait(msgspec.Struct, frozen=True):
    """Seconds that one attempt waited in a stage for a cause."""

    stage: str
    seconds: float
    cause: str


class AttemptWait(msgspec.Struct, frozen=True):
    """One attempt's wait; the stages add up to running_at - runnable_at, or to the end of the wait."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    queue: str
    pool: str
    target: str
    runnable_at: Micros
    running_at: Micros | None
    ended_at: Micros | None
    stages: tuple[StageWait, ...]


class RowPage(msgspec.Struct, frozen=True):
    """Rows of one table as text; `focus` is the index of the row that is meant."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    focus: int
