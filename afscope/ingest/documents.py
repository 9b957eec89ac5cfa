"""Splits a stream of concatenated JSON documents, pretty-printed or one per line, without holding more than one."""

import codecs
import re
from collections.abc import Iterator
from typing import IO

_CHUNK = 1 << 20
# A document larger than this is no kubectl output that could be analyzed in memory.
MAX_DOCUMENT = 1 << 30
_MARKS = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'(?<!\\)(?:\\\\)*"')
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def documents(handle: IO[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """(line of its start, bytes, whole) of each JSON object or array; the last one may be cut (`whole` is False).

    Raises ValueError with the line where something else than a document stands.
    """
    text = _utf8(handle)
    buffer = bytearray()
    line = 1
    for chunk in text:
        buffer += chunk
        while (end := _document_end(buffer)) is not None:
            start = len(buffer) - len(buffer.lstrip())
            line += buffer[:start].count(b"\n")
            yield line, bytes(buffer[start:end]), True
            line += buffer[start:end].count(b"\n")
            del buffer[:end]
        _check_start(buffer, line)
        if len(buffer) > MAX_DOCUMENT:
            raise ValueError(f"line {line}: a document of more than {MAX_DOCUMENT >> 20} MiB")
    rest = buffer.strip()
    if rest:
        yield line + buffer[: len(buffer) - len(buffer.lstrip())].count(b"\n"), bytes(rest), False


def _utf8(handle: IO[bytes]) -> Iterator[bytes]:
    first = handle.read(_CHUNK)
    encoding = next((name for bom, name in _BOMS if first.startswith(bom)), None)
    if encoding is None:
        while first:
            yield first
            first = handle.read(_CHUNK)
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while first:
        yield decoder.decode(first).encode()
        first = handle.read(_CHUNK)


def _check_start(buffer: bytearray, line: int) -> None:
    head = bytes(buffer[:4096].lstrip()[:20])
    if head and head[:1] not in (b"{", b"["):
        raise ValueError(f"line {line}: expected a JSON object, found {head!r}")


def _document_end(buffer: bytearray) -> int | None:
    """Where the first document ends, None while it is not complete."""
    depth = 0
    at = 0
    while (mark := _MARKS.search(buffer, at)) is not None:
        sign = mark.group()
        if sign == b'"':
            close = _STRING_END.search(buffer, mark.end())
            if close is None:
                return None
            at = close.end()
            continue
        depth += 1 if sign in b"{[" else -1
        at = mark.end()
        if depth == 0:
            return at
    return None
