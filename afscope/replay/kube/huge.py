"""An object larger than etcd would take: some cluster always has one, in an annotation."""

import msgspec

from afscope.replay.kube.resources import Resource

NAME = "afscope-huge"


def huge_object(resource: Resource, namespace: str, position: int, size: int) -> bytes:
    """An object of a kind with an annotation of `size` bytes; it is in no history and has no watch event but one."""
    metadata = {
        "name": NAME,
        "namespace": namespace or "default",
        "uid": f"00000000-0000-4000-8000-{position:012d}",
        "resourceVersion": str(position),
        "annotations": {"afscope.dev/huge": "x" * size},
    }
    if not resource.namespaced:
        del metadata["namespace"]
    return msgspec.json.encode({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})
