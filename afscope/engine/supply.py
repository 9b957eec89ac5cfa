"""The supply side of the wait for a worker: which stage each next slot of a target is in at an instant.

Queued tasks take slots in the order in which they were queued. The first ones have a free slot of a consuming worker
before them (stage consume), the next the slots of pods that start, pull, look for a node, then of replicas whose pods
do not exist yet; who is left waits for the autoscaler.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from afscope.model.clock import Micros

NEVER: Micros = 1 << 62


@dataclass(frozen=True, slots=True)
class Outage:
    """A span in which a pod that had been consuming did not: `stage` is what its slots wait for.

    A container that restarts is in stage start; a pod whose node was lost is as good as not there (None).
    """

    start: Micros
    end: Micros
    stage: str | None


@dataclass(frozen=True, slots=True)
class WorkerPod:
    """Life of one worker pod; NEVER where something did not happen in the capture."""

    name: str
    slots: int
    created_at: Micros
    scheduled_at: Micros
    started_at: Micros
    consuming_at: Micros
    stopping_at: Micros
    queues: frozenset[str]
    outages: tuple[Outage, ...] = ()

    def instants(self) -> Iterator[Micros]:
        """When its stage may change."""
        yield from (self.created_at, self.scheduled_at, self.started_at, self.consuming_at, self.stopping_at)
        for outage in self.outages:
            yield from (outage.start, outage.end)

    def stage(self, at: Micros) -> str | None:
        """place, image, start or consume; None before it exists, once it was told to stop, and without its node."""
        if at < self.created_at or at >= self.stopping_at:
            return None
        for outage in self.outages:
            if outage.start <= at < outage.end:
                return outage.stage
        if at >= self.consuming_at:
            return "consume"
        if at >= self.started_at:
            return "start"
        return "image" if at >= self.scheduled_at else "place"


@dataclass(frozen=True, slots=True)
class Replicas:
    """A step of spec.replicas."""

    at: Micros
    desired: int


@dataclass
class Target:
    """One scaled worker group, as far as waiting for it matters.

    `slots` are those of one worker; `ordered` is a StatefulSet that creates its pods one after the other.
    """

    name: str
    slots: int
    max_replicas: int
    polling_interval_s: int
    ordered: bool = False
    pods: list[WorkerPod] = field(default_factory=list)
    replicas: list[Replicas] = field(default_factory=list)

    def step(self, at: Micros) -> int:
        """How many steps of spec.replicas have been taken by an instant."""
        return bisect_right(self.replicas, at, key=lambda step: step.at)

    def desired(self, at: Micros) -> int:
        """spec.replicas at an instant, 0 before it is known."""
        taken = self.step(at)
        return self.replicas[taken - 1].desired if taken else 0
