"""Continue tokens: where in which snapshot a list goes on."""

import base64
import binascii
from typing import Self

import msgspec

from afscope.replay.kube.status import bad_request


class Token(msgspec.Struct):
    """`rv` is the snapshot, `start` the first key of the next page, `epoch` counts what made all versions too old."""

    rv: int
    start: str
    epoch: int

    def text(self) -> str:
        """As it stands in a list's metadata."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def of(cls, text: str) -> Self:
        """Reads a token back. Raises ApiError 400."""
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=cls)
        except (binascii.Error, ValueError) as error:
            raise bad_request("continue key is not valid: it was not made by this server") from error
