"""The attribution, cut by cut over everybody: slow, and easy to see through. `engine.sweep` must say the same."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

from afscope.engine.attribution import (
    BUDGET_S,
    DECIDE_S,
    ORDERED_CREATE_S,
    ORDINARY,
    POLL_SLACK_S,
    UNKNOWN,
    Attribution,
    Running,
    Waiter,
)
from afscope.engine.claims import Claim
from afscope.engine.supply import NEVER, Target, WorkerPod
from afscope.engine.sweep import binds
from afscope.model.clock import SECOND, Micros

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Cause:
    """What one waiter waits for between two cuts."""

    stage: str
    cause: str
    claim: Claim | None = None


class _Instant:
    """Everything that holds between two cuts."""

    def __init__(
        self,
        at: Micros,
        dt: Micros,
        claims: list[Claim],
        running: list[Running],
        pods: list[tuple[str, WorkerPod]],
    ) -> None:
        self.at, self.dt = at, dt
        self.pods: dict[str, list[WorkerPod]] = defaultdict(list)
        for target, pod in pods:
            self.pods[target].append(pod)
        self.claims = sorted(claims, key=lambda claim: claim.rank)
        self.running = running
        self.busy = Counter(r.host for r in running)
        self.causes: dict[int, _Cause] = {}
        self.held: dict[tuple[int, str], _Cause | None] = {}
        """What the holders of a cap wait for, by claim and DAG."""
        self.timers: dict[tuple[str, str], tuple[str, Micros]] = {}
        """Timers by target and stage."""
        self._found: dict[tuple[int, str], Claim | None] = {}

    def claim(self, waiter: Waiter, stage: str) -> Claim | None:
        """The first claim down the chain that takes this waiter's second."""
        key = waiter.group, stage
        if key not in self._found:
            self._found[key] = next((c for c in self.claims if stage in c.file.stages and binds(c, waiter)), None)
        return self._found[key]


def _serves(pods: Iterable[WorkerPod], queue: str, at: Micros) -> bool:
    consuming = [pod for pod in pods if pod.stage(at) == "consume"]
    return not consuming or any(not pod.queues or queue in pod.queues for pod in consuming)


def _busy(target: Target, running: Counter[str]) -> int:
    names = {pod.name for pod in target.pods}
    return sum(slots for name, slots in running.items() if name in names)


def _chunks(target: Target, at: Micros, pods: Iterable[WorkerPod], running: Counter[str]) -> list[tuple[str, int]]:
    """Slots that come, most advanced first, as (stage, slots)."""
    supply = dict.fromkeys(("consume", "start", "image", "place"), 0)
    alive = 0
    for pod in pods:
        stage = pod.stage(at)
        if stage is None:
            continue
        alive += 1
        supply[stage] += max(0, pod.slots - running[pod.name]) if stage == "consume" else pod.slots
    return [*supply.items(), ("create", max(0, target.desired(at) - alive) * target.slots)]


def attribute(
    waiters: Sequence[Waiter],
    running: Iterable[Running],
    targets: Iterable[Target],
    claims: Iterable[Claim],
) -> Attribution:
    """As `sweep.attribute`."""
    return _Sweep(list(waiters), list(running), {t.name: t for t in targets}, list(claims)).run()


