"""HorizontalPodAutoscalers and ScaledObjects to rows of `hpas` and `scaledobjects`."""

from collections.abc import Iterator
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from afscope.model.clock import Micros
from afscope.model.quantity import is_no_pods
from afscope.normalize.kube import lenient
from afscope.normalize.kube.common import by_type, condition, document, identity, owner, quantity, when
from afscope.normalize.kube.types import Condition, Hpa, ScaledObject, Trigger
from afscope.normalize.redact import Redactor

# Where each SQL, Redis and RabbitMQ scaler keeps its target and its activation threshold (domain: keda-hpa 6).
_TARGET_KEYS = ("targetQueryValue", "queryValue", "targetValue", "listLength", "queueLength", "value")
_ACTIVATION_KEYS = (
    "activationTargetQueryValue", "activationQueryValue", "activationTargetValue", "activationListLength",
    "activationValue",
)  # fmt: skip
_PAUSES = "autoscaling.keda.sh/"
_Amount = str | int | float | None


def hpa(obj: Hpa, redactor: Redactor) -> dict[str, Any]:
    """One row of `hpas`; the metric columns are those of the first external metric."""
    spec, status, annotations = obj.spec, obj.status, obj.metadata.annotations or {}
    metrics = _annotated(annotations, "metrics") if spec.metrics is None else spec.metrics
    current = _annotated(annotations, "current-metrics") if status.current_metrics is None else status.current_metrics
    external = _external(metrics)
    conditions = by_type(_hpa_conditions(obj))
    able, active, limited = (condition(conditions, kind) for kind in ("AbleToScale", "ScalingActive", "ScalingLimited"))
    return {
        **identity(obj.metadata),
        **owner(obj.metadata),
        "labels": document(redactor.labels(obj.metadata.labels)),
        "created_at": when(obj.metadata.creation_timestamp),
        "generation": obj.metadata.generation,
        "target_kind": spec.scale_target_ref.kind,
        "target_name": spec.scale_target_ref.name or None,
        "min_replicas": spec.min_replicas,
        "max_replicas": spec.max_replicas,
        "behavior": document(spec.behavior if spec.behavior is not None else _annotated(annotations, "behavior")),
        "metrics": document(metrics),
        "metric_name": external.name,
        "metric_type": external.type,
        "target_milli": quantity(external.target),
        "current_milli": _current(current),
        "current_replicas": status.current_replicas,
        "desired_replicas": status.desired_replicas,
        "last_scale_time": when(status.last_scale_time),
        "able_status": able.status,
        "able_reason": able.reason,
        "able_message": redactor.optional(able.message),
        "active_status": active.status,
        "active_reason": active.reason,
        "active_message": redactor.optional(active.message),
        "active_since": when(active.last_transition_time),
        "limited_status": limited.status,
        "limited_reason": limited.reason,
        "limited_message": redactor.optional(limited.message),
        "current_metrics": document(current),
    }


def hpa_times(obj: Hpa) -> Iterator[Micros | None]:
    """Own times of an HPA."""
    yield when(obj.metadata.creation_timestamp)
    yield when(obj.status.last_scale_time)
    yield from (when(c.last_transition_time) for c in _hpa_conditions(obj) or ())


class _External(NamedTuple):
    """An external metric of spec (target) or status (current), whatever the API's version calls its parts."""

    name: str | None = None
    type: str | None = None
    target: _Amount = None
    current: _Amount = None


def _external(metrics: Any) -> _External:
    """autoscaling/v2 and v2beta2 nest name and values; v2beta1 and the annotations of v1 do not."""
    listed = metrics if isinstance(metrics, list) else ()
    found = (m.get("external") for m in listed if isinstance(m, dict))
    external = next((one for one in found if isinstance(one, dict)), {})
    target, current = _part(external, "target"), _part(external, "current")
    average, value = external.get("targetAverageValue"), external.get("targetValue")
    old_type = "AverageValue" if average is not None else "Value" if value is not None else None
    return _External(
        _word(_part(external, "metric").get("name") or external.get("metricName")),
        _word(target.get("type") or old_type),
        _first(target.get("averageValue"), target.get("value"), average, value),
        _first(
            current.get("averageValue"), current.get("value"),
            external.get("currentAverageValue"), external.get("currentValue"),
        ),
    )  # fmt: skip


def _part(of: dict[str, Any], name: str) -> dict[str, Any]:
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _first(*values: Any) -> _Amount:
    """The first amount; v1 writes a value that does not apply as null, "" or 0 beside the one that does."""
    amounts = [v for v in values if isinstance(v, (str, int, float)) and v != ""]
    return next((v for v in amounts if v not in ("0", 0)), amounts[0] if amounts else None)


