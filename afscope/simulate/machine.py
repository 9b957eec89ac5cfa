"""The discrete-event simulation: jobs arrive, are queued inside their limits, take slots of workers and end, while KEDA
polls and the HPA syncs. One run is one draw: boots, pickups and unknown durations come from the recording by `rng`.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from afscope.model.clock import SECOND, Micros
from afscope.model.stop import Stop
from afscope.simulate.autoscaler import Autoscaler
from afscope.simulate.demand import RETRY_DELAY, Job
from afscope.simulate.limits import Limits
from afscope.simulate.pods import Fleet, Pod
from afscope.simulate.world import ASSUMED_BOOT, NEVER_READY, Group, World

# From a write of spec.replicas to pods: three watches and two writes, 0.1 to 0.2 s on Kubernetes 1.36.
REACTION: Micros = 150_000
# A worker that vanished is found by the sweep for lost heartbeats: scheduler_zombie_task_threshold and its interval.
ZOMBIE_FOUND: Micros = 310 * SECOND
_BEYOND: Micros = 3600 * SECOND
_FREE, _END, _RUNNING, _READY, _POLL, _SYNC, _REACT, _DEADLINE, _GONE, _OUTSIDE = range(10)


@dataclass(slots=True)
class Run:
    """What one draw came to. Waits in seconds per group; `pods` are (created, gone or None), `first` is the size that
    spec.replicas had at the start, `steps` its changes.
    """

    ended_at: Micros
    finished_at: Micros | None
    waits: dict[str, list[float]]
    lost_s: dict[str, float]
    pods: dict[str, list[tuple[Micros, Micros | None]]]
    first: dict[str, tuple[Micros, int]]
    steps: dict[str, list[tuple[Micros, int]]]
    activations: dict[str, int]
    unfinished: dict[str, int]


@dataclass(slots=True)
class _Side:
    """One group while it is simulated."""

    group: Group
    scaler: Autoscaler
    fleet: Fleet
    count: int = 0
    fifo: deque[int] = field(default_factory=deque)
    busy: bool = False
    """Whether a reaction of the workload's controller is already due."""


