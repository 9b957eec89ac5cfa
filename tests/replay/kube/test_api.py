"""Discovery, reviews, refusals: everything of the API but its objects."""

import json
from typing import Any

import pytest

from tests.replay.kube.client import Client
from tests.replay.kube.cluster import Cluster, pod
from tests.replay.kube.conftest import Replay, Serve


@pytest.fixture
def replay(cluster: Cluster, serve: Serve) -> Replay:
    cluster.see(0, "LIST", pod("a", 10))
    cluster.see(
        0, "LIST", {"kind": "Gadget", "apiVersion": "toys.dev/v1", "metadata": {"name": "g", "uid": "g"}}, "gadgets"
    )
    cluster.listed("deployments")
    return serve(cluster.write())


def test_it_is_alive(replay: Replay) -> None:
    assert replay.client.get("/version").json["gitVersion"].startswith("v1.")
    for path in ("/healthz", "/livez", "/readyz", "/readyz?verbose"):
        assert (replay.client.get(path).code, replay.client.get(path).body) == (200, b"ok")


def test_discovery_names_what_was_recorded_and_what_clients_ask_for(replay: Replay) -> None:
    assert replay.client.get("/api").json["versions"] == ["v1"]
    core = {entry["name"]: entry for entry in replay.client.get("/api/v1").json["resources"]}
    assert {"pods", "pods/log", "secrets", "namespaces", "events"} <= set(core)
    assert core["pods"]["shortNames"] == ["po"]
    assert (core["nodes"]["namespaced"], core["pods"]["namespaced"]) == (False, True)
    groups = {group["name"]: group for group in replay.client.get("/apis").json["groups"]}
    assert {"apps", "autoscaling", "keda.sh", "events.k8s.io", "toys.dev"} <= set(groups)
    assert groups["autoscaling"]["preferredVersion"]["groupVersion"] == "autoscaling/v2"
    assert replay.client.get("/apis/toys.dev").json["kind"] == "APIGroup"
    assert [entry["kind"] for entry in replay.client.get("/apis/toys.dev/v1").json["resources"]] == ["Gadget"]


def test_both_forms_of_discovery_say_the_same(replay: Replay) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    aggregated = set()
    for root in ("/api", "/apis"):
        found = replay.client.get(root, Accept=accept)
        assert "APIGroupDiscoveryList" in found.headers["Content-Type"]
        for group in found.json["items"]:
            for version in group["versions"]:
                for resource in version["resources"]:
                    aggregated.add((group["metadata"].get("name", ""), version["version"], resource["resource"]))
    groups = replay.client.get("/apis").json["groups"]
    paths = {("", "/api/v1")} | {(g["name"], f"/apis/{v['groupVersion']}") for g in groups for v in g["versions"]}
    plain = {
        (group, path.rpartition("/")[2], entry["name"])
        for group, path in paths
        for entry in replay.client.get(path).json["resources"]
        if "/" not in entry["name"]
    }
    assert aggregated == plain


def test_custom_kinds_are_served(replay: Replay) -> None:
    assert replay.client.get("/apis/toys.dev/v1/gadgets").names == ["g"]
    assert replay.client.get("/apis/toys.dev/v1/gadgets/g").json["kind"] == "Gadget"


def test_listed_and_none_is_an_empty_list(replay: Replay) -> None:
    found = replay.client.get("/apis/apps/v1/deployments")
    assert (found.code, found.json["items"], found.json["kind"]) == (200, [], "DeploymentList")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "/api/v1/secrets",
            'secrets is forbidden: User "afscope-replay" cannot list resource "secrets" in API group "" at the cluster scope',
        ),
        (
            "/apis/apps/v1/namespaces/air/statefulsets?watch=1",
            'statefulsets.apps is forbidden: User "afscope-replay" cannot watch resource "statefulsets" '
            'in API group "apps" in the namespace "air"',
        ),
        (
            "/api/v1/namespaces/air/secrets/s",
            'secrets "s" is forbidden: User "afscope-replay" cannot get resource "secrets" '
            'in API group "" in the namespace "air"',
        ),
    ],
)
def test_what_was_not_recorded_is_forbidden(replay: Replay, path: str, message: str) -> None:
    found = replay.client.get(path)
    assert (found.code, found.json["kind"], found.json["reason"]) == (403, "Status", "Forbidden")
    assert found.json["message"] == f"{message}: it was not recorded"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/apis/no.such.group/v1",
        "/apis/no.such.group",
        "/apis/apps/v9",
        "/api/v1/gizmos",
        "/api/v1/pods/a/b/c/d",
        "/api/v1/namespaces/air/nodes",
        "/api/v1/namespaces/air/pods/a/exec",
        "/apis/apps/v1/namespaces/air/deployments/d/log",
        "/openapi/v3/apis/no.such.group/v1",
        "/afscope/nothing",
    ],
)
def test_unknown_paths(replay: Replay, path: str) -> None:
    found = replay.client.get(path)
    assert (found.code, found.json["reason"]) == (404, "NotFound")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(replay: Replay, method: str) -> None:
    found = replay.client.send(method, "/api/v1/namespaces/air/pods/a", b"{}")
    assert found.code == 403
    assert found.json["message"] == 'pods "a" is forbidden: this is a read-only replay'
    assert replay.client.get("/api/v1/pods").names == ["a"]


