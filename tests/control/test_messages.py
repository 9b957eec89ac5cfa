"""Messages of events: real ones from recordings, older forms, and texts that only look alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.control.messages import KedaScaling, RescaleReason, keda_scaling, rescale, rescaled_line
from afscope.control.pod_messages import (
    NodeGrowth,
    PodChange,
    Pull,
    SetScaling,
    go_duration,
    no_node_growth,
    node_growth,
    pod_change,
    pulled,
    quota_refusal,
    set_scaling,
    unschedulable,
)

ABOVE = (
    "external metric s0-postgresql(&LabelSelector{MatchLabels:map[string]string{scaledobject.keda.sh/name: bi-worker,},"
    "MatchExpressions:[]LabelSelectorRequirement{},}) above target"
)
LINE = (
    'I1123 06:50:44.989390   27212 horizontal.go:981] "Successfully rescaled" HPA="airflow/keda-hpa-bi-worker" '
    f'currentReplicas=1 desiredReplicas=4 reason="{ABOVE}"'
)


@pytest.mark.parametrize(
    ("text", "size", "reason", "metric", "error"),
    [
        (f"New size: 4; reason: {ABOVE}", 4, RescaleReason.ABOVE_TARGET, "s0-postgresql", ""),
        ("New size: 1; reason: All metrics below target", 1, RescaleReason.BELOW_TARGET, "", ""),
        ("New size: 4; reason: ", 4, RescaleReason.NONE, "", ""),
        ("New size: 9; reason: Current number of replicas above Spec.MaxReplicas", 9, RescaleReason.ABOVE_MAX, "", ""),
        ("New size: 2; reason: Current number of replicas below Spec.MinReplicas", 2, RescaleReason.BELOW_MIN, "", ""),
        (f"New size: 4; reason: {ABOVE}; error: x\ny", 4, RescaleReason.ABOVE_TARGET, "s0-postgresql", "x\ny"),
        ("New size: 3; reason: a new one", 3, RescaleReason.OTHER, "", ""),
    ],
)
def test_rescales(text: str, size: int, reason: RescaleReason, metric: str, error: str) -> None:
    found = rescale(text)
    assert found is not None
    assert (found.size, found.reason, found.metric, found.error) == (size, reason, metric, error)
    assert rescale("(combined from similar events): " + text) == found


def test_the_controllers_log_knows_both_sizes() -> None:
    found = rescaled_line(LINE)
    assert found is not None
    assert (found.before, found.size, found.hpa, found.text) == (1, 4, "airflow/keda-hpa-bi-worker", ABOVE)
    with_logger = rescaled_line(LINE.replace(' HPA="', ' logger="horizontal-pod-autoscaler-controller" HPA="'))
    assert with_logger == found
    assert rescaled_line(LINE.replace("Successfully rescaled", "Decided not to scale")) is None


GVK = ("apps/v1.Deployment", "airflow", "bi-worker")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Scaled apps/v1.Deployment airflow/bi-worker from 0 to 1, triggered by s0-postgresql",
         KedaScaling(True, False, *GVK, 0, 1, ("s0-postgresql",))),
        ("Scaled apps/v1.Deployment airflow/bi-worker from 0 to 2, triggered by s0-postgresql;s1-redis",
         KedaScaling(True, False, *GVK, 0, 2, ("s0-postgresql", "s1-redis"))),
        ("Scaled apps/v1.Deployment airflow/bi-worker from 0 to 1, caused by forced activation annotation",
         KedaScaling(True, False, *GVK, 0, 1, (), True)),
        ("Scaled apps/v1.Deployment airflow/bi-worker from 0 to 1", KedaScaling(True, False, *GVK, 0, 1)),
        ("Failed to scale apps/v1.Deployment airflow/bi-worker from -1 to 1", KedaScaling(True, True, *GVK, -1, 1)),
        ("Failed to scaled apps/v1.Deployment airflow/bi-worker from 0 to 1", KedaScaling(True, True, *GVK, 0, 1)),
        ("Deactivated apps/v1.Deployment airflow/bi-worker from 5 to 0", KedaScaling(False, False, *GVK, 5, 0)),
        ("Failed to deactivate apps/v1.Deployment airflow/bi-worker from 5 to 0", KedaScaling(False, True, *GVK, 5, 0)),
        ("Failed to deactivated apps/v1.Deployment airflow/bi-worker%!(EXTRA int32=5, int32=0)",
         KedaScaling(False, True, *GVK, 5, 0)),
    ],
)  # fmt: skip
def test_activations_and_deactivations(text: str, expected: KedaScaling) -> None:
    assert keda_scaling(text) == expected


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1.111s", 1_111_000), ("345ms", 345_000), ("1m2.5s", 62_500_000), ("1h0m0s", 3_600_000_000), ("0s", 0),
        ("0", 0), ("15µs", 15), ("1500ns", 2), ("-1s", -1_000_000), ("", None), ("5", None), ("s", None), ("1x", None),
    ],
)  # fmt: skip
def test_go_durations(text: str, micros: int | None) -> None:
    assert go_duration(text) == micros


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Successfully pulled image "apache/airflow:2.10.5" in 1.111s (1.2s including waiting). '
         "Image size: 419430400 bytes.", Pull("apache/airflow:2.10.5", 1_111_000, 1_200_000, 419_430_400)),
        ('Successfully pulled image "a" in 1m2.5s', Pull("a", 62_500_000, None, None)),
        ('Container image "a:1" already present on machine', Pull("a:1", 0, 0, None, True)),
        ('Container image "a:1" already present on machine and can be accessed by the pod',
         Pull("a:1", 0, 0, None, True)),
        ('Successfully pulled image "a" in a while', None),
        ('Pulling image "a"', None),
    ],
)  # fmt: skip
def test_pulls(text: str, expected: Pull | None) -> None:
    assert pulled(text) == expected


def test_a_recorded_unschedulable_pod() -> None:
    found = unschedulable(
        "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are "
        "available: 2 No preemption victims found for incoming pod."
    )
    assert found is not None
    assert (found.nodes, found.reasons) == (2, ((2, "Insufficient cpu"),))
    assert found.preemption == "0/2 nodes are available: 2 No preemption victims found for incoming pod."


def test_reasons_with_commas_dots_and_braces_stay_whole() -> None:
    found = unschedulable(
        "0/14 nodes are available: 10 node(s) had untolerated taint {dedicated: gpu}, 2 Insufficient nvidia.com/gpu, "
        "3 node(s) didn't match Pod's node affinity/selector. preemption: 0/14 nodes are available: 14 Preemption is "
        "not helpful for scheduling."
    )
    assert found is not None
    assert [count for count, _ in found.reasons] == [10, 2, 3]
    assert found.reasons[1][1] == "Insufficient nvidia.com/gpu"


def test_a_prefilter_a_truncated_and_a_foreign_text() -> None:
    claim = unschedulable("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: x")
    assert claim is not None
    assert (claim.reasons, claim.prefilter) == ((), "pod has unbound immediate PersistentVolumeClaims")
    cut = unschedulable("0/900 nodes are available: 400 Insufficient cpu, 500 node(s) had untol ...")
    assert cut is not None
    assert cut.truncated
    assert cut.reasons[0] == (400, "Insufficient cpu")
    assert unschedulable("Failed to schedule pod, incompatible requirements") is None
    assert unschedulable("skip schedule deleting pod: airflow/x") is None


RECORDED_QUOTA = (
    '(combined from similar events): Error creating: pods "ml-worker-5b5995f7bb-42rrx" is forbidden: exceeded quota: '
    "team-quota, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1"
)


def test_a_recorded_quota() -> None:
    found = quota_refusal(RECORDED_QUOTA)
    assert found is not None
    assert (found.quota, found.requested, found.limited) == (
        "team-quota", {"requests.cpu": "500m"}, {"requests.cpu": "1"})  # fmt: skip
    change = pod_change(RECORDED_QUOTA)
    assert change is not None
    assert (change.created, change.failed, change.pod) == (True, True, "ml-worker-5b5995f7bb-42rrx")


def test_other_quota_refusals() -> None:
    found = quota_refusal(
        "exceeded quota: q, requested: cpu=1,memory=1Gi, used: cpu=3,memory=7Gi, limited: cpu=3,memory=8Gi"
    )
    assert found is not None
    assert found.used == {"cpu": "3", "memory": "7Gi"}
    must = quota_refusal('pods "x" is forbidden: failed quota: q: must specify limits.cpu for: worker')
    assert must is not None
    assert (must.quota, must.missing) == ("q", "limits.cpu for: worker")
    assert quota_refusal('pods "x" is forbidden: no') is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Scaled up replica set w-1 from 0 to 4", SetScaling(True, "w-1", 0, 4)),
        ("Scaled down replica set w-1 from 5 to 0", SetScaling(False, "w-1", 5, 0)),
        ("Scaled up replica set w-1 to 4", SetScaling(True, "w-1", None, 4)),
        ("Scaled up replica set w-1 to 4 from 1", SetScaling(True, "w-1", 1, 4)),
        ("Scaled apps/v1.Deployment airflow/w from 0 to 1", None),
    ],
)
def test_replica_sets(text: str, expected: SetScaling | None) -> None:
    assert set_scaling(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Created pod: w-1-abc", PodChange(True, False, "w-1-abc")),
        ("(combined from similar events): Deleted pod: w-1-abc", PodChange(False, False, "w-1-abc")),
        ("create Pod w-0 in StatefulSet w successful", PodChange(True, False, "w-0")),
        ("delete Pod w-0 in StatefulSet w successful", PodChange(False, False, "w-0")),
        ("create Pod w-0 in StatefulSet w failed error: no", PodChange(True, True, "w-0", "no")),
        ("Error creating: Internal error", PodChange(True, True, "", "Internal error")),
        ("create Claim data Pod w-0 in StatefulSet w success", None),
    ],
)
def test_pods_of_workloads(text: str, expected: PodChange | None) -> None:
    assert pod_change(text) == expected


def test_the_cluster_autoscaler() -> None:
    text = "pod triggered scale-up: [{pool-a 1->3 (max: 5)} {pool-b 0->1 (max: 2)}]"
    assert node_growth(text) == (NodeGrowth("pool-a", 1, 3, 5), NodeGrowth("pool-b", 0, 1, 2))
    refused = "pod didn't trigger scale-up: 1 max node group size reached, 2 Insufficient cpu"
    assert no_node_growth(refused) == ((1, "max node group size reached"), (2, "Insufficient cpu"))
    wide = "pod didn't trigger scale-up (it wouldn't fit if a new node is added): 1 Insufficient memory"
    assert no_node_growth(wide) == ((1, "Insufficient memory"),)
    assert no_node_growth("pod didn't trigger scale-up:") == ()
    assert node_growth(refused) is None
    assert no_node_growth(text) is None


PARSERS = (rescale, rescaled_line, keda_scaling, pulled, unschedulable, quota_refusal, set_scaling, pod_change,
           node_growth, no_node_growth)  # fmt: skip


@given(st.text())
def test_foreign_text_is_nobodys(text: str) -> None:
    assert [parser(text) for parser in PARSERS] == [None] * len(PARSERS)
