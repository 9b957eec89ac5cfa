"""KEDA's fallback: how failures are counted and which value stands in for a trigger that fails.

Source: KEDA 2.20, pkg/fallback/fallback.go. The poll and the HPA's requests share one counter per metric, so the
threshold is reached much sooner than threshold * pollingInterval. A trigger whose scaler cannot even be *built*
(database unreachable) never gets here: both paths return before the count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from afscope.control.hpa import TargetKind


class FallbackBehavior(StrEnum):
    """Where the replicas come from that the stand-in value asks for (since KEDA 2.17; before, always static)."""

    STATIC = "static"
    CURRENT = "currentReplicas"
    CURRENT_IF_HIGHER = "currentReplicasIfHigher"
    CURRENT_IF_LOWER = "currentReplicasIfLower"
    SCALING_MODIFIERS = "scalingModifiers"


@dataclass(frozen=True, slots=True)
class Fallback:
    """`spec.fallback` of a ScaledObject."""

    failure_threshold: int
    replicas: int
    behavior: FallbackBehavior = FallbackBehavior.STATIC


def fallback_from(raw: Mapping[str, Any] | None) -> Fallback | None:
    """`spec.fallback`, None where there is none. Raises ValueError for an unknown behavior."""
    if not raw:
        return None
    behavior = FallbackBehavior(raw.get("behavior") or "static")
    return Fallback(int(raw.get("failureThreshold") or 0), int(raw.get("replicas") or 0), behavior)


def counted(failures: Mapping[str, int], metric: str, *, ok: bool) -> dict[str, int]:
    """`status.health[…].numberOfFailures` after one more query of `metric` by either path; a success resets it."""
    return {**failures, metric: 0 if ok else failures.get(metric, 0) + 1}


def is_active(fallback: Fallback | None, failures: int) -> bool:
    """Whether that many failures bring the stand-in value: strictly more than the threshold (fallback.go:145)."""
    return fallback is not None and failures > fallback.failure_threshold


def fallback_replicas(fallback: Fallback, current: int) -> int | None:
    """The replicas that the stand-in value asks for; None with scalingModifiers, where a formula decides."""
    match fallback.behavior:
        case FallbackBehavior.STATIC:
            return fallback.replicas
        case FallbackBehavior.CURRENT:
            return current
        case FallbackBehavior.CURRENT_IF_HIGHER:
            return max(current, fallback.replicas)
        case FallbackBehavior.CURRENT_IF_LOWER:
            return min(current, fallback.replicas)
        case FallbackBehavior.SCALING_MODIFIERS:
            return None


def fallback_value(
    fallback: Fallback, target_milli: int, kind: TargetKind, current: int, ready_pods: int
) -> int | None:
    """The stand-in value in milli: target * replicas, for Value metrics divided by the ready pods, truncated.

    None where KEDA has none to give: a formula decides, or a Value metric has no ready pod (fallback.go:274-309).
    """
    replicas = fallback_replicas(fallback, current)
    if replicas is None or (kind is TargetKind.VALUE and ready_pods <= 0):
        return None
    return target_milli * replicas // (ready_pods if kind is TargetKind.VALUE else 1)
