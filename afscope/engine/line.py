"""The line of queued tasks before the workers of a target, cut into zones: which stage the slot of each is in.

A line knows three things that change one by one: who stands in it, how many slots are in which stage, and how many
tasks the target may serve at all. A zone is a stretch of the line, so a slot more or less moves one task per zone, and
nobody else is looked at.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from afscope.engine.state import Bucket, Cause, Row
from afscope.engine.supply import Target, WorkerPod
from afscope.model.clock import Micros

# Stages of slots that come, most advanced first; then those for whom none is on its way, and of them those whose
# place is beyond the last slot that the target may ever have.
COMING = ("consume", "start", "image", "place", "create")
BEYOND, CAPPED = "beyond", "capped"
ZONES = (*COMING, BEYOND, CAPPED)
UNSERVED, NOBODY = "unserved", "nobody"
"""Tasks of a queue that no worker consumes; tasks that belong to no target."""


class Line:
    """Queued tasks of one target and the supply of slots. `busy` counts the slots that are taken."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.names = frozenset(pod.name for pod in target.pods)
        self.busy = 0
        self.desired = self.step = 0
        self.turned = False
        """Whether spec.replicas has been set anew since the tasks beyond the slots were judged."""
        self.boot: Cause | None = None
        """What the tasks wait for whose slots are booting."""
        self.buckets: dict[tuple[int, str], Bucket] = {}
        self._rest: list[Row] = []
        self._places: list[int] = []
        self._unserved: dict[int, Row] = {}
        self._turned: list[Row] = []
        """Those of them that are new."""
        self._queues: Counter[str] = Counter()
        self._served: dict[str, bool] = {}
        self._stages: dict[int, str | None] = {}
        self._slots: Counter[str] = Counter()
        self._free: dict[int, int] = {}
        self._consuming: dict[str, list[tuple[int, WorkerPod]]] = {}
        self._alive = 0
        self._listening: Counter[str] = Counter()
        """Consuming workers by the queue that they are known to listen to; "" listens to all."""
        self._bounds = [0] * len(ZONES)
        self._mixed = False
        """Whether the zones of the line are no stretches any more."""

    # -- who stands in it

    def join(self, row: Row) -> None:
        """A task is queued. Its zone is told by `moved`."""
        queue = row.waiter.queue
        self._queues[queue] += 1
        row.zone = ""
        if queue not in self._served:
            self._served[queue] = self._serves(queue)
        if self._served[queue]:
            self._insert(row)
        else:
            self._turn_away(row)

    def leave(self, row: Row) -> None:
        """A task that was in the line has left it."""
        waiter = row.waiter
        self._queues[waiter.queue] -= 1
        if not self._queues[waiter.queue]:
            del self._queues[waiter.queue], self._served[waiter.queue]
        if self._unserved.pop(waiter.place, None) is None:
            at = bisect_left(self._places, waiter.place)
            del self._places[at], self._rest[at]

    def _insert(self, row: Row) -> None:
        place = row.waiter.place
        at = bisect_left(self._places, place)
        self._mixed |= at < len(self._places)
        self._places.insert(at, place)
        self._rest.insert(at, row)

    def _turn_away(self, row: Row) -> None:
        self._unserved[row.waiter.place] = row
        self._turned.append(row)

    def moved(self) -> Iterator[tuple[Row, str]]:
        """Tasks whose zone is another than before, with the new one."""
        self._measure()
        for row in self._turned:
            if row.waiter.place in self._unserved:
                yield row, UNSERVED
        self._turned = []
        rest, low, mixed = self._rest, 0, self._mixed
        self._mixed = False
        for zone, high in zip(ZONES, self._bounds, strict=True):
            first, last = low, high - 1
            while first < high and (mixed or rest[first].zone != zone):
                if rest[first].zone != zone:
                    yield rest[first], zone
                first += 1
            while last > first and rest[last].zone != zone:
                yield rest[last], zone
                last -= 1
            low = high

    def _measure(self) -> None:
        """Where the zones end, as ranks in the line."""
        count, bound = len(self._rest), 0
        create = max(0, self.desired - self._alive) * self.target.slots
        for number, stage in enumerate(COMING):
            bound = min(count, bound + (create if stage == "create" else self._slots[stage]))
            self._bounds[number] = bound
        most = self.target.max_replicas * self.target.slots - self.busy
        self._bounds[-2] = min(count, max(bound, most))
        self._bounds[-1] = count

    def booting(self) -> list[Row]:
        """Tasks with a slot that does not consume yet, in their order."""
        return self._rest[self._bounds[0] : self._bounds[len(COMING) - 1]]

    def free(self) -> list[Row]:
        """Tasks for whom a slot is free, in their order."""
        return self._rest[: self._bounds[0]]

    def capped(self) -> bool:
        """Whether any task stands beyond the last slot that the target may have."""
        return self._bounds[-2] < self._bounds[-1]

    # -- the slots

    def pod(self, number: int, pod: WorkerPod, at: Micros, running: Counter[str]) -> None:
        """A pod of the target may have come into another stage; `running` are busy slots per pod name."""
        before = self._stages.get(number)
        stage = pod.stage(at) if pod.stopping_at > pod.created_at else None
        if stage == before:
            return
        self._stages[number] = stage
        self._alive += (stage is not None) - (before is not None)
        if before == "consume":
            self._slots["consume"] -= self._free.pop(number)
            self._consuming[pod.name].remove((number, pod))
            self._listens(pod, -1)
        elif before is not None:
            self._slots[before] -= pod.slots
        if stage == "consume":
            self._free[number] = max(0, pod.slots - running[pod.name])
            self._slots["consume"] += self._free[number]
            self._consuming.setdefault(pod.name, []).append((number, pod))
            self._listens(pod, 1)
        elif stage is not None:
            self._slots[stage] += pod.slots

    def _listens(self, pod: WorkerPod, one: int) -> None:
        for queue in pod.queues or ("",):
            self._listening[queue] += one
            if not self._listening[queue]:
                del self._listening[queue]
        for queue, served in list(self._served.items()):
            if served != self._serves(queue):
                self._serve(queue, served=not served)

    def _serves(self, queue: str) -> bool:
        """Whether a worker may take tasks of a queue: not where all that consume are known to listen elsewhere."""
        return not self._listening or bool(self._listening[""] or self._listening[queue])

    def _serve(self, queue: str, *, served: bool) -> None:
        self._served[queue] = served
        if served:
            for row in [row for row in self._unserved.values() if row.waiter.queue == queue]:
                del self._unserved[row.waiter.place]
                self._insert(row)
            self._mixed = True
        else:
            for row in self._rest:
                if row.waiter.queue == queue:
                    self._turn_away(row)
            self._rest = [row for row in self._rest if row.waiter.queue != queue]
            self._places = [row.waiter.place for row in self._rest]

    def took(self, host: str, change: int, running: int) -> None:
        """A task of the target began (1) or ended (-1) on a pod, which now runs so many."""
        self.busy += change
        for number, pod in self._consuming.get(host, ()):
            free = max(0, pod.slots - running)
            self._slots["consume"] += free - self._free[number]
            self._free[number] = free

    def set(self, at: Micros) -> None:
        """spec.replicas may have been set anew."""
        step = self.target.step(at)
        self.turned |= step != self.step
        self.step, self.desired = step, self.target.desired(at)
