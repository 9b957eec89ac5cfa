"""Attribution: each waiting second of each attempt gets exactly one cause.

The sweep cuts time at every instant at which anything changes. Between two cuts each waiting attempt is in one stage:
run, schedule and limits by its own state; while it is queued, by the supply of its target (see `supply`). In its
stage the first claim down the chain that holds takes the second. A cap only binds where its holders really run; else
the cause is what the holders wait for. Where no claim holds, the second is the ordinary latency of the stage, up to
what the configured timers explain; beyond that it is `unknown`: better than a guess.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from afscope.engine.claims import Claim
from afscope.engine.supply import NEVER, Target
from afscope.model.clock import SECOND, Micros

UNKNOWN = "unknown"
T = TypeVar("T")
# Ordinary latency of each stage, named as the observation that carries its price.
ORDINARY = {
    "run": "scheduler_latency", "schedule": "scheduler_latency", "limits": "scheduler_latency",
    "trigger": "activation_latency", "metric": "activation_latency", "decide": "activation_latency",
    "create": "activation_latency", "place": "activation_latency", "image": "activation_latency",
    "start": "activation_latency", "consume": "pickup_latency",
}  # fmt: skip
# What ordinary timers explain, in seconds per attempt and stage: scheduler loops of a busy scheduler (20 runs and 16
# tasks each, so that some hundred tasks take a minute), a controller's reaction, a scheduling cycle, an ordinary pull
# and an ordinary boot (tens of seconds).
BUDGET_S = {"run": 60, "schedule": 60, "limits": 60, "create": 15, "place": 15, "image": 90, "start": 90, "consume": 30}
# trigger: pollingInterval and the poll itself; decide: two HPA syncs (15 s each and their round trips), so that a
# ramp may take a sync for each doubling, counted anew after each decision.
POLL_SLACK_S, DECIDE_S = 10, 35


@dataclass(slots=True)
class Waiter:
    """One attempt that waited: bounds of its phases, and where it belongs."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    attempt: int
    queue: str
    pool: str
    target: str
    counted: bool
    runnable_at: Micros
    run_started_at: Micros
    scheduled_at: Micros
    queued_at: Micros
    ended_at: Micros
    running_at: Micros | None = None
    attempt_ended_at: Micros | None = None
    seconds: dict[tuple[str, str], Micros] = field(default_factory=lambda: defaultdict(int))
    spent: dict[str, Micros] = field(default_factory=lambda: defaultdict(int))

    def phase(self, at: Micros) -> str:
        """run, schedule, limits or worker."""
        if at < self.run_started_at:
            return "run"
        if at < self.scheduled_at:
            return "schedule"
        return "limits" if at < self.queued_at else "worker"

    @property
    def key(self) -> tuple[Micros, str, str, str, int, int]:
        """Order in which tasks take slots: first queued, first served."""
        return (self.queued_at, self.dag_id, self.run_id, self.task_id, self.map_index, self.attempt)


@dataclass(frozen=True, slots=True)
class Running:
    """A running attempt: it holds a slot of its worker, and places in its DAG, run and pool."""

    dag_id: str
    run_id: str
    pool: str
    host: str
    start: Micros
    end: Micros


@dataclass(slots=True)
class Attribution:
    """The result: waiters with their seconds, seconds per claim instance, and the strip per target."""

    waiters: list[Waiter]
    claim_seconds: dict[tuple[str, str, str, str], Micros]
    strip: list[tuple[Micros, Micros, str, str, int]]


@dataclass(frozen=True, slots=True)
class _Cause:
    """What one waiter waits for between two cuts."""

    stage: str
    cause: str
    claim: Claim | None = None


class _Instant:
    """Everything that holds between two cuts."""

    def __init__(self, at: Micros, dt: Micros, claims: list[Claim], running: list[Running]) -> None:
        self.at, self.dt = at, dt
        self.claims = sorted(claims, key=lambda claim: claim.rank)
        self.running = running
        self.busy = Counter(r.host for r in running)
        self.causes: dict[int, _Cause] = {}

    def claim(self, waiter: Waiter, stage: str) -> Claim | None:
        """The first claim down the chain that takes this waiter's second."""
        for claim in self.claims:
            if stage in claim.file.stages and _binds(claim, waiter):
                return claim
        return None


def _binds(claim: Claim, waiter: Waiter) -> bool:
    scope = claim.file.header.binds
    if claim.run_id is not None and claim.run_id != waiter.run_id:
        return False
    if scope == "queue":
        return claim.subject == waiter.queue and not waiter.counted
    if scope == "target":
        return bool(waiter.target) and claim.target == waiter.target
    value = {"dag": waiter.dag_id, "run": waiter.run_id, "pool": waiter.pool, "all": claim.subject}.get(scope)
    return value is not None and value == claim.subject


