"""Makes the log of a kind out of what a recorder happened to see of it.

A resourceVersion is the revision of the store at which a version was written, so it orders the versions of a kind
whatever the recorder's watches and namespaces did to their arrival. Two times can contradict that order: a version
with a higher number seen earlier, through another watch. The lower one existed by then, so it counts as visible then.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate, count

import msgspec

from afscope.model.clock import SECOND, Micros
from afscope.model.row import DELETED, STATE
from afscope.replay.kube.log import Key, Log, Version, renumbered
from afscope.replay.kube.observations import BOOKMARK, LOST, Observation
from afscope.replay.kube.resources import Resource

# Lists that a recorder begins with take a moment each; all of them show the state it began with.
_OPENING: Micros = 10 * SECOND


class Meta(msgspec.Struct):
    """What the server itself needs to know of an object."""

    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    resourceVersion: str | None = None  # noqa: N815  (the API's own word)


class _Header(msgspec.Struct):
    kind: str | None = None
    apiVersion: str | None = None  # noqa: N815
    metadata: Meta = msgspec.field(default_factory=Meta)


_HEADER = msgspec.json.Decoder(_Header)


def build(resource: Resource, observations: Iterable[Observation], begins: Micros, shift: Micros = 0) -> Log:
    """The log of a kind out of its observations in the order of time, moved by `shift`; what is no object is left out.

    `begins` is when the recorder began: lists that it made about then show the state at that moment.
    """
    builder = _Builder(resource)
    batch: list[Observation] = []
    for seen in observations:
        if batch and seen.change != STATE:
            builder.listed(batch, begins)
            batch = []
        if seen.change == STATE:
            batch.append(seen)
        else:
            builder.observe(seen)
    builder.listed(batch, begins)
    return builder.log(shift)


class _Builder:
    """Follows the observations of one kind and gives each new version its place."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._versions: list[Version] = []
        self._unplaced: list[tuple[Version, int]] = []
        self._bookmarks: list[tuple[Micros, int]] = []
        self._living: dict[str, Version] = {}
        self._known: set[tuple[str, int]] = set()
        self._highest = 0
        self._lost = False
        self._opened = False
        self._unread = 0

    def observe(self, seen: Observation) -> None:
        """One observation that is no part of a list."""
        self._opened = True
        if seen.change == LOST:
            self._lost = True
            return
        header = self._decoded(seen.raw)
        if header is None:
            return
        if seen.change == BOOKMARK:
            if (position := _number(header.metadata.resourceVersion)) is not None:
                self._bookmarks.append((seen.at, position))
        elif seen.change == DELETED:
            self._delete(seen, header, self._highest)
        else:
            self._see(seen, header)

    def listed(self, batch: list[Observation], begins: Micros) -> None:
        """A list, whole: the opening one tells the state at the beginning, later ones what was missed."""
        opening = not self._opened and bool(batch) and batch[0].at - begins <= _OPENING
        before = self._highest
        shown: dict[str, str | None] = {}
        for seen in batch:
            header = self._decoded(seen.raw)
            if header is not None:
                shown[_uid(header.metadata)] = header.metadata.namespace
                self._see(seen._replace(at=begins) if opening else seen, header)
        if batch and self._lost:
            self._missing(batch[-1].at, shown, before)
            self._lost = False
        self._opened = self._opened or bool(batch)

    def _missing(self, at: Micros, shown: dict[str, str | None], before: int) -> None:
        """Deletes what a list after a lost watch no longer shows, in the namespaces that it shows.

        Events only expire: that the server forgets them deletes nothing that happened.
        """
        if self._resource.kind == "Event":
            return
        namespaces = {namespace or "" for namespace in shown.values()}
        for uid, version in list(self._living.items()):
            if uid not in shown and version.key[0] in namespaces:
                self._remove(version, at, before)

    def _decoded(self, raw: bytes) -> _Header | None:
        try:
            return _HEADER.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._unread += 1
            return None

    def _see(self, seen: Observation, header: _Header) -> None:
        if not header.metadata.name:
            self._unread += 1
            return
        uid, position = _uid(header.metadata), _number(header.metadata.resourceVersion)
        if position is not None and (uid, position) in self._known:
            return
        raw = _typed(seen.raw, header, self._resource)
        last = self._living.get(uid)
        if position is None and last is not None and last.raw == raw:
            return
        version = Version(seen.at, position or 0, seen.change, _key(header.metadata), uid, raw)
        self._living[uid] = version
        self._place(version, position, self._highest)

    def _delete(self, seen: Observation, header: _Header, before: int) -> None:
        uid, position = _uid(header.metadata), _number(header.metadata.resourceVersion)
        last = self._living.get(uid)
        if last is not None and (position is None or position <= last.position):
            self._remove(last, seen.at, before)
        elif position is not None and (uid, position) not in self._known:
            self._living.pop(uid, None)
            raw = _typed(seen.raw, header, self._resource)
            self._place(Version(seen.at, position, DELETED, _key(header.metadata), uid, raw), position, before)

    def _remove(self, last: Version, at: Micros, before: int) -> None:
        """A deletion that was only concluded: it has the last known body, and a place but no number of its own."""
        del self._living[last.uid]
        self._place(Version(at, 0, DELETED, last.key, last.uid, last.raw), None, before)

    def _place(self, version: Version, position: int | None, before: int) -> None:
        if position is None:
            self._unplaced.append((version, before))
            return
        self._known.add((version.uid, position))
        self._highest = max(self._highest, position)
        self._versions.append(version)

    def log(self, shift: Micros) -> Log:
        """The finished log."""
        self._number()
        self._versions.sort(key=lambda version: version.position)
        _settle(self._versions)
        for version in self._versions:
            version.at, version.shift = version.at + shift, shift
        log = Log(self._resource, self._versions, [(at + shift, number) for at, number in self._bookmarks])
        log.unread = self._unread
        return log

    def _number(self) -> None:
        """Gives the versions without a number the first free one above what was known before them.

        A deletion took a revision of its own there. Should there be no room before the next version that was seen,
        it shares the number of the version before it.
        """
        used = {version.position for version in self._versions}
        times, lowest = _lowest_after(self._versions) if self._unplaced else ([], [])
        for version, before in self._unplaced:
            later = bisect_right(times, version.at)
            position = next(number for number in count(before + 1) if number not in used)
            if later < len(times) and position > lowest[later]:
                position = before
            used.add(position)
            version.position = position
            version.raw = renumbered(version.raw, position)
            self._versions.append(version)


