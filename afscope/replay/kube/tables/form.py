"""What a table is made of: columns, and how the cells of one object are found."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from afscope.model.clock import Micros

Object = Mapping[str, Any]
Cells = list[Any]


class Column(NamedTuple):
    """A column; those of priority 1 are only shown by `-o wide`."""

    name: str
    type: str = "string"
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        """As a Table has it."""
        named = {"format": "name"} if self.name == "Name" else {"format": ""}
        return {"name": self.name, "type": self.type, "description": "", "priority": self.priority, **named}


class Form(NamedTuple):
    """The table of one kind: its columns, and the cells of an object at a time, wide ones included."""

    columns: tuple[Column, ...]
    cells: Callable[[Object, Micros], Cells]


def columns(narrow: str, wide: str = "", integer: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Columns from names separated by bars, those for `-o wide` apart."""
    pairs = [(name, 0) for name in narrow.split("|")] + [(name, 1) for name in wide.split("|") if wide]
    return tuple(Column(name, "integer" if name in integer else "string", priority) for name, priority in pairs)


def at(obj: Any, *path: str) -> Any:
    """The value at a path, None when it is not there."""
    for part in path:
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    return obj


def rows(obj: Any, *path: str) -> list[Object]:
    """The list of objects at a path, empty when it is not there."""
    value = at(obj, *path)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def text(obj: Any, *path: str, absent: str = "") -> str:
    """The text at a path; `absent` when it is not there or empty."""
    value = at(obj, *path)
    return str(value) if value not in (None, "") else absent


def number(obj: Any, *path: str) -> int:
    """The whole number at a path, 0 when it is not there."""
    value = at(obj, *path)
    return value if isinstance(value, int) else 0


def condition(obj: Object, name: str) -> Object | None:
    """A condition of the status."""
    return next((entry for entry in rows(obj, "status", "conditions") if entry.get("type") == name), None)


def created(obj: Object) -> Any:
    """When the object was made."""
    return at(obj, "metadata", "creationTimestamp")
