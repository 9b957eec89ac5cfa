"""Splits JSON documents that follow one another in a stream, and lists into their items, one at a time in memory.

kubectl writes objects and watch events one after the other, pretty-printed or one per line, and a list as one
document of any size. Cut documents and foreign lines (warnings that went into the same file) are reported, and
reading goes on behind them.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import IO, NamedTuple

_CHUNK = 1 << 18
# etcd refuses objects beyond 1.5 MiB; what grows larger has lost its closing brace.
MAX_DOCUMENT = 64 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# Everything up to the next bracket, strings as a whole. Possessive, so that a string without its end stops it.
_PLAIN = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\\n]++|\\.)*+")*+', re.DOTALL)


def _balanced(levels: int, top: bytes = b"") -> re.Pattern[bytes]:
    """An object whose brackets nest no deeper than that: found in one go, many times faster than bracket by bracket.

    `top` is asked before every string of the object's own level.
    """
    inner = _PLAIN.pattern
    for level in reversed(range(levels)):
        ask = top if level == 0 else b""
        inner = rb'(?:[^"{}\[\]]++|' + ask + rb'"(?:[^"\\\n]++|\\.)*+"|[{\[]' + inner + rb"[}\]])*+"
    return re.compile(rb"\{" + inner + rb"\}", re.DOTALL)


_WHOLE = _balanced(16)
_NO_LIST = _balanced(16, rb'(?!"items"\s*:\s*\[)')
_ITEMS = re.compile(rb'"items"\s*:\s*\[')
_ITEMS = re.compile(rb'"items"\s*:\s*\Z')
_BEGINS = re.compile(rb"^[ \t]*[{\[]", re.MULTILINE)
_SPACE = b" \t\r\n"
_SHOWN = 4096


class Part(Enum):
    """What a piece of a stream is. The items of a list come before the list."""

    DOCUMENT = "document"
    ITEM = "item"
    LIST = "list"  # its items taken out
    DAMAGE = "damage"  # no document, or not the whole of one


class Piece(NamedTuple):
    """A piece and the line on which it begins; of damage, `raw` is the beginning and `why` says what is wrong."""

    part: Part
    line: int
    raw: bytes
    why: str = ""


def documents(handle: IO[bytes]) -> Iterator[Piece]:
    """The pieces of a stream of JSON, in their order. UTF-8 or, with a byte order mark, UTF-16."""
    splitter = _Splitter()
    for chunk in _utf8(handle, splitter.wanted):
        yield from splitter.feed(chunk)
    yield from splitter.rest()


def _utf8(handle: IO[bytes], wanted: Callable[[], int]) -> Iterator[bytes]:
    first = handle.read(_CHUNK)
    encoding = next((name for bom, name in _BOMS if first.startswith(bom)), None)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace") if encoding else None
    while first:
        yield decoder.decode(first).encode() if decoder else first
        first = handle.read(wanted())


class _Splitter:
    """Finds where documents and the items of lists begin and end, however the stream is chunked.

    `_at` is how far the buffer is understood. Items that were handed out lie in `_items:_done` until the buffer needs
    more data; `_counted` and `_line` say up to where lines are counted.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._counted = 0
        self._line = 1
        self._reset()

    def _reset(self) -> None:
        self._at = self._depth = 0
        self._begun = self._line
        self._items: int | None = None
        self._items_depth = self._done = self._item = self._item_line = 0

    def wanted(self) -> int:
        """How much to read next: more where much waits for its end, which each look for it begins from the front."""
        return max(_CHUNK, len(self._buffer) // 2)

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Takes more of the stream and yields every piece that it completes."""
        self._buffer += chunk
        while (step := self._step()) is not False:
            if step is not True:
                yield step
        if self._items is not None and self._done > self._items:
            self._forget_items()
        if len(self._buffer) > MAX_DOCUMENT:
            yield self._damage(f"more than {MAX_DOCUMENT >> 20} MiB without an end")

    def rest(self) -> Iterator[Piece]:
        """What is left when the stream has ended."""
        if self._depth:
            yield Piece(Part.DAMAGE, self._begun, self._head(), "the file ends in the middle of a document")
        elif self._buffer.strip(_SPACE):
            yield Piece(Part.DAMAGE, self._line, bytes(self._buffer[:_SHOWN]), "not JSON")

    def _step(self) -> Piece | bool:
        """Goes on to the next bracket: a piece, True when there is more to see, False when more data is needed."""
        if self._depth == 0:
            return self._outside()
        plain = _PLAIN.match(self._buffer, self._at)
        at = self._at = plain.end() if plain else self._at
        if at == len(self._buffer):
            return False
        sign = bytes(self._buffer[at : at + 1])
        if sign == b'"':
            return self._damage("cut inside a string") if b"\n" in self._buffer[at:] else False
        if sign in b"{[":
            return self._open(sign, at)
        return self._close(at)

    def _outside(self) -> Piece | bool:
        """Looks for the beginning of a document; lines that are none are damage.

        Commas are skipped: they stand between what is left of a list after damage.
        """
        self._drop(len(self._buffer) - len(self._buffer.lstrip(_SPACE + b",")))
        self._reset()
        if not self._buffer:
            return False
        if self._buffer[0] in b"{[":
            if whole := _NO_LIST.match(self._buffer):
                self._at = whole.end()
                return self._ended()
            self._at = self._depth = 1
            if self._buffer[0] == 0x5B:
                self._list(1)
            return True
        begins = _BEGINS.search(self._buffer)
        end = begins.start() if begins else self._buffer.rfind(b"\n") + 1
        if end == 0:
            return False
        piece = Piece(Part.DAMAGE, self._line, bytes(self._buffer[: min(end, _SHOWN)]), "not JSON")
        self._drop(end)
        return piece

    def _open(self, sign: bytes, at: int) -> Piece | bool:
        before = self._buffer[max(0, at - 256) : at].rstrip(_SPACE)[-1:]
        if before not in b"[,:":
            return self._damage("cut: another document begins inside it", at if sign == b"{" else None)
        self._at = at + 1
        if self._items is None and self._depth == 1 and sign == b"[" and _ITEMS.search(self._buffer, 0, at):
            self._list(at + 1)
        elif sign == b"{" and self._items is not None and self._depth == self._items_depth:
            self._item, self._item_line = at, self._count(at)
            if whole := _WHOLE.match(self._buffer, at):
                return self._item_ended(whole.end())
        self._depth += 1
        return True

    def _list(self, items: int) -> None:
        self._items = self._done = items
        self._items_depth = self._depth + (items > 1)

    def _close(self, at: int) -> Piece | bool:
        self._at = at + 1
        self._depth -= 1
        if self._depth == 0:
            return self._ended()
        if self._items is None or self._depth != self._items_depth or not self._item:
            return True
        return self._item_ended(self._at)

    def _item_ended(self, end: int) -> Piece:
        self._at = end
        piece = Piece(Part.ITEM, self._item_line, bytes(self._buffer[self._item : self._at]))
        self._count(self._at)
        self._done, self._item = self._at, 0
        return piece

    def _ended(self) -> Piece:
        end = self._at
        if self._items is None:
            piece = Piece(Part.DOCUMENT, self._begun, bytes(self._buffer[:end]))
        else:
            piece = Piece(Part.LIST, self._begun, bytes(self._buffer[: self._items] + self._buffer[self._done : end]))
        self._drop(end)
        self._reset()
        return piece

    def _damage(self, why: str, restart: int | None = None) -> Piece:
        """Gives up the open document; the next one begins at `restart`, else on the next line that looks like one."""
        piece = Piece(Part.DAMAGE, self._begun, self._head(), why)
        if restart is None:
            begins = _BEGINS.search(self._buffer, self._at + 1)
            restart = begins.start() if begins else len(self._buffer)
        self._drop(restart)
        self._reset()
        return piece

    def _head(self) -> bytes:
        """The beginning of the open document without its items."""
        items = _SHOWN if self._items is None else self._items
        return bytes(self._buffer[: min(items, _SHOWN)])

    def _count(self, to: int) -> int:
        """The line at a position not before those asked for earlier."""
        self._line += self._buffer.count(b"\n", self._counted, to)
        self._counted = to
        return self._line

    def _drop(self, end: int) -> None:
        if end > self._counted:
            self._count(end)
        del self._buffer[:end]
        self._counted -= end

    def _forget_items(self) -> None:
        """Frees the items that were handed out; what is counted and seen lies behind them."""
        items = self._items or 0
        gone = self._done - items
        self._count(max(self._counted, self._done))
        del self._buffer[items : self._done]
        self._done = items
        self._at -= gone
        self._counted -= gone
        if self._item:
            self._item -= gone
