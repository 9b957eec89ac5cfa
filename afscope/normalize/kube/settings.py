"""Airflow settings that templates and pods show in their environment: rows of `airflow_config`, on change only."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from afscope.model.row import ADDED, DELETED, MODIFIED, STATE
from afscope.normalize.kube.common import template_of
from afscope.normalize.kube.containers import component, main_container
from afscope.normalize.kube.types import Container, Meta, PodSpec, Workload
from afscope.normalize.redact import ENV_KEPT, Maskings, Redactor

_NAME = re.compile(r"AIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)")


def setting_key(name: str) -> str:
    """AIRFLOW__CORE__PARALLELISM is core.parallelism; other names stay as they are."""
    match = _NAME.fullmatch(name)
    return f"{match[1]}.{match[2]}".lower() if match else name


class PodSettings(NamedTuple):
    """What a pod shows of settings, in the name of its workload `scope`."""

    scope: str
    component: str | None
    found: dict[str, str]
    maskings: Maskings
    """What was masked in `found`."""
    of_task: bool
    """Pods of single tasks (they carry a dag_id) say nothing of their workload."""


def pod_settings(meta: Meta, spec: PodSpec, redactor: Redactor) -> PodSettings:
    """What is to know of a pod for `Settings.pod`, which counts what was masked."""
    container = main_container(meta, spec)
    found, maskings = redactor.aside(_literals, container, redactor)
    scope = f"{meta.namespace}/{_family(meta)}"
    return PodSettings(scope, component(meta, container), found, maskings, "dag_id" in (meta.labels or {}))


class Settings:
    """What each workload's environment said last.

    A Deployment or StatefulSet speaks for its pods. Where none was seen, its pods speak for it under its name, so
    that a dump of pods alone shows settings too.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._said: dict[str, dict[str, str]] = {}
        self._templates: set[str] = set()

    def workload(self, obj: Workload, change: str) -> Iterator[dict[str, Any]]:
        """Rows (scope, component, key, value, change) that a Deployment or StatefulSet changes."""
        template = template_of(obj.spec.template)
        container = main_container(template.metadata, template.spec)
        scope = f"{obj.metadata.namespace}/{obj.metadata.name}"
        self._templates.add(scope)
        found = {} if change == DELETED else _literals(container, self._redactor)
        role = component(template.metadata, container)
        yield from self._news(scope, role, found, change)
        for key in self._said.get(scope, {}).keys() - found.keys():
            value = self._said[scope].pop(key)
            yield {"scope": scope, "component": role, "key": key, "value": value, "change": DELETED}
        if change == DELETED:
            self._templates.discard(scope)
            self._said.pop(scope, None)

    def pod(self, seen: PodSettings, change: str) -> Iterator[dict[str, Any]]:
        """Rows that a pod changes in the name of its workload."""
        if seen.of_task or change == DELETED or seen.scope in self._templates:
            return
        self._redactor.count(seen.maskings)
        if seen.found and self._said.get(seen.scope) != seen.found:
            yield from self._news(seen.scope, seen.component, seen.found, change)

    def _news(self, scope: str, role: str | None, found: dict[str, str], change: str) -> Iterator[dict[str, Any]]:
        said = self._said.setdefault(scope, {})
        for key, value in found.items():
            if said.get(key) != value:
                how = MODIFIED if key in said else STATE if change == STATE else ADDED
                said[key] = value
                yield {"scope": scope, "component": role, "key": key, "value": value, "change": how}


def _literals(container: Container, redactor: Redactor) -> dict[str, str]:
    return {
        setting_key(entry.name): redactor.env_value(entry.name, entry.value)
        for entry in container.env or ()
        if entry.value is not None and entry.name in ENV_KEPT
    }


def _family(meta: Meta) -> str:
    """The name of the workload that a pod belongs to: a ReplicaSet is its Deployment's name and the template's hash."""
    owner, digest = meta.owner(), (meta.labels or {}).get("pod-template-hash")
    if owner.kind == "ReplicaSet" and digest:
        return owner.name.removesuffix(f"-{digest}")
    return owner.name or meta.name
