"""Airflow settings that templates and pods show in their environment: rows of `airflow_config`, on change only."""

import re
from collections.abc import Iterator
from typing import Any

from afscope.model.row import ADDED, DELETED, MODIFIED, STATE
from afscope.normalize.kube.common import template_of
from afscope.normalize.kube.containers import component, main_container
from afscope.normalize.kube.types import Meta, Pod, PodSpec, Workload
from afscope.normalize.redact import ENV_KEPT, Redactor

_NAME = re.compile(r"AIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)")


def setting_key(name: str) -> str:
    """AIRFLOW__CORE__PARALLELISM is core.parallelism; other names stay as they are."""
    match = _NAME.fullmatch(name)
    return f"{match[1]}.{match[2]}".lower() if match else name


class Settings:
    """What each workload's environment said last.

    A Deployment or StatefulSet speaks for its pods. Where none was seen, its pods speak for it under its name, so
    that a dump of pods alone shows settings too. Pods of single tasks (they carry a dag_id) say nothing.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._said: dict[str, dict[str, str]] = {}
        self._templates: set[str] = set()

    def workload(self, obj: Workload, change: str) -> Iterator[dict[str, Any]]:
        """Rows (scope, component, key, value, change) that a Deployment or StatefulSet changes."""
        template = template_of(obj.spec.template)
        scope = f"{obj.metadata.namespace}/{obj.metadata.name}"
        self._templates.add(scope)
        found = {} if change == DELETED else self._literals(template.metadata, template.spec)
        role = component(template.metadata, main_container(template.metadata, template.spec))
        yield from self._news(scope, role, found, change)
        for key in self._said.get(scope, {}).keys() - found.keys():
            value = self._said[scope].pop(key)
            yield {"scope": scope, "component": role, "key": key, "value": value, "change": DELETED}
        if change == DELETED:
            self._templates.discard(scope)
            self._said.pop(scope, None)

    def pod(self, obj: Pod, change: str) -> Iterator[dict[str, Any]]:
        """Rows that a pod changes in the name of its workload."""
        labels = obj.metadata.labels or {}
        scope = f"{obj.metadata.namespace}/{_family(obj.metadata)}"
        if change == DELETED or "dag_id" in labels or scope in self._templates:
            return
        found = self._literals(obj.metadata, obj.spec)
        if found:
            yield from self._news(scope, component(obj.metadata, main_container(obj.metadata, obj.spec)), found, change)

    def _literals(self, meta: Meta, spec: PodSpec) -> dict[str, str]:
        entries = main_container(meta, spec).env or ()
        return {
            setting_key(entry.name): self._redactor.env_value(entry.name, entry.value)
            for entry in entries
            if entry.value is not None and entry.name in ENV_KEPT
        }

    def _news(self, scope: str, role: str | None, found: dict[str, str], change: str) -> Iterator[dict[str, Any]]:
        said = self._said.setdefault(scope, {})
        for key, value in found.items():
            if said.get(key) != value:
                how = MODIFIED if key in said else STATE if change == STATE else ADDED
                said[key] = value
                yield {"scope": scope, "component": role, "key": key, "value": value, "change": how}


def _family(meta: Meta) -> str:
    """The name of the workload that a pod belongs to: a ReplicaSet is its Deployment's name and the template's hash."""
    owner, digest = meta.owner(), (meta.labels or {}).get("pod-template-hash")
    if owner.kind == "ReplicaSet" and digest:
        return owner.name.removesuffix(f"-{digest}")
    return owner.name or meta.name
