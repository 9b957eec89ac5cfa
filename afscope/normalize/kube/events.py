"""Events to rows of `events`: one per observation, with the delta of the count.

Rules of domain keda-hpa 4.6: an event's time is series.lastObservedTime, else lastTimestamp, else eventTime, else
firstTimestamp, else its creation; its count series.count, else count, else 1. The old recorder increments before it
filters, so only deltas of counts say how often something happened.
"""

from typing import Any

from afscope.model.row import STATE
from afscope.normalize.kube.common import when
from afscope.normalize.kube.types import Event, EventSeries, EventSource, ObjectReference
from afscope.normalize.redact import Redactor


def event(obj: Event, redactor: Redactor, change: str, seen: dict[str, int]) -> dict[str, Any]:
    """One row of `events`. `seen` holds the last count per uid and is brought up to date.

    What is listed at the start happened before the recording: it is kept with change STATE and a delta of 0.
    """
    series = obj.series or EventSeries()
    count = series.count or obj.count or obj.deprecated_count or 1
    delta = 0 if change == STATE else max(0, count - seen.get(obj.metadata.uid, 0))
    seen[obj.metadata.uid] = count
    about = obj.involved_object or obj.regarding or ObjectReference()
    source = obj.source or obj.deprecated_source or EventSource()
    first = when(obj.first_timestamp or obj.deprecated_first_timestamp) or when(obj.event_time)
    last = when(obj.last_timestamp or obj.deprecated_last_timestamp)
    latest = when(series.last_observed_time) or last or when(obj.event_time) or first
    return {
        "ts": latest or when(obj.metadata.creation_timestamp),
        "uid": obj.metadata.uid,
        "resource_version": obj.metadata.resource_version,
        "namespace": obj.metadata.namespace,
        "type": obj.type,
        "reason": obj.reason,
        "message": redactor.optional(obj.message if obj.message is not None else obj.note),
        "count": count,
        "count_delta": delta,
        "first_ts": first,
        "last_ts": latest,
        "component": obj.reporting_component or obj.reporting_controller or source.component or None,
        "host": source.host or obj.reporting_instance or None,
        "action": redactor.optional(obj.action),
        "object_kind": about.kind,
        "object_namespace": about.namespace,
        "object_name": about.name,
        "object_uid": about.uid,
        "field_path": about.field_path,
    }
