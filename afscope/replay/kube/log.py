"""The log of one kind: every version of every object, in the order in which the cluster wrote them."""

from bisect import bisect_right
from dataclasses import dataclass

import msgspec

from afscope.model.clock import Micros
from afscope.replay.kube.rebase import moved
from afscope.replay.kube.resources import Resource

Key = tuple[str, str]
"""Namespace ("" for cluster-wide kinds) and name."""


@dataclass(slots=True)
class Version:
    """One version of one object. `position` is its resourceVersion as a number, `raw` its JSON as recorded."""

    at: Micros
    position: int
    change: str
    key: Key
    uid: str
    raw: bytes
    shift: Micros = 0
    _moved: bytes | None = None

    @property
    def body(self) -> bytes:
        """The JSON to serve, moved in time by the shift of the history; done once."""
        if not self.shift:
            return self.raw
        if self._moved is None:  # two threads may both do it, and both get it right
            self._moved = moved(self.raw, self.shift)
        return self._moved


class Log:
    """The versions of one kind, positions and times ascending; immutable once built."""

    def __init__(self, resource: Resource, versions: list[Version], bookmarks: list[tuple[Micros, int]]) -> None:
        """Use `building.build`."""
        self.resource = resource
        self.versions = versions
        self.bookmarks = bookmarks
        """(time, resourceVersion) of the bookmarks that the recorder was sent."""
        self.unread = 0
        """How many observations were left out because they are no objects."""
        self._times = [version.at for version in versions]
        self._positions = [version.position for version in versions]

    def upto(self, at: Micros) -> int:
        """How many versions are visible at a time."""
        return bisect_right(self._times, at)

    def after(self, position: int) -> int:
        """Index of the first version beyond a resourceVersion."""
        return bisect_right(self._positions, position)


def renumbered(raw: bytes, position: int) -> bytes:
    """The object under another resourceVersion: a client that resumes from it misses and repeats nothing."""
    document = msgspec.json.decode(raw)
    document["metadata"] = {**document.get("metadata", {}), "resourceVersion": str(position)}
    return msgspec.json.encode(document)
