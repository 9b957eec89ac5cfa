"""From metrics to a recommendation: step 4 of an HPA sync, before any limit.

Source: k8s.io/kubernetes, pkg/controller/podautoscaler/replica_calculator.go:282-420 (GetExternalMetricReplicas,
GetExternalPerPodMetricReplicas) and horizontal.go (computeReplicasForMetrics).
"""

import math
from dataclasses import dataclass

from afscope.control.hpa import INT32_MAX, HpaSpec, Metric, Observed, TargetKind, Tolerances


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for; `demand` is what it would ask for without tolerance, `ratio` usage over target."""

    replicas: int
    demand: int
    ratio: float
    within_tolerance: bool


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The largest proposal and the metric that made it; `invalid` counts metrics without a value."""

    proposal: Proposal
    metric: Metric
    invalid: int


def propose(metric: Metric, usage_milli: int, seen: Observed, tolerances: Tolerances) -> Proposal | None:
    """What one metric asks for, None where the controller reports an error instead.

    AverageValue compares with status.replicas and proposes that inside the tolerance; Value compares with the
    target alone and proposes spec.replicas. A Value metric of a target without pods is an error.
    """
    if metric.kind is TargetKind.AVERAGE_VALUE:
        return _propose_average(metric, usage_milli, seen.status_replicas, tolerances)
    return _propose_value(metric, usage_milli, seen, tolerances)


def _propose_average(metric: Metric, usage_milli: int, status_replicas: int, tolerances: Tolerances) -> Proposal:
    # Without replicas Go divides by zero and gets infinity or NaN: outside every tolerance.
    ratio = usage_milli / (metric.target_milli * status_replicas) if status_replicas else math.inf
    # A negative sum can only be an int64 overflow to the controller: as much as there is (:391-399).
    demand = INT32_MAX if usage_milli < 0 else _ceil(usage_milli / metric.target_milli)
    within = tolerances.covers(ratio)
    return Proposal(status_replicas if within else demand, demand, ratio, within)


def _propose_value(metric: Metric, usage_milli: int, seen: Observed, tolerances: Tolerances) -> Proposal | None:
    ratio = usage_milli / metric.target_milli
    if seen.spec_replicas == 0:
        return Proposal(_ceil(ratio), _ceil(ratio), ratio, within_tolerance=False)
    pods = seen.status_replicas if seen.pods is None else seen.pods
    ready = pods if seen.ready_pods is None else seen.ready_pods
    demand, within = _ceil(ratio * ready), tolerances.covers(ratio)
    if within:
        return Proposal(seen.spec_replicas, demand, ratio, within)
    return Proposal(demand, demand, ratio, within) if pods else None


def _ceil(value: float) -> int:
    return min(math.ceil(value), INT32_MAX)


def recommend(spec: HpaSpec, seen: Observed, tolerances: Tolerances) -> Recommendation | None:
    """The proposal that wins, None where the sync fails.

    It fails when no metric is valid, and when one is invalid and the others would scale down. A first proposal of 0
    is replaced by any later one.
    """
    best: tuple[Proposal, Metric] | None = None
    invalid = 0
    for metric, usage in zip(spec.metrics, seen.readings, strict=True):
        proposal = None if usage is None else propose(metric, usage, seen, tolerances)
        if proposal is None:
            invalid += 1
        elif best is None or best[0].replicas == 0 or proposal.replicas > best[0].replicas:
            best = proposal, metric
    if best is None or (invalid and best[0].replicas < seen.spec_replicas):
        return None
    return Recommendation(*best, invalid)
