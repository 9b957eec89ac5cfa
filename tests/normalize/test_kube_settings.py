"""Settings of Airflow in the environment of templates and pods, once per change."""

from typing import Any

import msgspec

from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor


class Cluster:
    """Observes objects and tells what they say about Airflow's settings."""

    def __init__(self) -> None:
        self._kube = KubeNormalizer(Redactor())

    def see(self, kind: str, name: str, env: dict[str, str], change: str = "MODIFIED", **metadata: Any) -> list[Any]:
        spec: dict[str, Any] = {
            "containers": [{"name": "main", "env": [{"name": k, "value": v} for k, v in env.items()]}]
        }
        if kind != "Pod":
            spec = {"template": {"metadata": {"labels": {"component": "scheduler"}}, "spec": spec}}
        obj = {"kind": kind, "metadata": {"name": name, "uid": name, "namespace": "air", **metadata}, "spec": spec}
        rows = self._kube.observe(change, msgspec.json.encode(obj), 1)
        columns = ("scope", "component", "key", "value", "change")
        return [tuple(row.values[c] for c in columns) for row in rows if row.table == "airflow_config"]


PARALLELISM = "AIRFLOW__CORE__PARALLELISM"
OWNED: dict[str, Any] = {
    "labels": {"pod-template-hash": "5f6", "component": "scheduler"},
    "ownerReferences": [{"kind": "ReplicaSet", "name": "sched-5f6", "uid": "r", "controller": True}],
}


def test_only_changes_are_told() -> None:
    cluster = Cluster()
    told = [
        cluster.see("Deployment", "sched", env)
        for env in ({PARALLELISM: "32"}, {PARALLELISM: "32"}, {PARALLELISM: "64"}, {})
    ]
    assert told == [
        [("air/sched", "scheduler", "core.parallelism", "32", "ADDED")],
        [],
        [("air/sched", "scheduler", "core.parallelism", "64", "MODIFIED")],
        [("air/sched", "scheduler", "core.parallelism", "64", "DELETED")],
    ]  # fmt: skip


def test_a_workload_takes_its_settings_with_it() -> None:
    cluster = Cluster()
    cluster.see("StatefulSet", "w", {"DUMB_INIT_SETSID": "0"})
    assert cluster.see("StatefulSet", "w", {"DUMB_INIT_SETSID": "0"}, "DELETED") == [
        ("air/w", "scheduler", "DUMB_INIT_SETSID", "0", "DELETED")
    ]


def test_pods_speak_for_a_workload_that_was_not_seen() -> None:
    cluster = Cluster()
    assert cluster.see("Pod", "sched-5f6-x", {PARALLELISM: "32"}, "STATE", **OWNED) == [
        ("air/sched", "scheduler", "core.parallelism", "32", "STATE")
    ]
    assert cluster.see("Deployment", "sched", {PARALLELISM: "32"}) == []


def test_old_pods_of_a_rollout_do_not_contradict_their_template() -> None:
    cluster = Cluster()
    cluster.see("Deployment", "sched", {PARALLELISM: "64"})
    assert cluster.see("Pod", "sched-5f6-x", {PARALLELISM: "32"}, **OWNED) == []


def test_pods_of_single_tasks_say_nothing() -> None:
    assert Cluster().see("Pod", "task-x", {PARALLELISM: "32"}, labels={"dag_id": "d"}) == []


def test_only_names_on_the_allow_list_are_settings() -> None:
    assert (
        Cluster().see("Deployment", "x", {"AIRFLOW__CORE__FERNET_KEY": "k", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "c"})
        == []
    )
