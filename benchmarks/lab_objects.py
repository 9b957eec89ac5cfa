"""API objects of the lab, in the shape in which an API server sends them; times are epoch seconds."""

import json
from datetime import UTC, datetime
from typing import Any

Body = dict[str, Any]


def stamp(at: float) -> str:
    """A time as Kubernetes writes it: whole seconds."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}Z"


def wrote_replicas(manager: str, at: float, *, scale: bool) -> list[Body]:
    """The managedFields entry of who set spec.replicas, directly or through the scale subresource."""
    entry: Body = {"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "time": stamp(at),
                   "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}  # fmt: skip
    return [{**entry, **({"subresource": "scale"} if scale else {})}]


def meta(namespace: str, name: str, uid: str, created: float, owner: tuple[str, str, str] | None = None,
         labels: Body | None = None) -> Body:  # fmt: skip
    """Metadata; `owner` is kind, name, uid of the controller."""
    body: Body = {
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "creationTimestamp": stamp(created),
        "labels": labels or {},
    }
    if owner:
        api = "keda.sh/v1alpha1" if owner[0] == "ScaledObject" else "apps/v1"
        body["ownerReferences"] = [
            {"apiVersion": api, "kind": owner[0], "name": owner[1], "uid": owner[2], "controller": True}
        ]
    return body  # fmt: skip


def template(component: str, release: str, image: str, env: Body, grace: int) -> Body:
    """A pod template as the chart renders it."""
    labels = {"component": component, "release": release, "tier": "airflow"}
    container = {
        "name": component, "image": image, "args": ["bash", "-c", "exec airflow celery worker"],
        "env": [{"name": key, "value": str(value)} for key, value in env.items()],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
    }  # fmt: skip
    return {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": grace}}


def hpa_spec(
    target: tuple[str, str], low: int, high: int, scaledobject: str, metric: str, behavior: Body | None
) -> Body:
    """The spec of the HPA that KEDA makes of a ScaledObject."""
    external = {"metric": {"name": metric, "selector": {"matchLabels": {"scaledobject.keda.sh/name": scaledobject}}},
                "target": {"type": "AverageValue", "averageValue": "1"}}  # fmt: skip
    spec: Body = {"scaleTargetRef": {"kind": target[0], "name": target[1], "apiVersion": "apps/v1"}, "minReplicas": low,
                  "maxReplicas": high, "metrics": [{"type": "External", "external": external}]}  # fmt: skip
    return {**spec, **({"behavior": behavior} if behavior else {})}


ABLE = {
    "SucceededGetScale": "the HPA controller was able to get the target's current scale",
    "SucceededRescale": "the HPA controller was able to update the target scale to {size}",
    "ReadyForNewScale": "recommended size matches current size",
    "ScaleDownStabilized": "recent recommendations were higher than current one, applying the highest recent recommendation",
    "ScaleUpStabilized": "recent recommendations were lower than current one, applying the lowest recent recommendation",
}
LIMITED = {
    "DesiredWithinRange": "the desired count is within the acceptable range",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
}
ACTIVE = {
    "ValidMetricFound": "the HPA was able to successfully calculate a replica count from {metric}",
    "ScalingDisabled": "scaling is disabled since the replica count of the target is zero",
}


def condition(kind: str, status: str, reason: str, message: str, since: float) -> Body:
    """A status condition."""
    return {"type": kind, "status": status, "lastTransitionTime": stamp(since), "reason": reason, "message": message}


def scaled_conditions(ready: str, active: str, *, paused: bool = False, fallback: bool = False) -> list[Body]:
    """The four conditions of a ScaledObject by the reasons of two of them."""
    words = {
        "ScaledObjectReady": ("True", "ScaledObject is defined correctly and is ready for scaling"),
        "TriggerError": ("False", "Triggers defined in ScaledObject are not working correctly"),
        "ScalerActive": ("True", "Scaling is performed because triggers are active"),
        "ScalerCooldown": ("False", "Scaler cooling down because triggers are not active"),
        "ScalerNotActive": ("False", "Scaling is not performed because triggers are not active"),
    }
    out = [
        {"type": "Ready", "status": words[ready][0], "reason": ready, "message": words[ready][1]},
        {"type": "Active", "status": words[active][0], "reason": active, "message": words[active][1]},
        {"type": "Fallback", "status": "False", "reason": "NoFallbackFound", "message": "No fallbacks are active on this scaled object"},
    ]  # fmt: skip
    if fallback:
        out[2] = {
            "type": "Fallback",
            "status": "True",
            "reason": "FallbackExists",
            "message": "At least one trigger is falling back on this scaled object",
        }
    told = {"type": "Paused", "status": "True", "reason": "ScaledObjectPaused", "message": "ScaledObject is paused"}
    return [*out, told if paused else {"type": "Paused", "status": "False"}]


def node(name: str, since: float, *, ready: bool = True, cordoned: bool = False, at: float | None = None) -> Body:
    """A node; `at` is when it turned unready."""
    body: Body = {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "uid": f"node-{name}", "creationTimestamp": stamp(since)},
    }
    condition_ = (
        condition("Ready", "True", "KubeletReady", "kubelet is posting ready status", since) if ready
        else condition("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.", at or since)
    )  # fmt: skip
    body["spec"] = {"unschedulable": True} if cordoned else {}
    amounts = {"cpu": "4", "memory": "16Gi", "pods": "110"}
    body["status"] = {"capacity": amounts, "allocatable": amounts, "conditions": [condition_]}
    return body


def api_service(at: float, *, ok: bool = True, reason: str = "Passed", message: str = "all checks passed") -> Body:
    """The APIService of the external metrics API."""
    told = condition("Available", "True" if ok else "False", reason, message, at)
    return {
        "kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": "v1beta1.external.metrics.k8s.io", "uid": "apiservice-external", "creationTimestamp": stamp(at - 86400)},
        "spec": {"group": "external.metrics.k8s.io", "version": "v1beta1", "service": {"namespace": "keda", "name": "keda-operator-metrics-apiserver"}},
        "status": {"conditions": [told]},
    }  # fmt: skip


def dumps(value: Any) -> str:
    """For comparing objects by what they say."""
    return json.dumps(value, sort_keys=True)
