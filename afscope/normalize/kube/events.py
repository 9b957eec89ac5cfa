"""Events to rows of `events`: what happened, once, with how often it happened since it was last seen.

Rules (client-go tools/record, read in 1.36): an event's time is series.lastObservedTime, else lastTimestamp, else
eventTime, else firstTimestamp, else its creation; its count series.count, else count, else 1. The old recorder counts
before it filters spam, so only differences of counts say how often something happened.

What happened before the recording stays visible, as change STATE with its own time and a delta of 0, and never
counts as happening in it. A list after a lost watch repeats what is known: an event that did not move gives no row,
one that did is the change that the watch would have brought. Expiry (DELETED) is nothing that happened.
"""

from typing import Any

from afscope.model.clock import SECOND, Micros
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE
from afscope.normalize.kube.common import when
from afscope.normalize.kube.types import Event, EventSeries, EventSource, ObjectReference
from afscope.normalize.redact import Redactor

# `kubectl get -w` shows what it lists as ADDED; no clock runs this far behind without being a finding of its own.
_STALE: Micros = 60 * SECOND


class Events:
    """The last count and time per event. One per recording."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._seen: dict[str, tuple[int, Micros]] = {}

    def row(self, obj: Event, change: str, seen_at: Micros, began: Micros) -> dict[str, Any] | None:
        """The row of one observation, None when nothing happened; the recording began at `began`."""
        uid = obj.metadata.uid
        if change == DELETED:
            self._seen.pop(uid, None)
            return None
        count, first, latest = _count(obj), _first(obj), _latest(obj)
        known = self._seen.get(uid)
        self._seen[uid] = count, latest
        if known is None:
            delta = _unseen(count, first or latest, latest, began if change == STATE else began - _STALE)
            change = STATE if delta == 0 else ADDED
        else:
            delta = max(0, count - known[0])
            if change == STATE and delta == 0 and latest <= known[1]:
                return None
            change = MODIFIED if change == STATE else change
        times = {"ts": latest or seen_at, "first_ts": first, "last_ts": latest or None}
        return {**self._fields(obj), **times, "change": change, "count": count, "count_delta": delta}

    def _fields(self, obj: Event) -> dict[str, Any]:
        about = obj.involved_object or obj.regarding or ObjectReference()
        source = obj.source or obj.deprecated_source or EventSource()
        message = obj.message if obj.message is not None else obj.note
        return {
            "uid": obj.metadata.uid,
            "resource_version": obj.metadata.resource_version,
            "namespace": obj.metadata.namespace,
            "type": obj.type,
            "reason": obj.reason,
            "message": self._redactor.optional(message),
            "component": obj.reporting_component or obj.reporting_controller or source.component or None,
            "host": source.host or obj.reporting_instance or None,
            "action": self._redactor.optional(obj.action),
            "object_kind": about.kind,
            "object_namespace": about.namespace,
            "object_name": about.name,
            "object_uid": about.uid,
            "field_path": about.field_path,
        }


def _unseen(count: int, first: Micros, latest: Micros, began: Micros) -> int:
    """How often an event that was not seen before happened since the recording began."""
    if latest <= began:
        return 0
    return count if first >= began else 1


def _count(obj: Event) -> int:
    series = obj.series or EventSeries()
    return series.count or obj.count or obj.deprecated_count or 1


def _first(obj: Event) -> Micros | None:
    return when(obj.first_timestamp or obj.deprecated_first_timestamp) or when(obj.event_time)


def _latest(obj: Event) -> Micros:
    series = obj.series or EventSeries()
    return (
        when(series.last_observed_time)
        or when(obj.last_timestamp or obj.deprecated_last_timestamp)
        or when(obj.event_time)
        or when(obj.first_timestamp or obj.deprecated_first_timestamp)
        or when(obj.metadata.creation_timestamp)
        or 0
    )
