"""`kubectl describe` of pods, HPAs, ScaledObjects and Deployments, back into API objects, with the events below them.

A description holds no uid; one is made from kind, namespace and name. Where the API's own objects are among the sources
as well, descriptions of them are left out (`afscope.ingest`), so that nothing is there twice.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from afscope.ingest.kubetext.ages import Anchor, seen
from afscope.ingest.kubetext.events import Printed
from afscope.ingest.kubetext.outline import Node
from afscope.model.clock import Micros, from_datetime, parse_time, rfc3339

_METRIC = re.compile(r'"(?P<name>[^"]+)" \(target (?P<kind>average value|value)\)')
_NUMBER = re.compile(r"\d+")
_LISTS = frozenset(("triggers", "conditions", "ownerReferences", "policies", "tolerations"))
_INTEGERS = frozenset(
    (
        "minReplicaCount", "maxReplicaCount", "idleReplicaCount", "pollingInterval", "cooldownPeriod", "replicas",
        "initialCooldownPeriod", "originalReplicaCount", "generation", "stabilizationWindowSeconds", "value",
        "periodSeconds", "failureThreshold",
    )
)  # fmt: skip


class Described(NamedTuple):
    """One description: the object (None for kinds that are not taken apart), its events, and anchors of its ages."""

    kind: str
    namespace: str
    name: str
    line: int
    object: dict[str, Any] | None
    events: list[Printed]
    anchors: list[Anchor]


def described(root: Node) -> Described:
    """Takes one description apart."""
    kind = _kind(root)
    namespace, name = root.get("Namespace").text, root.get("Name").text
    events = list(_events(root, kind, namespace, name))
    reader = _READERS.get(kind)
    found = reader(root) if reader else None
    if found is not None:
        found["kind"] = kind
        meta = found.setdefault("metadata", {})
        meta |= {"name": name, "namespace": namespace or None}
        meta.setdefault("uid", f"described-{kind}-{namespace}-{name}")
        meta.setdefault("labels", _pairs(root.get("Labels")))
    return Described(kind, namespace, name, root.line, found, events, list(_anchors(root, kind, events)))


def _kind(root: Node) -> str:
    if (said := root.get("Kind").text) and root.get("API Version").text:
        return said
    keys = {child.key for child in root.children}
    if {"Containers", "Node"} & keys and "Status" in keys and "Pod Template" not in keys:
        return "Pod"
    if {"Reference", "Max replicas"} <= keys:
        return "HorizontalPodAutoscaler"
    if {"StrategyType", "Selector"} <= keys:
        return "Deployment"
    if {"Controlled By", "Pods Status"} <= keys:
        return "ReplicaSet"
    if "Pods Status" in keys and "Pod Template" in keys:
        return "StatefulSet"
    return "Node" if {"System Info", "Unschedulable"} & keys else ""


def _events(root: Node, kind: str, namespace: str, name: str) -> Iterator[Printed]:
    for _, cells in root.get("Events").rows():
        when = seen(cells.get("Age", ""))
        if when is not None and kind:
            yield Printed(
                namespace, kind, name, cells.get("Type", ""), cells.get("Reason", ""), cells.get("Message", ""), when,
                cells.get("From", ""),
            )  # fmt: skip


def _anchors(root: Node, kind: str, events: list[Printed]) -> Iterator[Anchor]:
    """A pod's start time is when its kubelet took it, within a second or so of its Scheduled event."""
    if kind != "Pod":
        return
    started = [
        time for time in (_time(c.get("State", "Started").text) for c in root.get("Containers").children) if time
    ]
    for event in events:
        if event.reason == "Started" and event.seen.times == 1 and len(started) == 1:
            yield Anchor(started[0], event.seen.last)
        elif event.reason == "Scheduled" and (at := _time(root.get("Start Time").text)):
            yield Anchor(at, event.seen.last)


# Pods


