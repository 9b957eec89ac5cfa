"""The open tail of a capture: `wal/<seq>.wal`.

    header   8 bytes magic "afscwal\\n", u32 format version, u64 seq              (little endian)
    frame    u32 length of the payload, u32 crc32c of the payload, payload        (repeated)
    payload  msgpack [table, [column names], [[row values] …]], values are nil, int, float, str or bool

Frames are self-describing: a reader needs no other file, and one of a later afscope with more columns still reads.
Files only ever grow at their end, so a crash can only tear the last flush. A torn frame never happened: reading
stops at the first frame that is cut short or whose checksum does not match, and everything before it is good.
A length of zero is torn, too: file systems may leave zeros behind a power loss, and crc32c of nothing is 0.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import google_crc32c
import msgspec

from afscope.model.capture import FORMAT_VERSION

MAGIC = b"afscwal\n"
_HEADER = struct.Struct("<8sIQ")
_FRAME = struct.Struct("<II")
HEADER_SIZE = _HEADER.size


class Frame(NamedTuple):
    """Rows of one table, in the order in which they were appended."""

    table: str
    columns: list[str]
    rows: list[tuple[Any, ...]]


class Tail(NamedTuple):
    """What is behind the last good frame: `offset` is where it ended, `cut` how many bytes follow, and why."""

    offset: int
    cut: int
    reason: str = ""


_encoder = msgspec.msgpack.Encoder()
# Tuples, because the collector stops tracking them when all they hold is text and numbers.
_decoder = msgspec.msgpack.Decoder(tuple[str, list[str], list[tuple[int | float | str | bool | None, ...]]])


def header(seq: int) -> bytes:
    """The first bytes of WAL number `seq`."""
    return _HEADER.pack(MAGIC, FORMAT_VERSION, seq)


encode_row: Callable[[list[Any]], bytes] = _encoder.encode
"""One row as it goes into a frame. Raises UnicodeEncodeError for lone surrogates."""


def encode_frame(table: str, columns: Iterable[str], rows: Iterable[bytes]) -> bytes:
    """A frame of rows that `encode_row` made."""
    payload = _encoder.encode((table, list(columns), [msgspec.Raw(row) for row in rows]))
    return _FRAME.pack(len(payload), google_crc32c.value(payload)) + payload


class WalReader:
    """Good frames out of the bytes of a WAL, from `offset` on; iterate once, then look at `tail`.

    `data` may be any part of the file that begins at byte `base`; a reader that follows a file feeds it the rest.
    """

    def __init__(self, data: bytes, base: int = 0) -> None:
        self._data = memoryview(data)
        self._base = base
        self.tail = Tail(base, len(data))

    def __iter__(self) -> Iterator[Frame]:
        at = 0
        try:
            if self._base == 0:
                at = _skip_header(self._data)
            while True:
                frame, end = self._frame(at)
                yield frame
                at = end
        except _Torn as torn:
            self.tail = Tail(self._base + at, len(self._data) - at, str(torn))

    def _frame(self, at: int) -> tuple[Frame, int]:
        left = len(self._data) - at
        if left < _FRAME.size:
            raise _Torn("cut inside a frame's head" if left else "")
        length, checksum = _FRAME.unpack_from(self._data, at)
        end = at + _FRAME.size + length
        if length == 0:
            raise _Torn("a frame of length zero")
        if end > len(self._data):
            raise _Torn("cut inside a frame")
        payload = bytes(self._data[at + _FRAME.size : end])
        if google_crc32c.value(payload) != checksum:
            raise _Torn("checksum mismatch")
        try:
            return Frame(*_decoder.decode(payload)), end
        except msgspec.DecodeError as error:
            raise _Torn(f"unreadable frame: {error}") from error


class _Torn(Exception):  # noqa: N818
    """Reading ends here; the text is the reason, empty at the very end of the data."""


def _skip_header(data: memoryview) -> int:
    if len(data) < HEADER_SIZE:
        raise _Torn("cut inside the file's head")
    magic, version, _seq = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise _Torn("not a WAL")
    if version > FORMAT_VERSION:
        raise _Torn(f"written in capture format {version}")
    return HEADER_SIZE
