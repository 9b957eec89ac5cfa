"""The tables of deployments, replica sets and stateful sets.

Source: kubernetes pkg/printers/internalversion/printers.go printDeployment, printReplicaSet, printStatefulSet;
k8s.io/apimachinery FormatLabelSelector.
"""

from afscope.model.clock import Micros
from afscope.replay.kube.tables.ages import age
from afscope.replay.kube.tables.form import Cells, Form, Object, at, columns, created, number, rows, text

_WIDE = "Containers|Images|Selector"
_OPERATORS = {"In": "in", "NotIn": "notin"}


def _deployment(obj: Object, now: Micros) -> Cells:
    return [
        text(obj, "metadata", "name"),
        f"{number(obj, 'status', 'readyReplicas')}/{number(obj, 'spec', 'replicas')}",
        number(obj, "status", "updatedReplicas"),
        number(obj, "status", "availableReplicas"),
        age(created(obj), now),
        *_template(obj),
        selector(at(obj, "spec", "selector")),
    ]


def _replica_set(obj: Object, now: Micros) -> Cells:
    return [
        text(obj, "metadata", "name"),
        number(obj, "spec", "replicas"),
        number(obj, "status", "replicas"),
        number(obj, "status", "readyReplicas"),
        age(created(obj), now),
        *_template(obj),
        selector(at(obj, "spec", "selector")) or "<none>",
    ]


def _stateful_set(obj: Object, now: Micros) -> Cells:
    ready = f"{number(obj, 'status', 'readyReplicas')}/{number(obj, 'spec', 'replicas')}"
    return [text(obj, "metadata", "name"), ready, age(created(obj), now), *_template(obj)]


def _template(obj: Object) -> tuple[str, str]:
    containers = rows(obj, "spec", "template", "spec", "containers")
    return ",".join(text(c, "name") for c in containers), ",".join(text(c, "image") for c in containers)


def selector(value: Object | None) -> str:
    """A label selector in one line, its keys sorted."""
    terms = [(key, f"{key}={wanted}") for key, wanted in (at(value, "matchLabels") or {}).items()]
    for expression in rows(value, "matchExpressions"):
        key, operator = text(expression, "key"), text(expression, "operator")
        values = ",".join(sorted(expression.get("values") or ()))
        words = {"Exists": key, "DoesNotExist": f"!{key}"}
        terms.append((key, words.get(operator) or f"{key} {_OPERATORS.get(operator, operator)} ({values})"))
    return ",".join(term for _, term in sorted(terms))


DEPLOYMENTS = Form(columns("Name|Ready|Up-to-date|Available|Age", _WIDE), _deployment)
REPLICA_SETS = Form(
    columns("Name|Desired|Current|Ready|Age", _WIDE, integer=("Desired", "Current", "Ready")), _replica_set
)
STATEFUL_SETS = Form(columns("Name|Ready|Age", "Containers|Images"), _stateful_set)
