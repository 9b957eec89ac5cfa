"""API objects to rows, with every oddity that real servers were seen to send."""

from typing import Any

import msgspec
import pytest

from afscope.model.clock import SECOND, parse_time
from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor
from afscope.store.schema import check_row

NOW = parse_time("2026-11-22T20:30:00Z")


def rows(
    obj: dict[str, Any], change: str = "MODIFIED", kube: KubeNormalizer | None = None
) -> dict[str, dict[str, Any]]:
    normalizer = kube or KubeNormalizer(Redactor())
    out = {}
    for row in normalizer.observe(change, msgspec.json.encode(obj), NOW):
        check_row(row.table, row.values)
        out[row.table] = dict(row.values)
    return out


def meta(**more: Any) -> dict[str, Any]:
    return {"name": "x", "namespace": "air", "uid": "u", "resourceVersion": "7", **more}


class TestEvents:
    def event(self, **fields: Any) -> dict[str, Any]:
        about = {"kind": "Pod", "namespace": "air", "name": "p", "uid": "pu"}
        return {
            "kind": "Event",
            "metadata": meta(creationTimestamp="2026-11-22T20:00:00Z"),
            "involvedObject": about,
            **fields,
        }

    def test_keda_2_20_has_only_an_event_time(self) -> None:
        row = rows(self.event(eventTime="2026-11-22T20:29:59.123456Z", firstTimestamp=None, lastTimestamp=None,
                              reportingComponent="keda-operator", source={}))["events"]  # fmt: skip
        assert row["ts"] == parse_time("2026-11-22T20:29:59.123456Z")
        assert row["count"] == 1
        assert row["component"] == "keda-operator"

    def test_mirrored_core_events_have_a_null_event_time(self) -> None:
        row = rows(
            self.event(eventTime=None, lastTimestamp="2026-11-22T20:29:00Z", count=3, source={"component": "kubelet"})
        )["events"]
        assert row["ts"] == parse_time("2026-11-22T20:29:00Z")
        assert row["component"] == "kubelet"

    def test_the_events_api_says_the_same_in_other_words(self) -> None:
        obj = {
            "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": meta(), "note": "hello", "deprecatedCount": 2,
            "deprecatedLastTimestamp": "2026-11-22T20:29:00Z", "regarding": {"kind": "Pod", "name": "p"},
            "deprecatedSource": {"component": "kubelet"}, "eventTime": None,
        }  # fmt: skip
        row = rows(obj)["events"]
        assert (row["message"], row["count"], row["object_name"]) == ("hello", 2, "p")

    def test_only_deltas_count(self) -> None:
        kube = KubeNormalizer(Redactor())
        deltas = [rows(self.event(count=n), change, kube)["events"]["count_delta"]
                  for change, n in (("STATE", 5), ("MODIFIED", 7), ("MODIFIED", 7), ("MODIFIED", 20))]  # fmt: skip
        assert deltas == [0, 2, 0, 13]

    def test_a_series_wins_over_the_count(self) -> None:
        row = rows(self.event(count=1, series={"count": 9, "lastObservedTime": "2026-11-22T20:29:30.5Z"}))["events"]
        assert row["count"] == 9
        assert row["ts"] == parse_time("2026-11-22T20:29:30.5Z")


class TestHpa:
    def hpa(self, **status: Any) -> dict[str, Any]:
        metric = {
            "type": "External",
            "external": {"metric": {"name": "s0"}, "target": {"type": "AverageValue", "averageValue": "1"}},
        }
        spec = {"scaleTargetRef": {"kind": "Deployment", "name": "w"}, "maxReplicas": 5, "metrics": [metric]}
        return {"kind": "HorizontalPodAutoscaler", "metadata": meta(), "spec": spec, "status": status}

    @pytest.mark.parametrize(
        ("text", "milli"), [("4", 4000), ("1600m", 1600), ("-9223372036854775808m", None), ("1k", 1_000_000)]
    )
    def test_the_current_metric(self, text: str, milli: int | None) -> None:
        current = [{"type": "External", "external": {"metric": {"name": "s0"}, "current": {"averageValue": text}}}]
        row = rows(self.hpa(currentMetrics=current))["hpas"]
        assert row["current_milli"] == milli
        assert row["target_milli"] == 1000

    @pytest.mark.parametrize("current", [None, [], [{"type": ""}]])
    def test_no_metric_is_no_value(self, current: Any) -> None:
        assert rows(self.hpa(currentMetrics=current, desiredReplicas=0))["hpas"]["current_milli"] is None

    def test_an_absent_behavior_is_not_an_empty_one(self) -> None:
        obj = self.hpa()
        assert rows(obj)["hpas"]["behavior"] is None
        obj["spec"]["behavior"] = {}
        assert rows(obj)["hpas"]["behavior"] == "{}"


class TestScaledObject:
    def test_conditions_without_times(self) -> None:
        trigger = {"type": "mysql", "metadata": {"query": "SELECT 1", "queryValue": "2", "activationQueryValue": "3"}}
        obj = {
            "kind": "ScaledObject", "metadata": meta(annotations={"autoscaling.keda.sh/paused": "true", "other": "x"}),
            "spec": {"scaleTargetRef": {"name": "w"}, "triggers": [trigger]},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown"}, {"type": "Paused", "status": "False"}],
                       "lastActiveTime": "2026-11-22T20:29:55Z"},
        }  # fmt: skip
        row = rows(obj)["scaledobjects"]
        assert (row["trigger_type"], row["trigger_target"], row["activation_target"]) == ("mysql", 2.0, 3.0)
        assert row["pause_annotations"] == '{"autoscaling.keda.sh/paused":"true"}'
        assert row["ts"] == parse_time("2026-11-22T20:29:55Z")


