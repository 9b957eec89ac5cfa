"""The forms in which objects can be asked for: as they are, metadata only, or as a table for people."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from afscope.model.clock import Micros
from afscope.replay.kube.events import converted
from afscope.replay.kube.resources import Resource
from afscope.replay.kube.status import not_acceptable
from afscope.replay.kube.tables import AsTable


class View(Protocol):
    """How one request wants its objects. `now` is the server's time, which ages are relative to."""

    def listing(self, bodies: Sequence[bytes], meta: dict[str, Any], now: Micros) -> bytes:
        """A whole list."""
        ...

    def single(self, body: bytes, now: Micros) -> bytes:
        """One object, on its own or in a frame of a watch."""
        ...

    def bookmark(self, meta: dict[str, Any]) -> bytes:
        """The object of a bookmark."""
        ...


class Whole:
    """Objects as they are."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def listing(self, bodies: Sequence[bytes], meta: dict[str, Any], now: Micros) -> bytes:  # noqa: ARG002
        """`<Kind>List`."""
        head = {"kind": f"{self._resource.kind}List", "apiVersion": self._resource.api_version, "metadata": meta}
        items = b",".join([self._own(body) for body in bodies])
        return msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}\n"

    def single(self, body: bytes, now: Micros) -> bytes:  # noqa: ARG002
        """The object."""
        return self._own(body)

    def bookmark(self, meta: dict[str, Any]) -> bytes:
        """An object of the kind with nothing but its metadata."""
        document = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": meta}
        return msgspec.json.encode(document)

    def _own(self, body: bytes) -> bytes:
        return converted(body, self._resource) if self._resource.plural == "events" else body


class MetadataOnly:
    """PartialObjectMetadata, for clients that only count or collect."""

    _HEAD = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}  # noqa: RUF012

    def listing(self, bodies: Sequence[bytes], meta: dict[str, Any], now: Micros) -> bytes:
        """`PartialObjectMetadataList`."""
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        items = b",".join([self.single(body, now) for body in bodies])
        return msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}\n"

    def single(self, body: bytes, now: Micros) -> bytes:  # noqa: ARG002
        """The metadata of one object."""
        return msgspec.json.encode({**self._HEAD, "metadata": msgspec.json.decode(body).get("metadata", {})})

    def bookmark(self, meta: dict[str, Any]) -> bytes:
        """Only the version."""
        return msgspec.json.encode({**self._HEAD, "metadata": meta})


def negotiated(accept: str, resource: Resource, include_object: str) -> View:
    """The first form in an Accept header that the server has. Raises ApiError 406 when it has none of them.

    `include_object` is what a table brings of each object: Metadata, Object or None.
    """
    for entry in accept.split(",") if accept.strip() else ["application/json"]:
        media, *parameters = (part.strip() for part in entry.split(";"))
        wanted = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media not in ("application/json", "application/*", "*/*"):
            continue
        form = wanted.get("as", "")
        if not form:
            return Whole(resource)
        if (wanted.get("g"), wanted.get("v")) != ("meta.k8s.io", "v1"):
            continue
        if form == "Table":
            return AsTable(resource, include_object)
        if form.startswith("PartialObjectMetadata"):
            return MetadataOnly()
    raise not_acceptable()
