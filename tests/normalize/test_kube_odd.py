"""Old APIs, wrong types, hostile numbers: what can be read is read, the rest is reported, nothing is lost."""

from typing import Any

import msgspec
import pytest

from afscope.model.clock import SECOND, SystemClock, parse_time
from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor
from afscope.store.rows import RowCodec

NOW = parse_time("2026-11-22T20:30:00Z")


def rows(obj: Any, kube: KubeNormalizer | None = None, change: str = "MODIFIED") -> dict[str, dict[str, Any]]:
    out = {}
    for row in (kube or KubeNormalizer(Redactor())).observe(change, msgspec.json.encode(obj), NOW):
        RowCodec(row.table).values(row.values, SystemClock())
        out[row.table] = dict(row.values)
    return out


def hpa(spec: dict[str, Any], status: dict[str, Any], **annotations: str) -> dict[str, Any]:
    prefix = "autoscaling.alpha.kubernetes.io/"
    notes = {prefix + name.replace("_", "-"): text for name, text in annotations.items()}
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "w"}, "maxReplicas": 9}
    return {
        "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "uid": "h", "annotations": notes},
        "spec": {**target, **spec}, "status": status,
    }  # fmt: skip


V2 = hpa(
    {"metrics": [{"type": "External", "external": {
        "metric": {"name": "s0"}, "target": {"type": "AverageValue", "averageValue": "2"}}}]},
    {"currentMetrics": [{"type": "External", "external": {"metric": {"name": "s0"}, "current": {"averageValue": "1500m"}}}],
     "conditions": [{"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}]},
)  # fmt: skip
V2BETA1 = hpa(
    {"metrics": [{"type": "External", "external": {"metricName": "s0", "targetAverageValue": "2"}}]},
    {"currentMetrics": [{"type": "External", "external": {
        "metricName": "s0", "currentValue": "0", "currentAverageValue": "1500m"}}],
     "conditions": [{"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}]},
)  # fmt: skip
V1 = hpa(
    {},
    {},
    metrics='[{"type":"External","external":{"metricName":"s0","targetAverageValue":"2"}}]',
    current_metrics='[{"type":"External","external":{"metricName":"s0","currentValue":"0","currentAverageValue":"1500m"}}]',
    conditions='[{"type":"ScalingActive","status":"True","reason":"ValidMetricFound"}]',
)


@pytest.mark.parametrize("obj", [V2, V2BETA1, V1], ids=["v2", "v2beta1", "v1"])
def test_every_version_of_the_autoscaling_api_says_the_same(obj: dict[str, Any]) -> None:
    row = rows(obj)["hpas"]
    assert (row["metric_name"], row["metric_type"], row["target_milli"]) == ("s0", "AverageValue", 2000)
    assert (row["current_milli"], row["active_reason"]) == (1500, "ValidMetricFound")


def test_a_metric_of_zero_is_a_value() -> None:
    current = [{"type": "External", "external": {"current": {"averageValue": "0"}}}]
    assert rows(hpa({}, {"currentMetrics": current}))["hpas"]["current_milli"] == 0


@pytest.mark.parametrize(
    "text", ["not json", "[", '{"a": 1}', "7", '[{"external":{"metricName":7,"targetValue":[1]}}]', "[" * 100_000]
)
def test_annotations_of_v1_may_hold_anything(text: str) -> None:
    row = rows(hpa({}, {}, metrics=text, current_metrics=text, conditions=text, behavior=text))["hpas"]
    assert row["max_replicas"] == 9
    assert row["current_milli"] is None


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("Pod", {"spec": {"nodeName": "n", "containers": [{"name": "c", "args": "not a list"}]}}, "pods"),
    ("Pod", {"spec": {"nodeName": "n"}, "metadata": {"labels": ["x"]}}, "pods"),
    ("Pod", {"spec": {"nodeName": "n"}, "status": "gone"}, "pods"),
    ("Deployment", {"spec": {"replicas": "three"}}, "workloads"),
    ("Deployment", {"spec": {"replicas": 10**30}}, "workloads"),
    ("ScaledObject", {"spec": {"triggers": [{"type": 5}], "pollingInterval": {}}}, "scaledobjects"),
    ("Lease", {"spec": {"leaseTransitions": "many"}}, "leases"),
    ("Node", {"status": {"allocatable": {"cpu": ["4"]}}}, "nodes"),
    ("Event", {"count": "often", "reason": "X"}, "events"),
    ("HorizontalPodAutoscaler", {"spec": {"metrics": {"a": 1}}}, "hpas"),
]


@pytest.mark.parametrize(("kind", "fields", "table"), WRONG)
def test_a_wrong_field_costs_itself_and_is_reported(kind: str, fields: dict[str, Any], table: str) -> None:
    kube = KubeNormalizer(Redactor())
    meta = {"name": "x", "namespace": "air", "uid": "u", **fields.get("metadata", {})}
    out = rows({"kind": kind, **fields, "metadata": meta}, kube)
    assert out[table]["uid"] == "u"
    assert out["objects"]["uid"] == "u"
    assert all(problem.startswith(f"{kind} air/x: ") for problem in kube.problems)
    assert kube.problems


HOSTILE = [
    "9223372036854775807", "-9223372036854775808", "9999999E", "1e99", "-1e99", "1" * 70, "NaN", "", " ", "0x10", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize("amount", HOSTILE)
def test_no_amount_is_more_than_a_capture_can_hold(amount: str) -> None:
    node = {
        "kind": "Node",
        "metadata": {"uid": "n"},
        "status": {"allocatable": {"cpu": amount, "memory": amount, "pods": amount}},
    }
    current = [{"type": "External", "external": {"current": {"averageValue": amount}}}]
    trigger = {"type": "postgresql", "metadata": {"query": "SELECT 1", "targetQueryValue": amount}}
    assert set(rows(node)) == {"nodes", "objects"}
    assert set(rows(hpa({}, {"currentMetrics": current}))) == {"hpas", "objects"}
    assert set(rows({"kind": "ScaledObject", "metadata": {"uid": "s"}, "spec": {"triggers": [trigger]}})) >= {
        "scaledobjects"
    }


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"7", b"{", b'{"kind": "Pod"', b"\xff\xfe", b'{"a": "\xff"}', b'{"a":' * 100_000]
)
def test_what_is_no_object_raises_one_error(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        list(KubeNormalizer(Redactor()).observe("ADDED", raw, NOW))


def test_unknown_kinds_leave_their_object() -> None:
    out = rows({"kind": "Certificate", "apiVersion": "cert-manager.io/v1", "metadata": {"name": "c", "uid": "c"}})
    assert set(out) == {"objects"}
    assert out["objects"]["api_version"] == "cert-manager.io/v1"


@pytest.mark.parametrize(
    ("kind", "fields", "api"),
    [("Pod", {}, "v1"), ("ScaledObject", {}, "keda.sh/v1alpha1"), ("Event", {}, "v1"),
     ("Event", {"regarding": {"name": "p"}}, "events.k8s.io/v1"), ("StatefulSet", {}, "apps/v1")],
)  # fmt: skip
def test_an_object_out_of_a_list_gets_its_kind_back(kind: str, fields: dict[str, Any], api: str) -> None:
    raw = msgspec.json.encode({"metadata": {"uid": "u"}, **fields})
    *_, whole = KubeNormalizer(Redactor()).observe("STATE", raw, NOW, kind=kind)
    body = msgspec.json.decode(whole.values["body"])
    assert (body["kind"], body["apiVersion"], whole.values["api_version"]) == (kind, api, api)


def test_time_never_runs_backwards_within_an_object() -> None:
    kube = KubeNormalizer(Redactor())

    def pod(ready_at: str | None, seen_at: int, change: str = "MODIFIED") -> int:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready_at}]
        obj = {"kind": "Pod", "metadata": {"uid": "u"}, "status": {"conditions": conditions}}
        return int(next(iter(kube.observe(change, msgspec.json.encode(obj), seen_at))).values["ts"])

    assert pod(None, NOW) == NOW
    assert pod("2026-11-22T20:29:55Z", NOW + SECOND) == NOW
    assert pod("2026-11-22T20:30:05Z", NOW + 6 * SECOND) == NOW + 5 * SECOND
    assert pod("2026-11-22T20:30:05Z", NOW + 9 * SECOND) == NOW + 9 * SECOND
    assert pod("2026-11-22T21:30:00Z", NOW + 10 * SECOND) == NOW + 10 * SECOND
    assert pod(None, NOW + 11 * SECOND, "DELETED") == NOW + 11 * SECOND


def test_of_managed_fields_only_who_wrote_replicas_is_kept() -> None:
    fields = [
        {"manager": "helm", "operation": "Update", "time": "2026-11-22T20:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}},
        {"manager": "kubectl", "operation": "Update", "subresource": "scale", "time": "2026-11-22T20:10:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kcm", "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}},
        {"manager": "odd", "fieldsV1": None}, "nonsense",
    ]  # fmt: skip
    kube = KubeNormalizer(Redactor())
    out = rows(
        {"kind": "Deployment", "metadata": {"uid": "d", "managedFields": fields[:4]}, "spec": {"replicas": 3}}, kube
    )
    body = msgspec.json.decode(out["objects"]["body"])
    assert [f["manager"] for f in body["metadata"]["managedFields"]] == ["helm", "kubectl"]
    assert all(f["fieldsV1"] == {"f:spec": {"f:replicas": {}}} for f in body["metadata"]["managedFields"])
    assert (out["workloads"]["replicas_manager"], out["workloads"]["replicas_subresource"]) == ("kubectl", "scale")
    odd = rows({"kind": "Deployment", "metadata": {"uid": "d", "managedFields": fields}, "spec": {"replicas": 3}}, kube)
    assert odd["workloads"]["replicas_manager"] == "kubectl"
