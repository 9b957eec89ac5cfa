"""Events as kubectl prints them (`get events`, `events`, and below a description), back into event objects."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from afscope.ingest.kubetext.ages import Anchor, Seen, age, seen, time_in_name
from afscope.model.clock import Micros, rfc3339

_HEADER = re.compile(r"(?:NAMESPACE\s+)?LAST SEEN\s+TYPE\s+REASON\s+OBJECT\s")
_TITLES = re.compile(r"\S+(?: \S+)*")
_KINDS = {
    kind.lower(): kind
    for kind in (
        "Pod", "HorizontalPodAutoscaler", "ScaledObject", "ScaledJob", "ReplicaSet", "Deployment", "StatefulSet",
        "DaemonSet", "Node", "Job", "CronJob", "PersistentVolumeClaim", "Namespace", "Endpoints", "Lease", "Service",
        "TriggerAuthentication", "ClusterTriggerAuthentication", "APIService", "PodDisruptionBudget", "NodeClaim",
    )
}  # fmt: skip
_ASSIGNED = re.compile(r"Successfully assigned ([^/\s]+)/(\S+) to ")


class Printed(NamedTuple):
    """One printed event. `first_at` is its exact first time where its name tells it."""

    namespace: str
    kind: str
    object_name: str
    type: str
    reason: str
    message: str
    seen: Seen
    component: str = ""
    host: str = ""
    field_path: str = ""
    name: str = ""
    first_at: Micros | None = None


class Columns(NamedTuple):
    """Where each column of a table begins."""

    starts: tuple[tuple[str, int], ...]

    def cells(self, line: str) -> dict[str, str]:
        """The cells of a row by title."""
        ends = [start for _, start in self.starts[1:]] + [len(line)]
        return {title: line[start:end].strip() for (title, start), end in zip(self.starts, ends, strict=True)}


def header(line: str) -> Columns | None:
    """The columns of a table of events by its first line; None when it is none."""
    if not _HEADER.match(line):
        return None
    return Columns(tuple((match[0], match.start()) for match in _TITLES.finditer(line)))


def row(columns: Columns, line: str) -> Printed | None:
    """One row of a table; None when it has no age, or no object."""
    cells = columns.cells(line)
    kind, slash, name = cells.get("OBJECT", "").partition("/")
    when = seen(cells.get("LAST SEEN", ""))
    if when is None or not slash:
        return None
    first = age(cells.get("FIRST SEEN", ""))
    count = cells.get("COUNT", "")
    when = Seen(when.last, first or when.first, int(count) if count.isdigit() else when.times)
    component, _, host = cells.get("SOURCE", "").partition(", ")
    message = cells.get("MESSAGE", "")
    own = cells.get("NAME", "")
    return Printed(
        cells.get("NAMESPACE", "") or _namespace(message, name), _KINDS.get(kind.lower(), kind.capitalize()), name,
        cells.get("TYPE", ""), cells.get("REASON", ""), message, when, component, host,
        cells.get("SUBOBJECT", ""), own, time_in_name(own),
    )  # fmt: skip


def _namespace(message: str, name: str) -> str:
    """Without -A no column names the namespace; the scheduler's own words do."""
    match = _ASSIGNED.match(message)
    return match[1] if match and match[2] == name else ""


def anchors(printed: list[Printed]) -> Iterator[Anchor]:
    """Events whose names tell when they first happened."""
    for one in printed:
        if one.first_at is not None:
            yield Anchor(one.first_at, one.seen.first)


def objects(printed: list[Printed], taken_at: Micros) -> Iterator[dict[str, Any]]:
    """Event objects as the API would have given them, their times counted back from when kubectl ran."""
    alike: Counter[tuple[str, ...]] = Counter()
    namespaces = {one.object_name: one.namespace for one in printed if one.namespace}
    only = next(iter(set(namespaces.values())), "") if len(set(namespaces.values())) == 1 else ""
    for one in printed:
        first = taken_at - one.seen.first.us
        if one.first_at is not None and abs(one.first_at - first) <= one.seen.first.unit + 5_000_000:
            first = one.first_at
        last = first if one.seen.times == 1 and one.seen.last == one.seen.first else taken_at - one.seen.last.us
        namespace = one.namespace or namespaces.get(one.object_name) or only
        identity = (namespace, one.kind, one.object_name, one.reason, one.message, one.name)
        alike[identity] += 1
        digest = hashlib.sha256("\0".join((*identity, str(alike[identity]))).encode()).hexdigest()[:24]
        yield {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {
                "name": one.name or f"{one.object_name}.{digest[:16]}", "namespace": namespace,
                "uid": f"printed-{digest}", "creationTimestamp": rfc3339(first),
            },
            "involvedObject": {
                "kind": one.kind, "name": one.object_name, "namespace": namespace, "fieldPath": one.field_path or None,
            },
            "type": one.type, "reason": one.reason, "message": one.message, "count": one.seen.times,
            "firstTimestamp": rfc3339(first), "lastTimestamp": rfc3339(max(first, last)),
            "source": {"component": one.component, "host": one.host},
        }  # fmt: skip
