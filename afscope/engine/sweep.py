"""The sweep over all instants at which anything changes, as `attribution` tells it.

A cut rarely changes what more than a few attempts wait for. So nobody else is looked at: attempts that are alike share
a bucket (`state`), a line knows whose slot is in another stage (`line`), and an attempt's time is booked when its state
changes. A day of a million attempts has millions of cuts, and thousands of waiting tasks at many of them.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import groupby
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
from afscope.engine.line import BEYOND, CAPPED, COMING, NOBODY, UNSERVED, Line
from afscope.engine.state import Bucket, Cause, Row, State
from afscope.engine.supply import NEVER, Target
from afscope.errors import QueryError
from afscope.model.clock import SECOND, Micros
from afscope.model.stop import Stop

# What waits upstream of the queue, in the order in which it is judged: who is held by a cap waits for what those wait
# for who hold it, and they are further on.
UPSTREAM = ("limits", "schedule", "run")
_NOTHING = Cause(UNKNOWN, UNKNOWN)
T = TypeVar("T")
_LOOK = 256
"""At every so many cuts somebody may have called it off."""


def attribute(
    waiters: Sequence[Waiter],
    running: Iterable[Running],
    targets: Iterable[Target],
    claims: Iterable[Claim],
    stop: Stop | None = None,
) -> Attribution:
    """Sweeps over all instants. The seconds of every waiter add up to ended_at - runnable_at exactly.

    Raises QueryError when `stop` calls it off.
    """
    sweep = _Sweep(list(waiters), list(running), {t.name: t for t in targets}, list(claims))
    return sweep.run(stop or Stop())


def binds(claim: Claim, waiter: Waiter) -> bool:
    """Whether a claim is about this waiter, whatever its stage."""
    scope = claim.file.header.binds
    narrow = ((claim.dag_id, waiter.dag_id), (claim.run_id, waiter.run_id), (claim.task_id, waiter.task_id))
    if any(wanted is not None and wanted != own for wanted, own in narrow):
        return False
    if scope == "queue":
        # who does not count a queue is asked for tasks that nobody counts; who does not listen to it, for all
        return claim.subject == waiter.queue and (not waiter.counted or claim.file.header.stage == "consume")
    if scope == "target":
        return bool(waiter.target) and claim.target == waiter.target
    value = {"dag": waiter.dag_id, "run": waiter.run_id, "pool": waiter.pool, "all": claim.subject}.get(scope)
    return value is not None and value == claim.subject


class _Due(Generic[T]):
    """Things in the order of their instants, given out as time goes on."""

    def __init__(self, things: Iterable[T], at: Callable[[T], Micros]) -> None:
        # of those with one instant the last comes first
        self._at, self._coming = at, sorted(things, key=at, reverse=True)

    def until(self, when: Micros) -> Iterator[T]:
        """What is due by then and was not given out yet; `when` never goes back."""
        coming, at = self._coming, self._at
        while coming and at(coming[-1]) <= when:
            yield coming.pop()


class _Sweep:
    def __init__(
        self, waiters: list[Waiter], running: list[Running], targets: dict[str, Target], claims: list[Claim]
    ) -> None:
        self.result = Attribution(waiters, defaultdict(int), [])
        self._lines = {name: Line(target) for name, target in targets.items()}
        self._named = {(c.dag_id, c.task_id) for c in claims if c.task_id is not None}
        self._groups: dict[tuple[str, str, str, str, str, str, bool], int] = {}
        _number(waiters)
        self._expect(waiters, running, targets, claims)
        self._at: Micros = 0
        self._rows: dict[int, Row] = {}
        self._holding: list[Claim] = []
        self._claims: list[Claim] = []
        """Those that hold, first down the chain first."""
        self._found: dict[tuple[int, str], Claim | None] = {}
        self._held: dict[tuple[int, str], Cause | None] = {}
        """What the holders of a cap wait for, by claim and DAG."""
        self._buckets: dict[tuple[int, str], Bucket] = {}
        self._by_dag: dict[str, dict[tuple[int, str], Bucket]] = defaultdict(dict)
        self._by_pool: dict[str, dict[tuple[int, str], Bucket]] = defaultdict(dict)
        self._capped: dict[str, dict[tuple[int, str], Bucket]] = {zone: {} for zone in UPSTREAM}
        """Buckets upstream that a cap holds back: to be judged at each cut."""
        self._fresh: list[Bucket] = []
        self._moved: list[Row] = []
        self._stirred: dict[str, Line] = {}
        self._busy: Counter[str] = Counter()
        self._running_dags: Counter[str] = Counter()
        self._states: dict[tuple[Cause, str, int], State] = {}
        self._flips: list[tuple[Micros, int, Row]] = []
        self._order = self._pushed = 0
        self._tally: dict[tuple[str, str], int] = {}
        self._shown: dict[tuple[str, str], int] = {}
        self._shown_since: Micros = 0

    def _expect(
        self, waiters: list[Waiter], running: list[Running], targets: dict[str, Target], claims: list[Claim]
    ) -> None:
        """Everything that will happen."""
        active = [w for w in waiters if w.ended_at > w.runnable_at]
        self._arrivals = _Due(active, attrgetter("runnable_at"))
        self._phases = [
            _Due([w for w in active if w.runnable_at < at(w) < w.ended_at], at)
            for at in map(attrgetter, ("run_started_at", "scheduled_at", "queued_at"))
        ]
        self._ends = _Due(active, attrgetter("ended_at"))
        runs = [r for r in running if r.end > r.start]
        self._starts, self._stops = _Due(runs, attrgetter("start")), _Due(runs, attrgetter("end"))
        binding = [c for c in claims if c.file.header.binds and c.end > c.start]
        self._coming_claims = _Due(binding, attrgetter("start"))
        self._edges = _Due([edge for c in binding for edge in (c.start, c.end)], int)
        lives = [
            (at, line, number, pod)
            for line in self._lines.values()
            for number, pod in enumerate(line.target.pods)
            for at in pod.instants()
        ]
        self._lives = _Due(lives, lambda life: life[0])
        self._sets = _Due([(s.at, line) for line in self._lines.values() for s in line.target.replicas], lambda s: s[0])
        self._hosts: dict[str, list[Line]] = defaultdict(list)
        for line in self._lines.values():
            for name in line.names:
                self._hosts[name].append(line)
        self._cuts = sorted(set(_instants(waiters, running, targets.values(), claims)))

    def run(self, stop: Stop) -> Attribution:
        cuts = self._cuts[: bisect_right(self._cuts, NEVER - 1)]
        for number, at in enumerate(cuts):
            if number % _LOOK == 0 and stop.asked:
                raise QueryError("called off")
            self._cut(at)
        if cuts:
            for row in self._rows.values():
                row.settle(cuts[-1], self.result)
            self._tell(cuts[-1])
        return self.result

    def _cut(self, at: Micros) -> None:
        self._at = at
        afresh = self._claim_edges(at)
        self._flip(at)
        self._supply(at)
        self._come_and_go(at)
        for line in self._stirred.values():
            for row, zone in line.moved():
                self._move(row, zone)
        self._judge_all(afresh=afresh)
        self._stirred.clear()
        if self._tally != self._shown:
            self._tell(at)

    # -- what happens at an instant

    def _claim_edges(self, at: Micros) -> bool:
        """Whether other claims hold from now on."""
        if not list(self._edges.until(at)):
            return False
        self._holding = [c for c in (*self._holding, *self._coming_claims.until(at)) if c.end > at]
        self._claims = sorted(self._holding, key=attrgetter("rank"))
        self._found.clear()
        return True

    def _flip(self, at: Micros) -> None:
        """Those whose ordinary latency is more than its timer explains from now on."""
        while self._flips and self._flips[0][0] <= at:
            flip, _, row = heappop(self._flips)
            if row.flip == flip and not row.flipped:
                self._count(row, -1)
                row.flipped = True
                self._count(row, 1)
                if row.line is not None:
                    self._stir(row.line)

    def _supply(self, at: Micros) -> None:
        """Slots that are taken or given back, workers that come and go, and decisions how many there shall be."""
        for due, change in ((self._starts, 1), (self._stops, -1)):
            for run in due.until(at):
                self._busy[run.host] += change
                self._running_dags[run.dag_id] += change
                for line in self._hosts.get(run.host, ()):
                    line.took(run.host, change, self._busy[run.host])
                    self._stir(line)
        for _, line, number, pod in self._lives.until(at):
            line.pod(number, pod, at, self._busy)
            self._stir(line)
        for _, line in self._sets.until(at):
            line.set(at)
            self._stir(line)

    def _come_and_go(self, at: Micros) -> None:
        for waiter in self._ends.until(at):
            if (row := self._rows.pop(waiter.place, None)) is not None:
                self._go(row, at)
        for waiter in self._arrivals.until(at):
            if waiter.ended_at > at:
                waiter.order = self._order
                self._order += 1
                waiter.group = self._group(waiter)
                row = self._rows[waiter.place] = Row(waiter, at)
                self._pass(row, at)
        for due in self._phases:
            for waiter in due.until(at):
                if (row := self._rows.get(waiter.place)) is not None:
                    self._pass(row, at)

    def _go(self, row: Row, at: Micros) -> None:
        row.settle(at, self.result)
        self._count(row, -1)
        self._leave(row)
        self._empty(row)
        row.flip, row.state = NEVER, None

    def _pass(self, row: Row, at: Micros) -> None:
        """Puts a waiter into the phase in which it is now."""
        waiter = row.waiter
        phase = waiter.phase(at)
        if phase != "worker":
            self._leave(row)
            self._move(row, phase)
        elif waiter.target not in self._lines:
            self._move(row, NOBODY)
        elif row.line is None:
            row.line = self._lines[waiter.target]
            row.line.join(row)
            self._stir(row.line)

    def _leave(self, row: Row) -> None:
        if row.line is not None:
            row.line.leave(row)
            self._stir(row.line)
            row.line = None

    def _stir(self, line: Line) -> None:
        self._stirred[line.target.name] = line

    def _group(self, waiter: Waiter) -> int:
        w, named = waiter, self._named
        task = w.task_id if not named.isdisjoint(((w.dag_id, w.task_id), (None, w.task_id))) else ""
        key = (w.dag_id, w.run_id, task, w.pool, w.queue, w.target, w.counted)
        return self._groups.setdefault(key, len(self._groups))

    # -- buckets

    def _move(self, row: Row, zone: str) -> None:
        waiter = row.waiter
        if row.bucket is not None:
            if row.bucket.zone == zone:
                return
            self._empty(row)
        key = waiter.group, zone
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(waiter, zone)
            self._by_dag[waiter.dag_id][key] = bucket
            self._by_pool[waiter.pool][key] = bucket
            if row.line is not None:
                row.line.buckets[key] = bucket
            self._fresh.append(bucket)
        bucket.rows[waiter.place] = row
        row.bucket, row.zone = bucket, zone
        self._moved.append(row)

    def _empty(self, row: Row) -> None:
        """Takes a waiter out of its bucket."""
        bucket, waiter = row.bucket, row.waiter
        if bucket is None:
            return
        row.bucket = None
        del bucket.rows[waiter.place]
        if not bucket.rows:
            key = waiter.group, bucket.zone
            del self._buckets[key], self._by_dag[waiter.dag_id][key], self._by_pool[waiter.pool][key]
            if bucket.zone in self._capped:
                self._capped[bucket.zone].pop(key, None)
            elif waiter.target in self._lines:
                self._lines[waiter.target].buckets.pop(key, None)

    def _judge_all(self, *, afresh: bool) -> None:
        """Finds the cause of every bucket for which it may be another; all of them where other claims hold."""
        stale = list(self._buckets.values()) if afresh else [b for b in self._fresh if b.rows]
        self._fresh.clear()
        for bucket in stale:
            if bucket.zone not in UPSTREAM and bucket.zone not in (BEYOND, CAPPED):
                self._judge(bucket, self._served(bucket))
        moved, self._moved = self._moved, []
        self._enter_all(moved)
        for line in self._lines.values() if afresh else self._stirred.values():
            self._judge_beyond(line, afresh=afresh)
        self._judge_upstream(stale)
        self._enter_all(moved)

    def _judge(self, bucket: Bucket, cause: Cause) -> None:
        state = self._state(cause, bucket.like.target)
        if state is not bucket.state:
            bucket.state = state
            for row in bucket.rows.values():
                self._enter(row, state)

    def _enter_all(self, rows: list[Row]) -> None:
        for row in rows:
            if row.bucket is not None and row.bucket.state is not None:
                self._enter(row, row.bucket.state)

    def _enter(self, row: Row, state: State) -> None:
        if state is row.state:
            return
        at, waiter = self._at, row.waiter
        row.settle(at, self.result)
        self._count(row, -1)
        row.state, row.since, row.flip, row.flipped = state, at, NEVER, False
        if state.timer:
            limit = at + state.budget - waiter.spent.get(state.timer, 0) - waiter.before
            if limit < waiter.ended_at:
                # what the timer no longer explains to its end is unknown from its beginning
                row.flip = max(at, self._cuts[max(0, bisect_right(self._cuts, limit) - 1)])
                row.flipped = row.flip <= at
                if not row.flipped:
                    self._pushed += 1
                    heappush(self._flips, (row.flip, self._pushed, row))
        self._count(row, 1)

    # -- causes

    def _claim(self, waiter: Waiter, stage: str) -> Claim | None:
        """The first claim down the chain that takes this waiter's second."""
        key = waiter.group, stage
        if key not in self._found:
            self._found[key] = next((c for c in self._claims if stage in c.file.stages and binds(c, waiter)), None)
        return self._found[key]

    def _claimed(self, waiter: Waiter, stage: str) -> Cause:
        claim = self._claim(waiter, stage)
        return Cause(stage, ORDINARY[stage]) if claim is None else Cause(stage, claim.cause, claim)

    def _served(self, bucket: Bucket) -> Cause:
        """The cause of those whose slot is on its way, whom no worker serves, or who belong to nobody."""
        if bucket.zone == NOBODY:
            claim = self._claim(bucket.like, "trigger")
            return _NOTHING if claim is None else Cause("trigger", claim.cause, claim)
        return self._claimed(bucket.like, "consume" if bucket.zone == UNSERVED else bucket.zone)

    def _judge_beyond(self, line: Line, *, afresh: bool) -> None:
        boot = self._boot(line)
        afresh |= boot != line.boot or line.turned
        line.boot, line.turned = boot, False
        for bucket in list(line.buckets.values()):
            if bucket.zone in (BEYOND, CAPPED) and (afresh or bucket.state is None):
                self._judge(bucket, self._beyond(line, bucket.like, capped=bucket.zone == CAPPED))

    def _boot(self, line: Line) -> Cause | None:
        """What holds up the slots that there may be: the last claim among those that boot, else why free slots stay
        empty while nobody works, else what the first of those waits for whose slot is booting.
        """
        if not line.capped():
            return None
        rows = line.booting()
        states = [row.state for row in rows if row.state is not None]
        claimed = any(b.state.cause.claim for b in line.buckets.values() if b.zone in COMING[1:] and b.state)
        last = next((s.cause for s in reversed(states) if s.cause.claim is not None), None) if claimed else None
        idle = self._idle(line) if last is None and not line.busy else None
        if last is not None or idle is not None:
            return last or idle
        if states and rows[0].flipped and not line.busy:
            return _NOTHING
        return states[0].cause if states else None

    def _idle(self, line: Line) -> Cause | None:
        """The first claim on tasks for whom a slot is free."""
        if not any(b.state.cause.claim for b in line.buckets.values() if b.zone == COMING[0] and b.state):
            return None
        states = (row.state for row in line.free())
        return next((s.cause for s in states if s is not None and s.cause.claim is not None), None)

    def _beyond(self, line: Line, waiter: Waiter, *, capped: bool) -> Cause:
        """A task for which no slot is on its way: the autoscaler has to decide, or may not.

        The ceiling takes only those whose place among all tasks of the target is beyond its last slot (`capped`).
        """
        stage, boot = "trigger" if line.desired == 0 else "decide", line.boot
        claim = self._claim(waiter, stage) or (self._claim(waiter, "metric") if stage == "decide" else None)
        stuck = boot is not None and (boot.claim is not None or boot.cause == UNKNOWN)
        if capped and boot is not None and stuck and (claim is None or claim.file.header.cap):
            # nobody may ask for more workers, and those that are there cannot work: what they wait for, known or not,
            # is what this task waits for
            return boot
        if claim is None or (claim.file.header.cap and not capped):
            return Cause(stage, ORDINARY[stage])
        return Cause(claim.file.header.stage, claim.cause, claim)

    # -- waiting for the scheduler and its limits

    def _judge_upstream(self, stale: list[Bucket]) -> None:
        self._held.clear()
        for zone in UPSTREAM:
            capped = self._capped[zone]
            for bucket in stale:
                if bucket.zone == zone:
                    claim = self._claim(bucket.like, zone)
                    if claim is not None and claim.file.header.cap:
                        capped[bucket.like.group, zone] = bucket
                    else:
                        capped.pop((bucket.like.group, zone), None)
                        self._judge(bucket, self._claimed(bucket.like, zone))
            for bucket in capped.values():
                self._judge(bucket, self._capped_cause(bucket))

    def _capped_cause(self, bucket: Bucket) -> Cause:
        """A cap only binds where its holders really run; else the cause is what the holders wait for."""
        waiter, claim = bucket.like, self._claim(bucket.like, bucket.zone)
        if claim is None:
            return self._claimed(waiter, bucket.zone)
        key = id(claim), waiter.dag_id
        if key not in self._held:
            self._held[key] = self._holders(claim, waiter)
        held = self._held[key]
        return Cause(bucket.zone, held.cause, held.claim) if held else Cause(bucket.zone, claim.cause, claim)

    def _holders(self, claim: Claim, waiter: Waiter) -> Cause | None:
        """What the holders of a cap wait for; None when they run, so that the cap itself binds."""
        if claim.cause == "dag_max_active_runs":
            if self._running_dags[waiter.dag_id] > 0:
                return None
            held = [b for b in self._by_dag[waiter.dag_id].values() if b.zone != "run"]
        else:
            held = [
                b for b in self._near(claim)
                if b.zone not in UPSTREAM and binds(claim, b.like)
                and b.state and (b.state.cause.stage != "consume" or b.state.cause.claim is not None)
            ]  # fmt: skip
        count: Counter[Cause] = Counter()
        for bucket in held:
            if bucket.state is not None:
                count[bucket.state.cause] += len(bucket.rows)
        most = max(count.values(), default=0)
        first = [cause for cause, n in count.items() if n == most]
        return min(first, key=lambda cause: _first(cause, held)) if len(first) > 1 else first[0] if first else None

    def _near(self, claim: Claim) -> Iterable[Bucket]:
        """Buckets that a claim may bind."""
        scope = {"dag": self._by_dag, "pool": self._by_pool}.get(claim.file.header.binds)
        return (self._buckets if scope is None else scope[claim.subject]).values()

    # -- timers

    def _state(self, cause: Cause, target: str) -> State:
        """The one State for a cause, with the timer that an ordinary second counts against."""
        line = self._lines.get(target)
        key = cause, target, line.step if line is not None else 0
        if key not in self._states:
            ordinary = cause.claim is None and cause.cause == ORDINARY.get(cause.stage)
            timed = _timer(cause.stage, line) if ordinary else ("", 0)
            self._states[key] = State(cause, target, *timed)
        return self._states[key]

    # -- the strip

    def _count(self, row: Row, change: int) -> None:
        state, tally = row.state, self._tally
        if state is None:
            return
        key = state.unknown if row.flipped else state.shown
        count = tally.get(key, 0) + change
        if count:
            tally[key] = count
        else:
            del tally[key]

    def _tell(self, at: Micros) -> None:
        """Writes down how many waited for what until now."""
        if at > self._shown_since:
            since = self._shown_since
            self.result.strip.extend((since, at, target, cause, n) for (target, cause), n in self._shown.items())
        self._shown, self._shown_since = dict(self._tally), at


