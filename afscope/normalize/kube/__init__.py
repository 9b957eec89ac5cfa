"""API objects, as raw bytes, to rows: the typed table of their kind, settings, and the redacted whole in `objects`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from afscope.model.clock import SECOND, Micros
from afscope.model.row import DELETED, Row
from afscope.normalize.kube import cluster, events, pods, scaling, types, workloads
from afscope.normalize.kube.common import template_of, when
from afscope.normalize.kube.settings import settings
from afscope.normalize.redact import Redactor

# An object's own newest time dates its change when it lies this close before the moment it was seen.
_FRESH: Micros = 60 * SECOND
_AHEAD: Micros = 2 * SECOND


class _Kind(NamedTuple):
    """How one kind is read: its table, its type, its row, and its own times."""

    table: str
    type: Any
    row: Callable[[Any, Redactor], dict[str, Any]]
    times: Callable[[Any], Iterable[Micros | None]] = lambda obj: (when(obj.metadata.creation_timestamp),)


def _workload(kind: str) -> _Kind:
    return _Kind("workloads", types.Workload, lambda o, r: workloads.workload(o, r, kind), workloads.times)


_KINDS: dict[str, _Kind] = {
    "Pod": _Kind("pods", types.Pod, pods.pod, pods.times),
    "Deployment": _workload("Deployment"),
    "StatefulSet": _workload("StatefulSet"),
    "ReplicaSet": _workload("ReplicaSet"),
    "HorizontalPodAutoscaler": _Kind("hpas", types.Hpa, scaling.hpa, scaling.hpa_times),
    "ScaledObject": _Kind("scaledobjects", types.ScaledObject, scaling.scaled_object, scaling.scaled_object_times),
    "Node": _Kind("nodes", types.Node, cluster.node),
    "ResourceQuota": _Kind("quotas", types.Quota, lambda o, r: cluster.quota(o, r, "ResourceQuota")),
    "LimitRange": _Kind("quotas", types.Quota, lambda o, r: cluster.quota(o, r, "LimitRange")),
    "APIService": _Kind("apiservices", types.ApiService, cluster.api_service),
    "Lease": _Kind("leases", types.Lease, cluster.lease),
}
TABLE_OF_KIND = {**{kind: entry.table for kind, entry in _KINDS.items()}, "Event": "events"}
"""Table that a kind fills; other kinds only leave their object."""

_DECODERS = {kind: msgspec.json.Decoder(entry.type) for kind, entry in _KINDS.items()}
_EVENT = msgspec.json.Decoder(types.Event)
_HEAD = msgspec.json.Decoder(types.Head)
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


class KubeNormalizer:
    """Turns observations of API objects into rows. Remembers per object what it needs to date and count changes."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.problems: list[str] = []
        """Objects whose typed row was lost because a field had an unexpected type: "Kind ns/name: why"."""
        self._newest: dict[str, Micros] = {}
        self._counts: dict[str, int] = {}
        self._settings: dict[tuple[str, str], str] = {}

    def observe(self, change: str, raw: bytes, seen_at: Micros, *, kind: str | None = None) -> Iterator[Row]:
        """The rows of one observation of one object.

        `raw` is the object's JSON as sent; `change` STATE for a listed one, else ADDED, MODIFIED or DELETED; `kind`
        spares a look where the caller knows it. Raises msgspec.DecodeError when `raw` is no JSON object at all; a
        field of an unexpected type costs the typed row only, and is noted in `problems`.
        """
        if kind is None:
            kind = _HEAD.decode(raw).kind
        dated: Micros = seen_at
        try:
            row = self._typed(kind, change, raw, seen_at)
        except msgspec.ValidationError as error:
            self.problems.append(f"{kind}: {error}")
            row = None
        if row is not None:
            dated = row.values.get("ts") or seen_at
            yield row
            yield from self._config(row, raw, kind, seen_at, change)
        yield self._object(kind, change, raw, dated, seen_at)

    def _typed(self, kind: str, change: str, raw: bytes, seen_at: Micros) -> Row | None:
        if kind == "Event":
            values = events.event(_EVENT.decode(raw), self.redactor, change, self._counts)
            return Row("events", {**values, "seen_at": seen_at, "change": change})
        entry = _KINDS.get(kind)
        if entry is None:
            return None
        obj = _DECODERS[kind].decode(raw)
        values = entry.row(obj, self.redactor)
        ts = self._date(obj.metadata.uid, entry.times(obj), seen_at, change)
        return Row(entry.table, {**values, "ts": ts, "seen_at": seen_at, "change": change})

    def _date(self, uid: str, times: Iterable[Micros | None], seen_at: Micros, change: str) -> Micros:
        """When this change happened: the object's newest own time if it is new and near, else when it was seen."""
        newest = max((t for t in times if t is not None and t <= seen_at + _AHEAD), default=0)
        before = self._newest.get(uid, 0)
        if change == DELETED:
            self._newest.pop(uid, None)
            return seen_at
        self._newest[uid] = max(before, newest)
        return newest if newest > before and seen_at - newest <= _FRESH else seen_at

    def _config(self, row: Row, raw: bytes, kind: str, seen_at: Micros, change: str) -> Iterator[Row]:
        """Settings of Deployments and StatefulSets; pods repeat their template's, so only bare ones are looked at."""
        if change == DELETED or (kind == "Pod" and row.values["owner_kind"]):
            return
        if kind == "Pod":
            pod = _DECODERS[kind].decode(raw)
            found = settings(pod.metadata, pod.spec, pod.metadata.labels)
        elif kind in ("Deployment", "StatefulSet"):
            obj = _DECODERS[kind].decode(raw)
            template = template_of(obj.spec.template)
            found = settings(obj.metadata, template.spec, template.metadata.labels)
        else:
            return
        for values in found:
            key = (values["scope"], values["key"])
            if self._settings.get(key) != values["value"]:
                self._settings[key] = values["value"]
                yield Row("airflow_config", {**values, "ts": seen_at, "seen_at": seen_at, "change": change})

    def _object(self, kind: str, change: str, raw: bytes, ts: Micros, seen_at: Micros) -> Row:
        body = self.redactor.object(_ANY.decode(raw))
        meta = body.get("metadata") or {}
        values = {
            "ts": ts,
            "seen_at": seen_at,
            "change": change,
            "kind": kind,
            "api_version": body.get("apiVersion"),
            "namespace": meta.get("namespace"),
            "name": meta.get("name"),
            "uid": meta.get("uid"),
            "resource_version": meta.get("resourceVersion"),
            "full": True,
            "body": _ENCODER.encode(body).decode(),
        }
        return Row("objects", values)
