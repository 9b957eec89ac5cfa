"""The slow way into a type: fields of an unexpected type are left out, one by one, so that the rest is not lost."""

import re
from typing import Any, NamedTuple

import msgspec

_PLACE = re.compile(r" - at `(?P<path>[^`]*)`")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|(?P<anywhere>\[\.\.\.\])")
# An object with more wrong fields is something else under the same name.
_MOST = 16


class Reading(NamedTuple):
    """What could be read (None: nothing) and what had to go, as "field: why"."""

    value: Any
    left_out: list[str]


def convert(document: Any, wanted: Any) -> Reading:
    """Converts a decoded JSON document; takes wrong fields out of it on the way."""
    left_out: list[str] = []
    while True:
        try:
            return Reading(msgspec.convert(document, wanted), left_out)
        except msgspec.ValidationError as error:
            left_out.append(str(error))
            if len(left_out) > _MOST or not _take_out(document, str(error)):
                return Reading(None, left_out)


def _take_out(document: Any, error: str) -> bool:
    """Removes the field that an error of msgspec points at; False when that is the document itself."""
    place = _PLACE.search(error)
    steps: list[str | int] = []
    for step in _STEP.finditer(place["path"] if place else ""):
        if step["anywhere"]:  # some value of this mapping: msgspec does not say which
            break
        steps.append(step["name"] if step["index"] is None else int(step["index"]))
    if not steps:
        return False
    for step_to in steps[:-1]:
        document = document[step_to]
    if isinstance(document, dict) and steps[-1] not in document:
        return False
    del document[steps[-1]]
    return True
