"""Deployments, StatefulSets and ReplicaSets to rows of `workloads`."""

from collections.abc import Iterator
from typing import Any

from afscope.model.clock import Micros
from afscope.normalize.kube.common import (
    condition,
    document,
    identity,
    owner,
    spelled,
    template_of,
    when,
)  # fmt: skip
from afscope.normalize.kube.containers import command_line, main_container, worker_concurrency
from afscope.normalize.kube.types import ManagedField, Workload
from afscope.normalize.redact import Redactor, writes_replicas


def workload(obj: Workload, redactor: Redactor, kind: str) -> dict[str, Any]:
    """One row of `workloads`."""
    template = template_of(obj.spec.template)
    container = main_container(template.metadata, template.spec)
    failure = condition(obj.status.conditions, "ReplicaFailure")
    failed = failure.status == "True"
    return {
        **identity(obj.metadata),
        **owner(obj.metadata),
        "kind": kind,
        "labels": document(redactor.labels(obj.metadata.labels)),
        "selector": document(obj.spec.selector),
        "template_labels": document(redactor.labels(template.metadata.labels)),
        "created_at": when(obj.metadata.creation_timestamp),
        "deletion_at": when(obj.metadata.deletion_timestamp),
        "generation": obj.metadata.generation,
        "observed_generation": obj.status.observed_generation,
        "spec_replicas": obj.spec.replicas,
        "status_replicas": obj.status.replicas,
        "ready_replicas": obj.status.ready_replicas,
        "available_replicas": obj.status.available_replicas,
        "updated_replicas": obj.status.updated_replicas,
        "terminating_replicas": obj.status.terminating_replicas,
        **_writer(obj.metadata.managed_fields or []),
        "failure_reason": failure.reason if failed else None,
        "failure_message": redactor.optional(failure.message) if failed else None,
        "conditions": spelled(obj.status.conditions, redactor),
        "pod_management_policy": obj.spec.pod_management_policy,
        "grace_period_s": template.spec.termination_grace_period_seconds,
        "worker_concurrency": worker_concurrency(container),
        "args": document(redactor.args(command_line(container))),
    }


def times(obj: Workload) -> Iterator[Micros | None]:
    """Own times of a workload."""
    yield when(obj.metadata.creation_timestamp)
    for c in obj.status.conditions or ():
        yield when(c.last_transition_time)
        yield when(c.last_update_time)


def _writer(fields: list[ManagedField]) -> dict[str, Any]:
    """The last writer of spec.replicas: the newest owner, and the last in the list where times are missing."""
    owners = [f for f in fields if writes_replicas({"fieldsV1": f.fields_v1 or {}})]
    newest = max(enumerate(owners), key=lambda item: (when(item[1].time) or 0, item[0]), default=(0, ManagedField()))[1]
    return {
        "replicas_manager": newest.manager,
        "replicas_operation": newest.operation,
        "replicas_subresource": newest.subresource,
        "replicas_written_at": when(newest.time),
    }
