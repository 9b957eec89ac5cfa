"""A variant: the recorded world with some settings changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from afscope.control.hpa import Behavior, Controller, HpaSpec, Rules, Select, behavior_from
from afscope.engine.trigger_sql import translate, with_divisor
from afscope.errors import UsageError
from afscope.model.clock import SECOND
from afscope.simulate.counts import Counter, counter
from afscope.simulate.settings import POOL, parse
from afscope.simulate.world import NEVER_READY, Caps, Group, InitialPod, Steps, World

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation

_TARGET = {
    "maxReplicaCount": "max_replicas", "minReplicaCount": "min_replicas", "idleReplicaCount": "idle_replicas",
    "pollingInterval": "polling_s", "cooldownPeriod": "cooldown_s",
}  # fmt: skip
_BEHAVIOR = (
    "behavior", "stabilizationWindowSeconds", "scaleDown.stabilizationWindowSeconds",
    "scaleUp.stabilizationWindowSeconds", "scaleUp.policies", "scaleDown.policies",
    "scaleUp.selectPolicy", "scaleDown.selectPolicy",
)  # fmt: skip


def applied(investigation: "Investigation", world: World, name: str, given: Mapping[str, str]) -> World:
    """The world in which `name` has these settings. Raises UsageError for settings that make no sense together."""
    values = parse(given)
    group = world.group(name)
    if values.get("faults") == "none":
        boots = tuple(boot for boot in group.boots if boot != NEVER_READY)
        group = replace(group, poll_faults=(), metric_faults=(), sync_faults=(), max_pods=None, boots=boots)
    if values.get("timers") == "free":
        group = replace(group, poll_anchor=None, sync=replace(group.sync, ticks=()))
    group = _scaling(group, values)
    group = _counting(investigation, world, group, values)
    group = _pods(world, group, values)
    return replace(world.changed(group), caps=_caps(world, values))


def newly_counted(world: World, name: str, changed: Sequence[World]) -> frozenset[int]:
    """Jobs that nobody served in the recording and that the query of a variant would have counted."""
    counters = [other.group(name).counter for other in changed]
    known = world.group(name).counter
    fresh = [counter_ for counter_ in counters if counter_ is not known]
    return frozenset(
        number
        for number, job in enumerate(world.demand.jobs)
        if not job.target and job.hold is None and any(job.key in counter_.flags for counter_ in fresh)
    )


def adopted(world: World, name: str, numbers: frozenset[int]) -> World:
    """The world in which these jobs belong to `name`, so that all variants are measured on the same work."""
    if not numbers:
        return world
    jobs = [replace(job, target=name) if number in numbers else job for number, job in enumerate(world.demand.jobs)]
    return replace(world, demand=replace(world.demand, jobs=jobs))


def _scaling(group: Group, values: Mapping[str, Any]) -> Group:
    target = replace(group.target, **{_TARGET[name]: values[name] for name in _TARGET if name in values})
    if target.min_replicas > target.max_replicas:
        raise UsageError(
            f"{group.name}: minReplicaCount {target.min_replicas} is above maxReplicaCount {target.max_replicas}"
        )
    if target.idle_replicas is not None and target.idle_replicas >= target.min_replicas:
        raise UsageError(
            f"{group.name}: idleReplicaCount {target.idle_replicas} is not below minReplicaCount {target.min_replicas}",
            "KEDA refuses such a ScaledObject",
        )
    hpa = replace(group.hpa, behavior=_behavior(group.hpa, values))
    if "maxReplicaCount" in values or "minReplicaCount" in values:
        hpa = replace(hpa, max_replicas=target.max_replicas, min_replicas=target.hpa_min)
    if "targetQueryValue" in values:
        first = replace(hpa.metrics[0], target_milli=round(values["targetQueryValue"] * 1000))
        hpa = replace(hpa, metrics=(first, *hpa.metrics[1:]))
    return replace(
        group,
        target=target,
        hpa=hpa,
        activation=values.get("activationTargetQueryValue", group.activation),
        cached=values["useCachedMetrics"] == "true" if "useCachedMetrics" in values else group.cached,
        controller=Controller(values["tolerance"]) if "tolerance" in values else group.controller,
        # A changed interval has no recorded beat.
        poll_anchor=None if target.polling_s != group.target.polling_s else group.poll_anchor,
    )


def _behavior(hpa: HpaSpec, values: Mapping[str, Any]) -> Behavior | None:
    """The HPA's behavior; any part that is set makes the API server fill in the rest (keda-hpa §1.2)."""
    behavior = behavior_from(values["behavior"]) if "behavior" in values else hpa.behavior
    parts = [name for name in _BEHAVIOR[1:] if name in values]
    if not parts:
        return behavior
    behavior = behavior or Behavior()
    window = values.get("scaleDown.stabilizationWindowSeconds", values.get("stabilizationWindowSeconds"))
    down = _rules(behavior.down, "scaleDown", values, window)
    return Behavior(_rules(behavior.up, "scaleUp", values, values.get("scaleUp.stabilizationWindowSeconds")), down)


