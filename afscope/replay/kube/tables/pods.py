"""The table of pods: READY, STATUS and RESTARTS, which are no fields of a pod but conclusions from many.

Source: kubernetes pkg/printers/internalversion/printers.go printPod (1.33 and later).
"""

from dataclasses import dataclass

from afscope.model.clock import Micros
from afscope.replay.kube.tables.ages import age, human, moment
from afscope.replay.kube.tables.form import Cells, Form, Object, at, columns, condition, created, number, rows, text

_NONE = "<none>"
_TERMINAL = ("Succeeded", "Failed")


@dataclass
class _Summary:
    reason: str
    containers: int
    ready: int = 0
    restarts: int = 0
    restarted_at: Micros | None = None
    sidecar_restarts: int = 0
    sidecar_restarted_at: Micros | None = None
    initializing: bool = False


def _cells(pod: Object, now: Micros) -> Cells:
    found = _summary(pod)
    restarts = str(found.restarts)
    if found.restarts and found.restarted_at is not None:
        restarts = f"{found.restarts} ({human(now - found.restarted_at)} ago)"
    ips = rows(pod, "status", "podIPs")
    return [
        text(pod, "metadata", "name"),
        f"{found.ready}/{found.containers}",
        found.reason,
        restarts,
        age(created(pod), now),
        text(ips[0], "ip", absent=_NONE) if ips else _NONE,
        text(pod, "spec", "nodeName", absent=_NONE),
        text(pod, "status", "nominatedNodeName", absent=_NONE),
        _readiness_gates(pod),
    ]


def _summary(pod: Object) -> _Summary:
    phase = text(pod, "status", "phase")
    found = _Summary(text(pod, "status", "reason", absent=phase), len(rows(pod, "spec", "containers")))
    scheduled = condition(pod, "PodScheduled")
    if scheduled and scheduled.get("reason") == "SchedulingGated":
        found.reason = "SchedulingGated"
    _init_containers(pod, found)
    if not found.initializing or (condition(pod, "Initialized") or {}).get("status") == "True":
        _containers(pod, found)
    if at(pod, "metadata", "deletionTimestamp"):
        if at(pod, "status", "reason") == "NodeLost":
            found.reason = "Unknown"
        elif phase not in _TERMINAL:
            found.reason = "Terminating"
    return found


def _init_containers(pod: Object, found: _Summary) -> None:
    """The first init container that is not done yet tells the status; sidecars that have started are done."""
    specs = rows(pod, "spec", "initContainers")
    sidecars = {text(spec, "name") for spec in specs if spec.get("restartPolicy") == "Always"}
    found.containers += len(sidecars)
    for index, status in enumerate(rows(pod, "status", "initContainerStatuses")):
        sidecar = text(status, "name") in sidecars
        found.restarts += number(status, "restartCount")
        found.restarted_at = _later(found.restarted_at, status)
        if sidecar:
            found.sidecar_restarts += number(status, "restartCount")
            found.sidecar_restarted_at = _later(found.sidecar_restarted_at, status)
        terminated = at(status, "state", "terminated")
        if terminated is not None and not number(terminated, "exitCode"):
            continue
        if sidecar and status.get("started"):
            found.ready += bool(status.get("ready"))
            continue
        waiting = text(status, "state", "waiting", "reason")
        if terminated is not None:
            found.reason = f"Init:{_ended(terminated)}"
        elif waiting and waiting != "PodInitializing":
            found.reason = f"Init:{waiting}"
        else:
            found.reason = f"Init:{index}/{len(specs)}"
        found.initializing = True
        return


def _containers(pod: Object, found: _Summary) -> None:
    """The first container that is not running tells the status: the last one to be looked at."""
    found.restarts, found.restarted_at = found.sidecar_restarts, found.sidecar_restarted_at
    running = False
    for status in reversed(rows(pod, "status", "containerStatuses")):
        found.restarts += number(status, "restartCount")
        found.restarted_at = _later(found.restarted_at, status)
        waiting, terminated = text(status, "state", "waiting", "reason"), at(status, "state", "terminated")
        if waiting:
            found.reason = waiting
        elif terminated is not None:
            found.reason = _ended(terminated)
        elif status.get("ready") and at(status, "state", "running") is not None:
            running = True
            found.ready += 1
    if found.reason == "Completed" and running:
        ready = (condition(pod, "Ready") or {}).get("status") == "True"
        found.reason = "Running" if ready else "NotReady"


def _ended(terminated: Object) -> str:
    if reason := text(terminated, "reason"):
        return reason
    signal = number(terminated, "signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{number(terminated, 'exitCode')}"


def _later(known: Micros | None, status: Object) -> Micros | None:
    finished = moment(at(status, "lastState", "terminated", "finishedAt"))
    return max((value for value in (known, finished) if value is not None), default=None)


def _readiness_gates(pod: Object) -> str:
    gates = rows(pod, "spec", "readinessGates")
    if not gates:
        return _NONE
    passed = sum((condition(pod, text(gate, "conditionType")) or {}).get("status") == "True" for gate in gates)
    return f"{passed}/{len(gates)}"


PODS = Form(columns("Name|Ready|Status|Restarts|Age", "IP|Node|Nominated Node|Readiness Gates"), _cells)
