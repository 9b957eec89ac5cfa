"""Which container of a pod does its work, what it runs, and how many tasks a Celery worker takes at once."""

import re
from collections.abc import Iterator

from afscope.normalize.kube.types import Container, Meta, PodSpec

# Airflow's charts name the container so; sidecars (git-sync, log groomers, statsd) come in any order.
_NAMES = (
    "worker", "airflow-worker", "scheduler", "triggerer", "dag-processor", "api-server", "webserver", "base",
)  # fmt: skip
_COMPONENT_LABELS = ("component", "app.kubernetes.io/component")
_DEFAULT = "kubectl.kubernetes.io/default-container"
_CALL = re.compile(
    r"\bairflow\s+(?P<airflow>scheduler|triggerer|dag-processor|api-server|webserver|celery\s+(?:worker|flower))\b"
    r"|\bcelery\b.*?\s(?P<celery>worker)\b"
)
_CONCURRENCY = re.compile(r"(?:^|\s)(?:-c\s*|--concurrency[=\s]\s*)(\d{1,6})(?=\s|$)")
_AUTOSCALE = re.compile(r"(?:^|\s)(?:-a\s+|--autoscale[=\s]\s*)(\d{1,6}),\d+")


def main_container(meta: Meta, spec: PodSpec) -> Container:
    """The container that does the pod's own work; an empty one when there is none.

    The first of: named as the pod's component label; named as Airflow's charts do; kubectl's default container; the
    one whose command line calls Airflow or Celery; the first in the list.
    """
    containers = spec.containers or []
    if len(containers) == 1:
        return containers[0]
    by_name = {container.name: container for container in containers}
    hinted = (*_labelled(meta), *_NAMES, (meta.annotations or {}).get(_DEFAULT))
    named = next((by_name[name] for name in hinted if name in by_name), None)
    calling = (container for container in containers if called(container))
    return named or next(calling, None) or (containers[0] if containers else Container())


def command_line(container: Container) -> list[str]:
    """command and args."""
    return [*(container.command or ()), *(container.args or ())]


def called(container: Container) -> str | None:
    """The component of Airflow that a command line starts: scheduler, worker, triggerer, …"""
    match = _CALL.search(" ".join(command_line(container)))
    return (match["airflow"] or match["celery"]).split()[-1] if match else None


def component(meta: Meta, container: Container) -> str | None:
    """What a pod is to Airflow: its component label, else what its main container calls."""
    return next(_labelled(meta), None) or called(container)


def worker_concurrency(container: Container) -> int | None:
    """The most tasks that a Celery worker runs at once; None where the pod does not say it.

    Autoscaling beats concurrency and a flag beats its variable (airflow.cli.commands.local_commands / celery_command:
    --autoscale is handed to Celery whenever it is set).
    """
    line = " ".join(command_line(container))
    words = line[match.end() :] if (match := re.search(r"\bworker\b", line)) else ""
    autoscale = _AUTOSCALE.search(words) or re.match(r"(\d{1,6}),", env(container, "AIRFLOW__CELERY__WORKER_AUTOSCALE"))
    if autoscale:
        return int(autoscale[1])
    flag = _CONCURRENCY.search(words)
    variable = env(container, "AIRFLOW__CELERY__WORKER_CONCURRENCY").strip()
    number = flag[1] if flag else variable
    return int(number) if number.isdecimal() and len(number) <= 6 else None


def env(container: Container, name: str) -> str:
    """The literal value of an env variable of a container; empty where it has none."""
    return next((entry.value for entry in container.env or () if entry.name == name and entry.value), "")


def _labelled(meta: Meta) -> Iterator[str]:
    labels = meta.labels or {}
    return (value for name in _COMPONENT_LABELS if (value := labels.get(name)))