class TestPods:
    def pod(self, **status: Any) -> dict[str, Any]:
        return {
            "kind": "Pod",
            "metadata": meta(creationTimestamp="2026-11-22T20:29:50Z"),
            "spec": {"containers": None},
            "status": status,
        }

    def test_a_pod_without_anything(self) -> None:
        row = rows(self.pod())["pods"]
        assert row["waiting_reason"] is None
        assert row["ts"] == parse_time("2026-11-22T20:29:50Z")

    def test_the_loudest_waiting_container_is_named(self) -> None:
        statuses = [
            {"name": "base", "state": {"waiting": {"reason": "ContainerCreating"}}},
            {"name": "airflow-xcom-sidecar", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "m"}}},
        ]
        row = rows(self.pod(containerStatuses=statuses))["pods"]
        assert (row["waiting_container"], row["waiting_reason"]) == ("airflow-xcom-sidecar", "ImagePullBackOff")

    def test_termination_was_asked_for_before_the_deadline(self) -> None:
        obj = self.pod()
        obj["metadata"] |= {"deletionTimestamp": "2026-11-22T20:39:58Z", "deletionGracePeriodSeconds": 600}
        row = rows(obj)["pods"]
        assert row["ts"] == parse_time("2026-11-22T20:29:58Z")
        assert row["deletion_at"] == parse_time("2026-11-22T20:39:58Z")

    @pytest.mark.parametrize(
        ("container", "slots"),
        [
            ({"env": [{"name": "AIRFLOW__CELERY__WORKER_CONCURRENCY", "value": "8"}]}, 8),
            ({"args": ["airflow celery worker -c 6"]}, 6),
            ({"args": ["celery", "worker", "--concurrency=12"], "env": [{"name": "AIRFLOW__CELERY__WORKER_CONCURRENCY", "value": "8"}]}, 12),
            ({"args": ["bash", "-c", "exec airflow scheduler"]}, None),
            ({"env": [{"name": "AIRFLOW__CELERY__WORKER_CONCURRENCY", "valueFrom": {}}]}, None),
        ],
    )  # fmt: skip
    def test_slots_of_a_worker(self, container: dict[str, Any], slots: int | None) -> None:
        obj = self.pod()
        obj["spec"] = {"containers": [{"name": "git-sync"}, {"name": "worker", **container}]}
        assert rows(obj)["pods"]["worker_concurrency"] == slots

    def test_a_field_of_another_type_costs_that_field_only(self) -> None:
        kube = KubeNormalizer(Redactor())
        out = rows(self.pod(phase="Running", containerStatuses="what"), kube=kube)
        assert (out["pods"]["phase"], out["pods"]["containers"]) == ("Running", "[]")
        assert '"containerStatuses":"what"' in out["objects"]["body"]
        (problem,) = kube.problems
        assert problem.startswith("Pod air/x: ")
        assert "containerStatuses" in problem

    @pytest.mark.parametrize("metadata", [None, [], "x", 7])
    def test_without_readable_metadata_only_the_object_is_left(self, metadata: Any) -> None:
        kube = KubeNormalizer(Redactor())
        assert set(rows({**self.pod(), "metadata": metadata}, kube=kube)) == {"objects"}
        assert kube.problems

    def test_old_times_do_not_date_a_new_change(self) -> None:
        obj = self.pod()
        obj["metadata"]["creationTimestamp"] = "2026-11-22T19:00:00Z"
        assert rows(obj)["pods"]["ts"] == NOW


def test_the_writer_of_replicas_is_kept_and_the_rest_of_managed_fields_is_not() -> None:
    fields = [
        {"manager": "helm", "time": "2026-11-22T20:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "keda-operator", "subresource": "scale", "time": "2026-11-22T20:10:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kubectl", "fieldsV1": {"f:metadata": {}}},
    ]  # fmt: skip
    out = rows({"kind": "Deployment", "metadata": meta(managedFields=fields), "spec": {"replicas": 1}, "status": {}})
    assert out["workloads"]["replicas_manager"] == "keda-operator"
    assert "kubectl" not in out["objects"]["body"]


@pytest.mark.parametrize(
    "kind", ["Node", "ResourceQuota", "LimitRange", "APIService", "Lease", "StatefulSet", "ReplicaSet"]
)
def test_kinds_without_spec_and_status(kind: str) -> None:
    assert len(rows({"kind": kind, "metadata": meta()})) == 2


def test_micro_times_of_leases() -> None:
    obj = {
        "kind": "Lease",
        "metadata": meta(),
        "spec": {"renewTime": "2026-11-22T20:29:59.000001Z", "holderIdentity": "a"},
    }
    assert rows(obj)["leases"]["renew_time"] == NOW - SECOND + 1


def test_settings_come_once_and_again_when_they_change() -> None:
    kube = KubeNormalizer(Redactor())

    def deployment(value: str) -> dict[str, Any]:
        container = {"name": "scheduler", "env": [{"name": "AIRFLOW__CORE__PARALLELISM", "value": value}]}
        template = {"metadata": {"labels": {"component": "scheduler"}}, "spec": {"containers": [container]}}
        return {"kind": "Deployment", "metadata": meta(), "spec": {"template": template}}

    seen = [rows(deployment(v), kube=kube).get("airflow_config") for v in ("32", "32", "64")]
    assert [row and row["value"] for row in seen] == ["32", None, "64"]
