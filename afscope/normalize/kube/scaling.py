"""HorizontalPodAutoscalers and ScaledObjects to rows of `hpas` and `scaledobjects`."""

from collections.abc import Iterator
from typing import Any

from afscope.model.clock import Micros
from afscope.model.quantity import NO_PODS_MILLI
from afscope.normalize.kube.common import condition, document, identity, owner, quantity, when
from afscope.normalize.kube.types import ExternalMetric, Hpa, Metric, MetricValue, ScaledObject, Trigger
from afscope.normalize.redact import Redactor

# Where each SQL, Redis and RabbitMQ scaler keeps its target and its activation threshold (domain: keda-hpa 6).
_TARGET_KEYS = ("targetQueryValue", "queryValue", "targetValue", "listLength", "queueLength", "value")
_ACTIVATION_KEYS = (
    "activationTargetQueryValue", "activationQueryValue", "activationTargetValue", "activationListLength",
    "activationValue",
)  # fmt: skip
_PAUSES = ("autoscaling.keda.sh/",)


def hpa(obj: Hpa, redactor: Redactor) -> dict[str, Any]:
    """One row of `hpas`; the metric columns are those of the first external metric."""
    spec, status = obj.spec, obj.status
    metric = _external(spec.metrics)
    target = metric.target or MetricValue()
    able, active, limited = (
        condition(status.conditions, kind) for kind in ("AbleToScale", "ScalingActive", "ScalingLimited")
    )
    return {
        **identity(obj.metadata),
        **owner(obj.metadata),
        "labels": document(obj.metadata.labels),
        "created_at": when(obj.metadata.creation_timestamp),
        "generation": obj.metadata.generation,
        "target_kind": spec.scale_target_ref.kind,
        "target_name": spec.scale_target_ref.name or None,
        "min_replicas": spec.min_replicas,
        "max_replicas": spec.max_replicas,
        "behavior": document(spec.behavior),
        "metrics": document(spec.metrics),
        "metric_name": metric.metric.name if metric.metric else None,
        "metric_type": target.type,
        "target_milli": quantity(target.average_value or target.value),
        "current_milli": _current(status.current_metrics),
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
        "current_metrics": document(status.current_metrics),
    }


def hpa_times(obj: Hpa) -> Iterator[Micros | None]:
    """Own times of an HPA."""
    yield when(obj.metadata.creation_timestamp)
    yield when(obj.status.last_scale_time)
    yield from (when(c.last_transition_time) for c in obj.status.conditions or ())


def _external(metrics: list[Metric] | None) -> ExternalMetric:
    return next((m.external for m in metrics or () if m.external), ExternalMetric())


def _current(metrics: list[Metric] | None) -> int | None:
    """averageValue or value in milli; None while the metric fails and for the garbage of a target without pods."""
    current = _external(metrics).current or MetricValue()
    value = quantity(current.average_value or current.value)
    return None if value == NO_PODS_MILLI else value


def scaled_object(obj: ScaledObject, redactor: Redactor) -> dict[str, Any]:
    """One row of `scaledobjects`; query and thresholds are those of the first trigger that has a query."""
    spec, status = obj.spec, obj.status
    triggers = spec.triggers or []
    trigger = next((t for t in triggers if (t.metadata or {}).get("query")), triggers[0] if triggers else Trigger())
    metadata = trigger.metadata or {}
    query = metadata.get("query")
    ready, active = condition(status.conditions, "Ready"), condition(status.conditions, "Active")
    annotations = {k: v for k, v in (obj.metadata.annotations or {}).items() if k.startswith(_PAUSES)}
    return {
        **identity(obj.metadata),
        "labels": document(obj.metadata.labels),
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
        "query": redactor.text(query) if isinstance(query, str) else None,
        "trigger_target": _number(metadata, _TARGET_KEYS),
        "activation_target": _number(metadata, _ACTIVATION_KEYS),
        "pause_annotations": document(annotations) if annotations else None,
        "hpa_name": status.hpa_name,
        "last_active_time": when(status.last_active_time),
        "original_replica_count": status.original_replica_count,
        "paused_replica_count": status.paused_replica_count,
        "ready_status": ready.status,
        "ready_reason": ready.reason,
        "ready_message": redactor.optional(ready.message),
        "active_status": active.status,
        "active_reason": active.reason,
        "fallback_status": condition(status.conditions, "Fallback").status,
        "paused_status": condition(status.conditions, "Paused").status,
        "hpa_active_status": condition(status.conditions, "HPAActive").status,
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
            return float(metadata[key])
        except (KeyError, TypeError, ValueError):
            continue
    return None
