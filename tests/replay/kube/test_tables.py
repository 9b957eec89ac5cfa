"""Server-side tables: what kubectl prints."""

import gzip
import json
from typing import Any

import pytest

from afscope.model.clock import SECOND, parse_time
from afscope.replay.kube.resources import BY_KIND, guessed
from afscope.replay.kube.tables import form_of
from afscope.replay.kube.tables.ages import age, human
from afscope.replay.kube.tables.workloads import selector
from tests.replay.kube.client import TABLE, Client
from tests.replay.kube.cluster import START, Cluster, event, pod, stamp
from tests.replay.kube.conftest import RECORDINGS, Replay, Serve
from tests.replay.kube.test_history import NAMES

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1.5, "0s"),
        (-0.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (9 * _MINUTE + 59, "9m59s"),
        (10 * _MINUTE, "10m"),
        (179 * _MINUTE, "179m"),
        (3 * _HOUR, "3h"),
        (3 * _HOUR + 5 * _MINUTE, "3h5m"),
        (8 * _HOUR, "8h"),
        (47 * _HOUR, "47h"),
        (48 * _HOUR, "2d"),
        (51 * _HOUR, "2d3h"),
        (8 * _DAY, "8d"),
        (729 * _DAY, "729d"),
        (730 * _DAY, "2y"),
        (731 * _DAY, "2y1d"),
        (8 * 365 * _DAY, "8y"),
    ],
)
def test_ages_as_kubectl_says_them(seconds: float, text: str) -> None:
    assert human(round(seconds * SECOND)) == text


@pytest.mark.parametrize("value", [None, "", "soon", 5])
def test_an_age_of_nothing(value: Any) -> None:
    assert age(value, START) == "<unknown>"


def cells(kind: str, obj: dict[str, Any], second: float = 600) -> dict[str, Any]:
    form = form_of(BY_KIND[kind])
    found = form.cells(obj, START + round(second * SECOND))
    return dict(zip([column.name for column in form.columns], found, strict=True))


