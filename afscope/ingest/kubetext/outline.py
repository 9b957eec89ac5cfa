"""The outline of `kubectl describe`: `Key:  value` lines, nested by their indentation, and tables below some keys."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_KEY = re.compile(r"(?P<dash>- )?(?P<key>[^\s:][^:]*(?::[^\s:][^:]*)*):(?:\s+(?P<value>.*))?$")
_COLUMNS = re.compile(r"\S+(?: \S+)*")
_TABLES = ("Events", "Conditions")


@dataclass(slots=True)
class Node:
    """One key with its value; lines that are no keys go on with the value of the one before."""

    key: str
    value: str = ""
    line: int = 0
    indent: int = -1
    children: list["Node"] = field(default_factory=list)
    more: list[str] = field(default_factory=list)

    def get(self, *path: str) -> "Node":
        """The descendant at these keys; an empty one where there is none."""
        node = self
        for key in path:
            node = next((child for child in node.children if child.key == key), _NONE)
        return node

    @property
    def text(self) -> str:
        """The value; what kubectl prints for nothing is nothing."""
        return "" if self.value in ("<none>", "<nil>", "<unset>", "<unknown>") else self.value

    @property
    def lines(self) -> list[str]:
        """The value and what goes on with it, a line each."""
        return [line for line in (self.text, *self.more) if line]

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The rows below a table's header (line, cells by title); the header is the first line."""
        head, *rest = self.more or [""]
        columns = [(match[0], match.start()) for match in _COLUMNS.finditer(head)]
        ends = [start for _, start in columns[1:]]
        for number, line in enumerate(rest, start=self.line + 2):
            if line.strip() and set(line.split()[0]) != {"-"}:
                bounds = zip(columns, [*ends, len(line)], strict=True)
                yield number, {title: line[start:end].strip() for (title, start), end in bounds}


_NONE = Node("")


def blocks(lines: Iterable[tuple[int, str]]) -> Iterator[Node]:
    """One root per described object: each begins with `Name:` at the margin."""
    root: Node | None = None
    stack: list[Node] = []
    last = _NONE
    table: Node | None = None
    for number, line in lines:
        indent = len(line) - len(line.lstrip(" "))
        if not line.strip():
            continue
        in_table = table is not None and indent > table.indent
        if table is not None and in_table and (table.more or not _KEY.match(line.strip())):
            table.more.append(line)
            continue
        table = None
        if line.startswith("Name:"):
            if root is not None:
                yield root
            root = Node("", line=number)
            stack = [root]
        if root is None:
            continue
        match = _KEY.match(line.strip())
        if match is None:
            last.more.append(line.strip())
            continue
        while len(stack) > 1 and stack[-1].indent >= indent:
            stack.pop()
        last = Node(match["key"], (match["value"] or "").strip(), number, indent)
        stack[-1].children.append(last)
        stack.append(last)
        if last.key in _TABLES and not last.value and indent == 0:
            table = last
    if root is not None:
        yield root
