"""One sync of the HPA controller, from what it sees to what it writes.

Source: k8s.io/kubernetes, pkg/controller/podautoscaler/horizontal.go:773-1027 (reconcileAutoscaler), Kubernetes 1.36.
"""

from dataclasses import dataclass
from enum import StrEnum

from afscope.control import behavior as rules
from afscope.control.history import History
from afscope.control.hpa import Controller, HpaSpec, Observed, Select
from afscope.control.recommend import Recommendation, recommend
from afscope.model.clock import Micros

BELOW_TARGET = "All metrics below target"
ABOVE_MAX = "Current number of replicas above Spec.MaxReplicas"
BELOW_MIN = "Current number of replicas below Spec.MinReplicas"
_DEFAULTS = Controller()


class LimitedBy(StrEnum):
    """What kept the HPA from the size that the metric alone asked for; the last word of the chain wins."""

    NOTHING = "nothing"
    TOLERANCE = "tolerance"
    SCALE_UP_WINDOW = "scale_up_window"
    SCALE_DOWN_WINDOW = "scale_down_window"
    SCALE_UP_RATE = "scale_up_rate"
    SCALE_DOWN_RATE = "scale_down_rate"
    SCALE_UP_DISABLED = "scale_up_disabled"
    SCALE_DOWN_DISABLED = "scale_down_disabled"
    MAX_REPLICAS = "max_replicas"
    MIN_REPLICAS = "min_replicas"
    NO_METRICS = "no_metrics"
    AT_ZERO = "at_zero"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one sync decided.

    `desired` is what it wants spec.replicas to be, None where status.desiredReplicas keeps its old value; `writes`
    tells whether it wrote it. `proposal` is the recommendation before windows and limits, `demand` the same without
    tolerance; both None where no metric was read. `reason` is the text of the SuccessfulRescale event; `able`,
    `active` and `limited` are the reasons of AbleToScale, ScalingActive and ScalingLimited, None where the sync leaves
    the condition as it was.
    """

    current: int
    desired: int | None
    writes: bool
    reason: str
    limited_by: LimitedBy
    able: str
    active: str | None = None
    limited: str | None = None
    proposal: int | None = None
    demand: int | None = None

    @property
    def phantom(self) -> bool:
        """A scale-up that no metric asked for: old recommendations, often from before a time at zero, lifted it."""
        return self.writes and self.proposal is not None and self.proposal <= self.current < (self.desired or 0)


def sync(
    history: History, spec: HpaSpec, seen: Observed, now: Micros, controller: Controller = _DEFAULTS
) -> tuple[History, Decision]:
    """The decision for what the controller sees at `now`, and what it remembers afterwards.

    At zero replicas nothing is read or recorded, but old recommendations stay. Outside [min, max] the size is
    corrected without reading a metric.
    """
    current = seen.spec_replicas
    history = history.seeded(current, now)
    if current == 0:
        return history, Decision(0, 0, False, "", LimitedBy.AT_ZERO, "SucceededGetScale", "ScalingDisabled")
    if current > spec.max_replicas:
        return _correct(history, spec, seen, now, spec.max_replicas)
    if current < spec.min_replicas:
        return _correct(history, spec, seen, now, spec.min_replicas)
    best = recommend(spec, seen, spec.tolerances(controller))
    if best is None:
        failed = Decision(
            current, None, False, "", LimitedBy.NO_METRICS, "SucceededGetScale", "FailedGetExternalMetric"
        )
        return history, failed
    return _scale(history, spec, seen, now, controller, best)


def _correct(history: History, spec: HpaSpec, seen: Observed, now: Micros, to: int) -> tuple[History, Decision]:
    above = seen.spec_replicas > to
    decision = Decision(
        seen.spec_replicas,
        to,
        seen.write_ok,
        ABOVE_MAX if above else BELOW_MIN,
        LimitedBy.MAX_REPLICAS if above else LimitedBy.MIN_REPLICAS,
        _written(seen),
    )
    return _remembered(history, decision, spec, now), decision


def _scale(
    history: History, spec: HpaSpec, seen: Observed, now: Micros, controller: Controller, best: Recommendation
) -> tuple[History, Decision]:
    current, proposal = seen.spec_replicas, max(0, best.proposal.replicas)
    result = rules.normalize(proposal, current, spec, history, now, controller)
    changes = result.desired != current
    # The event's text is chosen before windows and limits, so it can contradict the direction of the write.
    reason = f"{best.metric.described()} above target" if proposal > current else ""
    decision = Decision(
        current,
        result.desired,
        changes and seen.write_ok,
        BELOW_TARGET if proposal < current else reason,
        _limited_by(spec, result, best),
        _written(seen) if changes else result.able,
        "ValidMetricFound",
        result.limited,
        proposal,
        best.proposal.demand,
    )
    return _remembered(result.history, decision, spec, now), decision


def _written(seen: Observed) -> str:
    return "SucceededRescale" if seen.write_ok else "FailedUpdateScale"


def _remembered(history: History, decision: Decision, spec: HpaSpec, now: Micros) -> History:
    if not decision.writes or decision.desired is None:
        return history
    return history.scaled(decision.current, decision.desired, spec.behavior, now)


def _limited_by(spec: HpaSpec, result: rules.Normalized, best: Recommendation) -> LimitedBy:
    match result.limited:
        case rules.TOO_MANY:
            return LimitedBy.MAX_REPLICAS
        case rules.TOO_FEW:
            return LimitedBy.MIN_REPLICAS
        case rules.UP_LIMIT:
            disabled = spec.behavior is not None and spec.behavior.up.select is Select.DISABLED
            return LimitedBy.SCALE_UP_DISABLED if disabled else LimitedBy.SCALE_UP_RATE
        case rules.DOWN_LIMIT:
            disabled = spec.behavior is not None and spec.behavior.down.select is Select.DISABLED
            return LimitedBy.SCALE_DOWN_DISABLED if disabled else LimitedBy.SCALE_DOWN_RATE
    if result.able != rules.READY_FOR_NEW_SCALE:
        lowered = result.stabilized < max(0, best.proposal.replicas)
        return LimitedBy.SCALE_UP_WINDOW if lowered else LimitedBy.SCALE_DOWN_WINDOW
    wanted = best.proposal
    return LimitedBy.TOLERANCE if wanted.within_tolerance and wanted.demand != wanted.replicas else LimitedBy.NOTHING