class Machine:
    """One draw over a world."""

    def __init__(self, world: World, rng: Random, stop: Stop | None = None) -> None:
        self._world, self._rng, self._called_off = world, rng, stop or Stop()
        self._jobs: Sequence[Job] = world.demand.jobs
        self._heap: list[tuple[Micros, int, int, int, int]] = []
        self._seq = 0
        self._limits = Limits(world.caps, self._jobs, world.running_runs)
        self._sides = [
            _Side(group, Autoscaler(group), Fleet(ordered=group.ordered, stateful=group.stateful))
            for group in world.groups
        ]
        self._side_of = {side.group.name: number for number, side in enumerate(self._sides)}
        self._counted = [self._counts(job) for job in self._jobs]
        total = len(self._jobs)
        self._arrived: list[Micros] = [0] * total
        self._started: list[Micros | None] = [None] * total
        self._pod_of: list[Pod | None] = [None] * total
        self._stay: list[int] = [0] * total
        self._tries = [job.retries for job in self._jobs]
        self._open = total
        self._last_end: Micros | None = None
        self._waits: list[list[float]] = [[] for _ in self._sides]
        self._lost = [0.0] * len(self._sides)
        self._waiting: set[int] = set()
        self._due: list[tuple[Micros, int]] = []
        self._token = 0

    def run(self) -> Run:
        """Simulates from the start of the capture until its end and the end of all work.

        Raises QueryError when it was called off meanwhile.
        """
        world, stop = self._world, self._called_off
        self._begin()
        limit = world.end + max(_BEYOND, world.end - world.start)
        act = (
            self._free, self._end, self._running, self._ready, self._poll, self._sync, self._react, self._deadline,
            self._gone, self._outside,
        )  # fmt: skip
        heap, due = self._heap, self._due
        while heap:
            if stop.asked:
                stop.check()
            if due and due[-1][0] <= heap[0][0]:
                self._free(*due.pop(), 0)
                continue
            now, _, kind, a, b = heapq.heappop(heap)
            if now > limit or (now > world.end and not self._open):
                break
            act[kind](now, a, b)
        return self._result()

    # The beginning

    def _counts(self, job: Job) -> tuple[tuple["_Side", bool, bool], ...]:
        """The groups whose query counts a job, each with whether it does while queued and while running."""
        flags = ((side, side.group.counter.flags.get(job.key)) for side in self._sides)
        return tuple((side, flag.queued, flag.running) for side, flag in flags if flag is not None)

    def _begin(self) -> None:
        # Work whose time is known need not go through the heap; the next one is the last. It comes before the loops:
        # what was there when the recording began is what the first poll finds.
        for number, job in enumerate(self._jobs):
            if job.after is None:
                self._arrived[number] = max(job.arrival, self._world.start)
                self._due.append((self._arrived[number] + job.delay, number))
        self._due.sort(key=lambda work: (work[0], work[1]), reverse=True)
        for number, side in enumerate(self._sides):
            group = side.group
            for pod in group.pods:
                made = side.fleet.add(self._world.start, group.slots, pod.name)
                if pod.ready_at is not None:
                    self._at(pod.ready_at, _READY, number, made.number)
            self._at(self._phase(group.poll_anchor, group.target.polling_s * SECOND), _POLL, number)
            first = group.sync.first(self._world.start)
            self._at(self._phase(None, group.sync.period) if first is None else first, _SYNC, number)
            for at, size in group.outside:
                self._at(at, _OUTSIDE, number, size)
            if group.replicas != len(group.pods):
                self._reacts(self._world.start, side)

    def _phase(self, anchor: Micros | None, period: Micros) -> Micros:
        """The first tick at or after the start: on the recorded beat where it is known."""
        start = self._world.start
        return start + (self._rng.randrange(period) if anchor is None else (anchor - start) % period)

    def _at(self, when: Micros, kind: int, a: int = 0, b: int = 0) -> None:
        self._seq += 1
        heapq.heappush(self._heap, (when, self._seq, kind, a, b))

    # Jobs

    def _arrive(self, now: Micros, number: int) -> None:
        self._arrived[number] = now
        self._at(now + self._jobs[number].delay, _FREE, number)

    def _free(self, now: Micros, number: int, _: int) -> None:
        self._waiting.add(number)
        if self._limits.ask(number, now):
            self._queued(now, number)

    def _queued(self, now: Micros, number: int) -> None:
        job = self._jobs[number]
        for counting, queued, _ in self._counted[number]:
            counting.count += queued
        place = self._side_of.get(job.target)
        if place is None:
            if job.hold is not None:
                self._start(now, number, job.hold, None)
            return
        side = self._sides[place]
        if job.host and (pod := self._host(side, number)) is not None:
            self._start(now, number, 0, pod)
        elif side.group.serves is None or job.queue in side.group.serves:
            side.fifo.append(number)
            self._serve(now, side)

    def _host(self, side: _Side, number: int) -> Pod | None:
        """The pod that ran a job when the recording began, if it has a slot left; the job now holds it."""
        name = self._jobs[number].host
        pod = next((pod for pod in side.fleet.live if pod.name == name and pod.free > 0), None)
        if pod is not None:
            side.fleet.hold(pod, number)
        return pod

    def _serve(self, now: Micros, side: _Side) -> None:
        pickups = side.group.pickups
        while side.fifo:
            pod = side.fleet.take(side.fifo[0])
            if pod is None:
                return
            self._start(now, side.fifo.popleft(), self._rng.choice(pickups), pod)

    def _start(self, now: Micros, number: int, pickup: Micros, pod: Pod | None) -> None:
        job = self._jobs[number]
        took = job.duration if job.duration is not None else self._rng.choice(job.like)
        begins = now + pickup
        self._token += 1
        self._started[number], self._pod_of[number], self._stay[number] = begins, pod, self._token
        self._at(begins, _RUNNING, number, self._token)
        self._at(begins + took, _END, number, self._token)

    def _stale(self, number: int, token: int) -> bool:
        """Whether an event belongs to a stay that a kill has ended."""
        return self._stay[number] != token

    def _running(self, now: Micros, number: int, token: int) -> None:
        if self._stale(number, token):
            return
        self._waiting.discard(number)
        job = self._jobs[number]
        place = self._side_of.get(job.target)
        if place is not None and job.waits:
            self._waits[place].append((now - self._arrived[number]) / SECOND)
        for side, queued, running in self._counted[number]:
            side.count += running - queued

    def _end(self, now: Micros, number: int, token: int) -> None:
        if self._stale(number, token):
            return
        self._leave(now, number)
        self._finish(now, number)

    def _leave(self, now: Micros, number: int) -> None:
        """The job gives its slot and its place in the trigger's count back."""
        started = self._started[number]
        begun = started is not None and started <= now
        for counting, queued, running in self._counted[number]:
            counting.count -= running if begun else queued
        pod = self._pod_of[number]
        if pod is None:
            return
        side = self._sides[self._side_of[self._jobs[number].target]]
        side.fleet.give(pod, number)
        self._pod_of[number] = None
        if pod.stopping_at is None:
            self._serve(now, side)
        elif not pod.jobs:
            self._at(now + side.group.exit, _GONE, self._side_of[side.group.name], pod.number)

    def _finish(self, now: Micros, number: int) -> None:
        self._open -= 1
        self._last_end = now
        for follower in self._world.demand.followers.get(number, ()):
            self._arrive(now + self._jobs[follower].offset, follower)
        for queued in self._limits.give(number, now):
            self._queued(now, queued)

    # Pods

    def _ready(self, now: Micros, place: int, pod_number: int) -> None:
        side = self._sides[place]
        pod = side.fleet.pods[pod_number]
        if pod.stopping_at is None:
            side.fleet.ready(pod, now)
            self._serve(now, side)
            if len(side.fleet.live) < side.scaler.size:
                self._reacts(now, side)

    def _reacts(self, now: Micros, side: _Side) -> None:
        if not side.busy:
            side.busy = True
            self._at(now + REACTION, _REACT, self._side_of[side.group.name])

    def _react(self, now: Micros, place: int, _: int) -> None:
        """The workload's controller makes or stops pods."""
        side = self._sides[place]
        side.busy = False
        size = side.scaler.size
        if side.group.max_pods is not None:
            size = min(size, max(side.group.max_pods, 0))
        while len(side.fleet.live) < size and not side.fleet.blocked:
            pod = side.fleet.add(now, side.group.slots)
            boot = self._rng.choice(side.group.boots) if side.group.boots else ASSUMED_BOOT
            if boot != NEVER_READY:
                self._at(now + boot, _READY, place, pod.number)
        for pod in list(side.fleet.victims(len(side.fleet.live) - side.scaler.size, now, self._rng)):
            self._stop(now, place, pod)

    def _stop(self, now: Micros, place: int, pod: Pod) -> None:
        side = self._sides[place]
        side.fleet.stop(pod, now)
        if side.group.kills or not pod.jobs:
            self._kill(now, side, pod, at_once=True)
            self._at(now + side.group.exit, _GONE, place, pod.number)
        else:
            self._at(now + side.group.grace, _DEADLINE, place, pod.number)

    def _deadline(self, now: Micros, place: int, pod_number: int) -> None:
        side = self._sides[place]
        pod = side.fleet.pods[pod_number]
        if pod.gone_at is None and pod.jobs:
            self._kill(now, side, pod, at_once=False)
            self._gone(now, place, pod_number)

    def _kill(self, now: Micros, side: _Side, pod: Pod, *, at_once: bool) -> None:
        """What runs on a pod dies with it; a task with tries left comes again after its retry delay."""
        place = self._side_of[side.group.name]
        for number in list(pod.jobs):
            started = self._started[number]
            begun = started is not None and started <= now
            for other, queued, running in self._counted[number]:
                other.count -= running if begun else queued
            pod.jobs.discard(number)
            self._pod_of[number], self._stay[number] = None, 0
            if not begun:  # its message was never acknowledged: another worker gets it
                for other, queued, _ in self._counted[number]:
                    other.count += queued
                side.fifo.appendleft(number)
                continue
            self._lost[place] += (now - (started or now)) / SECOND
            self._tries[number] -= 1
            found = now if at_once else now + ZOMBIE_FOUND
            if self._tries[number] < 0:
                self._finish(found, number)
                continue
            for following in self._limits.give(number, now, final=False):
                self._queued(now, following)
            self._arrived[number] = found + RETRY_DELAY
            self._at(found + RETRY_DELAY, _FREE, number)

    def _gone(self, now: Micros, place: int, pod_number: int) -> None:
        side = self._sides[place]
        pod = side.fleet.pods[pod_number]
        if pod.gone_at is None and not pod.jobs:
            side.fleet.gone(pod, now)
            self._serve(now, side)

    # Loops

    def _poll(self, now: Micros, place: int, _: int) -> None:
        side = self._sides[place]
        self._at(now + side.group.target.polling_s * SECOND, _POLL, place)
        if side.scaler.poll(side.group.counter.answer(side.count), side.fleet, now):
            self._reacts(now, side)

    def _sync(self, now: Micros, place: int, _: int) -> None:
        side = self._sides[place]
        self._at(side.group.sync.after(now), _SYNC, place)
        if side.scaler.sync(side.group.counter.answer(side.count), side.fleet, now):
            self._reacts(now, side)

    def _outside(self, now: Micros, place: int, size: int) -> None:
        side = self._sides[place]
        if side.scaler.write(size, now):
            self._reacts(now, side)

    def _result(self) -> Run:
        unfinished = dict.fromkeys(self._side_of, 0)
        # What never starts has waited for as long as anybody looked: arbitrary time beyond would drown the rest.
        cut = max(self._world.end, self._last_end or 0)
        for number in self._waiting:
            job = self._jobs[number]
            place = self._side_of.get(job.target)
            if place is not None and job.waits:
                self._waits[place].append(max(0, cut - self._arrived[number]) / SECOND)
                unfinished[job.target] += 1
        names = [side.group.name for side in self._sides]
        return Run(
            cut,
            None if self._open else self._last_end,
            dict(zip(names, self._waits, strict=True)),
            dict(zip(names, self._lost, strict=True)),
            {s.group.name: [(pod.created_at, pod.gone_at) for pod in s.fleet.pods] for s in self._sides},
            {s.group.name: (self._world.start, s.group.replicas) for s in self._sides},
            {s.group.name: s.scaler.steps for s in self._sides},
            {s.group.name: s.scaler.activations for s in self._sides},
            unfinished,
        )
