"""Lists, pages, single objects and the forms in which they come."""

from pathlib import Path
from typing import Any

import pytest

from afscope.model.clock import SECOND
from tests.replay.kube.client import Client
from tests.replay.kube.cluster import Cluster, event, pod
from tests.replay.kube.conftest import RECORDINGS, Replay, Serve


@pytest.fixture
def replay(cluster: Cluster, serve: Serve) -> Replay:
    """Seven pods in two namespaces, and an event; one pod more after ten seconds."""
    for number, name in enumerate("abcde"):
        cluster.see(0, "LIST", pod(name, 10 + number, labels={"app": "worker", "shard": name}))
    cluster.see(0, "LIST", pod("sched", 20, labels={"app": "scheduler"}, spec_nodeName="node-2"))
    cluster.see(0, "LIST", pod("alien", 21, namespace="other", labels={}, status_phase="Pending"))
    cluster.see(0, "LIST", event("e", 22, 0), "events")
    cluster.see(10, "ADDED", pod("f", 30))
    cluster.see(20, "DELETED", pod("a", 31))
    return serve(cluster.write())


def test_a_list_is_the_state_at_the_clock(replay: Replay) -> None:
    first = replay.client.get("/api/v1/pods")
    assert first.names == ["a", "b", "c", "d", "e", "sched", "alien"]
    assert first.json["metadata"]["resourceVersion"] == "22"
    assert (first.json["kind"], first.json["apiVersion"]) == ("PodList", "v1")
    replay.pace.step(25)
    later = replay.client.get("/api/v1/namespaces/air/pods")
    assert later.names == ["b", "c", "d", "e", "f", "sched"]
    assert later.json["metadata"]["resourceVersion"] == "31"
    assert replay.server.sent == 13


def test_the_clock_may_go_back(replay: Replay) -> None:
    replay.pace.step(25)
    assert "a" not in replay.client.get("/api/v1/pods").names
    replay.pace.jump(replay.history.begins + 5 * SECOND)
    assert "a" in replay.client.get("/api/v1/pods").names


def test_a_single_object(replay: Replay) -> None:
    found = replay.client.get("/api/v1/namespaces/air/pods/a")
    assert found.json["metadata"]["resourceVersion"] == "10"
    replay.pace.step(25)
    gone = replay.client.get("/api/v1/namespaces/air/pods/a")
    assert (gone.code, gone.json["reason"], gone.json["message"]) == (404, "NotFound", 'pods "a" not found')


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("labelSelector=app=worker,shard=a", ["a"]),
        ("labelSelector=app==scheduler", ["sched"]),
        ("labelSelector=app!=worker", ["sched", "alien"]),
        ("labelSelector=shard+in+(a,b)", ["a", "b"]),
        ("labelSelector=app=worker,shard+notin+(a,b)", ["c", "d", "e"]),
        ("labelSelector=shard+notin+(a,b,c,d,e)", ["sched", "alien"]),
        ("labelSelector=!shard,app", ["sched"]),
        ("labelSelector=!app", ["alien"]),
        ("fieldSelector=metadata.name=a", ["a"]),
        ("fieldSelector=metadata.namespace=other", ["alien"]),
        ("fieldSelector=metadata.namespace!=air,status.phase==Pending", ["alien"]),
        ("fieldSelector=spec.nodeName=node-2", ["sched"]),
        ("fieldSelector=status.phase!=Running", ["alien"]),
        ("labelSelector=app=worker&fieldSelector=metadata.name!=a", ["b", "c", "d", "e"]),
    ],
)
def test_selectors(replay: Replay, selector: str, names: list[str]) -> None:
    assert replay.client.get(f"/api/v1/pods?{selector}").names == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("involvedObject.name=a,involvedObject.kind=Pod", ["e"]),
        ("involvedObject.name=b", []),
        ("regarding.name=a,type!=Warning", ["e"]),
        ("source=kubelet,reason=Pulled", ["e"]),
        ("involvedObject.fieldPath=spec.containers{worker}", ["e"]),
    ],
)
@pytest.mark.parametrize("api", ["/api/v1", "/apis/events.k8s.io/v1"])
def test_selectors_of_events(replay: Replay, api: str, selector: str, names: list[str]) -> None:
    assert replay.client.get(f"{api}/namespaces/air/events?fieldSelector={selector}").names == names


@pytest.mark.parametrize(
    "query",
    [
        "fieldSelector=spec.colour=red",
        "fieldSelector=nonsense",
        "labelSelector=a+in+b",
        "labelSelector=(",
        "limit=many",
        "continue=garbage",
        "resourceVersion=latest",
    ],
)
def test_what_makes_no_sense_is_a_bad_request(replay: Replay, query: str) -> None:
    found = replay.client.get(f"/api/v1/pods?{query}")
    assert (found.code, found.json["reason"]) == (400, "BadRequest")


