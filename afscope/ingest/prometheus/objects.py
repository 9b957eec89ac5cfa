"""What kube-state-metrics and KEDA measure, as API objects with the fields that their metrics tell.

Names of kube-state-metrics 2.x (docs/metrics of that project) and of KEDA 2.9 and later. A measured object has a uid
of its own making, except for pods, whose uid is a label.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from afscope.ingest.prometheus.series import Sample
from afscope.model.clock import SECOND, Micros, rfc3339

Body = dict[str, Any]
_Key = tuple[str, str, str]
_CONDITIONS = {"true": "True", "false": "False", "unknown": "Unknown"}


def _path(body: Body, *path: str) -> Body:
    for key in path:
        body = body.setdefault(key, {})
    return body


def _set(*path: str, whole: bool = True) -> Callable[[Body, Sample], None]:
    """Sets one field to the value."""

    def put(body: Body, sample: Sample) -> None:
        _path(body, *path[:-1])[path[-1]] = int(sample.value) if whole else sample.value

    return put


def _moment(*path: str) -> Callable[[Body, Sample], None]:
    """Sets one field to the value as a time."""

    def put(body: Body, sample: Sample) -> None:
        _path(body, *path[:-1])[path[-1]] = rfc3339(round(sample.value * SECOND))

    return put


def _condition(label: str = "condition") -> Callable[[Body, Sample], None]:
    """One series per status of a condition; the one that is 1 holds."""

    def put(body: Body, sample: Sample) -> None:
        if sample.value == 1 and (kind := sample.labels.get(label)):
            conditions = _path(body, "status").setdefault("conditions", [])
            conditions[:] = [c for c in conditions if c["type"] != kind]
            conditions.append({"type": kind, "status": _CONDITIONS.get(sample.labels.get("status", ""), "Unknown")})

    return put


def _pod_condition(kind: str) -> Callable[[Body, Sample], None]:
    """kube_pod_status_ready has one series per status, named by the label `condition`."""

    def put(body: Body, sample: Sample) -> None:
        _condition("type")(body, sample._replace(labels={"type": kind, "status": sample.labels.get("condition", "")}))

    return put


def _target(body: Body, sample: Sample) -> None:
    _path(body, "spec")["scaleTargetRef"] = {
        "kind": sample.labels.get("scaletargetref_kind"), "name": sample.labels.get("scaletargetref_name"),
    }  # fmt: skip


def _hpa_metric(body: Body, sample: Sample) -> None:
    kind = "AverageValue" if sample.labels.get("metric_target_type") == "average" else "Value"
    field = "averageValue" if kind == "AverageValue" else "value"
    metric = {
        "metric": {"name": sample.labels.get("metric_name")},
        "target": {"type": kind, field: f"{sample.value:g}"},
    }
    _path(body, "spec")["metrics"] = [{"type": "External", "external": metric}]


def _hpa_current(body: Body, sample: Sample) -> None:
    field = "averageValue" if sample.labels.get("metric_target_type") == "average" else "value"
    metric = {
        "metric": {"name": sample.labels.get("metric_name")},
        "current": {field: f"{round(sample.value * 1000)}m"},
    }
    _path(body, "status")["currentMetrics"] = [{"type": "External", "external": metric}]


def _pod_info(body: Body, sample: Sample) -> None:
    meta, labels = body["metadata"], sample.labels
    meta["uid"] = labels.get("uid") or meta["uid"]
    if labels.get("created_by_name"):
        meta["ownerReferences"] = [
            {"kind": labels.get("created_by_kind"), "name": labels["created_by_name"], "controller": True}
        ]
    if labels.get("node"):
        _path(body, "spec")["nodeName"] = labels["node"]


def _labels(body: Body, sample: Sample) -> None:
    """Labels become label_<name>, with everything but letters, digits and _ replaced by _."""
    body["metadata"]["labels"] = {
        k.removeprefix("label_"): v for k, v in sample.labels.items() if k.startswith("label_")
    }


def _phase(body: Body, sample: Sample) -> None:
    if sample.value == 1:
        _path(body, "status")["phase"] = sample.labels.get("phase")


def _container(body: Body, sample: Sample) -> Body:
    name = sample.labels.get("container", "")
    statuses = _path(body, "status").setdefault("containerStatuses", [])
    found = next((c for c in statuses if c["name"] == name), None)
    if found is None:
        found = {"name": name, "restartCount": 0, "ready": False, "state": {}}
        statuses.append(found)
        _path(body, "spec").setdefault("containers", []).append({"name": name, "image": sample.labels.get("image", "")})
    return found


def _named(body: Body, sample: Sample) -> None:
    _container(body, sample)


def _waiting(body: Body, sample: Sample) -> None:
    container = _container(body, sample)
    if sample.value == 1:
        container["state"] = {"waiting": {"reason": sample.labels.get("reason")}}
    elif container["state"].get("waiting", {}).get("reason") == sample.labels.get("reason"):
        container["state"] = {}


def _running(body: Body, sample: Sample) -> None:
    if sample.value == 1:
        _container(body, sample)["state"] = {"running": {}}


def _started(body: Body, sample: Sample) -> None:
    _container(body, sample)["state"] = {"running": {"startedAt": rfc3339(round(sample.value * SECOND))}}


def _ready(body: Body, sample: Sample) -> None:
    _container(body, sample)["ready"] = sample.value == 1


def _restarts(body: Body, sample: Sample) -> None:
    _container(body, sample)["restartCount"] = int(sample.value)


def _last_reason(body: Body, sample: Sample) -> None:
    if sample.value == 1:
        _path(_container(body, sample), "lastState", "terminated")["reason"] = sample.labels.get("reason")


def _quota(body: Body, sample: Sample) -> None:
    _path(body, "status", sample.labels.get("type", "used"))[sample.labels.get("resource", "")] = f"{sample.value:g}"


def _revision(body: Body, sample: Sample) -> None:
    body["metadata"]["generation"] = int(sample.value)


_HPA, _POD = "HorizontalPodAutoscaler", "Pod"
_READ: dict[str, tuple[str, str, Callable[[Body, Sample], None]]] = {
    "kube_horizontalpodautoscaler_info": (_HPA, "horizontalpodautoscaler", _target),
    "kube_horizontalpodautoscaler_spec_max_replicas": (_HPA, "horizontalpodautoscaler", _set("spec", "maxReplicas")),
    "kube_horizontalpodautoscaler_spec_min_replicas": (_HPA, "horizontalpodautoscaler", _set("spec", "minReplicas")),
    "kube_horizontalpodautoscaler_spec_target_metric": (_HPA, "horizontalpodautoscaler", _hpa_metric),
    "kube_horizontalpodautoscaler_status_target_metric": (_HPA, "horizontalpodautoscaler", _hpa_current),
    "kube_horizontalpodautoscaler_status_current_replicas": (
        _HPA,
        "horizontalpodautoscaler",
        _set("status", "currentReplicas"),
    ),
    "kube_horizontalpodautoscaler_status_desired_replicas": (
        _HPA,
        "horizontalpodautoscaler",
        _set("status", "desiredReplicas"),
    ),
    "kube_horizontalpodautoscaler_status_condition": (_HPA, "horizontalpodautoscaler", _condition()),
    "kube_deployment_created": ("Deployment", "deployment", _moment("metadata", "creationTimestamp")),
    "kube_deployment_labels": ("Deployment", "deployment", _labels),
    "kube_deployment_spec_replicas": ("Deployment", "deployment", _set("spec", "replicas")),
    "kube_deployment_status_replicas": ("Deployment", "deployment", _set("status", "replicas")),
    "kube_deployment_status_replicas_ready": ("Deployment", "deployment", _set("status", "readyReplicas")),
    "kube_deployment_status_replicas_available": ("Deployment", "deployment", _set("status", "availableReplicas")),
    "kube_deployment_status_condition": ("Deployment", "deployment", _condition()),
    "kube_deployment_metadata_generation": ("Deployment", "deployment", _revision),
    "kube_statefulset_created": ("StatefulSet", "statefulset", _moment("metadata", "creationTimestamp")),
    "kube_statefulset_replicas": ("StatefulSet", "statefulset", _set("spec", "replicas")),
    "kube_statefulset_status_replicas": ("StatefulSet", "statefulset", _set("status", "replicas")),
    "kube_statefulset_status_replicas_ready": ("StatefulSet", "statefulset", _set("status", "readyReplicas")),
    "kube_pod_info": (_POD, "pod", _pod_info),
    "kube_pod_labels": (_POD, "pod", _labels),
    "kube_pod_created": (_POD, "pod", _moment("metadata", "creationTimestamp")),
    "kube_pod_deletion_timestamp": (_POD, "pod", _moment("metadata", "deletionTimestamp")),
    "kube_pod_start_time": (_POD, "pod", _moment("status", "startTime")),
    "kube_pod_status_phase": (_POD, "pod", _phase),
    "kube_pod_status_ready": (_POD, "pod", _pod_condition("Ready")),
    "kube_pod_status_scheduled": (_POD, "pod", _pod_condition("PodScheduled")),
    "kube_pod_container_info": (_POD, "pod", _named),
    "kube_pod_container_state_started": (_POD, "pod", _started),
    "kube_pod_container_status_running": (_POD, "pod", _running),
    "kube_pod_container_status_ready": (_POD, "pod", _ready),
    "kube_pod_container_status_waiting_reason": (_POD, "pod", _waiting),
    "kube_pod_container_status_restarts_total": (_POD, "pod", _restarts),
    "kube_pod_container_status_last_terminated_reason": (_POD, "pod", _last_reason),
    "kube_node_status_condition": ("Node", "node", _condition()),
    "kube_resourcequota": ("ResourceQuota", "resourcequota", _quota),
}
_TRIGGER_VALUES = ("keda_scaler_metrics_value", "keda_metrics_adapter_scaler_metrics_value")


class Measured:
    """The objects as measured so far, and which of them changed since last asked."""

    def __init__(self) -> None:
        self._bodies: dict[_Key, Body] = {}
        self._changed: dict[_Key, None] = {}

    def take(self, sample: Sample) -> None:
        """Takes note of one sample; names that no object has are none of its business."""
        labels = _own_labels(sample)
        key = _key(sample.name, labels)
        if key is None:
            return
        kind, namespace, name = key
        fresh: Body = {
            "metadata": {"name": name, "namespace": namespace or None, "uid": f"measured-{kind}-{namespace}-{name}"}
        }
        _READ[sample.name][2](self._bodies.setdefault(key, fresh), sample._replace(labels=labels))
        self._changed[key] = None

    def gone(self, key: _Key) -> Body | None:
        """Forgets an object that is measured no more; its last state."""
        self._changed.pop(key, None)
        return self._bodies.pop(key, None)

    @staticmethod
    def ended(ends: Iterable[Sample], after: Micros) -> list[tuple[Micros, _Key]]:
        """(last measured at, key) of objects of which nothing was measured later than `after`, the oldest first."""
        last: dict[_Key, Micros] = {}
        for sample in ends:
            if (key := _key(sample.name, _own_labels(sample))) is not None:
                last[key] = max(last.get(key, 0), sample.at)
        return sorted((at, key) for key, at in last.items() if at <= after)

    def changed(self) -> Iterator[tuple[str, str, str, Body]]:
        """(kind, namespace, name, body) of what changed."""
        for key in self._changed:
            yield *key, self._bodies[key]
        self._changed = {}

    def trigger(self, sample: Sample) -> dict[str, Any] | None:
        """What KEDA's own metrics say of the value that a trigger had; None for other samples."""
        if sample.name not in _TRIGGER_VALUES:
            return None
        labels = sample.labels
        namespace = labels.get("exported_namespace") or labels.get("namespace")
        milli = round(sample.value * 1000)
        return {
            "source": "keda_metrics", "namespace": namespace,
            "scaledobject": labels.get("scaledObject") or labels.get("scaledobject"), "metric": labels.get("metric"),
            "value_milli": milli, "low_milli": milli, "high_milli": milli,
        }  # fmt: skip


def _own_labels(sample: Sample) -> dict[str, str]:
    """The labels that kube-state-metrics gave: where a scrape has its own of that name, they come as exported_…."""
    theirs = {
        key.removeprefix("exported_"): value for key, value in sample.labels.items() if key.startswith("exported_")
    }
    return {**sample.labels, **theirs}


def _key(name: str, labels: dict[str, str]) -> _Key | None:
    """(kind, namespace, name) of the object that a series measures; None for others."""
    if name not in _READ:
        return None
    kind, label, _ = _READ[name]
    called = labels.get(label)
    return (kind, "" if kind == "Node" else labels.get("namespace", ""), called) if called else None
