"""What kubectl asks of OpenAPI: that the documents are there, which fields kinds have at their top, nothing deeper.

`kubectl apply --dry-run=client` validates against the schema of a kind, or asks whether the server would (the
parameter `fieldValidation` of a patch); `kubectl explain` prints what it finds. The server sees objects as they were
recorded and knows no more of their insides, so everything below the top is open.
"""

from collections.abc import Iterable
from typing import Any

from afscope.replay.kube.resources import Resource
from afscope.replay.kube.status import no_such_path

PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""As clients ask for it."""
PROTOBUF_V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""As servers answer: an @ is not allowed in a media type."""
_INFO = {"title": "afscope replay", "version": "v1"}
_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TOP: dict[str, dict[str, Any]] = {
    "apiVersion": {"type": "string", "description": "Group and version of the kind."},
    "kind": {"type": "string", "description": "The kind."},
    "metadata": {**_OPEN, "description": "Name, namespace, labels and the rest of what all objects have."},
    "spec": {**_OPEN, "description": "What is wanted, as it was recorded."},
    "status": {**_OPEN, "description": "What was the case, as it was recorded."},
}


class OpenApi:
    """The documents, for a set of resources."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = sorted(set(resources), key=lambda resource: resource[:3])

    def v2(self) -> dict[str, Any]:
        """/openapi/v2: without definitions, which clients take for "nothing to validate"."""
        return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}

    def index(self) -> dict[str, Any]:
        """/openapi/v3."""
        roots = dict.fromkeys(map(_root, self._resources))
        return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}

    def v3(self, root: str) -> dict[str, Any]:
        """/openapi/v3/api/v1 and /openapi/v3/apis/<group>/<version>. Raises ApiError 404."""
        found = [resource for resource in self._resources if _root(resource) == root]
        if not found:
            raise no_such_path()
        return {
            "openapi": "3.0.0",
            "info": _INFO,
            "paths": {path: item for resource in found for path, item in _paths(resource).items()},
            "components": {"schemas": {_schema_name(resource): _schema(resource) for resource in found}},
        }


def v2_protobuf() -> bytes:
    """`v2` as the message openapi.v2.Document (gnostic): its fields 1 `swagger` and 2 `info` of title and version."""
    info = _text(1, _INFO["title"]) + _text(2, _INFO["version"])
    return _text(1, "2.0") + bytes((2 << 3 | 2, len(info))) + info


def _text(number: int, value: str) -> bytes:
    """A short string field of a protobuf message."""
    return bytes((number << 3 | 2, len(value))) + value.encode()


def _root(resource: Resource) -> str:
    return f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"


def _schema_name(resource: Resource) -> str:
    return f"{resource.group or 'core'}.{resource.version}.{resource.kind}"


def _kind(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schema(resource: Resource) -> dict[str, Any]:
    return {
        **_OPEN,
        "description": f"{resource.kind} of {resource.api_version}: as it was recorded.",
        "properties": _TOP,
        "x-kubernetes-group-version-kind": [_kind(resource)],
    }


def _paths(resource: Resource) -> dict[str, Any]:
    """The single object, with the operations that clients look for; changes are refused when they come."""
    place = "/namespaces/{namespace}" if resource.namespaced else ""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_schema_name(resource)}"}}}
    answers = {"200": {"description": "OK", "content": content}}
    said = {"responses": answers, "x-kubernetes-group-version-kind": _kind(resource)}
    checks = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")]
    item = {
        "get": {**said, "x-kubernetes-action": "get"},
        "patch": {**said, "x-kubernetes-action": "patch", "parameters": checks},
    }
    return {f"/{_root(resource)}{place}/{resource.plural}/{{name}}": item}
