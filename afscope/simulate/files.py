"""Settings out of files that people already have: a ScaledObject's YAML, or values of Airflow's Helm chart."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from afscope.errors import UsageError
from afscope.simulate.settings import parse

_PLAIN = ("minReplicaCount", "maxReplicaCount", "idleReplicaCount", "pollingInterval", "cooldownPeriod")
_QUERY = {
    "postgresql": ("targetQueryValue", "activationTargetQueryValue"),
    "mysql": ("queryValue", "activationQueryValue"),
    "mssql": ("targetValue", "activationTargetValue"),
}


def settings_from(path: Path) -> dict[str, str]:
    """The settings of a variant that a file sets, as texts. Raises UsageError for a file that holds none."""
    try:
        documents = [doc for doc in yaml.safe_load_all(path.read_text(encoding="utf-8")) if doc]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path} is no YAML{where}: {getattr(error, 'problem', error)}") from error
    for document in documents:
        if isinstance(document, Mapping):
            try:
                found = _found(document)
            except (AttributeError, TypeError, KeyError) as error:
                raise UsageError(
                    f"{path}: a setting has a form that KEDA and the chart do not know: {error}"
                ) from error
            if found:
                parse(found)
                return found
    raise UsageError(
        f"{path} sets nothing that can be simulated", "give a ScaledObject or values of Airflow's Helm chart"
    )


def _found(document: Mapping[str, Any]) -> dict[str, str]:
    if document.get("kind") == "ScaledObject":
        return _scaled_object(document.get("spec") or {})
    return _values(document)


def _scaled_object(spec: Mapping[str, Any]) -> dict[str, str]:
    found = _keda(spec)
    trigger = (spec.get("triggers") or [{}])[0]
    metadata = trigger.get("metadata") or {}
    target, activation = _QUERY.get(trigger.get("type", ""), ("", ""))
    for name, key in (("query", "query"), ("targetQueryValue", target), ("activationTargetQueryValue", activation)):
        if metadata.get(key) is not None:
            found[name] = str(metadata[key])
    if trigger.get("useCachedMetrics") is not None:
        found["useCachedMetrics"] = str(trigger["useCachedMetrics"]).lower()
    return found


def _keda(spec: Mapping[str, Any]) -> dict[str, str]:
    found = {name: str(spec[name]) for name in _PLAIN if spec.get(name) is not None}
    advanced = spec.get("advanced") or {}
    behavior = (advanced.get("horizontalPodAutoscalerConfig") or {}).get("behavior")
    if behavior is not None:
        found["behavior"] = json.dumps(behavior)
    return found


def _values(values: Mapping[str, Any]) -> dict[str, str]:
    """Values of the chart; since 1.19 the Celery workers may stand under `workers.celery`."""
    workers = values.get("workers") or {}
    workers = {**workers, **(workers.get("celery") or {})}
    keda = workers.get("keda") or {}
    found = _keda(keda)
    query = keda.get("query")
    # The chart's own query is a template; only a rendered one can be run.
    if query and "{{" not in str(query):
        found["query"] = str(query)
    config = values.get("config") or {}
    for section, key, name in (
        ("celery", "worker_concurrency", "worker_concurrency"),
        ("core", "parallelism", "parallelism"),
    ):
        if (config.get(section) or {}).get(key) is not None:
            found[name] = str(config[section][key])
    if workers.get("terminationGracePeriodSeconds") is not None:
        found["terminationGracePeriodSeconds"] = str(workers["terminationGracePeriodSeconds"])
    return found