def ask(client: Client, verb: str, resource: str, group: str = "", sub: str = "") -> bool:
    attributes = {"verb": verb, "resource": resource, "group": group, "subresource": sub, "namespace": "air"}
    review = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    found = client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert found.code == 201
    answer: bool = found.json["status"]["allowed"]
    return answer


def test_access_reviews(replay: Replay) -> None:
    client = replay.client
    assert ask(client, "watch", "pods")
    assert ask(client, "list", "deployments", "apps")
    assert not ask(client, "list", "deployments", "extensions")
    assert not ask(client, "delete", "pods")
    assert not ask(client, "list", "secrets")
    assert not ask(client, "get", "pods", sub="log")  # this recording has no logs
    assert not ask(client, "*", "*", "*")


def test_access_reviews_in_protobuf_as_kubectl_sends_them(replay: Replay) -> None:
    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    def review(verb: str) -> Any:
        attributes = b"".join(field(n, v.encode()) for n, v in ((1, "air"), (2, verb), (3, ""), (5, "pods")))
        spec = field(1, field(11, b"")) + field(2, field(1, attributes))
        body = b"k8s\0" + field(1, b"") + field(2, spec) + b"\x18\x01"
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return replay.client.send("POST", path, body).json

    assert review("list")["status"]["allowed"]
    assert not review("create")["status"]["allowed"]
    assert review("list")["spec"]["resourceAttributes"] == {
        "namespace": "air",
        "verb": "list",
        "group": "",
        "resource": "pods",
    }


@pytest.mark.parametrize("body", [b"k8s\0\x12\x7f", b"k8s\0\x12", b"not json", b"[]"])
def test_reviews_that_cannot_be_read(replay: Replay, body: bytes) -> None:
    found = replay.client.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert (found.code, found.json["reason"]) == (400, "BadRequest")


def test_rules_reviews(replay: Replay) -> None:
    found = replay.client.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "air"}})
    rules = found.json["status"]["resourceRules"]
    assert {tuple(rule["apiGroups"]): rule["resources"] for rule in rules} == {
        ("",): ["namespaces", "pods"],
        ("apps",): ["deployments"],
        ("toys.dev",): ["gadgets"],
    }
    assert all(rule["verbs"] == ["get", "list", "watch"] for rule in rules)


def test_a_token_is_asked_for(cluster: Cluster, serve: Serve) -> None:
    cluster.see(0, "LIST", pod("a", 10))
    replay = serve(cluster.write(), token="s3cret")
    assert replay.client.get("/api/v1/pods").names == ["a"]
    for client in (Client(replay.server.url), Client(replay.server.url, token="wrong")):
        found = client.get("/api/v1/pods")
        assert (found.code, found.json["reason"]) == (401, "Unauthorized")
        assert "s3cret" not in found.body.decode()
        assert client.get("/afscope/clock").code == 200
        assert client.post("/afscope/clock", {"step_s": 1}).code == 401


def test_many_requests_on_one_connection(replay: Replay) -> None:
    connection = replay.client.connect()
    for path in ("/api/v1/pods", "/api/v1/secrets", "/version", "/api/v1/pods?limit=1"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert json.loads(answer.read())
    connection.request("HEAD", "/version")
    assert connection.getresponse().read() == b""
    connection.close()


def test_openapi_has_every_kind_of_discovery_and_no_more(replay: Replay) -> None:
    index = replay.client.get("/openapi/v3").json["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/keda.sh/v1alpha1"} <= set(index)
    for root, where in index.items():
        document = replay.client.get(where["serverRelativeURL"]).json
        kinds = {
            kind["kind"]
            for schema in document["components"]["schemas"].values()
            for kind in schema["x-kubernetes-group-version-kind"]
        }
        assert kinds == {entry["kind"] for entry in replay.client.get(f"/{root}").json["resources"]}
    assert replay.client.get("/openapi/v2").json["definitions"] == {}