def pages(client: Client, query: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found = [client.get(f"/api/v1/pods?{query}").json]
    while token := found[-1]["metadata"].get("continue"):
        found.append(client.get(f"/api/v1/pods?{query}&continue={token}").json)
    return found


def test_pages_are_one_snapshot_however_long_one_takes(replay: Replay) -> None:
    first = replay.client.get("/api/v1/pods?limit=3").json
    assert first["metadata"]["remainingItemCount"] == 4
    replay.pace.step(25)
    rest = replay.client.get(f"/api/v1/pods?limit=9&continue={first['metadata']['continue']}").json
    names = [item["metadata"]["name"] for page in (first, rest) for item in page["items"]]
    assert names == ["a", "b", "c", "d", "e", "sched", "alien"]
    assert first["metadata"]["resourceVersion"] == rest["metadata"]["resourceVersion"] == "22"
    assert "continue" not in rest["metadata"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_of_any_size_add_up(replay: Replay, limit: int) -> None:
    found = pages(replay.client, f"limit={limit}&labelSelector=app")
    names = [item["metadata"]["name"] for page in found for item in page["items"]]
    assert names == ["a", "b", "c", "d", "e", "sched"]
    assert all(len(page["items"]) <= limit for page in found)
    assert not any("remainingItemCount" in page["metadata"] for page in found)


def test_a_page_after_an_expiry_is_refused(replay: Replay) -> None:
    token = replay.client.get("/api/v1/pods?limit=3").json["metadata"]["continue"]
    replay.server.expire()
    found = replay.client.get(f"/api/v1/pods?limit=3&continue={token}")
    assert (found.code, found.json["reason"]) == (410, "Expired")
    assert replay.client.get("/api/v1/pods?limit=3").code == 200


def test_a_list_at_a_given_version(replay: Replay) -> None:
    replay.pace.step(25)
    exact = replay.client.get("/api/v1/namespaces/air/pods?resourceVersion=30&resourceVersionMatch=Exact")
    assert exact.names == ["a", "b", "c", "d", "e", "f", "sched"]
    assert exact.json["metadata"]["resourceVersion"] == "30"
    at_least = replay.client.get("/api/v1/namespaces/air/pods?resourceVersion=22")
    assert at_least.names == ["b", "c", "d", "e", "f", "sched"]
    future = replay.client.get("/api/v1/pods?resourceVersion=4711")
    assert (future.code, future.json["reason"]) == (504, "Timeout")
    assert future.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_an_event_has_two_apis(replay: Replay) -> None:
    (core,) = replay.client.get("/api/v1/events").json["items"]
    (new,) = replay.client.get("/apis/events.k8s.io/v1/events").json["items"]
    assert new["apiVersion"] == "events.k8s.io/v1"
    assert new["metadata"] == core["metadata"]
    assert new["regarding"] == core["involvedObject"]
    assert (new["note"], new["deprecatedCount"]) == (core["message"], core["count"])
    assert (new["deprecatedLastTimestamp"], new["reportingController"]) == (core["lastTimestamp"], "kubelet")
    assert "message" not in new


def test_an_event_of_the_new_api_is_served_in_the_old_one(cluster: Cluster, serve: Serve) -> None:
    old = event("e", 5, 0)
    new = {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": old["metadata"],
        "regarding": old["involvedObject"],
        "note": old["message"],
        "reportingController": "kubelet",
    }
    cluster.see(0, "LIST", new, "events")
    (found,) = serve(cluster.write()).client.get("/api/v1/events?fieldSelector=involvedObject.name=a").json["items"]
    assert (found["apiVersion"], found["message"], found["involvedObject"]) == (
        "v1",
        old["message"],
        old["involvedObject"],
    )


def test_metadata_alone(replay: Replay) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    found = replay.client.get("/api/v1/pods?limit=1", Accept=accept).json
    assert found["kind"] == "PartialObjectMetadataList"
    assert found["items"][0]["kind"] == "PartialObjectMetadata"
    assert set(found["items"][0]) == {"kind", "apiVersion", "metadata"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/vnd.kubernetes.protobuf,application/json", "PodList"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io", "Table"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", "PodList"),
        ("*/*", "PodList"),
        ("", "PodList"),
    ],
)
def test_the_first_form_that_the_server_has(replay: Replay, accept: str, kind: str) -> None:
    assert replay.client.get("/api/v1/pods", Accept=accept).json["kind"] == kind


def test_a_form_that_the_server_has_not(replay: Replay) -> None:
    assert replay.client.get("/api/v1/pods", Accept="application/vnd.kubernetes.protobuf").code == 406


def test_namespaces_are_where_something_lives(replay: Replay) -> None:
    assert replay.client.get("/api/v1/namespaces").names == ["air", "other"]
    assert replay.client.get("/api/v1/namespaces/air").json["status"]["phase"] == "Active"
    assert replay.client.get("/api/v1/namespaces/nowhere").code == 404


def test_a_rebased_object_is_served_in_its_new_time(tmp_path: Path, serve: Serve) -> None:
    now = 2_000_000_000 * SECOND
    replay = serve(RECORDINGS / "pool", rebase_to=now)
    replay.pace.jump(replay.history.ends)
    born = {item["metadata"]["creationTimestamp"] for item in replay.client.get("/api/v1/pods").json["items"]}
    assert born
    assert all(time.startswith("2033-05-18T03:") for time in born)
