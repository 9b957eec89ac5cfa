"""Whole objects, redacted: the bodies of the table `objects`."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from afscope.normalize.redact import Redactor

_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
# Bytes of specs that are remembered, both as sent and as redacted.
_REMEMBERED = 16 << 20


class _Spec(NamedTuple):
    redacted: msgspec.Raw
    maskings: Counter[str]


class Bodies:
    """Redacts whole objects. Most updates repeat the spec of the one before, so that is remembered by its bytes."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._specs: dict[bytes, _Spec] = {}
        self._bytes = 0

    def parts(self, raw: bytes) -> dict[str, Any]:
        """The redacted object, its `spec` still encoded. Raises msgspec.DecodeError for what is no JSON object."""
        try:
            parts = _PARTS.decode(raw)
            spec = parts.pop("spec", None)
            redacted = self._redactor.object({name: _ANY.decode(part) for name, part in parts.items()})
            if spec is not None:
                redacted["spec"] = self._spec(bytes(spec))
        except RecursionError:
            raise msgspec.DecodeError("nested too deeply to be an API object") from None
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None
        return redacted

    def text(self, parts: dict[str, Any]) -> str:
        """The object as JSON."""
        return _ENCODER.encode(parts).decode()

    def _spec(self, raw: bytes) -> msgspec.Raw:
        known = self._specs.get(raw)
        if known is None:
            known = self._read(raw)
            self._bytes += len(raw) + len(known.redacted)
            if self._bytes > _REMEMBERED:
                self._specs.clear()
                self._bytes = len(raw) + len(known.redacted)
            self._specs[raw] = known
        elif known.maskings:
            self._redactor.counts.update(known.maskings)
        return known.redacted

    def _read(self, raw: bytes) -> _Spec:
        before = Counter(self._redactor.counts)
        redacted = self._redactor.object({"spec": _ANY.decode(raw)})["spec"]
        return _Spec(msgspec.Raw(_ENCODER.encode(redacted)), self._redactor.counts - before)
