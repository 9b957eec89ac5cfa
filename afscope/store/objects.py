"""The chain of bodies in the `objects` table: full JSON, then RFC 7386 merge patches against the body before.

A body is stored in full at first sight, at keyframes, and when a patch cannot express the change or is not smaller.
The chain of an object is ordered by `seen_at`, so the recorder's time never runs backwards within one object.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from afscope.model.clock import Micros
from afscope.model.encoded import Encoded
from afscope.model.row import DELETED
from afscope.store import mergepatch
from afscope.store.keyframe import CHANGE, SEEN_AT, Values
from afscope.store.schema import TABLES

_NAMES = TABLES["objects"].column_names()
_KIND, _NAMESPACE, _NAME, _UID, _FULL, _BODY = (
    _NAMES.index(name) for name in ("kind", "namespace", "name", "uid", "full", "body")
)
Identity = tuple[Any, ...]


class ObjectBodies:
    """The writer's end of the chains: remembers the last full row of every live object."""

    def __init__(self) -> None:
        self._last: dict[Identity, Values] = {}

    def shrink(self, row: Values) -> Values:
        """The row to store for a row with a full body; `full` is set here, whatever it was."""
        identity = row[_KIND], row[_NAMESPACE], row[_NAME], row[_UID]
        before = self._last.get(identity)
        row[_FULL] = row[_BODY] is not None
        if before is not None:
            row[SEEN_AT] = max(row[SEEN_AT], before[SEEN_AT])
        if row[CHANGE] == DELETED:
            self._last.pop(identity, None)
        elif row[_FULL]:
            self._last[identity] = row
        patch = _patch(before[_BODY], row[_BODY]) if before is not None and row[_FULL] else None
        return [*row[:_FULL], False, patch] if patch is not None else _plain(row)

    def keyframe(self, seen_at: Micros) -> Iterator[Values]:
        """Every live object in full; later patches build on these rows."""
        for row in self._last.values():
            row[SEEN_AT] = max(seen_at, row[SEEN_AT])
            yield _plain([row[0], row[SEEN_AT], "STATE", *row[CHANGE + 1 :]])


class Body(NamedTuple):
    """A row of `objects` and the whole document that held after it; None where the chain has no beginning."""

    row: Mapping[str, Any]
    document: Any


def full_bodies(rows: Iterable[Mapping[str, Any]]) -> Iterator[Body]:
    """The reader's end: follows all chains through rows in storage order (`seen_at`, then as stored)."""
    last: dict[Identity, Any] = {}
    for row in rows:
        identity = row["kind"], row["namespace"], row["name"], row["uid"]
        body = None if row["body"] is None else msgspec.json.decode(row["body"])
        if row["full"]:
            last[identity] = body
        elif body is not None and identity in last:
            last[identity] = mergepatch.apply(body, last[identity])
        yield Body(row, last.get(identity))


_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER = msgspec.json.Encoder()
_NEW = object()
# Of these equal values are equal bytes.
_AS_BYTES = (str, msgspec.Raw)


def _plain(row: Values) -> Values:
    """The row with a body that any encoder takes."""
    return [*row[:_BODY], str(row[_BODY])] if type(row[_BODY]) is Encoded else row


def _patch(before: str, after: str) -> str | None:
    """The merge patch as text when there is one and it is smaller than `after`."""
    try:
        if type(before) is Encoded and type(after) is Encoded:
            patch = _parts_diff(before.parts, after.parts, depth=2)
        else:
            patch = _raw_diff(before.encode(), after.encode(), depth=2)
    except (mergepatch.NotExpressible, msgspec.DecodeError):
        return None
    text = _ENCODER.encode(patch).decode()
    return text if len(text) < len(after) else None


def _parts_diff(before: dict[str, Any], after: dict[str, Any], depth: int) -> mergepatch.Json:
    """`_raw_diff` of what these are the members of, with as little decoding as there are changes."""
    patch: dict[str, mergepatch.Json] = {name: None for name in before if name not in after}
    for name in [name for name, member in after.items() if before.get(name, _NEW) is not member]:
        known, member = before.get(name, _NEW), after[name]
        if type(known) is type(member) and type(member) in _AS_BYTES and known == member:
            continue
        if type(known) is dict and type(member) is dict:
            below = _parts_diff(known, member, depth - 1)
            if below or list(known) != list(member):
                patch[name] = below
        elif member is None:
            raise mergepatch.NotExpressible(f"member {name!r} is null")
        elif type(member) is str:
            patch[name] = member
        elif known is _NEW:
            patch[name] = mergepatch.diff(None, msgspec.json.decode(_ENCODER.encode(member)))
        elif (old := _ENCODER.encode(known)) != (new := _ENCODER.encode(member)):
            patch[name] = _raw_diff(old, new, depth - 1) if new.startswith(b"{") else msgspec.Raw(new)
    return patch


def _raw_diff(before: bytes, after: bytes, depth: int) -> mergepatch.Json:
    """`mergepatch.diff` of documents as text.

    Most of an object does not change, and the same bytes are the same value: members down to `depth` that did not
    change, the spec above all, are never decoded.
    """
    if depth == 0 or not (before.startswith(b"{") and after.startswith(b"{")):
        return mergepatch.diff(msgspec.json.decode(before), msgspec.json.decode(after))
    old, new = _PARTS.decode(before), _PARTS.decode(after)
    patch: dict[str, mergepatch.Json] = {name: None for name in old if name not in new}
    for name, raw in new.items():
        member, known = bytes(raw), bytes(old.get(name, b""))
        if member == known:
            continue
        if member == b"null":
            raise mergepatch.NotExpressible(f"member {name!r} is null")
        patch[name] = (
            _raw_diff(known, member, depth - 1) if known else mergepatch.diff(None, msgspec.json.decode(member))
        )
    return patch