def _first(cause: Cause, held: Iterable[Bucket]) -> int:
    """Who of those that wait for a cause came first."""
    rows = (row for b in held if b.state is not None and b.state.cause == cause for row in b.rows.values())
    return min(row.waiter.order for row in rows)


def _timer(stage: str, line: Line | None) -> tuple[str, Micros]:
    """Which timer an ordinary second counts against, and what that timer explains."""
    if line is not None and stage == "trigger":
        return stage, (line.target.polling_interval_s + POLL_SLACK_S) * SECOND
    if line is not None and stage in ("decide", "metric"):
        # each step of a ramp waits for a sync of its own
        return f"{stage} after step {line.step}", DECIDE_S * SECOND
    if line is not None and stage == "create" and line.target.ordered:
        return stage, ORDERED_CREATE_S * SECOND
    return stage, BUDGET_S.get(stage, 0) * SECOND


def _number(waiters: list[Waiter]) -> None:
    """Gives waiters their places: by the time of queueing, then by name."""
    place = 0
    for _, together in groupby(sorted(waiters, key=attrgetter("queued_at")), key=attrgetter("queued_at")):
        same = list(together)
        for waiter in sorted(same, key=attrgetter("key")) if len(same) > 1 else same:
            waiter.place = place
            place += 1


def _instants(
    waiters: Iterable[Waiter], running: Iterable[Running], targets: Iterable[Target], claims: Iterable[Claim]
) -> Iterator[Micros]:
    for w in waiters:
        yield from (w.runnable_at, w.run_started_at, w.scheduled_at, w.queued_at, w.ended_at)
    for r in running:
        yield from (r.start, r.end)
    for c in claims:
        yield from (c.start, c.end)
    for target in targets:
        yield from (step.at for step in target.replicas)
        for pod in target.pods:
            yield from pod.instants()