def _pod(root: Node) -> dict[str, Any]:
    start = _time(root.get("Start Time").text)
    status = root.get("Status").text
    phase, _, terminating = status.partition(" (")
    owner_kind, _, owner = root.get("Controlled By").text.partition("/")
    containers = [_container(node) for node in root.get("Containers").children]
    inits = [_container(node) for node in root.get("Init Containers").children]
    meta: dict[str, Any] = {"creationTimestamp": rfc3339(start) if start else None}
    if owner:
        meta["ownerReferences"] = [{"kind": owner_kind, "name": owner, "controller": True}]
    grace = root.get("Termination Grace Period").text.removesuffix("s")
    if phase == "Terminating" or terminating.startswith("lasts"):
        meta |= {"deletionGracePeriodSeconds": int(grace) if grace.isdigit() else None}
        phase = "Running"
    node = root.get("Node").text.partition("/")[0]
    conditions = [
        {"type": cells.get("Type"), "status": cells.get("Status")} for _, cells in root.get("Conditions").rows()
    ]
    return {
        "apiVersion": "v1",
        "metadata": meta,
        "spec": {
            "nodeName": node or None,
            "containers": [spec for spec, _ in containers],
            "initContainers": [spec for spec, _ in inits],
        },
        "status": {
            "phase": phase,
            "reason": root.get("Reason").text or None,
            "message": root.get("Message").text or None,
            "startTime": rfc3339(start) if start else None,
            "conditions": conditions,
            "containerStatuses": [state for _, state in containers],
            "initContainerStatuses": [state for _, state in inits],
        },
    }


def _container(node: Node) -> tuple[dict[str, Any], dict[str, Any]]:
    """(spec, status) of one container."""
    requests = {child.key: child.text for child in node.get("Requests").children}
    limits = {child.key: child.text for child in node.get("Limits").children}
    environment = [
        {"name": child.key, "value": child.value}
        for child in node.get("Environment").children
        if not child.value.startswith("<set to")
    ]
    spec = {
        "name": node.key, "image": node.get("Image").text, "command": node.get("Command").lines or None,
        "args": node.get("Args").lines or None, "env": environment,
        "resources": {"requests": requests, "limits": limits},
    }  # fmt: skip
    restarts = node.get("Restart Count").text
    status = {
        "name": node.key, "image": node.get("Image").text, "ready": node.get("Ready").text == "True",
        "restartCount": int(restarts) if restarts.isdigit() else 0,
        "state": _state(node.get("State")), "lastState": _state(node.get("Last State")),
    }  # fmt: skip
    return spec, status


def _state(node: Node) -> dict[str, Any]:
    details: dict[str, Any] = {"reason": node.get("Reason").text or None, "message": node.get("Message").text or None}
    if node.text == "Waiting":
        return {"waiting": details}
    started, finished = (_time(node.get(key).text) for key in ("Started", "Finished"))
    if node.text == "Running":
        return {"running": {"startedAt": rfc3339(started) if started else None}}
    if node.text != "Terminated":
        return {}
    code = node.get("Exit Code").text
    details |= {
        "exitCode": int(code) if code.lstrip("-").isdigit() else None,
        "startedAt": rfc3339(started) if started else None,
        "finishedAt": rfc3339(finished) if finished else None,
    }
    return {"terminated": details}


# HPAs


def _hpa(root: Node) -> dict[str, Any]:
    target_kind, _, target = root.get("Reference").text.partition("/")
    metrics, current = [], []
    for node in root.get("Metrics").children:
        match = _METRIC.search(node.key)
        if match:
            field = "averageValue" if match["kind"] == "average value" else "value"
            now, _, wanted = (part.strip() for part in node.value.partition(" / "))
            kind = "AverageValue" if field == "averageValue" else "Value"
            metric = {"name": match["name"]}
            metrics.append(
                {"type": "External", "external": {"metric": metric, "target": {"type": kind, field: wanted}}}
            )
            if now != "<unknown>":
                current.append({"type": "External", "external": {"metric": metric, "current": {field: now}}})
    pods = next((node for node in root.children if node.key.endswith(" pods")), Node(""))
    numbers = [int(number) for number in _NUMBER.findall(pods.value)]
    status: dict[str, Any] = {"currentMetrics": current, "conditions": _conditions(root)}
    if len(numbers) == 2:
        status |= {"currentReplicas": numbers[0], "desiredReplicas": numbers[1]}
    created = _time(root.get("CreationTimestamp").text)
    bounds = {
        key: root.get(title).text for key, title in (("minReplicas", "Min replicas"), ("maxReplicas", "Max replicas"))
    }
    return {
        "apiVersion": "autoscaling/v2",
        "metadata": {"creationTimestamp": rfc3339(created) if created else None},
        "spec": {
            "scaleTargetRef": {"kind": target_kind, "name": target},
            **{key: int(text) for key, text in bounds.items() if text.isdigit()},
            "metrics": metrics,
            **_behavior(root.get("Behavior")),
        },
        "status": status,
    }


