"""The tables of nodes, namespaces, quotas, leases and API services, and the one of kinds that have none of their own.

Source: kubernetes pkg/printers/internalversion/printers.go printNode, printNamespace, printResourceQuota, printLease;
kube-aggregator pkg/registry/apiservice/etcd ConvertToTable; apiserver pkg/registry/rest defaultTableConvertor.
"""

from afscope.model.clock import Micros
from afscope.replay.kube.tables.ages import age
from afscope.replay.kube.tables.form import Cells, Column, Form, Object, at, columns, condition, created, rows, text

_ROLE_PREFIX, _ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"
_UNKNOWN = "<unknown>"


def _node(obj: Object, now: Micros) -> Cells:
    ready = condition(obj, "Ready")
    status = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    if at(obj, "spec", "unschedulable"):
        status += ",SchedulingDisabled"
    return [
        text(obj, "metadata", "name"),
        status,
        ",".join(_roles(at(obj, "metadata", "labels") or {})) or "<none>",
        age(created(obj), now),
        text(obj, "status", "nodeInfo", "kubeletVersion"),
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        text(obj, "status", "nodeInfo", "osImage", absent=_UNKNOWN),
        text(obj, "status", "nodeInfo", "kernelVersion", absent=_UNKNOWN),
        text(obj, "status", "nodeInfo", "containerRuntimeVersion", absent=_UNKNOWN),
    ]


def _roles(labels: Object) -> list[str]:
    named = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    return sorted(role for role in {*named, labels.get(_ROLE, "")} if role)


def _address(obj: Object, kind: str) -> str:
    addresses = (text(a, "address") for a in rows(obj, "status", "addresses") if a.get("type") == kind)
    return next(addresses, "<none>")


def _namespace(obj: Object, now: Micros) -> Cells:
    return [text(obj, "metadata", "name"), text(obj, "status", "phase"), age(created(obj), now)]


def _quota(obj: Object, now: Micros) -> Cells:
    hard, used = at(obj, "status", "hard") or {}, at(obj, "status", "used") or {}
    shown = {name: f"{name}: {used.get(name, 0)}/{hard[name]}" for name in sorted(hard)}
    return [
        text(obj, "metadata", "name"),
        ", ".join(line for name, line in shown.items() if not name.startswith("limits.")),
        ", ".join(line for name, line in shown.items() if name.startswith("limits.")),
        age(created(obj), now),
    ]


def _lease(obj: Object, now: Micros) -> Cells:
    return [text(obj, "metadata", "name"), text(obj, "spec", "holderIdentity"), age(created(obj), now)]


def _api_service(obj: Object, now: Micros) -> Cells:
    service, available = at(obj, "spec", "service"), condition(obj, "Available")
    status = "Unknown" if available is None else text(available, "status")
    if available is not None and status != "True" and available.get("reason"):
        status = f"{status} ({available['reason']})"
    where = "Local" if service is None else f"{text(service, 'namespace')}/{text(service, 'name')}"
    return [text(obj, "metadata", "name"), where, status, age(created(obj), now)]


def _plain(obj: Object, now: Micros) -> Cells:  # noqa: ARG001
    return [text(obj, "metadata", "name"), created(obj)]


def _custom(obj: Object, now: Micros) -> Cells:
    return [text(obj, "metadata", "name"), age(created(obj), now)]


_wide = "Internal-IP|External-IP|OS-Image|Kernel-Version|Container-Runtime"
NODES = Form(columns("Name|Status|Roles|Age|Version", _wide), _node)
NAMESPACES = Form(columns("Name|Status|Age"), _namespace)
QUOTAS = Form(columns("Name|Request|Limit|Age"), _quota)
LEASES = Form(columns("Name|Holder|Age"), _lease)
API_SERVICES = Form(columns("Name|Service|Available|Age"), _api_service)
PLAIN = Form((Column("Name"), Column("Created At", "date")), _plain)
"""Built-in kinds without a printer, such as LimitRanges."""
CUSTOM = Form((Column("Name"), Column("Age", "date")), _custom)
"""Custom kinds without printer columns."""
