"""Pods to rows of `pods`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from afscope.model.clock import SECOND, Micros
from afscope.normalize.kube.common import by_type, condition, document, identity, owner, quantity, when, whole
from afscope.normalize.kube.containers import command_line, main_container, worker_concurrency
from afscope.normalize.kube.types import (
    Condition,
    Container,
    ContainerPhase,
    ContainerState,
    ContainerStatus,
    Meta,
    Pod,
    PodSpec,
    PodStatus,
)  # fmt: skip
from afscope.normalize.redact import Redactor

# Waiting that every container goes through; anything else is a reason worth a column.
_CALM = ("", "ContainerCreating", "PodInitializing")
_NOTHING = ContainerPhase()
_NO_STATE = ContainerState()
_NO_STATUS = ContainerStatus()
_ENCODER = msgspec.json.Encoder()
_Amount = str | int | float | None


class Part(NamedTuple):
    """What a part of a pod says: columns of its row, and the times in it."""

    columns: dict[str, Any]
    times: tuple[Micros, ...]


def pod(obj: Pod, redactor: Redactor) -> dict[str, Any]:
    """One row of `pods`."""
    meta, status = obj.metadata, obj.status
    return {
        **lasting(meta, obj.spec, redactor).columns,
        "resource_version": meta.resource_version,
        **words(status.phase, status.reason, status.message, redactor).columns,
        **conditioned(status.conditions, redactor).columns,
        **contained(status, main_container(meta, obj.spec).name, redactor).columns,
    }


def times(obj: Pod) -> Iterator[Micros | None]:
    """Every own time of a pod: the newest says when its latest change happened."""
    yield from _lifetime(obj.metadata)
    yield from _condition_times(obj.status.conditions)
    yield from _container_times(obj.status)


def lasting(meta: Meta, spec: PodSpec, redactor: Redactor) -> Part:
    """What hardly ever changes; all of metadata but the version, and the spec."""
    container = main_container(meta, spec)
    columns = {
        **identity(meta),
        **owner(meta),
        "labels": document(redactor.labels(meta.labels)),
        "created_at": when(meta.creation_timestamp),
        "node": spec.node_name,
        "main_container": container.name or None,
        "deletion_at": when(meta.deletion_timestamp),
        "deletion_grace_s": meta.deletion_grace_period_seconds,
        "grace_period_s": spec.termination_grace_period_seconds,
        "cpu_request_m": _requested(spec, "cpu", quantity),
        "memory_request_b": _requested(spec, "memory", whole),
        "worker_concurrency": worker_concurrency(container),
        "args": document(redactor.args(command_line(container))),
    }
    return Part(columns, _known(_lifetime(meta)))


def words(phase: str | None, reason: str | None, message: str | None, redactor: Redactor) -> Part:
    """What the status says in words."""
    return Part({"phase": phase, "reason": redactor.optional(reason), "message": redactor.optional(message)}, ())


def conditioned(conditions: list[Condition] | None, redactor: Redactor) -> Part:
    """status.conditions."""
    return Part(_conditions(by_type(conditions), redactor), _known(_condition_times(conditions)))


def contained(status: PodStatus, main: str, redactor: Redactor) -> Part:
    """The states of all containers; `main` is the one that does the pod's work."""
    state = next((s for s in status.container_statuses or () if s.name == main), _NO_STATUS)
    columns = {**_main(state), **_waiting(status, redactor), "containers": _containers(status, redactor)}
    return Part(columns, _known(_container_times(status)))


def _known(times: Iterable[Micros | None]) -> tuple[Micros, ...]:
    return tuple([t for t in times if t is not None])


def _lifetime(meta: Meta) -> Iterator[Micros | None]:
    yield when(meta.creation_timestamp)
    deadline = when(meta.deletion_timestamp)
    if deadline is not None:
        yield deadline - (meta.deletion_grace_period_seconds or 0) * SECOND


def _condition_times(conditions: list[Condition] | None) -> Iterator[Micros | None]:
    return (when(c.last_transition_time) for c in conditions or ())


