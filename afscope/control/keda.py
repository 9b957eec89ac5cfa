"""One poll of KEDA's scale loop: who is active, what is written, what the conditions say.

Source: KEDA 2.20, pkg/scaling/executor/scale_scaledobjects.go:40-296 (RequestScale) and
pkg/scaling/scale_handler.go:180-213, 361-390 (the loop around it).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from afscope.control.fallback import counted, fallback_value, is_active
from afscope.control.hpa import TargetKind
from afscope.control.scaledobject import ScaledObject
from afscope.control.versions import FallbackEra
from afscope.model.clock import SECOND, Micros


class Row(StrEnum):
    """The row of RequestScale's decision table that a poll took, in the table's order."""

    BUILD_FAILED = "build_failed"
    UNREADABLE = "unreadable"
    PAUSED = "paused"
    ACTIVATED = "activated"
    ACTIVATION_PAUSED = "activation_paused"
    PARTIAL_ERROR = "partial_error"
    ACTIVE = "active"
    FALLBACK_HOLDS = "fallback_holds"
    FALLBACK_WRITTEN = "fallback_written"
    TRIGGER_ERROR = "trigger_error"
    COOLDOWN = "cooldown"
    DEACTIVATION_PAUSED = "deactivation_paused"
    DEACTIVATED = "deactivated"
    TO_MIN = "to_min"
    INACTIVE = "inactive"


READY = {
    Row.UNREADABLE: "ErrorGettingCurrentReplicas",
    Row.PARTIAL_ERROR: "PartialTriggerError",
    Row.TRIGGER_ERROR: "TriggerError",
}
"""Reasons of the Ready condition; other rows say ScaledObjectReady, or leave it as it was (`frozen`)."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger as a poll finds it; `value` None is a query that failed although the scaler could be built."""

    metric: str
    value: float | None
    activation: float = 0.0
    target_milli: int = 1000
    kind: TargetKind = TargetKind.AVERAGE_VALUE
    use_cached_metrics: bool = False


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll finds.

    `replicas` is spec.replicas in KEDA's informer, None when it cannot be read. `built` is False when a scaler could
    not be built (secret, metadata, or a connect in the constructor): then the poll returns before everything else.
    """

    replicas: int | None
    triggers: Sequence[Trigger]
    built: bool = True
    ready_pods: int = 0
    write_ok: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """What a trigger with useCachedMetrics answers to the HPA until the next poll; an error is an answer too."""

    value: float | None
    active: bool
    at: Micros


@dataclass(frozen=True, slots=True)
class KedaState:
    """What survives from poll to poll: status.lastActiveTime, status.health, the records of cached triggers."""

    last_active: Micros | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """What a poll did. `after` is None where nothing was written.

    `fallback` names the metrics that a stand-in value serves, `active` is the ScaledObject's activity, and `frozen`
    tells that the status was not touched at all.
    """

    row: Row
    before: int | None
    after: int | None = None
    active: bool = False
    fallback: tuple[str, ...] = ()
    frozen: bool = False

    @property
    def ready(self) -> str | None:
        """Reason of the Ready condition that the poll sets, None where it leaves it alone."""
        return None if self.frozen else READY.get(self.row, "ScaledObjectReady")


def poll(
    state: KedaState, spec: ScaledObject, seen: Polled, now: Micros, era: FallbackEra = FallbackEra.ACTIVATES
) -> tuple[KedaState, Action]:
    """One poll at `now`; `era` is what this version of KEDA makes of a fallback.

    A failed build keeps the whole status, lastActiveTime included, and counts no failure, so fallback is not reached.
    """
    if not seen.built:
        return state, Action(Row.BUILD_FAILED, seen.replicas, frozen=True)
    if spec.controls.paused and seen.replicas is not None:
        return state, Action(Row.PAUSED, seen.replicas, frozen=True)
    failures = dict(state.failures)
    for trigger in seen.triggers:
        failures = counted(failures, trigger.metric, ok=trigger.value is not None)
    served = {trigger.metric: _answer(trigger, spec, failures, seen, era) for trigger in seen.triggers}
    active = any(answer.active for answer in served.values()) or spec.controls.force_activation
    error = any(answer.failed for answer in served.values())
    fallbacks = tuple(metric for metric, answer in served.items() if answer.fallback)
    action = _request_scale(state, spec, seen, now, active=active, error=error)
    if era is FallbackEra.WRITES and action.row is Row.FALLBACK_HOLDS and spec.fallback is not None:
        action = replace(action, row=Row.FALLBACK_WRITTEN, after=spec.fallback.replicas if seen.write_ok else None)
    records = {
        trigger.metric: Record(served[trigger.metric].value, served[trigger.metric].active, now)
        for trigger in seen.triggers
        if trigger.use_cached_metrics
    }
    refreshed = action.row is Row.ACTIVE or (action.row is Row.ACTIVATED and action.after is not None)
    # The API keeps seconds: what KEDA reads back has lost the fraction.
    last_active = now // SECOND * SECOND if refreshed else state.last_active
    return KedaState(last_active, failures, records), replace(action, fallback=fallbacks)


@dataclass(frozen=True, slots=True)
class _Answer:
    value: float | None
    active: bool
    failed: bool
    fallback: bool


def _answer(
    trigger: Trigger, spec: ScaledObject, failures: Mapping[str, int], seen: Polled, era: FallbackEra
) -> _Answer:
    if trigger.value is not None:
        return _Answer(trigger.value, trigger.value > trigger.activation, failed=False, fallback=False)
    if (
        era is not FallbackEra.ACTIVATES
        or spec.fallback is None
        or not is_active(spec.fallback, failures[trigger.metric])
    ):
        return _Answer(None, active=False, failed=True, fallback=False)
    amount = fallback_value(spec.fallback, trigger.target_milli, trigger.kind, seen.replicas or 0, seen.ready_pods)
    if amount is None:
        return _Answer(None, active=False, failed=True, fallback=False)
    return _Answer(amount / 1000, active=True, failed=False, fallback=True)


def _request_scale(
    state: KedaState, spec: ScaledObject, seen: Polled, now: Micros, *, active: bool, error: bool
) -> Action:
    if seen.replicas is None:
        return Action(Row.UNREADABLE, None, active=active)
    if active:
        return _while_active(spec, seen.replicas, seen.write_ok, error=error)
    return _while_inactive(state, spec, seen.replicas, seen.write_ok, now, error=error)


def _while_active(spec: ScaledObject, current: int, write_ok: bool, *, error: bool) -> Action:
    idle = spec.idle_replicas is not None and current < spec.min_replicas
    if current == 0 or idle:
        if spec.controls.scale_out_paused:
            return Action(Row.ACTIVATION_PAUSED, current, active=True)
        return Action(Row.ACTIVATED, current, spec.activates_to if write_ok else None, active=True)
    return Action(Row.PARTIAL_ERROR if error else Row.ACTIVE, current, active=True)


def _while_inactive(
    state: KedaState, spec: ScaledObject, current: int, write_ok: bool, now: Micros, *, error: bool
) -> Action:
    # With fallback.replicas == 0 an error falls through to the rows below and may scale to zero.
    if error and spec.fallback is None:
        return Action(Row.TRIGGER_ERROR, current)
    if error and spec.fallback is not None and spec.fallback.replicas != 0:
        return Action(Row.FALLBACK_HOLDS, current)
    above_idle = spec.idle_replicas is not None and current > spec.idle_replicas
    if above_idle or (current > 0 and spec.min_replicas == 0):
        return _towards_rest(state, spec, current, write_ok, now)
    if spec.idle_replicas is None and current < spec.min_replicas:
        return Action(Row.TO_MIN, current, spec.min_replicas if write_ok else None)
    return Action(Row.INACTIVE, current)


def _towards_rest(state: KedaState, spec: ScaledObject, current: int, write_ok: bool, now: Micros) -> Action:
    if spec.controls.scale_in_paused:
        return Action(Row.DEACTIVATION_PAUSED, current)
    if now <= cooldown_ends(state, spec):
        return Action(Row.COOLDOWN, current)
    return Action(Row.DEACTIVATED, current, spec.rests_at if write_ok else None)


def cooldown_ends(state: KedaState, spec: ScaledObject) -> Micros:
    """The instant after which an inactive poll may scale to rest; at that very instant it still may not.

    Before the first activation it counts initialCooldownPeriod from the ScaledObject's creation, so a target that
    was scaled up by hand goes to zero at the next poll (scale_scaledobjects.go:198-225).
    """
    if state.last_active is None:
        return spec.created_at + spec.initial_cooldown_s * SECOND
    return state.last_active + spec.cooldown_s * SECOND


def counted_request(state: KedaState, metric: str, *, ok: bool) -> KedaState:
    """The state after an HPA request queried `metric` live: it moves the same failure counter as a poll."""
    return replace(state, failures=counted(state.failures, metric, ok=ok))


def cached_answer(state: KedaState, trigger: Trigger) -> Record | None:
    """What the HPA is told for a trigger, None where the request runs a live query.

    Without useCachedMetrics, and before the first poll after a start of the operator, every request is live
    (scale_handler.go:680-699). A record is as old as its poll: up to pollingInterval plus that poll's work.
    """
    return state.records.get(trigger.metric) if trigger.use_cached_metrics else None
