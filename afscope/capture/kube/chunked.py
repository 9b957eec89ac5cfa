"""The payload of a chunked response, block by block as it comes off the socket.

An API server sends each event of a watch as a chunk of its own. urllib3 takes some twenty calls for each of them; here
one read takes all that has come, whatever number of chunks that is.
"""

from collections.abc import Iterator
from http.client import IncompleteRead
from typing import Any

import urllib3

_BLOCK = 64 * 1024
# Size, extensions: what is longer is no head of a chunk.
_HEAD = 4096


class Unchunker:
    """Takes the framing of RFC 9112, section 7.1, off a stream, however the network cut it."""

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        self._closing = False
        self.ended = False
        """Whether the last chunk came; trailers are not waited for."""

    def feed(self, data: bytes) -> bytes:
        """What of these bytes is payload. Raises ValueError for what is not chunked."""
        if self._held:
            data, self._held = self._held + data, b""
        payload: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.ended:
            if self._left:
                end = min(at + self._left, size)
                payload.append(data[at:end])
                self._left -= end - at
                self._closing = True
                at = end
                continue
            end = data.find(b"\r\n", at, at + _HEAD)
            if end < 0:
                self._held = data[at:]
                if len(self._held) >= _HEAD:
                    raise ValueError("the head of a chunk does not end")
                break
            self._head(data[at:end])
            at = end + 2
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _head(self, line: bytes) -> None:
        """A line between payloads: the end of the chunk before, or the size of the next."""
        if self._closing:
            if line:
                raise ValueError("a chunk is longer than it said")
            self._closing = False
            return
        self._left = int(line.partition(b";")[0], 16)
        if self._left < 0:
            raise ValueError("a chunk of negative size")
        self.ended = self._left == 0


def payload(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The payload of a response that is chunked. Raises what reading a socket does, and ProtocolError at its end."""
    source: Any = getattr(getattr(response, "_fp", None), "fp", None)
    if source is None:  # read already, or not http.client's
        yield from response.stream(_BLOCK, decode_content=False)
        return
    unchunker = Unchunker()
    while not unchunker.ended:
        block = source.read1(_BLOCK)
        if not block:
            raise urllib3.exceptions.ProtocolError("cut", IncompleteRead(b""))
        if data := unchunker.feed(block):
            yield data
