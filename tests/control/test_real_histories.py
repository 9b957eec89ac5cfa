"""Real HPAs of Kubernetes 1.36 (KEDA 2.20.1): the rules must reproduce every recorded decision and every author.

Each line of the data is one incident: the HPA's spec and statuses as they changed, its workload's sizes with the owner
of spec.replicas, the controller's log lines of its writes, and KEDA's scaling events.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from afscope.control.authorship import Change, Clues, HpaWrite, KedaEvent, Rule, attribute
from afscope.control.history import History
from afscope.control.hpa import HpaSpec, Observed, hpa_spec_from
from afscope.control.managers import Kind
from afscope.control.messages import keda_scaling, rescaled_line
from afscope.control.quantity import milli, usage_bounds
from afscope.control.sync import Decision, sync
from afscope.model.clock import SECOND, Micros, from_seconds, parse_time

DATA = Path(__file__).parents[1] / "data" / "control" / "hpa_histories.jsonl"
INCIDENTS: list[dict[str, Any]] = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
PERIOD: Micros = 15 * SECOND
each = pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident["incident"])


@dataclass(frozen=True)
class Synced:
    """A recorded status and what the rules say for the same inputs."""

    status: dict[str, Any]
    decision: Decision


def status_replicas(incident: dict[str, Any], at: float) -> int:
    """status.replicas of the workload as the sync that wrote a status at `at` must have seen it."""
    seen = [step for step in incident["workload"] if step["t"] < at]
    wrote = [step for step in seen if at - step["t"] < 0.2 and step["replicas"] != step["status"]]
    before = [step for step in seen if not wrote or step["t"] < wrote[0]["t"]]
    return int(before[-1]["status"] or 0) if before else 0


def reading(spec: HpaSpec, status: dict[str, Any], replicas: int) -> int | None:
    """The total behind averageValue. The trigger counts tasks, so it is the one whole number in the interval.

    Without pods the field is garbage; then the recorded desiredReplicas is the only trace of the metric.
    """
    external = status["currentMetrics"][0].get("external")
    if not external or not spec.metrics:
        return None
    bounds = usage_bounds(milli(external["current"]["averageValue"]), replicas)
    return status["desiredReplicas"] * 1000 if bounds is None else bounds[1] // 1000 * 1000


def replayed(incident: dict[str, Any]) -> Iterator[Synced]:
    """One sync per recorded status; unchanged ones are not written, so the last inputs repeat in between."""
    spec, history = hpa_spec_from(incident["spec"]), History()
    last: tuple[Observed, Micros] | None = None
    for record in incident["history"]:
        status, now = record["status"], from_seconds(record["t"])
        if "conditions" not in status:
            continue
        replicas = status_replicas(incident, record["t"])
        current = status.get("currentReplicas", 0)
        usage = reading(spec, status, replicas) if current and "currentMetrics" in status else None
        while last is not None and last[1] + PERIOD * 3 // 2 < now:
            last = last[0], last[1] + PERIOD
            history, _ = sync(history, spec, last[0], last[1])
        seen = Observed(current, replicas, [usage])
        history, decision = sync(history, spec, seen, now)
        after = decision.desired if decision.writes and decision.desired is not None else current
        last = Observed(after, replicas, [usage]), now
        yield Synced(status, decision)


@each
def test_each_recorded_decision_is_reproduced(incident: dict[str, Any]) -> None:
    synced = list(replayed(incident))
    assert len(synced) >= 2
    for step in synced:
        conditions = step.status["conditions"]
        if step.decision.desired is not None:
            assert step.decision.desired == step.status["desiredReplicas"], step
        assert step.decision.able == conditions["AbleToScale"][1], step
        if step.decision.active is not None:
            assert step.decision.active == conditions["ScalingActive"][1], step
        if step.decision.limited is not None:
            assert step.decision.limited == conditions["ScalingLimited"][1], step


@each
def test_each_logged_write_is_reproduced_with_its_words(incident: dict[str, Any]) -> None:
    ours = [
        (step.decision.current, step.decision.desired, step.decision.reason)
        for step in replayed(incident)
        if step.decision.writes
    ]
    logged = [line for line in map(rescaled_line, incident["log"]) if line is not None]
    assert len(logged) == len(incident["log"]) > 0
    assert ours == [(line.before, line.size, line.text) for line in logged]


def changes(incident: dict[str, Any]) -> Iterator[Change]:
    steps = incident["workload"]
    for old, new in pairwise(steps):
        if old["replicas"] != new["replicas"]:
            owner = new["manager"][0] if new["manager"] else (None, None, None)
            yield Change(from_seconds(new["t"]), old["replicas"], new["replicas"], *owner)


def clues(incident: dict[str, Any]) -> Clues:
    told = [(parse_time(at), keda_scaling(text)) for at, text in incident["keda"] if at]
    log = [line for line in map(rescaled_line, incident["log"]) if line is not None]
    moves = [
        HpaWrite(parse_time(record["status"]["lastScaleTime"]), record["status"]["desiredReplicas"], "")
        for record in incident["history"]
        if record["status"].get("lastScaleTime")
    ]
    assert all(scaling for _, scaling in told)
    assert len(log) == len(incident["log"])
    return Clues([KedaEvent(at, scaling) for at, scaling in told if scaling], moves=moves)


@each
def test_each_author_is_found(incident: dict[str, Any]) -> None:
    """KEDA owns 0 -> 1 and N -> 0, the HPA the rest, by what the API server recorded."""
    known = clues(incident)
    for change in changes(incident):
        author = attribute(change, known)
        assert author.kind is (Kind.KEDA if 0 in (change.before, change.after) else Kind.HPA)
        assert author.confidence >= 0.7


@each
def test_events_and_status_alone_name_the_same_authors(incident: dict[str, Any]) -> None:
    known = clues(incident)
    for change in changes(incident):
        blind = Change(change.at, change.before, change.after, managed_fields=False)
        assert attribute(blind, known).kind is attribute(change, known).kind
        assert attribute(blind, known).rule in (Rule.KEDA_EVENT, Rule.HPA_STATUS)
