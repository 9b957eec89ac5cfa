"""What the normalizers of all kinds share."""

from collections.abc import Sequence
from typing import Any

import msgspec

from afscope.model.clock import Micros, parse_time
from afscope.model.quantity import milli
from afscope.normalize.kube.types import Condition, Container, Meta, PodSpec, Template

_EMPTY = Condition()
_ENCODER = msgspec.json.Encoder()


def when(text: str | None) -> Micros | None:
    """A timestamp of the API; None for null, empty and what is no time."""
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None


def quantity(text: str | int | float | None) -> int | None:
    """A quantity in milli-units; None for null and what is no quantity."""
    if text is None:
        return None
    try:
        return milli(str(text))
    except ValueError:
        return None


def whole(text: str | int | float | None) -> int | None:
    """A quantity in whole units, rounded up."""
    value = quantity(text)
    return None if value is None else -(-value // 1000)


def document(value: Any) -> str | None:
    """A value as JSON text; None stays None."""
    return None if value is None else _ENCODER.encode(value).decode()


def condition(conditions: Sequence[Condition] | None, kind: str) -> Condition:
    """The condition of a type, an empty one when there is none."""
    return next((c for c in conditions or () if c.type == kind), _EMPTY)


def identity(meta: Meta) -> dict[str, Any]:
    """uid, resource_version, namespace, name."""
    return {
        "uid": meta.uid,
        "resource_version": meta.resource_version,
        "namespace": meta.namespace,
        "name": meta.name,
    }


def owner(meta: Meta) -> dict[str, Any]:
    """owner_kind, owner_name, owner_uid; NULL without an owner."""
    ref = meta.owner()
    return {"owner_kind": ref.kind or None, "owner_name": ref.name or None, "owner_uid": ref.uid or None}


# A pod's own work is in the container that Airflow's charts call so; sidecars come in any order.
_MAIN = ("worker", "airflow-worker", "scheduler", "triggerer", "dag-processor", "api-server", "webserver", "base")


def main_container(spec: PodSpec) -> Container:
    """The container that does the pod's own work."""
    containers = spec.containers or []
    by_name = {container.name: container for container in containers}
    named = next((by_name[name] for name in _MAIN if name in by_name), None)
    return named or (containers[0] if containers else Container())


def env(container: Container, name: str) -> str | None:
    """The literal value of an env variable of a container."""
    return next((e.value for e in container.env or () if e.name == name and e.value is not None), None)


def worker_concurrency(container: Container) -> int | None:
    """Slots of a Celery worker: `-c N` or `--concurrency N` of its command line wins over the environment."""
    words = [word for part in [*(container.command or []), *(container.args or [])] for word in part.split()]
    if "worker" in words:
        for flag, value in zip(words, [*words[1:], ""], strict=True):
            name, _, joined = flag.partition("=")
            if name in ("-c", "--concurrency") and (joined or value).isdigit():
                return int(joined or value)
    text = env(container, "AIRFLOW__CELERY__WORKER_CONCURRENCY")
    return int(text) if text and text.isdigit() else None


def template_of(template: Template | None) -> Template:
    """A template that is never None."""
    return template or Template()
