"""The supply side of the wait for a worker: which stage each next slot of a target is in at an instant.

Queued tasks take slots in the order in which they were queued. The first ones have a free slot of a consuming worker
before them (stage consume), the next the slots of pods that start, pull, look for a node, then of replicas whose pods
do not exist yet; who is left waits for the autoscaler.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from afscope.model.clock import Micros

NEVER: Micros = 1 << 62


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

    def stage(self, at: Micros) -> str | None:
        """place, image, start or consume; None before it exists and once it was told to stop."""
        if at < self.created_at or at >= self.stopping_at:
            return None
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


@dataclass(slots=True)
class Target:
    """One scaled worker group, as far as waiting for it matters. `slots` are those of one worker."""

    name: str
    slots: int
    max_replicas: int
    polling_interval_s: int
    pods: list[WorkerPod] = field(default_factory=list)
    replicas: list[Replicas] = field(default_factory=list)

    def step(self, at: Micros) -> int:
        """How many steps of spec.replicas have been taken by an instant."""
        return bisect_right(self.replicas, at, key=lambda step: step.at)

    def desired(self, at: Micros) -> int:
        """spec.replicas at an instant, 0 before it is known."""
        taken = self.step(at)
        return self.replicas[taken - 1].desired if taken else 0

    def chunks(self, at: Micros, running: dict[str, int]) -> list[tuple[str, int]]:
        """Slots that come, most advanced first, as (stage, slots); `running` are busy slots per pod name."""
        supply = dict.fromkeys(("consume", "start", "image", "place"), 0)
        alive = 0
        for pod in self.pods:
            stage = pod.stage(at)
            if stage is None:
                continue
            alive += 1
            supply[stage] += max(0, pod.slots - running.get(pod.name, 0)) if stage == "consume" else pod.slots
        return [*supply.items(), ("create", max(0, self.desired(at) - alive) * self.slots)]
