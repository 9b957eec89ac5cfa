"""The table of events, the same for both APIs that serve them.

Source: kubernetes pkg/printers/internalversion/printers.go printEvent.
"""

from afscope.model.clock import Micros
from afscope.replay.kube.tables.ages import age
from afscope.replay.kube.tables.form import Cells, Column, Form, Object, at, columns, number, text


def _event(obj: Object, now: Micros) -> Cells:
    """Cells of a core/v1 Event; its series, where it has one, tells the last time and the count."""
    first = age(at(obj, "firstTimestamp") or at(obj, "eventTime"), now)
    last = age(at(obj, "lastTimestamp"), now) if at(obj, "lastTimestamp") else first
    count = number(obj, "count") or 1
    if at(obj, "series") is not None:
        last, count = age(at(obj, "series", "lastObservedTime"), now), number(obj, "series", "count")
    kind, name = text(obj, "involvedObject", "kind").lower(), text(obj, "involvedObject", "name")
    return [
        last,
        text(obj, "type"),
        text(obj, "reason"),
        f"{kind}/{name}" if name else kind,
        text(obj, "involvedObject", "fieldPath"),
        _source(obj),
        text(obj, "message").strip(),
        first,
        count,
        text(obj, "metadata", "name"),
    ]


def _source(obj: Object) -> str:
    component = text(obj, "source", "component") or text(obj, "reportingComponent")
    instance = text(obj, "source", "host") or text(obj, "reportingInstance")
    return f"{component}, {instance}" if instance else component


EVENTS = Form(
    (
        *columns("Last Seen|Type|Reason|Object"),
        Column("Subobject", priority=1),
        Column("Source", priority=1),
        Column("Message"),
        Column("First Seen", priority=1),
        Column("Count", priority=1),
        Column("Name", priority=1),
    ),
    _event,
)