def _lowest_after(versions: list[Version]) -> tuple[list[Micros], list[int]]:
    """Times of all versions, ascending, and the lowest number that was seen from each of them on."""
    seen = sorted((version.at, version.position) for version in versions)
    lowest = list(accumulate((position for _, position in reversed(seen)), min))
    return [at for at, _ in seen], lowest[::-1]


def _settle(versions: list[Version]) -> None:
    """Times that never contradict the order, and changes as a watch names them."""
    earliest = max((version.at for version in versions), default=0)
    for version in reversed(versions):
        earliest = version.at = min(earliest, version.at)
    living: set[str] = set()
    for version in versions:
        if version.change == DELETED:
            living.discard(version.uid)
        else:
            version.change = "MODIFIED" if version.uid in living else "ADDED"
            living.add(version.uid)


def _uid(meta: Meta) -> str:
    return meta.uid or f"{meta.namespace or ''}/{meta.name}"


def _key(meta: Meta) -> Key:
    return meta.namespace or "", meta.name


def _number(resource_version: str | None) -> int | None:
    return int(resource_version) if resource_version and resource_version.isdigit() else None


def _typed(raw: bytes, header: _Header, resource: Resource) -> bytes:
    """The object with its kind: items of a typed list come without, and everything but a list needs it."""
    missing = b""
    if not header.kind:
        missing += b'"kind":"%s",' % resource.kind.encode()
    if not header.apiVersion:
        missing += b'"apiVersion":"%s",' % resource.api_version.encode()
    if not missing:
        return raw
    return b"{" + missing + raw.lstrip()[1:].lstrip()
