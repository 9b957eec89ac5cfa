"""Whole objects, redacted: the bodies of the table `objects`.

Most updates repeat most of the object before. So of each object the members are remembered, as sent and as redacted,
and what comes again, byte by byte, is neither read nor redacted again.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from afscope.model.encoded import Encoded
from afscope.normalize.redact import Maskings, Redactor

_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
# Of these the members are remembered one by one: a version and a condition change, the rest of them does not.
_LOOSE = ("metadata", "status")
# Up to so many bytes, most events, an object is read at once: taking it apart costs more than its parts repeat.
_SMALL = 1536
# What is remembered of all objects together, in bytes: of 2,500 pods of 4 KiB. Who was longest unheard is forgotten.
REMEMBERED = 48 << 20
# What is remembered of an object besides its members, as sent and as redacted: names, columns, times.
_OVERHEAD = 8 << 10


class Level:
    """The members of an object, or of an object within it: as sent, and as redacted."""

    __slots__ = ("changed", "maskings", "parts", "sent")

    def __init__(self) -> None:
        self.sent: dict[str, msgspec.Raw] = {}
        self.parts: dict[str, Any] = {}
        """Still encoded, unless it is text, a number or null; without what the redaction leaves out."""
        self.maskings: dict[str, Maskings] = {}
        """What was masked, of members in which something was."""
        self.changed: Collection[str] = ()
        """Names of members that are not what they were the last time, or are gone; all where there is no last time."""


class _Known:
    """An object as it was the last time."""

    __slots__ = ("below", "memory", "size", "top")

    def __init__(self, top: Level, below: dict[str, Level], size: int) -> None:
        self.top, self.below, self.size = top, below, size
        self.memory: Any = None


_EMPTY = Level()
_UNKNOWN = _Known(_EMPTY, {}, 0)


class Body:
    """An object and its redacted `parts`. One of some size is also taken `apart`, level by level."""

    __slots__ = ("_known", "apart", "metadata", "parts", "remembered", "sent", "status")

    def __init__(self, parts: dict[str, Any]) -> None:
        self.parts = parts
        self.sent: Mapping[str, msgspec.Raw] = {}
        """All members of the top as sent; empty when it was not taken apart, and so are the following."""
        self.apart = self.metadata = self.status = _EMPTY
        """The top without `metadata` and `status`, and these two."""
        self.remembered: Any = None
        """What the reader of the object's version before, and no other, wanted to find again."""
        self._known: _Known | None = None

    def remember(self, memory: Any) -> None:
        """Keeps something for the reader of the object's next version."""
        if self._known is not None:
            self._known.memory = memory

    def text(self) -> str:
        """The object as JSON."""
        return Encoded.of(self.parts) if self.sent else _ENCODER.encode(self.parts).decode()


class Bodies:
    """Redacts whole objects, and remembers their members by uid."""

    def __init__(self, redactor: Redactor, remembered: int = REMEMBERED) -> None:
        self._redactor = redactor
        self._known: dict[bytes, _Known] = {}
        self._most = remembered
        self._bytes = 0

    def read(self, raw: bytes) -> Body:
        """The redacted object: strings and numbers of its top and of its metadata, the rest still encoded.

        Raises msgspec.DecodeError for what is no JSON object.
        """
        try:
            if len(raw) <= _SMALL and type(small := _ANY.decode(raw)) is dict:
                return Body(self._redactor.object(small))
            sent = _PARTS.decode(raw)
            if self._redactor.is_whole(sent):
                return Body(self._redactor.object(_ANY.decode(raw)))
            return self._apart(sent, len(raw))
        except RecursionError:
            raise msgspec.DecodeError("nested too deeply to be an API object") from None
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None

    def forget(self, uid: str) -> None:
        """What was deleted does not come again."""
        self._take(_ENCODER.encode(uid))

    def _take(self, uid: bytes) -> _Known:
        known = self._known.pop(uid, _UNKNOWN)
        self._bytes -= known.size
        return known

    def _apart(self, sent: dict[str, msgspec.Raw], size: int) -> Body:
        top, loose = sent.copy(), {}
        for name in _LOOSE:
            if name in sent and (inner := self._loose(bytes(sent[name]))) is not None:
                loose[name] = inner
                del top[name]
        uid = bytes(loose.get("metadata", {}).get("uid", b""))
        before = self._take(uid)
        below = {name: self._level(inner, before.below.get(name, _EMPTY)) for name, inner in loose.items()}
        body = Body({})
        body.sent, body.apart, body.remembered = sent, self._level(top, before.top), before.memory
        body.metadata, body.status = below.get("metadata", _EMPTY), below.get("status", _EMPTY)
        for name in sent:
            if name in below:
                body.parts[name] = below[name].parts
            elif name in body.apart.parts:
                body.parts[name] = body.apart.parts[name]
        if uid:
            self._keep(uid, _Known(body.apart, below, 3 * size + _OVERHEAD), body)
        return body

    def _keep(self, uid: bytes, known: _Known, body: Body) -> None:
        body._known = self._known[uid] = known
        self._bytes += known.size
        while self._bytes > self._most:
            self._take(next(iter(self._known)))

    def _loose(self, sent: bytes) -> dict[str, msgspec.Raw] | None:
        """The members of a member; None where they are not to be looked at one by one."""
        if sent[:1] != b"{":
            return None
        inner = _PARTS.decode(sent)
        return None if self._redactor.is_whole(inner) else inner

    def _level(self, sent: dict[str, msgspec.Raw], known: Level) -> Level:
        """These members, read where they are not what they were; `known` is used up."""
        if (fields := sent.get("managedFields")) is not None and not _may_name_replicas(bytes(fields)):
            del sent["managedFields"]
        before = known.sent
        changed = [name for name, raw in sent.items() if before.get(name) != raw]
        level = Level()
        level.maskings = known.maskings
        if list(sent) == list(before):
            level.sent, level.parts = before, known.parts.copy() if changed else known.parts
            level.changed = changed
        else:
            level.changed = {*changed, *(before.keys() - sent.keys())}
            level.maskings = {name: count for name, count in known.maskings.items() if name in sent}
            level.sent = {name: before.get(name, raw) for name, raw in sent.items()}
            level.parts = {name: known.parts[name] for name in sent if name in known.parts}
        for masked in level.maskings.keys() - changed if level.maskings else ():  # what is masked counts each time
            self._redactor.count(level.maskings[masked])
        for name in changed:
            self._read(name, sent[name].copy(), level)  # a Raw holds the whole that it is a part of
        if level.parts.keys() != known.parts.keys():
            level.parts = {name: level.parts[name] for name in sent if name in level.parts}
        return level

    def _read(self, name: str, sent: msgspec.Raw, level: Level) -> None:
        level.sent[name] = sent
        value = _ANY.decode(sent)
        if type(value) is str and self._redactor.is_clean(name, value):
            level.parts[name] = value
            level.maskings.pop(name, None)
            return
        kept, maskings = self._redactor.counted(self._redactor.member, name, value)
        if maskings:
            level.maskings[name] = maskings
        else:
            level.maskings.pop(name, None)
        if not kept:
            level.parts.pop(name, None)
        elif bytes(sent)[0] not in b"{[":
            level.parts[name] = kept[name]
        else:
            redacted = msgspec.Raw(_ENCODER.encode(kept[name]))
            level.parts[name] = sent if redacted == sent else redacted


def _may_name_replicas(fields: bytes) -> bool:
    r"""Whether managedFields may tell of spec.replicas, of which alone something stays; \u0066 is an f, too."""
    return b"f:replicas" in fields or b"\\u" in fields
