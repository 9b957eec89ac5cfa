"""Worker pods of one group in a simulation: who is ready, who has a free slot, who goes first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from afscope.model.clock import Micros


@dataclass(slots=True, eq=False)
class Pod:
    """One worker pod; `jobs` are the numbers of what runs on it, `gone_at` is None while it exists."""

    number: int
    created_at: Micros
    free: int
    ready_at: Micros | None = None
    stopping_at: Micros | None = None
    gone_at: Micros | None = None
    name: str = ""
    jobs: set[int] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        """Whether it counts for its controller: it exists and was not told to stop."""
        return self.stopping_at is None


class Fleet:
    """The pods of one group, living and gone."""

    def __init__(self, *, ordered: bool, stateful: bool) -> None:
        self.pods: list[Pod] = []
        self.live: list[Pod] = []
        self.terminating = 0
        self._idle: dict[int, Pod] = {}
        self._ordered, self._stateful = ordered, stateful

    def add(self, now: Micros, slots: int, name: str = "") -> Pod:
        """A new pod, not yet ready."""
        pod = Pod(len(self.pods), now, slots, name=name)
        self.pods.append(pod)
        self.live.append(pod)
        return pod

    def ready(self, pod: Pod, now: Micros) -> None:
        """The pod's worker consumes from now on."""
        pod.ready_at = now
        if pod.free > 0:
            self._idle[pod.number] = pod

    @property
    def status_replicas(self) -> int:
        """status.replicas: a StatefulSet counts terminating pods too (keda-hpa §1.8)."""
        return len(self.live) + (self.terminating if self._stateful else 0)

    @property
    def ready_count(self) -> int:
        """Pods that are ready and not terminating."""
        return sum(1 for pod in self.live if pod.ready_at is not None)

    @property
    def blocked(self) -> bool:
        """Whether the next pod has to wait for the one before it to be ready (StatefulSet, OrderedReady)."""
        return self._ordered and any(pod.ready_at is None for pod in self.live)

    def take(self, number: int) -> Pod | None:
        """A pod with a free slot, which now runs the job; the pods take turns. None when all are busy."""
        if not self._idle:
            return None
        key = next(iter(self._idle))
        pod = self._idle.pop(key)
        pod.jobs.add(number)
        pod.free -= 1
        if pod.free > 0:
            self._idle[key] = pod
        return pod

    def hold(self, pod: Pod, number: int) -> None:
        """The job ran on the pod already when the recording began."""
        pod.jobs.add(number)
        pod.free -= 1
        if pod.free == 0:
            self._idle.pop(pod.number, None)

    def give(self, pod: Pod, number: int) -> None:
        """The job is over; its slot is free again unless the pod is told to stop."""
        pod.jobs.discard(number)
        pod.free += 1
        if pod.stopping_at is None and pod.ready_at is not None:
            self._idle[pod.number] = pod

    def stop(self, pod: Pod, now: Micros) -> None:
        """The pod is told to stop: it takes no more work."""
        pod.stopping_at = now
        self.live.remove(pod)
        self.terminating += 1
        self._idle.pop(pod.number, None)

    def gone(self, pod: Pod, now: Micros) -> None:
        """The pod does not exist any more."""
        pod.gone_at = now
        self.terminating -= 1

    def victims(self, count: int, now: Micros, rng: Random) -> Iterator[Pod]:
        """Whom a scale-in takes: a StatefulSet the highest ordinals, a ReplicaSet those not ready, then the newest.

        ReplicaSets compare ready times by magnitude only (LogarithmicScaleDown) and know nothing of busy workers
        (k8s.io/kubernetes, pkg/controller/controller_utils.go, ActivePodsWithRanks).
        """
        if self._stateful:
            ranked = sorted(self.live, key=lambda pod: -pod.number)
        else:
            ranked = sorted(self.live, key=lambda pod: (*_rank(pod, now), rng.random()))
        yield from ranked[: max(0, count)]


def _rank(pod: Pod, now: Micros) -> tuple[int, int, int]:
    if pod.ready_at is None:
        return (0, 0, -pod.created_at)
    return (1, max(1, now - pod.ready_at).bit_length(), 0)
