"""The sweep says of chance scenarios what the slow attribution says of them, to the microsecond and in its order."""

import copy
import random
from bisect import bisect_left
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from afscope.engine import sweep
from afscope.engine.attribution import ORDINARY, Attribution, Running, Waiter
from afscope.engine.claims import CHAIN, Claim
from afscope.engine.header import AnalyzerFile, Header
from afscope.engine.supply import NEVER, Outage, Replicas, Target, WorkerPod
from afscope.errors import QueryError
from afscope.model.clock import SECOND, Micros
from afscope.model.finding import STAGES
from afscope.model.stop import Stop
from tests.engine import slow_attribution

_STAGES = [stage for stage in STAGES if stage in ORDINARY]
DAGS, QUEUES, POOLS, RUNS = ("a", "b", "c"), ("q", "r", ""), ("p", "o"), ("1", "2")


class _Dice(random.Random):
    """Chance, with many things at one instant."""

    length = 200

    def at(self) -> Micros:
        whole = self.randrange(self.length) * SECOND
        return whole if self.random() < 0.7 else self.randrange(self.length * SECOND)

    def later(self, most: int) -> Micros:
        return self.choice([0, self.randrange(most) * SECOND, self.randrange(most * SECOND)])


def _pod(dice: _Dice, target: str, number: int) -> WorkerPod:
    """Its instants follow each other, up to the first that never comes."""
    life = [dice.at()]
    for _ in range(4):
        life.append(life[-1] + dice.later(40) if life[-1] < NEVER and dice.random() < 0.9 else NEVER)
    if life[4] < NEVER:
        life[4] += dice.later(dice.length)
    outages = []
    for _ in range(dice.choice([0, 0, 1, 2])):
        start = dice.at()
        outages.append(Outage(start, start + dice.later(60), dice.choice(["start", None])))
    queues = frozenset(dice.sample(["q", "r", "z"], dice.choice([0, 0, 1, 2])))
    slots, (created, scheduled, started, consuming, stopping) = dice.randint(1, 4), life
    name = f"{target}-{number % 4}"
    return WorkerPod(name, slots, created, scheduled, started, consuming, stopping, queues, tuple(outages))


def _target(dice: _Dice, name: str) -> Target:
    pods = [_pod(dice, name, number) for number in range(dice.randint(0, 6))]
    steps = [Replicas(at, dice.randint(0, 5)) for at in sorted(dice.at() for _ in range(dice.randint(0, 5)))]
    ordered = dice.random() < 0.3
    return Target(name, dice.randint(1, 4), dice.randint(1, 5), dice.choice([5, 30]), ordered, pods, steps)


def _waiter(dice: _Dice, number: int, targets: list[Target]) -> Waiter:
    start = dice.randrange(8) * 7 * SECOND if dice.random() < 0.6 else dice.at()
    run = start + dice.later(100)
    scheduled = dice.choice([run, run + dice.later(100), NEVER])
    queued = NEVER if scheduled == NEVER else scheduled + dice.later(100)
    if dice.random() < 0.05:  # clocks that disagree
        queued = max(0, start - 5 * SECOND)
    some = targets[0].name if targets and dice.random() < 0.6 else dice.choice(["T1", "T2", "", ""])
    return Waiter(
        dice.choice(DAGS), dice.choice(RUNS), f"t{number % 7}", -1, number, dice.choice(QUEUES), dice.choice(POOLS),
        some, dice.random() < 0.7, start, run, scheduled, queued, start + dice.later(300), dice.choice([0, 30 * SECOND]),
    )  # fmt: skip


def _run(dice: _Dice) -> Running:
    start, hosts = dice.at(), ("T1-0", "T1-1", "T1-2", "T2-0", "T2-1", "x", "")
    return Running(
        dice.choice(DAGS), "1", "p", dice.choice(hosts), start, dice.choice([NEVER, start + dice.later(100)])
    )


