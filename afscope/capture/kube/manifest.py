"""The recorder as objects of a cluster: a pod that records always, and the rights that it needs, not one more.

The rights follow from what is watched (`kinds.py`), so the two cannot drift apart.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from afscope.capture.kube.kinds import WATCHED, Watched
from afscope.errors import UsageError

_CAPTURES = "/captures"
_WATCH = ["list", "watch"]
# Nothing of a capture is of use to anybody but the recorder's own user.
_UID = 50000
_CONN, _BROKER = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CELERY__BROKER_URL"
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the recorder lives and what it may see. Secrets are NAME:KEY in its own namespace, "" for none."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to record; without any the whole cluster."""
    home: str = "airflow"
    """The namespace that it runs in, where the Secrets are."""
    name: str = "afscope"
    image: str = ""
    db_secret: str = ""
    broker_secret: str = ""
    db_via: str = ""
    retain: str = "24h"
    max_bytes: str = "2GiB"
    storage: str = "10Gi"
    """Size of the volume for captures; "" keeps them in the pod only."""
    logs: bool = True


class _Dumper(yaml.SafeDumper):
    """For people: no anchors, and texts of several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def manifest(wanted: Installation) -> str:
    """YAML documents. Raises UsageError for a Secret that is not NAME:KEY."""
    return "---\n".join(yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=120) for one in objects(wanted))


def objects(wanted: Installation) -> Iterator[Object]:
    """The ServiceAccount, roles with their bindings, and the StatefulSet."""
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(wanted)}
    yield from _role(wanted, "", _rules(watched for watched in WATCHED if not watched.namespaced))
    inside = _rules(watched for watched in WATCHED if watched.namespaced and not watched.home) + _beside(wanted)
    for namespace in wanted.namespaces or ("",):
        yield from _role(wanted, namespace, inside, "" if namespace else "-namespaced")
    for watched in WATCHED:
        if watched.home:
            yield from _role(wanted, watched.home, _rules([watched]), "-leader")
    if wanted.db_via:
        yield from _role(wanted, wanted.home, _tunnel(wanted.db_via), "-tunnel")
    yield _stateful_set(wanted)


def _rules(kinds: Iterable[Watched]) -> list[Object]:
    """One rule per API group and set of names."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for watched in kinds:
        found.setdefault((_group(watched), watched.only), []).append(watched.plural)
    return [
        # Lists and watches of one name (`metadata.name=…`) are allowed by a rule for that name.
        {
            "apiGroups": [group],
            "resources": plurals,
            **({"resourceNames": list(names)} if names else {}),
            "verbs": _WATCH,
        }
        for (group, names), plurals in found.items()
    ]


def _group(watched: Watched) -> str:
    return watched.group.split("/")[1] if watched.group.startswith("apis/") else ""


def _beside(wanted: Installation) -> list[Object]:
    """What is read and not watched: airflow.cfg, and logs."""
    rules: list[Object] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    if wanted.logs:
        rules.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    return rules


def _tunnel(via: str) -> list[Object]:
    kind, _, name = via.partition("/")
    service = name.partition(":")[0].partition(".")[0]
    forward = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["create", "get"]}
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    if kind != "svc":
        return [pods, forward]
    return [{"apiGroups": [""], "resources": ["services"], "resourceNames": [service], "verbs": ["get"]}, pods, forward]


def _role(wanted: Installation, namespace: str, rules: list[Object], suffix: str = "") -> Iterator[Object]:
    """A role in a namespace, or in the cluster with "", and its binding."""
    kind, name = ("Role" if namespace else "ClusterRole"), wanted.name + suffix
    meta: Object = {"name": name} | ({"namespace": namespace} if namespace else {}) | {"labels": _labels(wanted)}
    api = "rbac.authorization.k8s.io"
    yield {"apiVersion": f"{api}/v1", "kind": kind, "metadata": meta, "rules": rules}
    yield {
        "apiVersion": f"{api}/v1",
        "kind": f"{kind}Binding",
        "metadata": meta,
        "roleRef": {"apiGroup": api, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": wanted.name, "namespace": wanted.home}],
    }


def _labels(wanted: Installation) -> dict[str, str]:
    return {"app.kubernetes.io/name": "afscope", "app.kubernetes.io/instance": wanted.name}


def _meta(wanted: Installation) -> Object:
    return {"name": wanted.name, "namespace": wanted.home, "labels": _labels(wanted)}


def _stateful_set(wanted: Installation) -> Object:
    """One recorder: two would write the same twice, and ask the database twice."""
    pod: Object = {
        "serviceAccountName": wanted.name,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": _UID, "runAsGroup": _UID, "fsGroup": _UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(wanted)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }  # fmt: skip
    spec: Object = {
        "replicas": 1,
        "serviceName": wanted.name,
        "selector": {"matchLabels": _labels(wanted)},
        "template": {"metadata": {"labels": _labels(wanted)}, "spec": pod},
    }
    if wanted.storage:
        size = {"requests": {"storage": wanted.storage}}
        claim = {"metadata": {"name": "captures"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": size}}
        spec["volumeClaimTemplates"] = [claim]
    else:
        pod["volumes"].append({"name": "captures", "emptyDir": {}})
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": _meta(wanted), "spec": spec}


def _container(wanted: Installation) -> Object:
    env = [*_secret(_CONN, wanted.db_secret), *_secret(_BROKER, wanted.broker_secret)]
    return {
        "name": "recorder",
        "image": wanted.image,
        "command": ["sh", "-c", _START, "sh"],
        "args": _arguments(wanted),
        "env": [*env, {"name": "XDG_STATE_HOME", "value": _CAPTURES}, {"name": "HOME", "value": "/tmp"}],  # noqa: S108
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "captures", "mountPath": _CAPTURES}, {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }  # fmt: skip


# A recorder that starts anew begins a new capture. The last one is kept, it may hold the incident; older ones would
# fill the volume.
_START = f"""\
ls -1dt {_CAPTURES}/afscope/captures/*.afscope 2>/dev/null | tail -n +2 | xargs -r rm -rf --
exec afscope capture "$@"
"""


def _arguments(wanted: Installation) -> list[str]:
    where = [word for namespace in wanted.namespaces for word in ("-n", namespace)] or ["-A"]
    given = ["--retain", wanted.retain, "--max-bytes", wanted.max_bytes]
    given += ["--db-via", wanted.db_via] if wanted.db_via else []
    given += [] if wanted.db_secret else ["--no-db"]
    given += [] if wanted.broker_secret else ["--no-broker"]
    return [*where, *given, *([] if wanted.logs else ["--no-logs"])]


def _secret(variable: str, named: str) -> list[Object]:
    """An environment variable that the kubelet fills: the recorder itself may read no Secret."""
    if not named:
        return []
    name, colon, key = named.partition(":")
    if not (name and colon and key) or "/" in name:
        raise UsageError(f"the Secret {json.dumps(named)} is not of the form NAME:KEY")
    return [{"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]
