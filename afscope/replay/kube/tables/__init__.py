"""Server-side tables: what kubectl prints is what the server put into the cells, so ages follow the replay's clock."""

from collections.abc import Sequence
from typing import Any

import msgspec

from afscope.model.clock import Micros
from afscope.replay.kube.events import converted
from afscope.replay.kube.resources import BY_KIND, Resource
from afscope.replay.kube.tables import cluster
from afscope.replay.kube.tables.events import EVENTS
from afscope.replay.kube.tables.form import Form
from afscope.replay.kube.tables.pods import PODS
from afscope.replay.kube.tables.scaling import HPAS, SCALED_OBJECTS
from afscope.replay.kube.tables.workloads import DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS

_FORMS = {
    "Pod": PODS,
    "Deployment": DEPLOYMENTS,
    "ReplicaSet": REPLICA_SETS,
    "StatefulSet": STATEFUL_SETS,
    "HorizontalPodAutoscaler": HPAS,
    "ScaledObject": SCALED_OBJECTS,
    "Event": EVENTS,
    "Node": cluster.NODES,
    "Namespace": cluster.NAMESPACES,
    "ResourceQuota": cluster.QUOTAS,
    "Lease": cluster.LEASES,
    "APIService": cluster.API_SERVICES,
}
_HEAD = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}
_ENDED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


class AsTable:
    """Objects as rows. `include` is what comes with each: its Metadata, the whole Object, or None of it."""

    def __init__(self, resource: Resource, include: str = "Metadata") -> None:
        self._resource, self._include = resource, include
        self._form = form_of(resource)
        self._told = False

    def listing(self, bodies: Sequence[bytes], meta: dict[str, Any], now: Micros) -> bytes:
        """A table of many rows."""
        return self._table([self._row(body, now) for body in bodies], meta) + b"\n"

    def single(self, body: bytes, now: Micros) -> bytes:
        """A table of one row; of those in a watch only the first tells the columns, as the API server has it."""
        row = self._row(body, now)
        return self._table([row], {"resourceVersion": row["_version"]})

    def bookmark(self, meta: dict[str, Any]) -> bytes:
        """A table without rows."""
        return self._table([], meta)

    def _table(self, rows: list[dict[str, Any]], meta: dict[str, Any]) -> bytes:
        columns = None if self._told else [column.definition() for column in self._form.columns]
        self._told = True
        for row in rows:
            del row["_version"]
        return msgspec.json.encode({**_HEAD, "metadata": meta, "columnDefinitions": columns, "rows": rows})

    def _row(self, body: bytes, now: Micros) -> dict[str, Any]:
        if self._resource.plural == "events":
            body = converted(body, BY_KIND["Event"])
        document = msgspec.json.decode(body)
        metadata = document.get("metadata") or {}
        row: dict[str, Any] = {"cells": self._form.cells(document, now)}
        phase = (document.get("status") or {}).get("phase") if self._resource.kind == "Pod" else None
        if phase in _ENDED:
            row["conditions"] = [{"type": "Completed", "status": "True", "reason": phase, "message": _ENDED[phase]}]
        if self._include == "Object":
            row["object"] = document
        elif self._include != "None":
            row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return {**row, "_version": metadata.get("resourceVersion", "")}


def form_of(resource: Resource) -> Form:
    """The columns and cells of a kind."""
    known = _FORMS.get(resource.kind)
    if known is not None:
        return known
    return cluster.PLAIN if resource.kind in BY_KIND and "." not in resource.group else cluster.CUSTOM
