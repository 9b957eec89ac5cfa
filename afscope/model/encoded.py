"""JSON text that still knows the parts it was made of."""

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


class Encoded(str):
    """A JSON object as text. `parts` are its members, of which any may be text itself (msgspec.Raw).

    Who compares two of them need not decode what the one has of the other. The parts are not to be changed.
    """

    __slots__ = ("parts",)
    parts: dict[str, Any]

    @classmethod
    def of(cls, parts: dict[str, Any]) -> "Encoded":
        """The text of these members."""
        made = cls(_ENCODER.encode(parts), "utf-8")
        made.parts = parts
        return made
