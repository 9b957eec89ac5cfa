"""Pods, read part by part: what an update repeats of the pod before is not read again.

Pods are most of what a watch brings, and an update changes the version, a condition or a container's state. The parts
are those of `pods.py`; one is made anew when a member that it is made of is another one than last time. managedFields
are part of nothing: whether they are as they should be is not asked again while nothing else of metadata changes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from afscope.model.clock import Micros
from afscope.normalize.kube import pods
from afscope.normalize.kube.bodies import Body
from afscope.normalize.kube.pods import Part
from afscope.normalize.kube.settings import PodSettings, pod_settings
from afscope.normalize.kube.types import Condition, ContainerStatus, Meta, PodSpec, PodStatus
from afscope.normalize.redact import Maskings, Redactor

_META = msgspec.json.Decoder(Meta)
_SPEC = msgspec.json.Decoder(PodSpec)
_TEXT = msgspec.json.Decoder(str | None)
_CONDITIONS = msgspec.json.Decoder(list[Condition] | None)
_STATES = msgspec.json.Decoder(list[ContainerStatus] | None)
# What changes with each version, and with it nothing else of metadata.
_VERSION = frozenset({"resourceVersion"})


class PodReading(NamedTuple):
    """What a pod says."""

    row: dict[str, Any]
    times: dict[str, tuple[Micros, ...]]
    """Its own times, by the part that tells them."""
    maskings: dict[str, Maskings]
    """What was masked in parts in which something was."""
    settings: PodSettings
    meta: Meta
    """Its version and its managedFields may be older."""


def read(body: Body, redactor: Redactor) -> PodReading | None:
    """What a pod says; None for one that was not taken apart, or with something of an unexpected type in it."""
    if not (body.metadata.sent and body.status.sent and "spec" in body.apart.sent):
        return None
    try:
        # A pod that cannot be read like this is read again: only then its maskings count.
        reading, maskings = redactor.aside(_reading, body, redactor)
    except msgspec.ValidationError:
        return None
    redactor.count(maskings)
    body.remember(reading)
    return reading


def _reading(body: Body, redactor: Redactor) -> PodReading:
    last: PodReading | None = body.remembered
    if last is None or "spec" in body.apart.changed or not _VERSION.issuperset(body.metadata.changed):
        reading = _first(body, redactor)
    else:
        reading = _next(body, redactor, last)
    version = body.metadata.sent.get("resourceVersion")
    reading.row["resource_version"] = None if version is None else _TEXT.decode(version)
    return reading


def _first(body: Body, redactor: Redactor) -> PodReading:
    about, spec = _META.decode(body.sent["metadata"]), _SPEC.decode(body.sent["spec"])
    reading = PodReading({}, {}, {}, pod_settings(about, spec, redactor), about)
    _put(reading, "lasting", redactor, pods.lasting, about, spec, redactor)
    for name, (_, make) in _OF_STATUS.items():
        _put(reading, name, redactor, make, body, reading, redactor)
    return reading


def _next(body: Body, redactor: Redactor, last: PodReading) -> PodReading:
    reading = last._replace(row=last.row.copy())
    stale = [name for name, (members, _) in _OF_STATUS.items() if not members.isdisjoint(body.status.changed)]
    if stale:
        reading = reading._replace(times=last.times.copy(), maskings=last.maskings.copy())
    for name in last.maskings.keys() - stale if last.maskings else ():  # what is masked counts each time
        redactor.count(last.maskings[name])
    for name in stale:
        _put(reading, name, redactor, _OF_STATUS[name][1], body, reading, redactor)
    return reading


def _put(reading: PodReading, name: str, redactor: Redactor, make: Callable[..., Part], *args: Any) -> None:
    part, maskings = redactor.counted(make, *args)
    reading.row.update(part.columns)
    reading.times[name] = part.times
    if maskings:
        reading.maskings[name] = maskings
    else:
        reading.maskings.pop(name, None)


def _words(body: Body, _: PodReading, redactor: Redactor) -> Part:
    phase, reason, message = [_status(body, name, _TEXT) for name in ("phase", "reason", "message")]
    return pods.words(phase, reason, message, redactor)


def _conditions(body: Body, _: PodReading, redactor: Redactor) -> Part:
    return pods.conditioned(_status(body, "conditions", _CONDITIONS), redactor)


def _states(body: Body, reading: PodReading, redactor: Redactor) -> Part:
    seen = PodStatus(
        container_statuses=_status(body, "containerStatuses", _STATES),
        init_container_statuses=_status(body, "initContainerStatuses", _STATES),
    )
    return pods.contained(seen, reading.row["main_container"] or "", redactor)


def _status(body: Body, name: str, decoder: msgspec.json.Decoder[Any]) -> Any:
    member = body.status.sent.get(name)
    return None if member is None else decoder.decode(member)


_OF_STATUS: dict[str, tuple[frozenset[str], Callable[[Body, PodReading, Redactor], Part]]] = {
    "words": (frozenset({"phase", "reason", "message"}), _words),
    "conditions": (frozenset({"conditions"}), _conditions),
    "states": (frozenset({"containerStatuses", "initContainerStatuses"}), _states),
}
"""Parts of the status: the members that they are made of, and how."""
