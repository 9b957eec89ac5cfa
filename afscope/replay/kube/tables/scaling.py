"""The tables of HorizontalPodAutoscalers and of KEDA's ScaledObjects.

Source: kubernetes pkg/printers/internalversion/printers.go printHorizontalPodAutoscaler, formatHPAMetrics; for
ScaledObjects the additionalPrinterColumns of KEDA's CRD (2.16 and later), rendered as
apiextensions-apiserver's tableconvertor does: an absent value is an empty cell.
"""

from typing import Any

from afscope.model.clock import Micros
from afscope.replay.kube.tables.ages import age
from afscope.replay.kube.tables.form import (
    Cells,
    Column,
    Form,
    Object,
    at,
    columns,
    condition,
    created,
    number,
    rows,
    text,
)

_UNKNOWN = "<unknown>"
_SHOWN = 2
_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _hpa(obj: Object, now: Micros) -> Cells:
    reference = at(obj, "spec", "scaleTargetRef")
    return [
        text(obj, "metadata", "name"),
        f"{text(reference, 'kind')}/{text(reference, 'name')}",
        targets(obj),
        text(obj, "spec", "minReplicas", absent="<unset>"),
        number(obj, "spec", "maxReplicas"),
        number(obj, "status", "currentReplicas"),
        age(created(obj), now),
    ]


def targets(obj: Object) -> str:
    """TARGETS: `current/target` of the first two metrics, and how many more there are."""
    specs, statuses = rows(obj, "spec", "metrics"), at(obj, "status", "currentMetrics") or []
    if not specs:
        return "<none>"
    shown = [_target(spec, statuses[i] if i < len(statuses) else {}) for i, spec in enumerate(specs[:_SHOWN])]
    more = len(specs) - _SHOWN
    return ", ".join(shown) + (f" + {more} more..." if more > 0 else "")


def _target(spec: Object, status: Object) -> str:
    """One metric; its status is the one at the same place, whatever that is about."""
    kind = text(spec, "type")
    source = _SOURCES.get(kind)
    if source is None:
        return "<unknown type>"
    wanted, current = at(spec, source, "target") or {}, at(status, source, "current")
    if kind in ("Resource", "ContainerResource"):
        return f"{text(spec, source, 'name')}: {_utilization(wanted, current)}"
    if kind == "Pods":
        return f"{_quantity(current, 'averageValue')}/{text(wanted, 'averageValue')}"
    if wanted.get("averageValue") is not None:
        shown = _UNKNOWN if at(current, "averageValue") is None else _quantity(current, "averageValue")
        return f"{shown}/{text(wanted, 'averageValue')} (avg)"
    return f"{_quantity(current, 'value')}/{text(wanted, 'value')}"


def _quantity(current: Any, name: str) -> str:
    """A quantity of a status; there without a value it is Go's nil quantity, which prints as 0 or <nil>."""
    if current is None:
        return _UNKNOWN
    return text(current, name, absent="<nil>")


def _utilization(wanted: Object, current: Any) -> str:
    if wanted.get("averageValue") is not None:
        return f"{_quantity(current, 'averageValue')}/{wanted['averageValue']}"
    used, target = at(current, "averageUtilization"), wanted.get("averageUtilization")
    return f"{_UNKNOWN if used is None else f'{used}%'}/{'<auto>' if target is None else f'{target}%'}"


def _scaled_object(obj: Object, now: Micros) -> Cells:
    conditions = [(condition(obj, name) or {}).get("status") for name in ("Ready", "Active", "Fallback", "Paused")]
    return [
        text(obj, "metadata", "name"),
        at(obj, "status", "scaleTargetKind"),
        at(obj, "spec", "scaleTargetRef", "name"),
        at(obj, "spec", "minReplicaCount"),
        at(obj, "spec", "maxReplicaCount"),
        *conditions,
        at(obj, "status", "triggersTypes"),
        at(obj, "status", "authenticationsTypes"),
        age(created(obj), now),
    ]


HPAS = Form(columns("Name|Reference|Targets|MinPods|MaxPods|Replicas|Age"), _hpa)
_names = "Name|ScaleTargetKind|ScaleTargetName|Min|Max|Ready|Active|Fallback|Paused|Triggers|Authentications"
SCALED_OBJECTS = Form((*columns(_names, integer=("Min", "Max")), Column("Age", "date")), _scaled_object)
