"""Pods to rows of `pods`."""

from collections.abc import Iterator
from typing import Any

from afscope.model.clock import SECOND, Micros
from afscope.normalize.kube.common import (
    condition,
    document,
    identity,
    main_container,
    owner,
    quantity,
    when,
    whole,
    worker_concurrency,
)  # fmt: skip
from afscope.normalize.kube.types import ContainerPhase, ContainerState, ContainerStatus, Pod
from afscope.normalize.redact import Redactor

# Waiting that every container goes through; anything else is a reason worth a column.
_CALM = ("", "ContainerCreating", "PodInitializing")
_NOTHING = ContainerPhase()


def pod(obj: Pod, redactor: Redactor) -> dict[str, Any]:
    """One row of `pods`."""
    statuses = [*(obj.status.init_container_statuses or []), *(obj.status.container_statuses or [])]
    scheduled = condition(obj.status.conditions, "PodScheduled")
    initialized = condition(obj.status.conditions, "Initialized")
    ready = condition(obj.status.conditions, "Ready")
    container = main_container(obj.spec)
    return {
        **identity(obj.metadata),
        **owner(obj.metadata),
        "labels": document(obj.metadata.labels),
        "created_at": when(obj.metadata.creation_timestamp),
        "phase": obj.status.phase,
        "reason": obj.status.reason,
        "message": redactor.optional(obj.status.message),
        "node": obj.spec.node_name,
        "scheduled_status": scheduled.status,
        "scheduled_reason": scheduled.reason,
        "scheduled_message": redactor.optional(scheduled.message),
        "scheduled_at": when(scheduled.last_transition_time) if scheduled.status == "True" else None,
        "initialized_at": when(initialized.last_transition_time) if initialized.status == "True" else None,
        "ready": ready.status == "True" if ready.status else None,
        "ready_at": when(ready.last_transition_time) if ready.status == "True" else None,
        "containers": document(
            [_container(s, redactor, init=s in (obj.status.init_container_statuses or [])) for s in statuses]
        ),
        "deletion_at": when(obj.metadata.deletion_timestamp),
        "deletion_grace_s": obj.metadata.deletion_grace_period_seconds,
        "grace_period_s": obj.spec.termination_grace_period_seconds,
        **_requests(obj),
        "worker_concurrency": worker_concurrency(container),
        "args": document(redactor.args([*(container.command or []), *(container.args or [])])),
        **_main(next((s for s in statuses if s.name == container.name), ContainerStatus(name=container.name))),
        **_waiting(statuses, redactor),
    }


def times(obj: Pod) -> Iterator[Micros | None]:
    """Every own time of a pod: the newest says when its latest change happened."""
    yield when(obj.metadata.creation_timestamp)
    deadline = when(obj.metadata.deletion_timestamp)
    if deadline is not None:
        yield deadline - (obj.metadata.deletion_grace_period_seconds or 0) * SECOND
    yield from (when(c.last_transition_time) for c in obj.status.conditions or ())
    for status in [*(obj.status.init_container_statuses or []), *(obj.status.container_statuses or [])]:
        for state in (status.state, status.last_state):
            phase = _phase(state)
            yield when(phase.started_at)
            yield when(phase.finished_at)


def _phase(state: ContainerState | None) -> ContainerPhase:
    return (state and (state.running or state.terminated or state.waiting)) or _NOTHING


def _main(status: ContainerStatus) -> dict[str, Any]:
    now, last = _phase(status.state), _phase(status.last_state)
    ended = status.state.terminated if status.state else None
    return {
        "main_container": status.name or None,
        "started_at": when(now.started_at),
        "finished_at": when(ended.finished_at) if ended else None,
        "exit_code": ended.exit_code if ended else None,
        "restart_count": status.restart_count,
        "last_terminated_reason": last.reason,
        "last_terminated_exit_code": last.exit_code,
        "last_terminated_at": when(last.finished_at),
    }


def _waiting(statuses: list[ContainerStatus], redactor: Redactor) -> dict[str, Any]:
    waiting = [(s.name, s.state.waiting) for s in statuses if s.state and s.state.waiting]
    loud = [item for item in waiting if (item[1].reason or "") not in _CALM]
    if not waiting:
        return {"waiting_container": None, "waiting_reason": None, "waiting_message": None}
    name, phase = (loud or waiting)[0]
    return {
        "waiting_container": name,
        "waiting_reason": phase.reason,
        "waiting_message": redactor.optional(phase.message),
    }


def _container(status: ContainerStatus, redactor: Redactor, *, init: bool) -> dict[str, Any]:
    state = next((n for n in ("running", "waiting", "terminated") if status.state and getattr(status.state, n)), None)
    now, last = _phase(status.state), _phase(status.last_state)
    return {
        "name": status.name,
        "init": init,
        "image": redactor.optional(status.image),
        "state": state,
        "reason": now.reason,
        "message": redactor.optional(now.message),
        "started_at": now.started_at,
        "finished_at": now.finished_at,
        "exit_code": now.exit_code,
        "ready": status.ready,
        "restart_count": status.restart_count,
        "last_reason": last.reason,
        "last_exit_code": last.exit_code,
        "last_finished_at": last.finished_at,
    }


def _requests(obj: Pod) -> dict[str, Any]:
    cpu = memory = 0
    for container in obj.spec.containers or ():
        requests = (container.resources.requests if container.resources else None) or {}
        cpu += quantity(requests.get("cpu")) or 0
        memory += whole(requests.get("memory")) or 0
    return {"cpu_request_m": cpu or None, "memory_request_b": memory or None}
