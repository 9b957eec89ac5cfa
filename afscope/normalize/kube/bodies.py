"""Whole objects, redacted: the bodies of the table `objects`."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from afscope.normalize.redact import Redactor

_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
# Of these the members are remembered one by one: a version and a condition change, the rest of them does not.
_LOOSE = ("metadata", "status")
# Up to so many bytes, most events, an object is read at once: taking it apart costs more than its parts repeat.
_SMALL = 1536
# Bytes of members that are remembered, both as sent and as redacted.
_REMEMBERED = 6 << 20


class _Member(NamedTuple):
    redacted: msgspec.Raw | None
    """None where the redaction leaves the member out."""
    maskings: Counter[str]


class Bodies:
    """Redacts whole objects. Most updates repeat most of the object before, so that is remembered by its bytes."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._known: dict[tuple[str, bytes], _Member] = {}
        self._bytes = 0

    def parts(self, raw: bytes) -> dict[str, Any]:
        """The redacted object: strings and numbers of its top and of its metadata, the rest still encoded.

        Raises msgspec.DecodeError for what is no JSON object.
        """
        try:
            if len(raw) <= _SMALL and type(small := _ANY.decode(raw)) is dict:
                return self._redactor.object(small)
            parts = _PARTS.decode(raw)
            if self._redactor.is_whole(parts):
                return self._redactor.object(_ANY.decode(raw))
            return self._members(parts, loose=_LOOSE)
        except RecursionError:
            raise msgspec.DecodeError("nested too deeply to be an API object") from None
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None

    def text(self, parts: dict[str, Any]) -> str:
        """The object as JSON."""
        return _ENCODER.encode(parts).decode()

    def _members(self, parts: dict[str, msgspec.Raw], loose: tuple[str, ...] = ()) -> dict[str, Any]:
        redacted: dict[str, Any] = {}
        for name, part in parts.items():
            raw = bytes(part)
            if raw[0] not in b"{[":
                redacted |= self._redactor.member(name, _ANY.decode(raw))
                continue
            if name in loose and raw[0] == ord("{") and not self._redactor.is_whole(inner := _PARTS.decode(raw)):
                redacted[name] = self._members(inner)
            elif (member := self._remembered(name, raw)) is not None:
                redacted[name] = member
        return redacted

    def _remembered(self, name: str, raw: bytes) -> msgspec.Raw | None:
        known = self._known.get((name, raw))
        if known is None:
            known = self._read(name, raw)
            self._bytes += len(raw) + len(known.redacted or b"")
            if self._bytes > _REMEMBERED:
                self._known.clear()
                self._bytes = len(raw) + len(known.redacted or b"")
            self._known[name, raw] = known
        elif known.maskings:
            self._redactor.counts.update(known.maskings)
        return known.redacted

    def _read(self, name: str, raw: bytes) -> _Member:
        before = Counter(self._redactor.counts)
        redacted = self._redactor.member(name, _ANY.decode(raw))
        maskings = self._redactor.counts - before
        return _Member(msgspec.Raw(_ENCODER.encode(redacted[name])) if redacted else None, maskings)