def attribute(
    waiters: Sequence[Waiter], running: Iterable[Running], targets: Iterable[Target], claims: Iterable[Claim]
) -> Attribution:
    """Sweeps over all instants. The seconds of every waiter add up to ended_at - runnable_at exactly."""
    sweep = _Sweep(list(waiters), list(running), {t.name: t for t in targets}, list(claims))
    return sweep.run()


class _Sweep:
    def __init__(
        self, waiters: list[Waiter], running: list[Running], targets: dict[str, Target], claims: list[Claim]
    ) -> None:
        self.targets = targets
        self.result = Attribution(waiters, defaultdict(int), [])
        self._waiting = _Active([(w.runnable_at, w.ended_at, w) for w in waiters])
        self._running = _Active([(r.start, r.end, r) for r in running])
        self._claims = _Active([(c.start, c.end, c) for c in claims if c.file.header.binds])
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
                yield from (pod.created_at, pod.scheduled_at, pod.started_at, pod.consuming_at, pod.stopping_at)

    def run(self) -> Attribution:
        for start, end in zip(self._cuts, self._cuts[1:], strict=False):
            waiting = self._waiting.at(start)
            if waiting and end < NEVER:
                self._interval(_Instant(start, end - start, self._claims.at(start), self._running.at(start)), waiting)
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
        for waiter in queued:
            insort(by_target[waiter.target], waiter, key=lambda w: w.key)
        for name, line in by_target.items():
            target = self.targets.get(name)
            if target is None:
                for waiter in line:
                    now.causes[id(waiter)] = self._claimed(now, waiter, "trigger", ordinary=False)
            else:
                self._line(now, target, line)

    def _line(self, now: _Instant, target: Target, line: list[Waiter]) -> None:
        rest = iter(line)
        taken = sum(now.busy[pod.name] for pod in target.pods)
        boot: _Cause | None = None
        for stage, slots in target.chunks(now.at, now.busy):
            for _ in range(slots):
                waiter = next(rest, None)
                if waiter is None:
                    return
                taken += 1
                cause = self._claimed(now, waiter, stage)
                now.causes[id(waiter)] = cause
                if stage != "consume" and (boot is None or cause.claim is not None):
                    boot = cause
        for place, waiter in enumerate(rest, start=taken + 1):
            now.causes[id(waiter)] = self._beyond(now, target, waiter, place, boot)

    def _beyond(self, now: _Instant, target: Target, waiter: Waiter, place: int, boot: _Cause | None) -> _Cause:
        """A task for which no slot is on its way: the autoscaler has to decide, or may not.

        The ceiling takes only those whose `place` among all tasks of the target is beyond its last slot.
        """
        stage = "trigger" if target.desired(now.at) == 0 else "decide"
        claim = now.claim(waiter, stage) or (now.claim(waiter, "metric") if stage == "decide" else None)
        if claim is None or (claim.file.header.cap and place <= target.max_replicas * target.slots):
            return _Cause(stage, ORDINARY[stage])
        if claim.file.header.cap and boot is not None and boot.claim is not None:
            # the ceiling's holders cannot work: what they wait for is what this task waits for
            return _Cause(boot.stage, boot.cause, boot.claim)
        return _Cause(claim.file.header.stage, claim.cause, claim)

    # -- waiting for the scheduler and its limits -----------------------------------------------------------------

    def _upstream(self, now: _Instant, waiter: Waiter, phase: str, waiting: list[Waiter]) -> _Cause:
        cause = self._claimed(now, waiter, phase)
        if cause.claim is None or not cause.claim.file.header.cap:
            return cause
        held = self._holders(now, cause.claim, waiter, waiting)
        return _Cause(phase, held.cause, held.claim) if held else cause

    def _holders(self, now: _Instant, claim: Claim, waiter: Waiter, waiting: list[Waiter]) -> _Cause | None:
        """What the holders of a cap wait for; None when they run, so that the cap itself binds."""
        if claim.cause == "dag_max_active_runs":
            if any(r.dag_id == waiter.dag_id for r in now.running):
                return None
            held = [w for w in waiting if w.dag_id == waiter.dag_id and w.phase(now.at) != "run"]
            causes = [now.causes[id(w)] for w in held if id(w) in now.causes]
        else:
            held = [w for w in waiting if w.phase(now.at) == "worker" and _binds(claim, w)]
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
            return cause
        if cause.cause != ORDINARY.get(cause.stage):
            return cause
        timer, budget = self._timer(now, waiter, cause.stage)
        spent = waiter.spent[timer] = waiter.spent[timer] + now.dt
        return cause if spent <= budget else _Cause(UNKNOWN, UNKNOWN)

    def _timer(self, now: _Instant, waiter: Waiter, stage: str) -> tuple[str, Micros]:
        """Which timer an ordinary second counts against, and what that timer explains."""
        target = self.targets.get(waiter.target)
        if stage == "trigger" and target:
            return stage, (target.polling_interval_s + POLL_SLACK_S) * SECOND
        if stage in ("decide", "metric") and target:
            # each step of a ramp waits for a sync of its own
            return f"{stage} after step {target.step(now.at)}", DECIDE_S * SECOND
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
