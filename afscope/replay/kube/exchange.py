"""What goes in and out of the API: a request without its transport, and the two kinds of answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from afscope.replay.kube.status import bad_request
from afscope.replay.kube.watch import Frame

JSON = "application/json"


@dataclass(frozen=True)
class Request:
    """One request; header names are in lower case, `segments` the unquoted parts of the path."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    segments: tuple[str, ...]
    query: Mapping[str, str]

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> "Request":
        """Takes the target apart; of a repeated parameter the first counts."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        segments = tuple(unquote(part) for part in parts.path.split("/") if part)
        return cls(method, target, headers, body, segments, query)

    def flag(self, name: str) -> bool:
        """A boolean parameter: `1`, `true`, or there without a value."""
        return self.query.get(name, "false").lower() in ("1", "true", "")

    def number(self, name: str) -> int | None:
        """A parameter that is a whole number of at least 0. Raises ApiError 400."""
        text = self.query.get(name, "")
        if not text:
            return None
        if not text.isdigit():
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text)


@dataclass
class Answer:
    """An answer whose length is known."""

    body: bytes
    code: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    objects: int = 0
    """How many objects of a list it delivers."""


@dataclass
class Stream:
    """An answer that goes on: frames as they become due. `wake`, `end` act on whoever makes them."""

    frames: Iterator[Sequence[Frame]]
    end: Callable[[], None]
    content_type: str = JSON


def document(value: Any, code: int = 200) -> Answer:
    """A JSON document as an answer."""
    return Answer(msgspec.json.encode(value) + b"\n", code)
