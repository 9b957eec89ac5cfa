"""What the normalizers of all kinds share."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from afscope.model.clock import Micros, parse_time
from afscope.model.quantity import milli
from afscope.normalize.kube.types import Condition, Meta, Template
from afscope.normalize.redact import Redactor

_EMPTY = Condition()
_ENCODER = msgspec.json.Encoder()
_LARGEST = 2**63 - 1


@lru_cache(maxsize=16_384)
def when(text: str | None) -> Micros | None:
    """A timestamp of the API; None for null, empty and what is no time. Cached: updates repeat their times."""
    if not text:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4_096)
def _milli(text: str) -> int | None:
    try:
        return milli(text) if len(text) < 64 else None
    except ValueError:
        return None


def quantity(value: str | int | float | None) -> int | None:
    """A quantity in milli-units; None for null, what is no quantity, and what 64 bits cannot hold."""
    found = None if value is None else _milli(str(value))
    return found if found is not None and -_LARGEST - 1 <= found <= _LARGEST else None


def whole(value: str | int | float | None) -> int | None:
    """A quantity in whole units, rounded up; None as in `quantity`."""
    found = None if value is None else _milli(str(value))
    return None if found is None or abs(found) > _LARGEST * 1000 else -(-found // 1000)


def document(value: Any) -> str | None:
    """A value as JSON text; None stays None."""
    return None if value is None else _ENCODER.encode(value).decode()


def by_type(conditions: Iterable[Condition] | None) -> dict[str, Condition]:
    """Conditions by their type."""
    return {c.type: c for c in conditions or ()}


def condition(conditions: dict[str, Condition] | Sequence[Condition] | None, kind: str) -> Condition:
    """The condition of a type, an empty one when there is none."""
    if not isinstance(conditions, dict):
        conditions = by_type(conditions)
    return conditions.get(kind, _EMPTY)


def spelled(conditions: Iterable[Condition] | None, redactor: Redactor) -> str:
    """All conditions as JSON: type, status, reason, message, since."""
    return _ENCODER.encode(
        [
            {"type": c.type, "status": c.status, "reason": c.reason, "message": redactor.optional(c.message),
             "since": c.last_transition_time}
            for c in conditions or ()
        ]
    ).decode()  # fmt: skip


def identity(meta: Meta) -> dict[str, Any]:
    """uid, resource_version, namespace, name."""
    return {
        "uid": meta.uid,
        "resource_version": meta.resource_version,
        "namespace": meta.namespace,
        "name": meta.name,
    }


def owner(meta: Meta) -> dict[str, Any]:
    """owner_kind, owner_name, owner_uid; NULL without an owner."""
    ref = meta.owner()
    return {"owner_kind": ref.kind or None, "owner_name": ref.name or None, "owner_uid": ref.uid or None}


def template_of(template: Template | None) -> Template:
    """A template that is never None."""
    return template or Template()
