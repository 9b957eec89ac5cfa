"""One stored event, two APIs: core/v1 Event and events.k8s.io/v1 Event, converted as the API server does.

Source: kubernetes pkg/apis/events/v1/conversion.go (events.k8s.io names <-> core names).
"""

from typing import Any

import msgspec

from afscope.replay.kube.resources import Resource

_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


class _Type(msgspec.Struct):
    apiVersion: str = ""  # noqa: N815  (the API's own word)


_TYPE = msgspec.json.Decoder(_Type)
_TO_CORE = {new: core for core, new in _TO_NEW.items()}


def converted(body: bytes, resource: Resource) -> bytes:
    """The event in the words of the API that was asked; untouched when it already is."""
    if _TYPE.decode(body).apiVersion == resource.api_version:
        return body
    document: dict[str, Any] = msgspec.json.decode(body)
    names = _TO_NEW if resource.group else _TO_CORE
    renamed = {names.get(name, name): value for name, value in document.items()}
    return msgspec.json.encode({**renamed, "apiVersion": resource.api_version, "kind": "Event"})
