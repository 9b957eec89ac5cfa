"""Label and field selectors, as the API server reads them (k8s.io/apimachinery pkg/labels, pkg/fields)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from afscope.replay.kube.resources import Resource
from afscope.replay.kube.status import bad_request

_Labels = Mapping[str, str]
_Test = Callable[[Any], bool]
_NAME = r"[A-Za-z0-9]([\w./-]*[A-Za-z0-9])?"
_SET = re.compile(rf"(?P<key>{_NAME})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_NAME})\s*(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)")
_EXISTS = re.compile(rf"(?P<no>!)?\s*(?P<key>{_NAME})")
_COMMA = re.compile(r",(?![^(]*\))")

_EVENT_FIELDS = {
    "involvedObject.kind": ("involvedObject.kind", "regarding.kind"),
    "involvedObject.namespace": ("involvedObject.namespace", "regarding.namespace"),
    "involvedObject.name": ("involvedObject.name", "regarding.name"),
    "involvedObject.uid": ("involvedObject.uid", "regarding.uid"),
    "involvedObject.apiVersion": ("involvedObject.apiVersion", "regarding.apiVersion"),
    "involvedObject.resourceVersion": ("involvedObject.resourceVersion", "regarding.resourceVersion"),
    "involvedObject.fieldPath": ("involvedObject.fieldPath", "regarding.fieldPath"),
    "reason": ("reason",),
    "type": ("type",),
    "source": ("source.component", "deprecatedSource.component", "reportingController", "reportingComponent"),
    "reportingComponent": ("reportingComponent", "reportingController"),
}
_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "Pod": {
        name: (name,)
        for name in (
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        )
    },
    "Event": {
        **_EVENT_FIELDS,
        **{name.replace("involvedObject", "regarding"): paths for name, paths in _EVENT_FIELDS.items()},
        "reportingController": ("reportingController", "reportingComponent"),
    },
    "Node": {"spec.unschedulable": ("spec.unschedulable",)},
    "ReplicaSet": {"status.replicas": ("status.replicas",)},
    "Namespace": {"status.phase": ("status.phase",)},
}
_COMMON = {"metadata.name": ("metadata.name",), "metadata.namespace": ("metadata.namespace",)}


class Selector:
    """Both selectors of a request; `everything` when it has none. Raises ApiError 400 for what makes no sense."""

    def __init__(self, resource: Resource, labels: str = "", fields: str = "") -> None:
        self._labels = [_label_test(term.strip()) for term in _COMMA.split(labels) if labels.strip()]
        self._fields = [_field_test(term, resource) for term in fields.split(",") if term.strip()]
        self.everything = not (self._labels or self._fields)

    def matches(self, body: bytes) -> bool:
        """Whether an object, given as JSON, is selected."""
        if self.everything:
            return True
        document = msgspec.json.decode(body)
        labels = (document.get("metadata") or {}).get("labels") or {}
        return all(test(labels) for test in self._labels) and all(test(document) for test in self._fields)


def _label_test(term: str) -> _Test:
    """One requirement; a missing label satisfies `!=` and `notin`."""
    if match := _SET.fullmatch(term):
        values = {value.strip() for value in match["values"].split(",")}
        return _member(match["key"], values, wanted=match["op"] == "in")
    if match := _EQUAL.fullmatch(term):
        return _member(match["key"], {match["value"]}, wanted=match["op"] != "!=")
    if match := _EXISTS.fullmatch(term):
        key, present = match["key"], match["no"] is None
        return lambda labels: (key in labels) is present
    raise bad_request(f"unable to parse requirement: {term!r}")


def _member(key: str, values: set[str], *, wanted: bool) -> _Test:
    def test(labels: _Labels) -> bool:
        return (key in labels and labels[key] in values) is wanted

    return test


def _field_test(term: str, resource: Resource) -> _Test:
    """One requirement; an absent field is the empty string."""
    match = re.fullmatch(r"\s*([^=!]+?)\s*(==|=|!=)(.*)", term)
    if match is None:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    name, operator, value = match[1], match[2], match[3].strip()
    paths = {**_COMMON, **_FIELDS.get(resource.kind, {})}.get(name)
    if paths is None:
        raise bad_request(f"field label not supported: {name}")
    wanted = operator != "!="

    def test(document: Mapping[str, Any]) -> bool:
        return (_field(document, paths) == value) is wanted

    return test


def _field(document: Mapping[str, Any], paths: tuple[str, ...]) -> str:
    for path in paths:
        value: Any = document
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value not in (None, ""):
            return str(value).lower() if isinstance(value, bool) else str(value)
    return ""
