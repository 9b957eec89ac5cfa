"""The server's side of a websocket, as far as port forwarding needs it (RFC 6455)."""

import base64
import hashlib
import struct
from collections.abc import Iterator

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
NORMAL = struct.pack(">H", 1000)
"""What a frame says that ends the connection without a complaint."""
# A client that sends larger frames wants something else than bytes of a TCP connection.
_MOST = 16 * 1024 * 1024


class NoFrame(ValueError):  # noqa: N818
    """What no client of ours sends: unmasked, in fragments, or too large."""


def accept(key: str) -> str:
    """What a server answers to the client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(opcode: int, data: bytes) -> bytes:
    """One frame of a server."""
    size = len(data)
    if size < 126:
        head = bytes((size,))
    elif size < 65536:
        head = b"\x7e" + struct.pack(">H", size)
    else:
        head = b"\x7f" + struct.pack(">Q", size)
    return bytes((0x80 | opcode,)) + head + data


class Frames:
    """Takes a client's bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Opcode and unmasked payload of each frame that is complete now. Raises NoFrame."""
        self._held += data
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> tuple[int, bytes] | None:
        held = self._held
        if len(held) < 2:
            return None
        if not held[0] & 0x80 or not held[1] & 0x80:
            raise NoFrame("a frame that is a fragment or not masked")
        length, start = held[1] & 0x7F, 2
        for mark, form in ((126, ">H"), (127, ">Q")):
            if length == mark:
                start += struct.calcsize(form)
                if len(held) < start:
                    return None
                (length,) = struct.unpack_from(form, held, 2)
                break
        if length > _MOST:
            raise NoFrame(f"a frame of {length} bytes")
        end = start + 4 + length
        if len(held) < end:
            return None
        opcode, mask, masked = held[0] & 0x0F, bytes(held[start : start + 4]), bytes(held[start + 4 : end])
        del held[:end]
        return opcode, _unmasked(masked, mask)


def _unmasked(data: bytes, mask: bytes) -> bytes:
    """As one long number: a byte at a time would be slow."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