def _container_times(status: PodStatus) -> Iterator[Micros | None]:
    for container in (*(status.init_container_statuses or ()), *(status.container_statuses or ())):
        for state in (container.state, container.last_state):
            phase = _phase(state)
            yield when(phase.started_at)
            yield when(phase.finished_at)


def _conditions(conditions: dict[str, Condition], redactor: Redactor) -> dict[str, Any]:
    scheduled, initialized, ready = (condition(conditions, k) for k in ("PodScheduled", "Initialized", "Ready"))
    return {
        "scheduled_status": scheduled.status,
        "scheduled_reason": scheduled.reason,
        "scheduled_message": redactor.optional(scheduled.message),
        "scheduled_at": _since(scheduled),
        "initialized_at": _since(initialized),
        "ready": ready.status == "True" if ready.status else None,
        "ready_at": _since(ready),
    }


def _since(c: Condition) -> Micros | None:
    return when(c.last_transition_time) if c.status == "True" else None


def _phase(state: ContainerState | None) -> ContainerPhase:
    state = state or _NO_STATE
    return state.running or state.terminated or state.waiting or _NOTHING


def _main(status: ContainerStatus) -> dict[str, Any]:
    now, last = _phase(status.state), _phase(status.last_state)
    ended = (status.state or _NO_STATE).terminated or _NOTHING
    return {
        "started_at": when(now.started_at),
        "finished_at": when(ended.finished_at),
        "exit_code": ended.exit_code,
        "restart_count": status.restart_count,
        "last_terminated_reason": last.reason,
        "last_terminated_exit_code": last.exit_code,
        "last_terminated_at": when(last.finished_at),
    }


def _waiting(status: PodStatus, redactor: Redactor) -> dict[str, Any]:
    """The first container, init ones first, that waits for a reason of its own, else the first that waits."""
    found = ContainerStatus()
    for one in (*(status.init_container_statuses or ()), *(status.container_statuses or ())):
        phase = one.state.waiting if one.state else None
        if phase is None:
            continue
        if (phase.reason or "") not in _CALM:
            found = one
            break
        found = found if found.state else one
    phase = found.state.waiting if found.state else None
    return {
        "waiting_container": found.name or None,
        "waiting_reason": phase.reason if phase else None,
        "waiting_message": redactor.optional(phase.message) if phase else None,
    }


def _containers(status: PodStatus, redactor: Redactor) -> str:
    inits = [_container(s, redactor, init=True) for s in status.init_container_statuses or ()]
    others = [_container(s, redactor, init=False) for s in status.container_statuses or ()]
    return _ENCODER.encode(inits + others).decode()


def _container(status: ContainerStatus, redactor: Redactor, *, init: bool) -> dict[str, Any]:
    state = status.state or _NO_STATE
    word = "running" if state.running else "terminated" if state.terminated else "waiting" if state.waiting else None
    now, last = _phase(state), _phase(status.last_state)
    return {
        "name": status.name,
        "init": init,
        "image": redactor.optional(status.image),
        "state": word,
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


def _requested(spec: PodSpec, name: str, read: Callable[[_Amount], int | None]) -> int | None:
    """What the scheduler reserves for a pod; None when nothing is requested.

    component-helpers resource.PodRequests: a request of the pod itself wins; else containers and restartable init
    containers add up, an ordinary init container needs its own beside the restartable ones before it, and the larger
    counts; overhead comes on top.
    """
    sidecars = peak = 0
    for init in spec.init_containers or ():
        need = _request(init, name, read)
        if init.restart_policy == "Always":
            sidecars += need
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + need)
    total = max(peak, sidecars + sum(_request(c, name, read) for c in spec.containers or ()))
    own = (spec.resources.requests if spec.resources else None) or {}
    return ((read(own.get(name)) or total) + (read((spec.overhead or {}).get(name)) or 0)) or None


def _request(container: Container, name: str, read: Callable[[_Amount], int | None]) -> int:
    requests = (container.resources.requests if container.resources else None) or {}
    return read(requests.get(name)) or 0
