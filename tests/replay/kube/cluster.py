"""Recordings made by hand: what a recorder would have written of a small cluster."""

import gzip
import json
from pathlib import Path
from typing import Any

from afscope.model.clock import SECOND, Micros, rfc3339

T0 = 1_800_000_000
"""Epoch seconds at which recordings made here begin."""
START: Micros = T0 * SECOND


def stamp(second: float) -> str:
    """RFC 3339 of a moment that many seconds after the beginning, to the second."""
    return rfc3339(START + round(second * SECOND))[:19] + "Z"


def pod(
    name: str, version: int, *, namespace: str = "air", uid: str = "", born: float = 0, **more: Any
) -> dict[str, Any]:
    """A running pod; keywords with an underscore for a dot go deeper, such as `status_phase`."""
    body: dict[str, Any] = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": stamp(born),
            "labels": more.pop("labels", {"app": "worker"}),
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "worker"}]},
        "status": {"phase": "Running"},
    }
    for path, value in more.items():
        section, _, field = path.partition("_")
        body[section][field] = value
    return body


def event(name: str, version: int, second: float) -> dict[str, Any]:
    """A core/v1 Event about pod `a`."""
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "air", "uid": f"uid-{name}", "resourceVersion": str(version)},
        "involvedObject": {"kind": "Pod", "namespace": "air", "name": "a", "fieldPath": "spec.containers{worker}"},
        "reason": "Pulled",
        "message": "Container image pulled",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": stamp(second),
        "lastTimestamp": stamp(second),
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
    }


class Cluster:
    """Collects observations and writes them as a recording folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines: dict[str, list[dict[str, Any]]] = {"pods": []}

    def see(self, second: float, change: str, obj: dict[str, Any], plural: str = "pods") -> None:
        """One line: what was seen that many seconds after the beginning."""
        self._lines.setdefault(plural, []).append({"t": T0 + second, "type": change, "object": obj})

    def listed(self, plural: str) -> None:
        """A kind that was listed, and there was none."""
        self._lines.setdefault(plural, [])

    def lost(self, second: float, plural: str = "pods") -> None:
        """The watch broke."""
        self._lines[plural].append({"t": T0 + second, "type": "DISCONNECT"})

    def log(self, pod_name: str, text: str) -> None:
        """The log of a pod."""
        path = self.folder / "logs" / f"pod.{pod_name}.log.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))

    def write(self) -> Path:
        """The folder."""
        (self.folder / "k8s").mkdir(parents=True, exist_ok=True)
        for plural, lines in self._lines.items():
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (self.folder / "k8s" / f"{plural}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
        return self.folder
