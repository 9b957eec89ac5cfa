"""The known diagnostic lines: patterns.toml, compiled once, with a cheap look before each regex."""

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple


class Pattern(NamedTuple):
    """A known line: its id, literals of which the message must hold one, and the regex of the message.

    `versions` are those of Airflow, or of its provider, that write it, in words.
    """

    id: str
    needles: tuple[str, ...]
    regex: re.Pattern[str]
    versions: str = "all"


@lru_cache(maxsize=1)
def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order of the file: the first that matches names a line."""
    text = (files("afscope.normalize.logs") / "patterns.toml").read_text(encoding="utf-8")
    return tuple(
        Pattern(entry["id"], tuple(entry["needles"]), re.compile(entry["regex"], re.S), entry.get("versions", "all"))
        for entry in tomllib.loads(text)["pattern"]
    )


@lru_cache(maxsize=1)
def _needles() -> tuple[tuple[str, int], ...]:
    """Each literal with the place of its pattern. Most lines hold none of the 300: one flat look is all they cost."""
    return tuple((needle, place) for place, pattern in enumerate(patterns()) for needle in pattern.needles)


def match(message: str, event: str = "") -> tuple[str, dict[str, str]] | None:
    """The id of the first pattern that a message fits, and the pattern's named groups; None for unknown lines.

    `event` is the message without its logger: looked at first, or a group at the end would swallow what follows.
    """
    known = patterns()
    for place in dict.fromkeys([place for needle, place in _needles() if needle in message]):
        pattern = known[place]
        found = pattern.regex.search(event or message) or pattern.regex.search(message)
        if found:
            return pattern.id, {name: value for name, value in found.groupdict().items() if value is not None}
    return None