def containers(*states: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod with a container per state; a state has `restartCount`, `ready` and so on next to state."""
    obj = pod("p", 1)
    obj["spec"]["containers"] = [{"name": f"c{i}"} for i, _ in enumerate(states)]
    obj["status"]["containerStatuses"] = [
        {"name": f"c{i}", "ready": False, "restartCount": 0, **s} for i, s in enumerate(states)
    ]
    obj["status"].update(more.pop("status", {}))
    obj["spec"].update(more.pop("spec", {}))
    obj["metadata"].update(more)
    return obj


def running(*, ready: bool = True) -> dict[str, Any]:
    return {"ready": ready, "state": {"running": {"startedAt": stamp(1)}}}


def waiting(reason: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}}


def terminated(code: int, reason: str = "", signal: int = 0) -> dict[str, Any]:
    return {"state": {"terminated": {"exitCode": code, "reason": reason, "signal": signal}}}


READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (containers(running()), "1/1", "Running"),
        (containers(running(), running(ready=False)), "1/2", "Running"),
        (containers(waiting("ContainerCreating"), status={"phase": "Pending"}), "0/1", "ContainerCreating"),
        (containers(status={"phase": "Pending"}, spec={"containers": [{"name": "c"}]}), "0/1", "Pending"),
        (containers(waiting("CrashLoopBackOff"), running()), "1/2", "CrashLoopBackOff"),
        (containers(waiting("ImagePullBackOff"), waiting("ErrImagePull")), "0/2", "ImagePullBackOff"),
        (containers(terminated(0, "Completed"), status={"phase": "Succeeded"}), "0/1", "Completed"),
        (containers(terminated(1, "Error"), status={"phase": "Failed"}), "0/1", "Error"),
        (containers(terminated(137, "OOMKilled")), "0/1", "OOMKilled"),
        (containers(terminated(3)), "0/1", "ExitCode:3"),
        (containers(terminated(137, signal=9)), "0/1", "Signal:9"),
        (containers(terminated(0, "Completed"), running(), status=READY), "1/2", "Running"),
        (containers(terminated(0, "Completed"), running()), "1/2", "NotReady"),
        (containers(running(), status={"reason": "Evicted"}), "1/1", "Evicted"),
        (containers(running(), deletionTimestamp=stamp(9)), "1/1", "Terminating"),
        (containers(running(), deletionTimestamp=stamp(9), status={"reason": "NodeLost"}), "1/1", "Unknown"),
        (
            containers(terminated(0, "Completed"), deletionTimestamp=stamp(9), status={"phase": "Succeeded"}),
            "0/1",
            "Completed",
        ),
        (
            containers(
                status={"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}
            ),
            "0/0",
            "SchedulingGated",
        ),
    ],
)
def test_ready_and_status_of_pods(obj: dict[str, Any], ready: str, status: str) -> None:
    found = cells("Pod", obj)
    assert (found["Ready"], found["Status"]) == (ready, status)


def init(*states: dict[str, Any], sidecar: bool = False) -> dict[str, Any]:
    obj = containers(waiting("PodInitializing"), status={"phase": "Pending"})
    policy = {"restartPolicy": "Always"} if sidecar else {}
    obj["spec"]["initContainers"] = [{"name": f"i{i}", **policy} for i, _ in enumerate(states)]
    obj["status"]["initContainerStatuses"] = [{"name": f"i{i}", "restartCount": 2, **s} for i, s in enumerate(states)]
    return obj


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (init(waiting("PodInitializing"), waiting("PodInitializing")), "0/1", "Init:0/2"),
        (init(terminated(0), {"state": {"running": {}}}), "0/1", "Init:1/2"),
        (init(waiting("ImagePullBackOff")), "0/1", "Init:ImagePullBackOff"),
        (init(terminated(1, "Error")), "0/1", "Init:Error"),
        (init(terminated(1)), "0/1", "Init:ExitCode:1"),
        (init(terminated(1, signal=15)), "0/1", "Init:Signal:15"),
        (init(terminated(0), terminated(0)), "0/1", "PodInitializing"),
        (init({"state": {"running": {}}, "started": True, "ready": True}, sidecar=True), "1/2", "PodInitializing"),
        (init({"state": {"running": {}}, "started": False}, sidecar=True), "0/2", "Init:0/1"),
    ],
)
def test_init_containers(obj: dict[str, Any], ready: str, status: str) -> None:
    found = cells("Pod", obj)
    assert (found["Ready"], found["Status"]) == (ready, status)


def test_restarts_and_when() -> None:
    last = {"lastState": {"terminated": {"finishedAt": stamp(300)}}}
    again = containers({**running(), "restartCount": 2, **last}, {**running(), "restartCount": 1})
    assert cells("Pod", again)["Restarts"] == "3 (5m ago)"
    assert cells("Pod", containers({**running(), "restartCount": 2}))["Restarts"] == "2"
    assert cells("Pod", containers(running()))["Restarts"] == "0"
    assert cells("Pod", init({**waiting("CrashLoopBackOff"), **last}))["Restarts"] == "2 (5m ago)"
    assert (
        cells("Pod", init(terminated(0)))["Restarts"] == "0"
    )  # what init containers did is forgotten when they are done


def test_the_wide_columns_of_pods() -> None:
    bare = cells("Pod", pod("p", 1, spec_nodeName=None))
    assert [bare[name] for name in ("IP", "Node", "Nominated Node", "Readiness Gates")] == ["<none>"] * 4
    gates = {"readinessGates": [{"conditionType": "Ready"}, {"conditionType": "Lit"}]}
    full = cells("Pod", containers(running(), spec=gates, status={**READY, "podIPs": [{"ip": "10.0.0.7"}]}))
    assert (full["IP"], full["Node"], full["Readiness Gates"], full["Age"]) == ("10.0.0.7", "node-1", "1/2", "10m")


def external(current: Any, target: dict[str, str]) -> dict[str, Any]:
    metric = {"type": "External", "external": {"metric": {"name": "m"}, "target": target}}
    status = None if current is None else [{"type": "External", "external": {"current": current}}]
    return {"spec": {"metrics": [metric]}, "status": {"currentMetrics": status}}


def resource(name: str, used: int | None, target: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    source = {"name": name, "target": {"averageUtilization": target} if target is not None else {}}
    return {"type": "Resource", "resource": source}, {
        "resource": {"name": name, "current": {"averageUtilization": used}}
    }


@pytest.mark.parametrize(
    ("hpa", "shown"),
    [
        (external({"averageValue": "2"}, {"averageValue": "1"}), "2/1 (avg)"),
        (external(None, {"averageValue": "1"}), "<unknown>/1 (avg)"),
        (external({"value": "0"}, {"averageValue": "1"}), "<unknown>/1 (avg)"),
        (external({"value": "1500m"}, {"value": "2"}), "1500m/2"),
        (external(None, {"value": "2"}), "<unknown>/2"),
        ({"spec": {}}, "<none>"),
        ({"spec": {"metrics": [{"type": "Odd"}]}}, "<unknown type>"),
        (
            {
                "spec": {"metrics": [resource(n, 5, 80)[0] for n in ("cpu", "memory", "disk")]},
                "status": {"currentMetrics": [resource("cpu", 5, 80)[1]]},
            },
            "cpu: 5%/80%, memory: <unknown>/80% + 1 more...",
        ),
    ],
)
def test_targets_of_autoscalers(hpa: dict[str, Any], shown: str) -> None:
    assert cells("HorizontalPodAutoscaler", hpa)["Targets"] == shown


def test_an_autoscaler() -> None:
    hpa = external({"averageValue": "2"}, {"averageValue": "1"})
    hpa["metadata"] = {"name": "h", "creationTimestamp": stamp(0)}
    hpa["spec"] |= {"scaleTargetRef": {"kind": "Deployment", "name": "w"}, "maxReplicas": 9}
    found = cells("HorizontalPodAutoscaler", hpa)
    assert list(found.values()) == ["h", "Deployment/w", "2/1 (avg)", "<unset>", 9, 0, "10m"]


def test_workloads() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:2"}]}}
    obj = {
        "metadata": {"name": "w", "creationTimestamp": stamp(0)},
        "spec": {"replicas": 3, "template": template, "selector": {"matchLabels": {"b": "2", "a": "1"}}},
        "status": {"replicas": 4, "readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2},
    }
    assert list(cells("Deployment", obj).values()) == ["w", "2/3", 1, 2, "10m", "a,b", "x:1,y:2", "a=1,b=2"]
    assert list(cells("ReplicaSet", obj).values()) == ["w", 3, 4, 2, "10m", "a,b", "x:1,y:2", "a=1,b=2"]
    assert list(cells("StatefulSet", obj).values()) == ["w", "2/3", "10m", "a,b", "x:1,y:2"]


def test_selectors_in_one_line() -> None:
    expressions = [
        {"key": "z", "operator": "In", "values": ["2", "1"]},
        {"key": "e", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
        {"key": "n", "operator": "NotIn", "values": ["x"]},
    ]
    wanted = "a=1,!d,e,n notin (x),z in (1,2)"
    assert selector({"matchLabels": {"a": "1"}, "matchExpressions": expressions}) == wanted
    assert selector(None) == ""


def test_events() -> None:
    found = cells("Event", event("e", 1, 60))
    assert list(found.values()) == [
        "9m", "Normal", "Pulled", "pod/a", "spec.containers{worker}", "kubelet, node-1", "Container image pulled",
        "9m", 1, "e",
    ]  # fmt: skip
    series = {**event("e", 1, 0), "series": {"lastObservedTime": stamp(540), "count": 7}}
    assert [cells("Event", series)[name] for name in ("Last Seen", "First Seen", "Count")] == ["60s", "10m", 7]
    young = {**event("e", 1, 0), "firstTimestamp": None, "lastTimestamp": None, "eventTime": stamp(590), "count": None}
    assert [cells("Event", young)[name] for name in ("Last Seen", "First Seen", "Count")] == ["10s", "10s", 1]


def test_what_belongs_to_the_cluster() -> None:
    meta = {"name": "x", "creationTimestamp": stamp(0)}
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}
    node = {
        "metadata": {**meta, "labels": labels},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "osImage": "lab"},
        },
    }
    assert list(cells("Node", node).values()) == [
        "x", "NotReady,SchedulingDisabled", "edge,worker", "10m", "v1.36.2", "10.0.0.1", "<none>", "lab",
        "<unknown>", "<unknown>",
    ]  # fmt: skip
    hard, used = {"pods": "10", "limits.cpu": "4", "requests.cpu": "2"}, {"pods": "3", "requests.cpu": "500m"}
    quota = {"metadata": meta, "status": {"hard": hard, "used": used}}
    assert list(cells("ResourceQuota", quota).values()) == [
        "x",
        "pods: 3/10, requests.cpu: 500m/2",
        "limits.cpu: 0/4",
        "10m",
    ]
    assert list(cells("Lease", {"metadata": meta, "spec": {"holderIdentity": "me"}}).values()) == ["x", "me", "10m"]
    down = {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]}
    service = {"metadata": meta, "spec": {"service": {"namespace": "keda", "name": "m"}}, "status": down}
    assert list(cells("APIService", service).values()) == ["x", "keda/m", "False (MissingEndpoints)", "10m"]
    assert list(cells("APIService", {"metadata": meta, "spec": {}}).values()) == ["x", "Local", "Unknown", "10m"]
    assert list(cells("LimitRange", {"metadata": meta}).values()) == ["x", stamp(0)]
    form = form_of(guessed("gadgets", "Gadget", "toys.dev/v1", namespaced=False))
    assert form.cells({"metadata": meta}, START + 600 * SECOND) == ["x", "10m"]


def truth(name: str, plural: str, at: int) -> dict[str, dict[str, Any]]:
    """name -> object at a time, straight from the lines of a recording."""
    state: dict[str, dict[str, Any]] = {}
    for line in gzip.decompress((RECORDINGS / name / "k8s" / f"{plural}.jsonl.gz").read_bytes()).splitlines():
        seen = json.loads(line)
        obj = seen["object"]
        if seen["t"] * SECOND > at + 0.5 or seen["type"] == "BOOKMARK":
            continue
        if seen["type"] == "DELETED":
            state.pop(obj["metadata"]["name"], None)
        else:
            state[obj["metadata"]["name"]] = obj
    return state


def rows(replay: Replay, path: str) -> dict[str, dict[str, Any]]:
    table = Client(replay.server.url, accept=TABLE).get(path).json
    names = [column["name"] for column in table["columnDefinitions"]]
    found = [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]
    return {row["Name"]: row for row in found}


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_of_a_real_recording_at_many_times(name: str, serve: Serve) -> None:
    """Against plain readings of the recorded objects, which in these recordings have one container each."""
    replay = serve(RECORDINGS / name)
    compared = 0
    while replay.pace.now() < replay.history.ends:
        replay.pace.step(11)
        now = replay.pace.now()
        pods = truth(name, "pods", now)
        assert {n: (r["Ready"], r["Restarts"]) for n, r in rows(replay, "/api/v1/pods").items()} == {
            n: (f"{int(_ready(obj))}/1", str(_restarts(obj))) for n, obj in pods.items()
        }
        for shown, row in rows(replay, "/api/v1/pods").items():
            born = parse_time(pods[shown]["metadata"]["creationTimestamp"])
            assert row["Age"] == human(now - born)
            assert (row["Status"] == "Terminating") is ("deletionTimestamp" in pods[shown]["metadata"])
        deployments = truth(name, "deployments", now)
        assert {n: r["Ready"] for n, r in rows(replay, "/apis/apps/v1/deployments").items()} == {
            n: f"{o['status'].get('readyReplicas', 0)}/{o['spec']['replicas']}" for n, o in deployments.items()
        }
        compared += len(pods) + len(deployments)
    assert compared > 30


def _ready(obj: dict[str, Any]) -> bool:
    return any(c["type"] == "ContainersReady" and c["status"] == "True" for c in obj["status"].get("conditions", ()))


def _restarts(obj: dict[str, Any]) -> int:
    return sum(status["restartCount"] for status in obj["status"].get("containerStatuses", ()))


def test_a_table_comes_with_what_is_asked_of_the_objects(cluster: Cluster, serve: Serve) -> None:
    cluster.see(0, "LIST", pod("a", 5, status_phase="Succeeded"))
    replay = serve(cluster.write())
    client = Client(replay.server.url, accept=TABLE)
    table = client.get("/api/v1/pods").json
    assert (table["kind"], table["metadata"]["resourceVersion"]) == ("Table", "5")
    assert table["columnDefinitions"][0]["format"] == "name"
    assert [c["priority"] for c in table["columnDefinitions"]] == [0] * 5 + [1] * 4
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["rows"][0]["object"]["metadata"]["name"] == "a"
    assert table["rows"][0]["conditions"][0]["reason"] == "Succeeded"
    assert client.get("/api/v1/pods?includeObject=Object").json["rows"][0]["object"]["status"]["phase"] == "Succeeded"
    assert "object" not in client.get("/api/v1/pods?includeObject=None").json["rows"][0]
    assert client.get("/api/v1/namespaces/air/pods/a").json["rows"][0]["cells"][0] == "a"


def test_both_apis_of_events_have_the_same_table(cluster: Cluster, serve: Serve) -> None:
    cluster.see(0, "LIST", event("e", 5, 0), "events")
    replay = serve(cluster.write())
    found = [rows(replay, path) for path in ("/api/v1/events", "/apis/events.k8s.io/v1/events")]
    assert found[0] == found[1]
    assert found[0]["e"]["Object"] == "pod/a"


def test_scaled_objects_have_the_columns_of_their_crd(serve: Serve) -> None:
    replay = serve(RECORDINGS / "healthy_airflow3")
    replay.pace.jump(replay.history.ends)
    (row,) = rows(replay, "/apis/keda.sh/v1alpha1/scaledobjects").values()
    (obj,) = truth("healthy_airflow3", "scaledobjects", replay.history.ends).values()
    states = {c["type"]: c["status"] for c in obj["status"]["conditions"]}
    assert list(row)[1:-1] == [
        "ScaleTargetKind", "ScaleTargetName", "Min", "Max", "Ready", "Active", "Fallback", "Paused", "Triggers",
        "Authentications",
    ]  # fmt: skip
    assert {name: row[name] for name in states if name in row} == {k: v for k, v in states.items() if k in row}
    assert (row["Min"], row["Max"]) == (obj["spec"]["minReplicaCount"], obj["spec"]["maxReplicaCount"])
    assert row["Triggers"] == "postgresql"
