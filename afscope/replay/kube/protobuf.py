"""Just enough of Kubernetes' protobuf to read the reviews that kubectl posts; what it is sent back is JSON.

An encoded object is the magic `k8s\\0` and a runtime.Unknown, whose field 2 is the object. Field numbers:
k8s.io/api/authorization/v1/generated.proto.
"""

from collections.abc import Iterator
from typing import Any

from afscope.replay.kube.status import bad_request

_MAGIC = b"k8s\0"
_RAW, _SPEC = 2, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_RESOURCE_ATTRIBUTES = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
_NON_RESOURCE_ATTRIBUTES = {1: "path", 2: "verb"}


def is_protobuf(body: bytes) -> bool:
    """Whether a body is an encoded object."""
    return body.startswith(_MAGIC)


def review(body: bytes, kind: str) -> dict[str, Any]:
    """A SelfSubjectAccessReview or SelfSubjectRulesReview as JSON would have it. Raises ApiError 400."""
    try:
        spec = _message(_message(_message(body[len(_MAGIC) :]).get(_RAW, b"")).get(_SPEC, b""))
        return {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": _spec(spec, kind)}
    except (IndexError, ValueError) as error:
        raise bad_request(f"the body is no {kind}: {error}") from error


def _spec(spec: dict[int, bytes], kind: str) -> dict[str, Any]:
    if kind == "SelfSubjectRulesReview":
        return {"namespace": spec.get(1, b"").decode()}
    attributes = {
        "resourceAttributes": (1, _RESOURCE_ATTRIBUTES),
        "nonResourceAttributes": (2, _NON_RESOURCE_ATTRIBUTES),
    }
    return {
        name: {names[n]: value.decode() for n, value in _message(spec[number]).items() if n in names}
        for name, (number, names) in attributes.items()
        if number in spec
    }


def _message(data: bytes) -> dict[int, bytes]:
    """The last value of each length-delimited field; other fields are passed over."""
    return dict(_fields(data))


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _BYTES:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("a field is longer than the message")
            yield tag >> 3, data[at : at + size]
            at += size
        elif wire == _VARINT:
            _, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} is not known")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where the next byte is)."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
