"""API objects, as raw bytes, to rows: the typed table of their kind, settings, and the redacted whole in `objects`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from afscope.model.clock import SECOND, Micros
from afscope.model.row import DELETED, Row
from afscope.normalize.kube import cluster, lenient, podparts, pods, scaling, types, workloads
from afscope.normalize.kube.bodies import REMEMBERED, Bodies, Body
from afscope.normalize.kube.common import when
from afscope.normalize.kube.events import Events
from afscope.normalize.kube.settings import Settings, pod_settings
from afscope.normalize.redact import Redactor

# An object's own newest time dates its change when it lies this close before the moment it was seen.
_FRESH: Micros = 60 * SECOND
_AHEAD: Micros = 2 * SECOND
# What was written so shortly before it was seen is dated by the clock that knows more than whole seconds.
_PROMPT: Micros = 2 * SECOND


class _Kind(NamedTuple):
    """How one kind is read: its API, its table, its type, its row, and its own times."""

    api: str
    table: str
    type: Any
    row: Callable[[Any, Redactor], dict[str, Any]]
    times: Callable[[Any], Iterable[Micros | None]] = lambda obj: (when(obj.metadata.creation_timestamp),)


def _workload(kind: str) -> _Kind:
    return _Kind("apps/v1", "workloads", types.Workload, lambda o, r: workloads.workload(o, r, kind), workloads.times)


_KINDS: dict[str, _Kind] = {
    "Pod": _Kind("v1", "pods", types.Pod, pods.pod, pods.times),
    "Deployment": _workload("Deployment"),
    "StatefulSet": _workload("StatefulSet"),
    "ReplicaSet": _workload("ReplicaSet"),
    "HorizontalPodAutoscaler": _Kind("autoscaling/v2", "hpas", types.Hpa, scaling.hpa, scaling.hpa_times),
    "ScaledObject": _Kind(
        "keda.sh/v1alpha1", "scaledobjects", types.ScaledObject, scaling.scaled_object, scaling.scaled_object_times
    ),
    "Node": _Kind("v1", "nodes", types.Node, cluster.node),
    "ResourceQuota": _Kind("v1", "quotas", types.Quota, lambda o, r: cluster.quota(o, r, "ResourceQuota")),
    "LimitRange": _Kind("v1", "quotas", types.Quota, lambda o, r: cluster.quota(o, r, "LimitRange")),
    "APIService": _Kind("apiregistration.k8s.io/v1", "apiservices", types.ApiService, cluster.api_service),
    "Lease": _Kind("coordination.k8s.io/v1", "leases", types.Lease, cluster.lease),
}
TABLE_OF_KIND = {**{kind: entry.table for kind, entry in _KINDS.items()}, "Event": "events"}
"""Table that a kind fills; other kinds only leave their object."""

_TYPES = {**{kind: entry.type for kind, entry in _KINDS.items()}, "Event": types.Event}
_DECODERS = {kind: msgspec.json.Decoder(wanted) for kind, wanted in _TYPES.items()}


class _Reading(NamedTuple):
    """What an object says: its row, its own times, and settings."""

    row: dict[str, Any]
    times: Iterable[Micros | None]
    meta: types.Meta
    settings: Iterable[dict[str, Any]]


class KubeNormalizer:
    """Turns observations of API objects into rows. Remembers per object what it needs to date and count changes."""

    def __init__(self, redactor: Redactor, began: Micros | None = None, *, remembered: int = REMEMBERED) -> None:
        """`began` is when the recording begins, if something else than the first observation says it.

        `remembered`, in bytes, is what may be kept of objects so as not to read again what their updates repeat.
        """
        self.redactor = redactor
        self.problems: list[str] = []
        """What was left out of typed rows because it had an unexpected type: "Kind ns/name: field: why"."""
        self.kinds: set[str] = set()
        """Kinds that were observed."""
        self.began = began
        self.timed = False
        """Whether the last observation, if it had a `since`, said itself when it happened."""
        self._bodies = Bodies(redactor, remembered)
        self._dates: dict[str, tuple[Micros, Micros]] = {}
        self._events = Events(redactor)
        self._settings = Settings(redactor)

    def observe(
        self, change: str, raw: bytes, seen_at: Micros, *, kind: str | None = None, since: Micros | None = None
    ) -> Iterator[Row]:
        """The rows of one observation of one object: typed, settings that changed, and the whole.

        `raw` is the object's JSON as sent; `change` STATE for a listed one, else ADDED, MODIFIED or DELETED; `kind`
        is needed for objects out of a typed list, which do not say it. `ts` is the object's own newest time where
        that is new and near, else `seen_at`, and never runs backwards within an object; events have their own rules
        (`afscope.normalize.kube.events`). `since` is given where the observation may come late: the change happened
        between the two, and the times of managedFields, which the API server sets at each write, tell when as well.
        Raises msgspec.DecodeError when `raw` is no JSON object at all; a field of
        an unexpected type costs that field only, and is noted in `problems`.
        """
        self.timed = False
        whole = self._bodies.read(raw)
        body = whole.parts
        kind = kind or _text(body.get("kind")) or ""
        self.kinds.add(kind)
        self.began = seen_at if self.began is None else min(self.began, seen_at)
        dated = seen_at
        if kind == "Event":
            if (obj := self._typed(kind, raw, body)) is not None:
                values = self._events.row(obj, change, seen_at, self.began)
                self.timed = values is None or values["ts"] != seen_at
                if values is not None:
                    dated = values["ts"]
                    yield Row("events", {**values, "seen_at": seen_at})
        elif kind in _KINDS and (read := self._read(kind, raw, whole, change, since)) is not None:
            dated = self._date(read.meta, read.times, seen_at, change, since)
            read.row.update(ts=dated, seen_at=seen_at, change=change)
            yield Row(_KINDS[kind].table, read.row)
            for setting in read.settings:
                yield Row("airflow_config", {"ts": dated, "seen_at": seen_at, **setting})
        yield self._object(kind, whole, dated, seen_at, change)

    def _read(self, kind: str, raw: bytes, whole: Body, change: str, since: Micros | None) -> _Reading | None:
        """What an object says; None when next to nothing of it is as it should be."""
        if kind == "Pod" and since is None and (pod := podparts.read(whole, self.redactor)) is not None:
            times = [time for part in pod.times.values() for time in part]
            return _Reading(pod.row, times, pod.meta, self._settings.pod(pod.settings, change))
        obj = self._typed(kind, raw, whole.parts)
        if obj is None:
            return None
        entry = _KINDS[kind]
        return _Reading(entry.row(obj, self.redactor), entry.times(obj), obj.metadata, self._said(kind, obj, change))

    def _typed(self, kind: str, raw: bytes, body: dict[str, Any]) -> Any:
        """The object as its type; None for other kinds, and when next to nothing of it is as it should be."""
        decoder = _DECODERS.get(kind)
        if decoder is None:
            return None
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            reading = lenient.convert(msgspec.json.decode(raw), _TYPES[kind])
            meta = _mapping(body.get("metadata"))
            name = f"{_text(meta.get('namespace')) or '-'}/{_text(meta.get('name'))}"
            self.problems += [f"{kind} {name}: {why}" for why in reading.left_out]
            return reading.value

    def _said(self, kind: str, obj: Any, change: str) -> Iterator[dict[str, Any]]:
        if kind == "Pod":
            return self._settings.pod(pod_settings(obj.metadata, obj.spec, self.redactor), change)
        if kind in ("Deployment", "StatefulSet"):
            return self._settings.workload(obj, change)
        return iter(())

    def _date(
        self, meta: types.Meta, times: Iterable[Micros | None], seen_at: Micros, change: str, since: Micros | None
    ) -> Micros:
        """When this change happened: the object's newest own time if it is new and near, else when it was seen."""
        identity = meta.uid or f"{meta.namespace}/{meta.name}"
        newest_before, dated_before = self._dates.get(identity, (0, 0))
        if change == DELETED:
            self._dates.pop(identity, None)
            self._bodies.forget(meta.uid)
            return max(seen_at, dated_before)
        newest = _newest(times, seen_at)
        if since is not None:
            written = _newest((when(field.time) for field in meta.managed_fields or ()), seen_at)
            self.timed = max(newest, written) > newest_before and max(newest, written) >= since - SECOND
            newest = max(newest, written) if seen_at - written > _PROMPT else newest
        oldest = min(seen_at - _FRESH, seen_at if since is None else since - SECOND)  # they are whole seconds
        own = newest > newest_before and newest >= oldest
        dated = max(newest if own else seen_at, dated_before)
        self._dates[identity] = max(newest_before, newest), dated
        return dated

    def _object(self, kind: str, whole: Body, ts: Micros, seen_at: Micros, change: str) -> Row:
        body = whole.parts
        body.setdefault("kind", kind)
        if not body.get("apiVersion") and (api := _api_of(kind, body)):
            body["apiVersion"] = api
        meta = _mapping(body.get("metadata"))
        values = {
            "ts": ts,
            "seen_at": seen_at,
            "change": change,
            "kind": kind,
            "api_version": _text(body.get("apiVersion")),
            "namespace": _text(meta.get("namespace")),
            "name": _text(meta.get("name")),
            "uid": _text(meta.get("uid")),
            "resource_version": _text(meta.get("resourceVersion")),
            "full": True,
            "body": whole.text(),
        }
        return Row("objects", values)


def _api_of(kind: str, body: dict[str, Any]) -> str | None:
    """The API of an object out of a typed list, which leaves it to the list."""
    if kind == "Event":
        return "events.k8s.io/v1" if "regarding" in body or "note" in body else "v1"
    return _KINDS[kind].api if kind in _KINDS else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _newest(times: Iterable[Micros | None], seen_at: Micros) -> Micros:
    """The newest time that is not in the future; 0 for none."""
    return max([t for t in times if t is not None and t <= seen_at + _AHEAD], default=0)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
