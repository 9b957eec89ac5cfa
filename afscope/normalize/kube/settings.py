"""Airflow settings that pods and templates show in their environment: rows of `airflow_config`."""

import re
from collections.abc import Iterator
from typing import Any

from afscope.normalize.kube.common import main_container
from afscope.normalize.kube.types import Meta, PodSpec
from afscope.normalize.redact import ENV_KEPT

_NAME = re.compile(r"AIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)")


def setting_key(name: str) -> str:
    """AIRFLOW__CORE__PARALLELISM is core.parallelism; other names stay as they are."""
    match = _NAME.fullmatch(name)
    return f"{match[1]}.{match[2]}".lower() if match else name


def settings(meta: Meta, spec: PodSpec, labels: dict[str, str] | None) -> Iterator[dict[str, Any]]:
    """One row per allow-listed literal env variable of the main container; scope is namespace/name."""
    for variable in main_container(spec).env or ():
        if variable.name in ENV_KEPT and variable.value is not None:
            yield {
                "scope": f"{meta.namespace}/{meta.name}",
                "component": (labels or {}).get("component"),
                "key": setting_key(variable.name),
                "value": variable.value,
            }
