"""Small worlds made by hand: jobs in seconds, one group, no capture."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from afscope.control.hpa import Behavior, HpaSpec, Metric
from afscope.control.scaledobject import ScaledObject
from afscope.engine.counting import Counted
from afscope.model.clock import SECOND, Micros
from afscope.simulate.counts import Counter
from afscope.simulate.demand import Demand, Job
from afscope.simulate.looks import Beat
from afscope.simulate.machine import Machine, Run
from afscope.simulate.world import Caps, Group, Steps, World

NAME = "air/worker"
END = 600


def us(seconds: float) -> Micros:
    return round(seconds * SECOND)


def job(number: int, arrival: float = 0.0, took: float = 30.0, **values: Any) -> Job:
    """A task of DAG etl, run r; `dag`, `run`, `pool`, … as in Job."""
    dag = values.pop("dag", "etl")
    run = values.pop("run", "r")
    made = Job(
        (dag, run, f"t{number}", -1, 1), NAME, dag, (dag, run), "default_pool", 1, 1, "default", us(arrival), us(took)
    )
    return replace(made, **values)


def hpa(most: int = 10, least: int = 1, behavior: Behavior | None = None) -> HpaSpec:
    return HpaSpec(most, (Metric("m", 1000),), least, behavior)


def group(jobs: Sequence[Job], slots: int = 4, **values: Any) -> Group:
    """Max 10, a poll each 5 s from 0, a sync each 15 s from 7, boots of 10 s; the query counts queued and running."""
    flags = {one.key: Counted(queued=True, running=True) for one in jobs if one.target == NAME}
    counter = Counter(flags, [-(-n // slots) * 1000 for n in range(len(jobs) + 1)])
    made = Group(
        NAME, ScaledObject(polling_s=5, cooldown_s=30, max_replicas=10), hpa(), counter, slots=slots, boots=(us(10),),
        exit=us(1), poll_anchor=0, sync=Beat((us(7),), us(15)), grace=us(60),
    )  # fmt: skip
    return replace(made, **values)


def world(
    jobs: Sequence[Job],
    end: float = END,
    *,
    caps: Caps | None = None,
    slots: int = 4,
    running: frozenset[tuple[str, str]] = frozenset(),
    **values: Any,
) -> World:
    followers: Mapping[int, list[int]] = defaultdict(list)
    for number, one in enumerate(jobs):
        if one.after is not None:
            followers[one.after].append(number)
    return World(
        0, us(end), (group(jobs, slots, **values),), Demand(list(jobs), dict(followers), {}), caps or Caps({}, {}, {}, 1000),
        running,
    )  # fmt: skip


def steady(value: int) -> Steps:
    return Steps((0,), (value,))


def run(made: World, seed: int = 1) -> Run:
    return Machine(made, Random(seed)).run()


def sizes(result: Run) -> list[tuple[int, int]]:
    """(second, size) of each step."""
    return [(round(at / SECOND), size) for at, size in result.steps[NAME]]


def waits(result: Run) -> list[float]:
    return sorted(result.waits[NAME])
