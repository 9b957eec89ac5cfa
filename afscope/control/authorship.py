"""Who changed spec.replicas from A to B.

The API server names the last writer in managedFields: `keda-operator` and `kube-controller-manager` write through the
scale subresource, everybody else is a person or a deployment tool. That decides wherever it was recorded; events,
the HPA's status and the ScaledObject's settings give the reason, and decide where managedFields are silent.
Rules: first match wins, in the order of `attribute`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, TypeVar

from afscope.control.managers import Kind, kind_of
from afscope.control.messages import KedaScaling
from afscope.control.scaledobject import ScaledObject
from afscope.model.clock import SECOND, Micros


class Rule(StrEnum):
    """Which rule named the author, in the order they are tried."""

    KEDA_EVENT = "keda_event"
    HPA_LOG = "hpa_log"
    HPA_EVENT = "hpa_event"
    HPA_STATUS = "hpa_status"
    KEDA_PAUSE = "keda_pause"
    MIN_FIX = "min_fix"
    KEDA_RESTORE = "keda_restore"
    KEDA_TO_ZERO = "keda_to_zero"
    MANAGED_FIELDS = "managed_fields"
    SPEC_CHANGE = "spec_change"
    LEFT_OVER = "left_over"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of spec.replicas; times are the workload's.

    `manager`, `operation` and `subresource` are those of the managedFields entry that owns spec.replicas after the
    change, None where none does or none was recorded. A scale written to 0 leaves no owner (the Scale object omits
    the zero), and no later write through the subresource brings one back: seen on Kubernetes 1.36. So a missing owner
    proves nothing once the target has been at zero. `managed_fields` is False where they were not recorded at all.
    `other_fields` tells whether the same update changed more of the spec, None if unknown.
    """

    at: Micros
    before: int
    after: int
    manager: str | None = None
    operation: str | None = None
    subresource: str | None = None
    managed_fields: bool = True
    other_fields: bool | None = None


class KedaEvent(NamedTuple):
    """An activation or deactivation and when it happened."""

    at: Micros
    scaling: KedaScaling


class HpaWrite(NamedTuple):
    """A write the HPA told of: by log line (with `before`), by event, or by lastScaleTime moving to a new desired."""

    at: Micros
    after: int
    reason: str
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known near a change, each in the order of time. Events and status have a resolution of one second.

    `writes` come from the controller's log, `rescales` from SuccessfulRescale events, `moves` from the HPA's status.
    `target` is None without a ScaledObject; `active` is its activity then, None if unknown. `restored_to` is, once the
    ScaledObject is deleted, its originalReplicaCount if it had restoreToOriginalReplicaCount.
    """

    keda: Sequence[KedaEvent] = ()
    writes: Sequence[HpaWrite] = ()
    rescales: Sequence[HpaWrite] = ()
    moves: Sequence[HpaWrite] = ()
    target: ScaledObject | None = None
    active: bool | None = None
    restored_to: int | None = None
    window_us: Micros = 5 * SECOND


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote it. `name` is the field manager, `keda-operator`, or the HPA's controller; empty if unknown."""

    kind: Kind
    name: str
    reason: str
    confidence: float
    rule: Rule


_Near = TypeVar("_Near", KedaEvent, HpaWrite)
_KEDA, _HPA = "keda-operator", "kube-controller-manager"
# A write by another hand that both tells and owns is certain; told alone, a second writer within the window could
# still be hidden; derived from settings alone, it is only the likeliest story.
_OWNED_AND_TOLD, _OWNED, _TOLD, _DERIVED, _GUESS = 1.0, 0.95, 0.9, 0.7, 0.4


def attribute(change: Change, clues: Clues) -> Author:
    """The author of a change, with the reason the author gave, if any.

    An owner in managedFields is never overruled by a story that fits less: a `kubectl scale` to the very size the HPA
    wanted stays a person's.
    """
    owner = kind_of(change.manager, change.operation, change.subresource) if change.manager else None
    story = _told(change, clues) or _derived(change, clues)
    if owner is None or change.manager is None:
        return story or _left_over(change)
    if story is not None and story.kind is owner:
        certain = story.rule in _TOLD_RULES
        confidence = _OWNED_AND_TOLD if certain else _OWNED
        return Author(owner, change.manager, story.reason, confidence, story.rule)
    return Author(owner, change.manager, _owned_reason(change), _owner_confidence(owner), Rule.MANAGED_FIELDS)


