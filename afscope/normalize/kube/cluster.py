"""Nodes, quotas, APIServices and leases to rows."""

from typing import Any

from afscope.normalize.kube.common import condition, document, identity, quantity, spelled, when, whole
from afscope.normalize.kube.types import ApiService, Lease, Node, Quota
from afscope.normalize.redact import Redactor


def _clusterwide(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "namespace"}


def node(obj: Node, redactor: Redactor) -> dict[str, Any]:
    """One row of `nodes`."""
    ready = condition(obj.status.conditions, "Ready")
    allocatable = obj.status.allocatable or {}
    return {
        **_clusterwide(identity(obj.metadata)),
        "labels": document(redactor.labels(obj.metadata.labels)),
        "created_at": when(obj.metadata.creation_timestamp),
        "deletion_at": when(obj.metadata.deletion_timestamp),
        "ready": ready.status,
        "ready_reason": ready.reason,
        "ready_since": when(ready.last_transition_time),
        "unschedulable": obj.spec.unschedulable,
        "taints": document(obj.spec.taints),
        "allocatable_cpu_m": quantity(allocatable.get("cpu")),
        "allocatable_memory_b": whole(allocatable.get("memory")),
        "allocatable_pods": whole(allocatable.get("pods")),
        "conditions": spelled(obj.status.conditions, redactor),
    }


def quota(obj: Quota, _: Redactor, kind: str) -> dict[str, Any]:
    """One row of `quotas`; a LimitRange has limits instead of hard and used."""
    spec, status = obj.spec or {}, obj.status or {}
    return {
        **identity(obj.metadata),
        "kind": kind,
        "hard": document(status.get("hard") or spec.get("hard")),
        "used": document(status.get("used")),
        "limits": document(spec.get("limits")),
    }


def api_service(obj: ApiService, redactor: Redactor) -> dict[str, Any]:
    """One row of `apiservices`."""
    available = condition(obj.status.conditions, "Available")
    service = obj.spec.service
    return {
        **_clusterwide(identity(obj.metadata)),
        "service_namespace": service.namespace if service else None,
        "service_name": service.name if service else None,
        "available_status": available.status,
        "available_reason": available.reason,
        "available_message": redactor.optional(available.message),
        "available_since": when(available.last_transition_time),
    }


def lease(obj: Lease, _: Redactor) -> dict[str, Any]:
    """One row of `leases`."""
    return {
        **identity(obj.metadata),
        "holder": obj.spec.holder_identity,
        "acquire_time": when(obj.spec.acquire_time),
        "renew_time": when(obj.spec.renew_time),
        "transitions": obj.spec.lease_transitions,
        "duration_s": obj.spec.lease_duration_seconds,
    }