def _analyzer(dice: _Dice) -> AnalyzerFile:
    cause = dice.choice(CHAIN)
    scope: str = dice.choice(["all", "dag", "run", "pool", "queue", "target", "target", "target", ""])
    held: tuple[str, ...] = tuple(dice.sample(_STAGES, dice.choice([0, 0, 2, 4])))
    header: dict[str, Any] = {"id": cause, "stage": dice.choice(_STAGES), "binds": scope, "holds": held}
    header["cap"] = dice.random() < 0.4
    if dice.random() < 0.15 or cause == "dag_max_active_runs":
        header = {"id": "dag_max_active_runs", "stage": "run", "binds": "dag", "cap": True}
    return AnalyzerFile(Header(component="worker", **header), "", Path("x.sql"), shipped=True)


def _claim(dice: _Dice, file: AnalyzerFile) -> Claim:
    header, start = file.header, dice.at()
    subjects = {"dag": DAGS, "run": RUNS, "pool": POOLS, "queue": QUEUES, "target": ("T1", "T2")}
    target = dice.choice(("T1", "T2")) if header.binds == "target" else ""
    return Claim(
        file, file, start, start + dice.later(200), target, dice.choice(subjects.get(header.binds, ("",))),
        dice.choice([None, None, "1"]), "worker", 0.9, {}, (), rank=(0, dice.choice([CHAIN.index(header.id), len(CHAIN)])),
        dag_id=dice.choice([None, None, "a"]), task_id=dice.choice([None, None, None, "t1"]),
    )  # fmt: skip


def _scenario(seed: int) -> tuple[list[Waiter], list[Running], list[Target], list[Claim]]:
    dice = _Dice(seed)
    dice.length = dice.choice([60, 200, 600])
    targets = [_target(dice, name) for name in dice.sample(["T1", "T2"], dice.randint(0, 2))]
    waiters = [_waiter(dice, number, targets) for number in range(dice.choice([5, 30, 80]))]
    waiters.sort(key=lambda w: (w.runnable_at, w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt))
    running = [_run(dice) for _ in range(dice.choice([0, 10, 40]))]
    files = [_analyzer(dice) for _ in range(dice.choice([0, 3, 8]))]
    return waiters, running, targets, [_claim(dice, file) for file in files for _ in range(dice.randint(1, 4))]


def _spelt_out(result: Attribution, cuts: list[Micros]) -> Counter[tuple[Micros, str, str]]:
    """The strip, interval by interval."""
    out: Counter[tuple[Micros, str, str]] = Counter()
    for start, end, target, cause, n in result.strip:
        for cut in cuts[bisect_left(cuts, start) : bisect_left(cuts, end)]:
            out[cut, target, cause] += n
    return out


@pytest.mark.parametrize("seed", range(60))
def test_the_sweep_is_the_slow_attribution(seed: int) -> None:
    waiters, running, targets, claims = _scenario(seed)
    slow = slow_attribution.attribute(copy.deepcopy(waiters), running, targets, claims)
    fast = sweep.attribute(copy.deepcopy(waiters), running, targets, claims)
    assert [list(w.seconds.items()) for w in fast.waiters] == [list(w.seconds.items()) for w in slow.waiters]
    assert dict(fast.claim_seconds) == dict(slow.claim_seconds)
    cuts = sorted({at for result in (slow, fast) for start, end, *_ in result.strip for at in (start, end)})
    assert _spelt_out(fast, cuts) == _spelt_out(slow, cuts)
    for waiter in fast.waiters:
        assert sum(waiter.seconds.values()) == waiter.ended_at - waiter.runnable_at


def test_chance_meets_what_is_hard() -> None:
    """Else the comparison would prove nothing: caps that hand on their holders' cause, and timers that run out."""
    found: set[tuple[str, str]] = set()
    for seed in range(60):
        for waiter in sweep.attribute(*_scenario(seed)).waiters:
            found.update(waiter.seconds)
    assert ("unknown", "unknown") in found
    assert {("run", "activation_latency"), ("limits", "activation_latency")} & found
    assert {stage for stage, _ in found} >= set(_STAGES) - {"metric"}


def test_it_can_be_called_off() -> None:
    stop = Stop()
    stop.now()
    with pytest.raises(QueryError, match="called off"):
        sweep.attribute(*_scenario(3), stop)
