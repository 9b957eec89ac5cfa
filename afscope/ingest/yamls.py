"""YAML of the Kubernetes API (`kubectl get -o yaml`, must-gather, troubleshoot) as the same pieces as its JSON.

Lists are taken apart by their indentation, one item at a time in memory. Anchors are refused: no tool of Kubernetes
writes them, and a few lines of them can stand for gigabytes.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from afscope.ingest.documents import Part, Piece
from afscope.ingest.lines import lines

_BEGINS = re.compile(rb"(?:- )?(?:apiVersion|kind|items|metadata):")
_ITEMS = re.compile(rb"items:\s*(\[\])?\s*(?:#.*)?$")
_LOOKED_AT = 20
# etcd refuses objects beyond 1.5 MiB; as YAML they are a little longer.
MAX_ITEM = 8 << 20


class _Loader(yaml.CSafeLoader):
    """Times stay the texts that they are in JSON."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own way)
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def sniff(path: Path) -> bool:
    """Whether one of the first lines is a field of an API object at the top of a YAML document."""
    for number, line in lines(path, lambda _: None, exact=True):
        if number > _LOOKED_AT:
            return False
        if _BEGINS.match(line.removeprefix(b"\xef\xbb\xbf")):
            return True
    return False


def pieces(path: Path, unread: Any) -> Iterator[Piece]:
    """Documents, items, and lists with their items taken out."""
    splitter = _Splitter()
    for number, line in lines(path, unread, exact=True):
        yield from splitter.feed(number, line)
    yield from splitter.rest()


class _Splitter:
    """Collects the lines of a document or an item until the next one begins."""

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._item: list[bytes] = []
        self._size = 0
        self._begun = self._item_begun = 1
        self._indent: int | None = None
        self._in_items = self._listed = False

    def feed(self, number: int, line: bytes) -> Iterator[Piece]:
        """Takes one line, and yields what it ends."""
        if line.startswith((b"---", b"...")):
            yield from self.rest()
            self._begun = number + 1
            return
        if self._in_items and self._belongs(line):
            if self._indent is not None and line[self._indent : self._indent + 2] in (b"- ", b"-"):
                yield from self._item_ends()
                self._item_begun = number
                line = b" " * self._indent + b"  " + line[self._indent + 2 :]
            self._keep(self._item, line)
            return
        if self._in_items:
            yield from self._item_ends()
            self._in_items = False
        if match := _ITEMS.match(line):
            self._in_items = self._listed = True
            self._indent = None
            if match[1]:
                self._in_items = False
            return
        if not self._head and not self._listed and line.startswith(b"- "):  # a bare list
            self._in_items = self._listed = True
            yield from self.feed(number, line)
            return
        self._keep(self._head, line)

    def _belongs(self, line: bytes) -> bool:
        """Whether a line goes on with the items: indented, or the dash of the next one."""
        stripped = line.lstrip(b" ")
        if not stripped or stripped.startswith(b"#"):
            return True
        indent = len(line) - len(stripped)
        if self._indent is None:
            self._indent = indent if stripped.startswith(b"-") else None
        return self._indent is not None and (indent > self._indent or (indent == self._indent and stripped[:1] == b"-"))

    def _keep(self, where: list[bytes], line: bytes) -> None:
        self._size += len(line) + 1
        if self._size <= MAX_ITEM:
            where.append(line)

    def _item_ends(self) -> Iterator[Piece]:
        if self._item:
            yield self._piece(Part.ITEM, self._item, self._item_begun)
        self._item, self._size = [], 0

    def rest(self) -> Iterator[Piece]:
        """The document is over."""
        yield from self._item_ends()
        if self._listed:
            yield self._piece(Part.LIST, self._head, self._begun)
        elif any(line.strip() and not line.lstrip().startswith(b"#") for line in self._head):
            yield self._piece(Part.DOCUMENT, self._head, self._begun)
        self._head, self._size, self._in_items, self._listed = [], 0, False, False

    def _piece(self, part: Part, collected: list[bytes], begun: int) -> Piece:
        if self._size > MAX_ITEM:
            return Piece(Part.DAMAGE, begun, collected[0][:80], f"more than {MAX_ITEM >> 20} MiB without an end")
        try:
            read = yaml.load(b"\n".join(collected).decode("utf-8", "replace"), _Loader)  # noqa: S506  (a safe loader)
            _refuse_anchors(read)
            raw = msgspec.json.encode({**read, "items": []} if part is Part.LIST and isinstance(read, dict) else read)
        except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
            return Piece(Part.DAMAGE, begun, collected[0][:80], f"not YAML: {str(error).splitlines()[0]}")
        if part is Part.LIST and not isinstance(read, dict):
            raw = b'{"items": []}'
        elif not isinstance(read, dict):
            return Piece(Part.DAMAGE, begun, collected[0][:80], "no object")
        return Piece(part, begun, raw)


def _refuse_anchors(read: Any) -> None:
    """Raises ValueError where one container stands in two places."""
    seen: set[int] = set()
    todo = [read]
    while todo:
        one = todo.pop()
        if isinstance(one, dict | list) and one:
            if id(one) in seen:
                raise ValueError("anchors are not read")
            seen.add(id(one))
            todo += one.values() if isinstance(one, dict) else one