class _Sweep:
    def __init__(
        self, waiters: list[Waiter], running: list[Running], targets: dict[str, Target], claims: list[Claim]
    ) -> None:
        self.targets = targets
        self.result = Attribution(waiters, defaultdict(int), [])
        groups: dict[tuple[str, str, str, str, str, str, bool], int] = {}
        named = {(c.dag_id, c.task_id) for c in claims if c.task_id is not None}
        for place, w in enumerate(sorted(waiters, key=lambda w: w.key)):
            w.place = place
            task = w.task_id if not named.isdisjoint(((w.dag_id, w.task_id), (None, w.task_id))) else ""
            w.group = groups.setdefault((w.dag_id, w.run_id, task, w.pool, w.queue, w.target, w.counted), len(groups))
        self._waiting = _Active([(w.runnable_at, w.ended_at, w) for w in waiters])
        self._running = _Active([(r.start, r.end, r) for r in running])
        self._claims = _Active([(c.start, c.end, c) for c in claims if c.file.header.binds])
        self._pods = _Active(
            [(pod.created_at, pod.stopping_at, (t.name, pod)) for t in targets.values() for pod in t.pods]
        )
        self._cuts = sorted(set(self._instants(waiters, running, claims)))

    def _instants(self, waiters: list[Waiter], running: list[Running], claims: list[Claim]) -> Iterable[Micros]:
        for w in waiters:
            yield from (w.runnable_at, w.run_started_at, w.scheduled_at, w.queued_at, w.ended_at)
        for r in running:
            yield from (r.start, r.end)
        for c in claims:
            yield from (c.start, c.end)
        for target in self.targets.values():
            yield from (step.at for step in target.replicas)
            for pod in target.pods:
                yield from pod.instants()

    def run(self) -> Attribution:
        for start, end in zip(self._cuts, self._cuts[1:], strict=False):
            waiting = self._waiting.at(start)
            if waiting and end < NEVER:
                now = _Instant(
                    start, end - start, self._claims.at(start), self._running.at(start), self._pods.at(start)
                )
                self._interval(now, waiting)
        return self.result

    def _interval(self, now: _Instant, waiting: list[Waiter]) -> None:
        phases = defaultdict(list)
        for waiter in waiting:
            phases[waiter.phase(now.at)].append(waiter)
        self._workers(now, phases["worker"])
        for phase in ("limits", "schedule", "run"):
            for waiter in phases[phase]:
                now.causes[id(waiter)] = self._upstream(now, waiter, phase, waiting)
        tally: Counter[tuple[str, str]] = Counter()
        for waiter in waiting:
            cause = self._within_budget(now, waiter, now.causes[id(waiter)])
            waiter.seconds[(cause.stage, cause.cause)] += now.dt
            tally[(waiter.target, cause.cause)] += 1
            if cause.claim is not None:
                self.result.claim_seconds[cause.claim.instance] += now.dt
        self.result.strip.extend((now.at, now.at + now.dt, t, cause, n) for (t, cause), n in tally.items())

    # -- waiting for a worker ------------------------------------------------------------------------------------

    def _workers(self, now: _Instant, queued: list[Waiter]) -> None:
        by_target: dict[str, list[Waiter]] = defaultdict(list)
        for waiter in sorted(queued, key=attrgetter("place")):
            by_target[waiter.target].append(waiter)
        for name, line in by_target.items():
            target = self.targets.get(name)
            if target is None:
                for waiter in line:
                    now.causes[id(waiter)] = self._claimed(now, waiter, "trigger", ordinary=False)
            else:
                self._line(now, target, line)

    def _line(self, now: _Instant, target: Target, line: list[Waiter]) -> None:
        pods = now.pods[target.name]
        served = {queue: _serves(pods, queue, now.at) for queue in {w.queue for w in line}}
        for unserved in (w for w in line if not served[w.queue]):
            now.causes[id(unserved)] = self._claimed(now, unserved, "consume")
        rest = (w for w in line if served[w.queue])
        taken = _busy(target, now.busy)
        boot: _Cause | None = None
        for stage, slots in _chunks(target, now.at, pods, now.busy):
            for _ in range(slots):
                waiter = next(rest, None)
                if waiter is None:
                    return
                taken += 1
                cause = self._claimed(now, waiter, stage)
                now.causes[id(waiter)] = cause
                if stage != "consume" and (boot is None or cause.claim is not None):
                    boot = cause
                    if cause.claim is None and not _busy(target, now.busy) and self._overdue(now, waiter, cause):
                        boot = _Cause(UNKNOWN, UNKNOWN)
        stage = "trigger" if target.desired(now.at) == 0 else "decide"
        for place, waiter in enumerate(rest, start=taken + 1):
            capped = place > target.max_replicas * target.slots
            now.causes[id(waiter)] = self._beyond(now, waiter, stage, boot, capped=capped)

    def _beyond(self, now: _Instant, waiter: Waiter, stage: str, boot: _Cause | None, *, capped: bool) -> _Cause:
        """A task for which no slot is on its way: the autoscaler has to decide, or may not.

        The ceiling takes only those whose place among all tasks of the target is beyond its last slot (`capped`).
        """
        claim = now.claim(waiter, stage) or (now.claim(waiter, "metric") if stage == "decide" else None)
        stuck = boot is not None and (boot.claim is not None or boot.cause == UNKNOWN)
        if capped and boot is not None and stuck and (claim is None or claim.file.header.cap):
            # nobody may ask for more workers, and those that are there cannot work: what they wait for, known or not,
            # is what this task waits for
            return _Cause(boot.stage, boot.cause, boot.claim)
        if claim is None or (claim.file.header.cap and not capped):
            return _Cause(stage, ORDINARY[stage])
        return _Cause(claim.file.header.stage, claim.cause, claim)

    # -- waiting for the scheduler and its limits -----------------------------------------------------------------

    def _upstream(self, now: _Instant, waiter: Waiter, phase: str, waiting: list[Waiter]) -> _Cause:
        cause = self._claimed(now, waiter, phase)
        if cause.claim is None or not cause.claim.file.header.cap:
            return cause
        key = id(cause.claim), waiter.dag_id
        if key not in now.held:
            now.held[key] = self._holders(now, cause.claim, waiter, waiting)
        held = now.held[key]
        return _Cause(phase, held.cause, held.claim) if held else cause

    def _holders(self, now: _Instant, claim: Claim, waiter: Waiter, waiting: list[Waiter]) -> _Cause | None:
        """What the holders of a cap wait for; None when they run, so that the cap itself binds."""
        if claim.cause == "dag_max_active_runs":
            if any(r.dag_id == waiter.dag_id for r in now.running):
                return None
            held = [w for w in waiting if w.dag_id == waiter.dag_id and w.phase(now.at) != "run"]
            causes = [now.causes[id(w)] for w in held if id(w) in now.causes]
        else:
            held = [w for w in waiting if w.phase(now.at) == "worker" and binds(claim, w)]
            causes = [c for w in held if (c := now.causes[id(w)]).stage != "consume" or c.claim is not None]
        return Counter(causes).most_common(1)[0][0] if causes else None

    # -- causes ---------------------------------------------------------------------------------------------------

    def _claimed(self, now: _Instant, waiter: Waiter, stage: str, *, ordinary: bool = True) -> _Cause:
        claim = now.claim(waiter, stage)
        if claim is not None:
            return _Cause(stage, claim.cause, claim)
        return _Cause(stage, ORDINARY[stage]) if ordinary else _Cause(UNKNOWN, UNKNOWN)

    def _within_budget(self, now: _Instant, waiter: Waiter, cause: _Cause) -> _Cause:
        """Ordinary latency beyond what the timers explain is unknown. A fault in between starts the count anew."""
        if cause.claim is not None:
            waiter.spent.clear()
            waiter.before = 0
            return cause
        if cause.cause != ORDINARY.get(cause.stage):
            return cause
        overdue = self._overdue(now, waiter, cause)
        timer = self._timed(now, waiter, cause.stage)[0]
        waiter.spent[timer] = waiter.spent.get(timer, 0) + waiter.before + now.dt
        waiter.before = 0
        return _Cause(UNKNOWN, UNKNOWN) if overdue else cause

    def _overdue(self, now: _Instant, waiter: Waiter, cause: _Cause) -> bool:
        """Whether the ordinary latency of its stage has been used up."""
        timer, budget = self._timed(now, waiter, cause.stage)
        return waiter.spent.get(timer, 0) + waiter.before + now.dt > budget

    def _timed(self, now: _Instant, waiter: Waiter, stage: str) -> tuple[str, Micros]:
        key = waiter.target, stage
        if key not in now.timers:
            now.timers[key] = self._timer(now, waiter, stage)
        return now.timers[key]

    def _timer(self, now: _Instant, waiter: Waiter, stage: str) -> tuple[str, Micros]:
        """Which timer an ordinary second counts against, and what that timer explains."""
        target = self.targets.get(waiter.target)
        if stage == "trigger" and target:
            return stage, (target.polling_interval_s + POLL_SLACK_S) * SECOND
        if stage in ("decide", "metric") and target:
            # each step of a ramp waits for a sync of its own
            return f"{stage} after step {target.step(now.at)}", DECIDE_S * SECOND
        if stage == "create" and target and target.ordered:
            return stage, ORDERED_CREATE_S * SECOND
        return stage, BUDGET_S.get(stage, 0) * SECOND


class _Active(Generic[T]):
    """Things with a start and an end, asked for in the order of time."""

    def __init__(self, spans: list[tuple[Micros, Micros, T]]) -> None:
        self._coming = sorted((s for s in spans if s[1] > s[0]), key=lambda s: s[0], reverse=True)
        self._now: list[tuple[Micros, T]] = []

    def at(self, when: Micros) -> list[T]:
        """What holds at `when`; `when` never goes back."""
        while self._coming and self._coming[-1][0] <= when:
            _, end, thing = self._coming.pop()
            self._now.append((end, thing))
        self._now = [(end, thing) for end, thing in self._now if end > when]
        return [thing for _, thing in self._now]
