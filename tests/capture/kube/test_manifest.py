"""The recorder for a cluster: its rights are exactly what the recorder asks for."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from afscope.capture.agent import Plan, reach, record
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.manifest import Installation, manifest, objects
from afscope.errors import UsageError
from afscope.model.pace import ScaledPace
from afscope.replay.kube.api import verb_of
from afscope.replay.kube.exchange import Request
from afscope.replay.kube.history import History
from afscope.replay.kube.kubeconfig import kubeconfig
from afscope.replay.kube.server import KubeReplay

POOL = Path(__file__).parents[2] / "data" / "recordings" / "pool"
Asked = tuple[str, str, str, str, str]
"""verb, API group, resource, namespace, name"""


def asked(method: str, path: str, query: Any) -> Asked | None:
    """What RBAC sees of a request; None for what everybody may ask."""
    request = Request.of(method, f"{path}?{urlencode(query or {})}", {}, b"")
    root, *rest = request.segments
    if root not in ("api", "apis") or "authorization.k8s.io" in rest:
        return None
    group, rest = ("", rest[1:]) if root == "api" else (rest[0], rest[2:])
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        _, namespace, *rest = rest
    resource, name, sub = [*rest, "", ""][:3]
    selected = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
    verb = "get" if sub else verb_of(request)
    return verb, group, f"{resource}/{sub}" if sub else resource, namespace, name or selected


def grants(wanted: Installation) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each rule with the namespace that it holds in, "" for the cluster."""
    for one in objects(wanted):
        for rule in one.get("rules", ()):
            yield one["metadata"].get("namespace", ""), rule


def granted(one: Asked, namespace: str, rule: dict[str, Any]) -> bool:
    verb, group, resource, place, name = one
    return (
        namespace in ("", place)
        and verb in rule["verbs"]
        and group in rule["apiGroups"]
        and resource in rule["resources"]
        and ("resourceNames" not in rule or name in rule["resourceNames"])
    )


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """What clusters are asked from now on."""
    seen: list[Asked] = []
    send = Cluster._send

    def noted(self: Cluster, method: str, path: str, query: Any, *rest: Any, **options: Any) -> Any:
        if (one := asked(method, path, query)) is not None:
            seen.append(one)
        return send(self, method, path, query, *rest, **options)

    monkeypatch.setattr(Cluster, "_send", noted)
    return seen


@pytest.mark.parametrize("namespaces", [(), ("airflow", "keda")])
def test_the_rights_are_what_a_recording_needs_and_nothing_else(
    namespaces: tuple[str, ...], requests: list[Asked], tmp_path: Path
) -> None:
    history = History.of(POOL)
    with KubeReplay(history, ScaledPace(history.begins, 20), logs=POOL / "logs") as server:
        config = tmp_path / "kubeconfig"
        config.write_text(kubeconfig(server.url))
        plan = Plan(
            namespaces=namespaces, kubeconfig=str(config), all_namespaces=not namespaces, db=False, broker=False
        )
        with reach(plan, lambda _: None) as reached:
            record(plan, reached, tmp_path / "c.afscope", threading.Event(), 60, say=lambda _: None,
                   on_tick=lambda _: None)  # fmt: skip
    needed = {one for one in requests if one[2] != "namespaces"}  # asking for a namespace is a courtesy
    rules = list(grants(Installation(namespaces=namespaces)))
    assert len(needed) > 20
    assert [one for one in needed if not any(granted(one, *rule) for rule in rules)] == []
    unused = {
        (namespace, resource, verb)
        for namespace, rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if not any(granted(one, namespace, {**rule, "resources": [resource], "verbs": [verb]}) for one in needed)
    }
    # What was not recorded refuses to be listed and so is never watched; no ConfigMap was found to read again; pods
    # of KEDA are not in this recording.
    assert {(resource, verb) for _, resource, verb in unused} <= {
        ("leases", "watch"), ("limitranges", "watch"), ("configmaps", "get"), ("pods/log", "get"),
    }  # fmt: skip


def test_a_recorder_in_the_cluster_reads_no_secret_and_writes_nothing() -> None:
    for _, rule in grants(Installation(db_secret="airflow-metadata:connection", db_via="svc/pgbouncer:6543")):
        assert "secrets" not in rule["resources"]
        assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
        assert set(rule["verbs"]) <= {"get", "list", "watch"} or rule["resources"] == ["pods/portforward"]


def test_the_pod_is_handed_its_secrets() -> None:
    wanted = Installation(("airflow",), db_secret="meta:connection", broker_secret="broker:url", storage="")
    *_, workload = yaml.safe_load_all(manifest(wanted))
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("valueFrom", {}).get("secretKeyRef") for entry in container["env"]}
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == {"name": "meta", "key": "connection"}
    assert env["AIRFLOW__CELERY__BROKER_URL"] == {"name": "broker", "key": "url"}
    assert container["args"][:2] == ["-n", "airflow"]
    assert "volumeClaimTemplates" not in workload["spec"]
    assert "&id" not in manifest(wanted)


@pytest.mark.parametrize("secret", ["meta", "airflow/meta:connection", ":x", "x:"])
def test_a_secret_must_be_name_and_key(secret: str) -> None:
    with pytest.raises(UsageError, match="NAME:KEY"):
        manifest(Installation(db_secret=secret))