def _rules(rules: Rules, side: str, values: Mapping[str, Any], window: int | None) -> Rules:
    policies, select = values.get(f"{side}.policies"), values.get(f"{side}.selectPolicy")
    made = behavior_from({side: {"policies": policies}}) if policies is not None else None
    if made is not None:
        rules = replace(rules, policies=(made.up if side == "scaleUp" else made.down).policies)
    return replace(
        rules,
        select=rules.select if select is None else Select(select),
        window_s=rules.window_s if window is None else window,
    )


def _counting(investigation: "Investigation", world: World, group: Group, values: Mapping[str, Any]) -> Group:
    """The query of a variant; without one of its own, the divisor follows worker_concurrency as in Airflow's chart."""
    slots = values.get("worker_concurrency", group.slots)
    query = values.get("query", group.query)
    if "query" not in values and slots != group.slots:
        query = with_divisor(query, group.trigger_type, group.slots, slots)
    if query == group.query and not (group.counter.guessed and slots != group.slots):
        return replace(group, slots=slots)
    said = translate(query, group.trigger_type or "postgresql")
    if "query" in values and not said.predicate:
        raise UsageError(f"query={query!r} cannot be re-run over the capture", said.reason)
    made: Counter = counter(investigation.session, said, group.name, world.demand.jobs, slots)
    return replace(group, slots=slots, query=query, counter=made)


def _pods(world: World, group: Group, values: Mapping[str, Any]) -> Group:
    if "pod_start_s" in values:
        group = replace(group, boots=(round(values["pod_start_s"] * SECOND),))
    if "terminationGracePeriodSeconds" in values:
        group = replace(group, grace=values["terminationGracePeriodSeconds"] * SECOND)
    if "sigterm" in values:
        group = replace(group, kills=values["sigterm"] == "kill")
    if "queues" in values:
        group = replace(group, serves=frozenset(values["queues"]))
    if "max_pods" in values:
        group = replace(group, max_pods=values["max_pods"])
    missing = group.target.min_replicas - max(group.replicas, len(group.pods))
    if "minReplicaCount" in values and missing > 0:
        # With this minimum they would have been there before the recording began.
        warm = tuple(InitialPod("", world.start) for _ in range(missing))
        group = replace(group, replicas=group.target.min_replicas, pods=(*group.pods, *warm))
    return group


def _caps(world: World, values: Mapping[str, Any]) -> Caps:
    caps = world.caps
    pools = dict(caps.pools)
    for name, slots in values.items():
        if name.startswith(POOL):
            pool = name.removeprefix(POOL)
            if pool not in pools:
                raise UsageError(f"no pool {pool!r} in this capture", f"it has: {', '.join(sorted(pools)) or 'none'}")
            pools[pool] = Steps((0,), (slots,))

    def all_of(steps: Mapping[str, Steps], setting: str) -> dict[str, Steps]:
        if setting not in values:
            return dict(steps)
        return {dag: Steps((0,), (values[setting],)) for dag in steps}

    return Caps(
        pools,
        all_of(caps.dag_tasks, "max_active_tasks"),
        all_of(caps.dag_runs, "max_active_runs"),
        values.get("parallelism", caps.parallelism),
    )
