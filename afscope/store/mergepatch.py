"""RFC 7386 JSON merge patches between recorded objects. Pure.

A member set to null in a patch means "remove it", so a null inside an object cannot be patched in: `diff` says so and
the caller stores the object in full. Nulls inside arrays are fine, arrays are replaced whole.
"""

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()
Json = Any
"""What a JSON decoder returns: None, bool, int, float, str, list, or dict with str keys."""


class NotExpressible(ValueError):  # noqa: N818  (an answer, not a mistake)
    """No merge patch leads from the one document to the other."""


def diff(before: Json, after: Json) -> Json:
    """The patch for which `apply(patch, before) == after`. Raises NotExpressible."""
    if not isinstance(after, dict):
        return after
    if not isinstance(before, dict):
        _refuse_nulls(after)
        return after
    patch: dict[str, Json] = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name in before and same(before[name], value):
            continue
        if value is None:
            raise NotExpressible(f"member {name!r} is null")
        patch[name] = diff(before.get(name), value)
    return patch


def apply(patch: Json, target: Json) -> Json:
    """`target` with the patch applied (RFC 7386, section 2); neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(value, result.get(name))
    return result


def same(a: Json, b: Json) -> bool:
    """Equality of JSON values: unlike Python's, 1, 1.0 and true are three values."""
    if type(a) is not type(b) or a != b:
        return False
    if isinstance(a, dict | list) and _ENCODER.encode(a) == _ENCODER.encode(b):
        return True  # the same text is the same value, and found at the speed of C
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[name]) for name, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def _refuse_nulls(value: Json) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            if member is None:
                raise NotExpressible(f"member {name!r} is null")
            _refuse_nulls(member)
