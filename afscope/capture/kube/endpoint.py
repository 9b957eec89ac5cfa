"""Which pod stands behind a name: what `kubectl port-forward` finds out before it forwards."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.errors import ApiError
from afscope.errors import CannotConnect, UsageError

# Names of services have no dots, so what follows one is a namespace; names of pods may have.
_FORM = re.compile(
    r"(?:(?P<svc>svc|service)s?/(?:(?P<sns>[a-z0-9-]+)/)?(?P<service>[a-z0-9-]+)(?:\.(?P<dotted>[a-z0-9-]+))?"
    r"|pods?/(?:(?P<pns>[a-z0-9-]+)/)?(?P<pod>[a-z0-9.-]+)):(?P<port>[a-z0-9-]+)"
)


@dataclass(frozen=True, slots=True)
class Backend:
    """A pod and its port."""

    namespace: str
    pod: str
    port: int


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a tunnel leads. `port` is a number or a name; of a service, its own port and not that of its pods."""

    kind: str
    """svc or pod."""
    namespace: str
    name: str
    port: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} {self.namespace}/{self.name}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, namespace: str) -> "Goal":
        """From svc/[NS/]NAME:PORT, svc/NAME.NS:PORT or pod/[NS/]NAME:PORT; `namespace` where none is named.

        Raises UsageError.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise UsageError(
                f"--db-via {text!r}: not of the form svc/NAME[.NAMESPACE]:PORT or pod/[NAMESPACE/]NAME:PORT"
            )
        if found["pod"]:
            return cls("pod", found["pns"] or namespace, found["pod"], found["port"])
        return cls("svc", found["sns"] or found["dotted"] or namespace, found["service"], found["port"])


def backends(cluster: Cluster, goal: Goal) -> list[Backend]:
    """Ready pods behind a goal, at least one. Raises CannotConnect."""
    found = list(_of_pod(cluster, goal) if goal.kind == "pod" else _of_service(cluster, goal))
    if not found:
        raise CannotConnect(f"no ready pod stands behind {goal}")
    return found


def _of_pod(cluster: Cluster, goal: Goal) -> Iterator[Backend]:
    pod = _get(cluster, f"/api/v1/namespaces/{goal.namespace}/pods/{goal.name}", str(goal))
    yield Backend(goal.namespace, goal.name, _container_port(pod, goal.port, goal))


def _of_service(cluster: Cluster, goal: Goal) -> Iterator[Backend]:
    """By selector, as kubectl does: that needs no right on endpoints, and a pod is what can be forwarded to."""
    spec = _get(cluster, f"/api/v1/namespaces/{goal.namespace}/services/{goal.name}", str(goal)).get("spec") or {}
    ports = spec.get("ports") or []
    port = next((p for p in ports if goal.port in (str(p.get("port")), p.get("name"))), None)
    if port is None:
        there = ", ".join(str(p.get("port")) for p in ports) or "none"
        raise CannotConnect(f"{goal}: the service has no such port", f"there are: {there}")
    if not spec.get("selector"):
        raise CannotConnect(
            f"{goal}: the service selects no pods (it stands for something outside the cluster)",
            "connect to it directly, without --db-via",
        )
    wanted = str(port.get("targetPort") or port["port"])
    selector = quote(",".join(f"{key}={value}" for key, value in spec["selector"].items()), safe="=,")
    pods = _get(cluster, f"/api/v1/namespaces/{goal.namespace}/pods?labelSelector={selector}", f"pods of {goal}")
    for pod in pods.get("items") or []:
        if _ready(pod):
            yield Backend(goal.namespace, pod["metadata"]["name"], _container_port(pod, wanted, goal))


def _container_port(pod: Mapping[str, Any], wanted: str, goal: Goal) -> int:
    """A named port is one of some container; StatefulSets may number theirs differently in a rollout."""
    if wanted.isdigit():
        return int(wanted)
    for container in (pod.get("spec") or {}).get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("name") == wanted:
                return int(port["containerPort"])
    raise CannotConnect(f"{goal}: no container of {pod['metadata']['name']} has a port {wanted!r}")


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _get(cluster: Cluster, path: str, what: str) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(cluster.get(path))
    except ApiError as error:
        raise CannotConnect(f"{what}: {error.what}") from None
    except msgspec.DecodeError:
        raise CannotConnect(f"{what}: the answer is no JSON") from None
    if not isinstance(answer, dict):
        raise CannotConnect(f"{what}: the answer is no object")
    return answer
