"""Namespaces, which recorders do not record: there is one wherever something lives."""

import msgspec

from afscope.model.clock import Micros, rfc3339
from afscope.replay.kube.log import Log, Version
from afscope.replay.kube.resources import NAMESPACES


def namespaces(logs: list[Log], begins: Micros) -> Log:
    """A log of the namespaces of all objects, there from the beginning on."""
    names = sorted({version.key[0] for log in logs for version in log.versions if version.key[0]})
    versions = [Version(begins, 1, "ADDED", ("", name), f"namespace-{name}", _body(name, begins)) for name in names]
    return Log(NAMESPACES, versions, [])


def _body(name: str, begins: Micros) -> bytes:
    document = {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "uid": f"namespace-{name}",
            "resourceVersion": "1",
            "creationTimestamp": rfc3339(begins)[:19] + "Z",
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
    return msgspec.json.encode(document)
