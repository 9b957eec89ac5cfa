"""The main container, its slots and its requests, whatever a pod and its containers are called."""

from typing import Any

import msgspec
import pytest

from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor


def pods_row(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    obj = {"kind": "Pod", "metadata": {"name": "p", "uid": "u", **metadata}, "spec": spec}
    row = next(iter(KubeNormalizer(Redactor()).observe("ADDED", msgspec.json.encode(obj), 1)))
    return dict(row.values)


def containers(*names: str, **args: list[str]) -> dict[str, Any]:
    return {"containers": [{"name": name, "args": args.get(name.replace("-", "_"))} for name in names]}


@pytest.mark.parametrize(
    ("spec", "metadata", "name"),
    [
        (containers("git-sync", "worker"), {}, "worker"),
        (containers("airflow-xcom-sidecar", "base"), {}, "base"),
        (containers("scheduler", "triggerer"), {"labels": {"component": "triggerer"}}, "triggerer"),
        (containers("a", "b"), {"labels": {"app.kubernetes.io/component": "b"}}, "b"),
        (containers("a", "b"), {"annotations": {"kubectl.kubernetes.io/default-container": "b"}}, "b"),
        (containers("sync", "etl", etl=["airflow celery worker -q gpu"]), {}, "etl"),
        (containers("sync", "etl", etl=["celery", "-A", "airflow.providers.celery", "worker"]), {}, "etl"),
        (containers("x", "y"), {}, "x"),
        ({"containers": None}, {}, None),
    ],
)
def test_the_main_container(spec: dict[str, Any], metadata: dict[str, Any], name: str | None) -> None:
    assert pods_row(spec, **metadata)["main_container"] == name


@pytest.mark.parametrize(
    ("args", "env", "slots"),
    [
        (["airflow celery worker -c 6"], {}, 6),
        (["airflow celery worker -c6"], {}, 6),
        (["bash", "-c", "exec airflow celery worker --concurrency 7"], {}, 7),
        (["celery", "worker", "-c", "4"], {"CONCURRENCY": "8"}, 4),
        (["celery", "worker"], {"CONCURRENCY": " 8 "}, 8),
        (["celery", "worker", "-c", "$(SLOTS)"], {"CONCURRENCY": "8"}, 8),
        (["celery", "worker", "--autoscale", "16,4"], {"CONCURRENCY": "8"}, 16),
        (["celery", "worker"], {"CONCURRENCY": "8", "AUTOSCALE": "10,2"}, 10),
        (["celery", "worker"], {"CONCURRENCY": "many"}, None),
        (["celery", "worker"], {"CONCURRENCY": "9" * 40}, None),
        (["bash", "-c", "12"], {}, None),
        (["-c", "3", "airflow", "scheduler"], {}, None),
    ],
)
def test_slots(args: list[str], env: dict[str, str], slots: int | None) -> None:
    entries = [{"name": f"AIRFLOW__CELERY__WORKER_{name}", "value": value} for name, value in env.items()]
    spec = {"containers": [{"name": "w", "args": args, "env": entries}]}
    assert pods_row(spec)["worker_concurrency"] == slots


def asking(cpu: str | None = None, memory: str | None = None, **more: Any) -> dict[str, Any]:
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": "c", "resources": {"requests": requests}, **more}


@pytest.mark.parametrize(
    ("spec", "cpu", "memory"),
    [
        ({"containers": [asking("500m", "1Gi"), asking("1", "1Mi")]}, 1500, 2**30 + 2**20),
        ({"containers": [asking("500m")], "initContainers": [asking("2")]}, 2000, None),
        ({"containers": [asking("500m")], "initContainers": [asking("1", restartPolicy="Always"), asking("2")]}, 3000, None),
        ({"containers": [asking("500m")], "initContainers": [asking("2"), asking("1", restartPolicy="Always")]}, 2000, None),
        ({"containers": [asking("1")], "overhead": {"cpu": "250m", "memory": "1Mi"}}, 1250, 2**20),
        ({"containers": [asking("1")], "resources": {"requests": {"cpu": "3"}}}, 3000, None),
        ({"containers": [asking("a lot", "9999E")]}, None, None),
        ({"containers": []}, None, None),
    ],
)  # fmt: skip
def test_what_the_scheduler_reserves(spec: dict[str, Any], cpu: int | None, memory: int | None) -> None:
    row = pods_row(spec)
    assert (row["cpu_request_m"], row["memory_request_b"]) == (cpu, memory)