_TOLD_RULES = frozenset({Rule.KEDA_EVENT, Rule.HPA_LOG, Rule.HPA_EVENT, Rule.HPA_STATUS})


def _told(change: Change, clues: Clues) -> Author | None:
    """Rules 1 and 2: somebody said so."""
    for event in _near(clues.keda, change, clues):
        said = event.scaling
        if not said.failed and said.before == change.before and said.after == change.after:
            return Author(Kind.KEDA, _KEDA, _keda_reason(said), _TOLD, Rule.KEDA_EVENT)
    for rule, writes in (
        (Rule.HPA_LOG, clues.writes),
        (Rule.HPA_EVENT, clues.rescales),
        (Rule.HPA_STATUS, clues.moves),
    ):
        for write in _near(writes, change, clues):
            if write.after == change.after and write.before in (None, change.before):
                return Author(Kind.HPA, _HPA, write.reason, _TOLD, rule)
    return None


def _near(items: Sequence[_Near], change: Change, clues: Clues) -> list[_Near]:
    first = bisect_left(items, change.at - clues.window_us, key=attrgetter("at"))
    close = items[first : bisect_right(items, change.at + clues.window_us, key=attrgetter("at"))]
    return sorted(close, key=lambda item: abs(item.at - change.at))


def _keda_reason(said: KedaScaling) -> str:
    if not said.activated:
        return "no trigger was active for longer than cooldownPeriod"
    if said.forced:
        return "forced activation annotation"
    return f"triggered by {';'.join(said.triggers)}" if said.triggers else "a trigger became active"


def _derived(change: Change, clues: Clues) -> Author | None:
    """Rules 3 to 5, and the write of zero that leaves no owner: the settings make one author likely."""
    target = clues.target
    if target is None:
        restored = clues.restored_to is not None and change.after == clues.restored_to
        why = "restoreToOriginalReplicaCount"
        return Author(Kind.KEDA, _KEDA, why, _DERIVED, Rule.KEDA_RESTORE) if restored else None
    if target.controls.paused and change.after == target.controls.paused_replicas:
        return Author(Kind.KEDA, _KEDA, "paused-replicas annotation", _DERIVED, Rule.KEDA_PAUSE)
    if change.before < target.min_replicas == change.after and not clues.active:
        # Both loops correct this, KEDA without an event; the HPA never touches a target at zero.
        hpa = change.before > 0
        kind, name = (Kind.HPA, _HPA) if hpa else (Kind.KEDA, _KEDA)
        return Author(kind, name, "below minReplicaCount", _GUESS if hpa else _DERIVED, Rule.MIN_FIX)
    if change.after == 0 == target.rests_at and not clues.active and change.other_fields is not True:
        # The HPA never writes 0, and a manifest's 0 would have left an owner.
        sure = _DERIVED if change.managed_fields else _GUESS
        return Author(Kind.KEDA, _KEDA, "scaled to rest, no event recorded", sure, Rule.KEDA_TO_ZERO)
    return None


def _left_over(change: Change) -> Author:
    """Rules 6 and 7 without an owner: what neither loop claims comes from outside, by an unknown hand."""
    if change.other_fields:
        return Author(Kind.DEPLOYER, "", "changed together with other fields of the spec", _GUESS, Rule.SPEC_CHANGE)
    return Author(Kind.UNKNOWN, "", "neither KEDA nor the HPA told of it", _GUESS, Rule.LEFT_OVER)


def _owned_reason(change: Change) -> str:
    way = f"through {change.subresource}" if change.subresource else (change.operation or "Update").lower()
    return f"spec.replicas is owned by {change.manager} ({way})"


def _owner_confidence(owner: Kind) -> float:
    return _OWNED if owner in (Kind.KEDA, Kind.HPA) else _TOLD if owner is not Kind.UNKNOWN else _DERIVED