def _annotated(annotations: dict[str, str | None], name: str) -> Any:
    """What autoscaling/v1 keeps in an annotation; None when it is absent or no JSON."""
    text = annotations.get(f"autoscaling.alpha.kubernetes.io/{name}")
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _hpa_conditions(obj: Hpa) -> list[Condition] | None:
    if obj.status.conditions is not None:
        return obj.status.conditions
    found = lenient.convert(_annotated(obj.metadata.annotations or {}, "conditions"), list[Condition] | None)
    return found.value if isinstance(found.value, list) else None


def _current(metrics: Any) -> int | None:
    """averageValue or value in milli; None while the metric fails and for the garbage of a target without pods."""
    value = quantity(_external(metrics).current)
    return None if value is None or is_no_pods(value) else value


def scaled_object(obj: ScaledObject, redactor: Redactor) -> dict[str, Any]:
    """One row of `scaledobjects`; query and thresholds are those of the first trigger that has a query."""
    spec, status = obj.spec, obj.status
    triggers = spec.triggers or []
    trigger = next((t for t in triggers if (t.metadata or {}).get("query")), triggers[0] if triggers else Trigger())
    metadata = trigger.metadata or {}
    query = metadata.get("query")
    conditions = by_type(status.conditions)
    ready, active = condition(conditions, "Ready"), condition(conditions, "Active")
    annotations = {k: v for k, v in (obj.metadata.annotations or {}).items() if k.startswith(_PAUSES)}
    return {
        **identity(obj.metadata),
        "labels": document(redactor.labels(obj.metadata.labels)),
        "created_at": when(obj.metadata.creation_timestamp),
        "deletion_at": when(obj.metadata.deletion_timestamp),
        "generation": obj.metadata.generation,
        "target_kind": spec.scale_target_ref.kind,
        "target_name": spec.scale_target_ref.name or None,
        "min_replica_count": spec.min_replica_count,
        "max_replica_count": spec.max_replica_count,
        "idle_replica_count": spec.idle_replica_count,
        "polling_interval_s": spec.polling_interval,
        "cooldown_period_s": spec.cooldown_period,
        "initial_cooldown_period_s": spec.initial_cooldown_period,
        "fallback": document(spec.fallback),
        "behavior": document(_behavior(spec.advanced)),
        "triggers": document([_trigger(t, redactor) for t in triggers]),
        "trigger_type": trigger.type or None,
        "query": redactor.query(query) if isinstance(query, str) else None,
        "trigger_target": _number(metadata, _TARGET_KEYS),
        "activation_target": _number(metadata, _ACTIVATION_KEYS),
        "pause_annotations": document(redactor.annotations(annotations)) if annotations else None,
        "hpa_name": status.hpa_name,
        "last_active_time": when(status.last_active_time),
        "original_replica_count": status.original_replica_count,
        "paused_replica_count": status.paused_replica_count,
        "ready_status": ready.status,
        "ready_reason": ready.reason,
        "ready_message": redactor.optional(ready.message),
        "active_status": active.status,
        "active_reason": active.reason,
        "fallback_status": condition(conditions, "Fallback").status,
        "paused_status": condition(conditions, "Paused").status,
        "hpa_active_status": condition(conditions, "HPAActive").status,
        "health": document(status.health),
        "external_metric_names": document(status.external_metric_names),
    }


def scaled_object_times(obj: ScaledObject) -> Iterator[Micros | None]:
    """Own times of a ScaledObject; its conditions have none."""
    yield when(obj.metadata.creation_timestamp)
    yield when(obj.status.last_active_time)


def _behavior(advanced: dict[str, Any] | None) -> Any:
    config = (advanced or {}).get("horizontalPodAutoscalerConfig")
    return config.get("behavior") if isinstance(config, dict) else None


def _trigger(trigger: Trigger, redactor: Redactor) -> dict[str, Any]:
    return {
        "type": trigger.type,
        "name": trigger.name,
        "metadata": redactor.trigger_metadata(trigger.metadata or {}),
        "metricType": trigger.metric_type,
        "useCachedMetrics": trigger.use_cached_metrics,
        "authenticationRef": (trigger.authentication_ref or {}).get("name"),
    }


def _number(metadata: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    for key in keys:
        try:
            number = float(metadata[key])
        except (KeyError, TypeError, ValueError):
            continue
        if isfinite(number):
            return number
    return None