def _behavior(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, title in (("scaleUp", "Scale Up"), ("scaleDown", "Scale Down")):
        rules = node.get(title)
        if not rules.children:
            continue
        window = _NUMBER.match(rules.get("Stabilization Window").text)
        policies = [
            {"type": policy[0], "value": int(policy[1]), "periodSeconds": int(policy[2])}
            for policy in re.findall(r"Type:\s*(\w+)\s+Value:\s*(\d+)\s+Period:\s*(\d+)", _whole(rules.get("Policies")))
        ]
        found[key] = {"policies": policies, "selectPolicy": rules.get("Select Policy").text or None}
        if window:
            found[key]["stabilizationWindowSeconds"] = int(window[0])
    return {"behavior": found} if found else {}


def _whole(node: Node) -> str:
    return "\n".join([*node.lines, *(f"{c.key}: {c.value}" for c in node.children)])


def _conditions(root: Node) -> list[dict[str, str]]:
    return [
        {title.lower(): cells[title] for title in ("Type", "Status", "Reason", "Message") if cells.get(title)}
        for _, cells in root.get("Conditions").rows()
    ]


# Workloads


def _deployment(root: Node) -> dict[str, Any]:
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", root.get("Replicas").text)}
    created = _time(root.get("CreationTimestamp").text)
    template = root.get("Pod Template")
    labels = dict(pair.partition("=")[::2] for pair in root.get("Selector").text.split(",") if "=" in pair)
    return {
        "apiVersion": "apps/v1",
        "metadata": {"creationTimestamp": rfc3339(created) if created else None},
        "spec": {
            "replicas": counts.get("desired"),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": _pairs(template.get("Labels"))},
                "spec": {"containers": [_container(node)[0] for node in template.get("Containers").children]},
            },
        },
        "status": {
            "replicas": counts.get("total"), "readyReplicas": counts.get("available"),
            "availableReplicas": counts.get("available"), "updatedReplicas": counts.get("updated"),
            "conditions": _conditions(root),
        },
    }  # fmt: skip


# Custom resources, whose describer prints every field: kubectl's pkg/describe, printUnstructuredContent


def _scaled_object(root: Node) -> dict[str, Any]:
    fields = ("Metadata", "Spec", "Status")
    found = {_field(key): _plain(_field(key), root.get(key)) for key in fields if root.get(key).children}
    found["apiVersion"] = root.get("API Version").text
    return found


def _plain(name: str, node: Node) -> Any:
    """A node of the outline as the JSON that it was printed from."""
    if name in _LISTS and node.children:
        return list(_items(node.children))
    if node.children:
        return {(key := _field(child.key)): _plain(key, child) for child in node.children}
    if node.more and not node.value:
        return node.more
    text = " ".join(node.lines)
    return int(text) if name in _INTEGERS and text.lstrip("-").isdigit() else text


def _items(children: list[Node]) -> Iterator[dict[str, Any]]:
    """Maps of a list follow one another without a mark; each is sorted, so a step back begins the next."""
    item: dict[str, Any] = {}
    before = ""
    for child in children:
        key = _field(child.key)
        if item and child.key <= before:
            yield item
            item = {}
        item[key] = _plain(key, child)
        before = child.key
    yield item


def _field(title: str) -> str:
    """Scale Target Ref → scaleTargetRef; keys of maps, such as names of metrics, stay."""
    first, *rest = title.split(" ")
    return first if "-" in first or "_" in first else first.lower() + "".join(rest)


def _pairs(node: Node) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in node.lines) if value or key}


def _time(text: str) -> Micros | None:
    """Sun, 29 Nov 2026 16:05:41 +0000, as describers print times, or RFC 3339."""
    try:
        return from_datetime(datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %z").astimezone(UTC))
    except ValueError:
        pass
    try:
        return parse_time(text)
    except ValueError:
        return None


_READERS: dict[str, Callable[[Node], dict[str, Any]]] = {
    "Pod": _pod, "HorizontalPodAutoscaler": _hpa, "Deployment": _deployment, "ScaledObject": _scaled_object,
}  # fmt: skip
