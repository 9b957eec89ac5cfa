"""Stabilization windows and limits: what the HPA makes of a recommendation before it writes.

Source: k8s.io/kubernetes, pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas,
stabilizeRecommendation, convertDesiredReplicasWithRules; the …WithBehaviors twins; calculateScale*Limit…).
"""

import math
from dataclasses import dataclass

from afscope.control.history import History, moved
from afscope.control.hpa import INT32_MAX, Behavior, Controller, HpaSpec, PolicyKind, Rules, Select
from afscope.model.clock import SECOND, Micros

READY_FOR_NEW_SCALE, SCALE_DOWN_STABILIZED, SCALE_UP_STABILIZED = (
    "ReadyForNewScale",
    "ScaleDownStabilized",
    "ScaleUpStabilized",
)
WITHIN_RANGE, TOO_MANY, TOO_FEW = "DesiredWithinRange", "TooManyReplicas", "TooFewReplicas"
UP_LIMIT, DOWN_LIMIT = "ScaleUpLimit", "ScaleDownLimit"

_UP_FACTOR, _UP_MINIMUM = 2, 4  # horizontal.go:61-64


@dataclass(frozen=True, slots=True)
class Normalized:
    """`stabilized` is after the windows, `desired` after the limits; `able` and `limited` are condition reasons."""

    desired: int
    stabilized: int
    able: str
    limited: str
    history: History


def normalize(
    proposal: int, current: int, spec: HpaSpec, history: History, now: Micros, controller: Controller
) -> Normalized:
    """Stabilizes and limits a proposal; `current` is spec.replicas. The history holds the proposal afterwards."""
    if spec.behavior is None:
        return _fixed(proposal, current, spec, history, now, controller)
    return _ruled(proposal, current, spec, spec.behavior, history, now, controller)


def _fixed(
    proposal: int, current: int, spec: HpaSpec, history: History, now: Micros, controller: Controller
) -> Normalized:
    """Without a behavior: one downscale window, then at most max(2 * current, 4) per sync, no limit downwards."""
    cutoff = now - controller.downscale_window_s * SECOND
    recent = [sample.replicas for sample in history.recommendations or () if sample.at >= cutoff]
    stabilized = max([proposal, *recent])
    able = READY_FOR_NEW_SCALE if stabilized == proposal else SCALE_DOWN_STABILIZED
    limit = max(_UP_FACTOR * current, _UP_MINIMUM)
    desired, limited = stabilized, WITHIN_RANGE
    if stabilized < spec.min_replicas:
        desired, limited = spec.min_replicas, TOO_FEW
    elif stabilized > min(spec.max_replicas, limit):
        desired, limited = min(spec.max_replicas, limit), UP_LIMIT if spec.max_replicas > limit else TOO_MANY
    return Normalized(desired, stabilized, able, limited, history.recommended(proposal, now, cutoff))


def _ruled(
    proposal: int,
    current: int,
    spec: HpaSpec,
    behavior: Behavior,
    history: History,
    now: Micros,
    controller: Controller,
) -> Normalized:
    """With a behavior: a window and policies per direction. Nothing clamps a size that does not change."""
    down_window = controller.downscale_window_s if behavior.down.window_s is None else behavior.down.window_s
    up_cutoff = now - (behavior.up.window_s or 0) * SECOND
    down_cutoff = now - down_window * SECOND
    past = history.recommendations or ()
    low = min([proposal, *(sample.replicas for sample in past if sample.at > up_cutoff)])
    high = max([proposal, *(sample.replicas for sample in past if sample.at > down_cutoff)])
    stabilized = min(max(current, low), high)
    able = READY_FOR_NEW_SCALE
    if stabilized != proposal:
        able = SCALE_UP_STABILIZED if proposal >= current else SCALE_DOWN_STABILIZED
    desired, limited = _limited(stabilized, current, spec, behavior, history, now)
    kept = history.recommended(proposal, now, min(up_cutoff, down_cutoff))
    return Normalized(desired, stabilized, able, limited, kept)


def _limited(
    wanted: int, current: int, spec: HpaSpec, behavior: Behavior, history: History, now: Micros
) -> tuple[int, str]:
    if wanted > current:
        limit = max(current, up_limit(current, behavior.up, history, now))
        if wanted > min(spec.max_replicas, limit):
            return min(spec.max_replicas, limit), UP_LIMIT if spec.max_replicas > limit else TOO_MANY
    elif wanted < current:
        limit = min(current, down_limit(current, behavior.down, history, now))
        if wanted < max(spec.min_replicas, limit):
            return max(spec.min_replicas, limit), DOWN_LIMIT if spec.min_replicas < limit else TOO_FEW
    return wanted, WITHIN_RANGE


def up_limit(current: int, rules: Rules, history: History, now: Micros) -> int:
    """The most replicas the scale-up policies allow now, counted from the size at the start of each period."""
    if rules.select is Select.DISABLED:
        return current
    limits = []
    for policy in rules.policies:
        start = _at_start(current, history, policy.period_s, now)
        grown = start + policy.value
        if policy.kind is PolicyKind.PERCENT:
            grown = math.ceil(start * (1 + policy.value / 100))
        limits.append(min(grown, INT32_MAX))
    return min(limits) if rules.select is Select.MIN else max(limits)


def down_limit(current: int, rules: Rules, history: History, now: Micros) -> int:
    """The fewest replicas the scale-down policies allow now; Max selects the policy that allows the largest change."""
    if rules.select is Select.DISABLED:
        return current
    limits = []
    for policy in rules.policies:
        start = _at_start(current, history, policy.period_s, now)
        shrunk = start - policy.value
        if policy.kind is PolicyKind.PERCENT:
            shrunk = int(start * (1 - policy.value / 100))
        limits.append(shrunk)
    return max(limits) if rules.select is Select.MIN else min(limits)


def _at_start(current: int, history: History, period_s: int, now: Micros) -> int:
    return current - moved(history.ups, period_s, now) + moved(history.downs, period_s, now)
