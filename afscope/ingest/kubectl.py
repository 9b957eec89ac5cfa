"""What `kubectl get … -o json|yaml` and `kubectl get -w -o json [--output-watch-events]` write.

Lists, single objects, and watch events ({"type", "object"}), one after the other in any way. Nobody wrote down when
kubectl saw what. An object was seen no earlier than the newest time it holds, a list no earlier than the newest of all
its items and of the lists beside it, and a stream is in the order of time: that is what `seen_at` becomes.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from afscope.ingest import yamls
from afscope.ingest.documents import Part, Piece, documents
from afscope.ingest.lines import Unread, open_bytes
from afscope.ingest.recording import KINDS
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, parse_time
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE
from afscope.normalize.kube import TABLE_OF_KIND, KubeNormalizer

# Times at which something was written down. Not deadlines: deletionTimestamp lies ahead by the grace period.
_TIME = re.compile(
    rb'"(?:creationTimestamp|(?:last|first|deprecatedLast|deprecatedFirst)Timestamp|eventTime|lastObservedTime'
    rb"|last(?:Transition|Update|Probe|Heartbeat|Scale|Active)Time|startedAt|finishedAt|startTime|renewTime"
    rb'|acquireTime|time)"\s*:\s*"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z"'
)
_LIST_KIND = re.compile(rb'"kind"\s*:\s*"(\w*)List"')
_PLURALS = {plural: kind for plural, (kind, _) in KINDS.items()}
_SHORT = {
    "po": "Pod", "hpa": "HorizontalPodAutoscaler", "so": "ScaledObject", "deploy": "Deployment", "ev": "Event",
    "sts": "StatefulSet", "rs": "ReplicaSet", "no": "Node", "quota": "ResourceQuota", "limits": "LimitRange",
}  # fmt: skip
_WORKLOADS = {"Deployment", "StatefulSet", "ReplicaSet"}
# A watch shows first what it lists, in no order of time; clocks of nodes may run ahead by this much.
_SKEW: Micros = 10 * SECOND
_MOST_DAMAGE = 20


class _Metadata(msgspec.Struct):
    uid: str = ""
    name: str = ""
    namespace: str | None = None


class _Head(msgspec.Struct):
    kind: str = ""
    type: str = ""
    object: msgspec.Raw = msgspec.Raw()
    metadata: _Metadata | None = None


class _Listing(NamedTuple):
    """What is known of a list before its items are read: their kind (empty: each names its own) and newest time."""

    kind: str
    newest: Micros


_HEAD = msgspec.json.Decoder(_Head)


def sniff(path: Path) -> bool:
    """Whether a file begins like JSON or YAML of the Kubernetes API."""
    return _is_json(path) or yamls.sniff(path)


def _is_json(path: Path) -> bool:
    try:
        with open_bytes(path) as handle:
            head = handle.read(4096)
    except (OSError, EOFError, zlib.error):
        return False
    text = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()
    begins = re.search(rb"^\s*[{\[]", text, re.MULTILINE)
    return begins is not None and any(word in text for word in (b'"kind"', b'"object"', b'"apiVersion"'))


def stream(path: Path, kube: KubeNormalizer, found: Findings, listed_at: Micros = 0) -> Stream:
    """The rows of one file; what cannot be read is noted with its line. Reads the file twice when it holds a list.

    `listed_at` is a time before which its lists were not made, as those beside them hold something newer.
    """
    reader = _Reader(path, kube, found, listed_at)
    try:
        for piece in pieces(path, found.note):
            yield from reader.piece(piece)
    except (OSError, EOFError, zlib.error) as error:
        found.note(f"{path}: cannot be read further, everything before is kept: {error}")
    reader.end()


def pieces(path: Path, unread: Unread) -> Iterator[Piece]:
    """The documents and items of a file, JSON or YAML, as JSON."""
    if not _is_json(path):
        yield from yamls.pieces(path, unread)
        return
    with open_bytes(path) as handle:
        yield from documents(handle)


class Look(NamedTuple):
    """What a file holds: (kind, namespace, name) of its objects with their uid, and the newest time in its lists.

    0 when it holds none: a watch tells when things happened by itself.
    """

    names: dict[tuple[str, str, str], str]
    newest: Micros


def look(path: Path) -> Look:
    """Reads through a file once, as far as it can be read."""
    names: dict[tuple[str, str, str], str] = {}
    latest = 0
    try:
        for piece in pieces(path, lambda _: None):
            if piece.part in (Part.ITEM, Part.DOCUMENT):
                head = _HEAD.decode(piece.raw)
                watched = head.type != "" and bool(head.object)
                head = _HEAD.decode(head.object) if watched else head
                if head.metadata is not None:
                    names[head.kind, head.metadata.namespace or "", head.metadata.name] = head.metadata.uid
                if not watched:
                    latest = max(latest, newest(piece.raw))
    except (OSError, EOFError, zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        pass  # whoever reads the rows meets and notes the same
    return Look(names, latest)


def newest(raw: bytes) -> Micros:
    """The newest time at which an object's JSON says that something was written; 0 without any.

    One second more than it says, as most times have no fraction.
    """
    latest = max(_TIME.findall(raw), default=b"")
    try:
        return parse_time(latest.decode() + "Z") + SECOND if latest else 0
    except ValueError:
        return 0


class _Reader:
    """Turns the pieces of one file into rows."""

    def __init__(self, path: Path, kube: KubeNormalizer, found: Findings, listed_at: Micros) -> None:
        self._path, self._kube, self._found, self._listed_at = path, kube, found, listed_at
        self._latest: Micros = 0
        self._uids: set[str] = set()
        self._listings: Iterator[_Listing] | None = None
        self._listing: _Listing | None = None
        self._damaged = 0

    def piece(self, piece: Piece) -> Stream:
        """The rows of one piece."""
        where = f"{self._path}:{piece.line}"
        if piece.part is Part.ITEM:
            listing = self._open_listing()
            self._latest = max(self._latest, listing.newest, self._listed_at)
            yield from self._observe(STATE, piece.raw, where, listing.kind or None)
        elif piece.part is Part.LIST:
            self._listed(piece, where, empty=self._listing is None)
            self._listing = None
        elif piece.part is Part.DAMAGE:
            self._listing = None
            self._note_damage(piece, where)
        else:
            yield from self._document(piece.raw, where)

    def end(self) -> None:
        """The file is read: workloads without all their kinds are only partly known."""
        if self._damaged > _MOST_DAMAGE:
            self._found.note(f"{self._path}: {self._damaged - _MOST_DAMAGE} more places that are not JSON")
        missing = _WORKLOADS - self._kube.kinds
        if not missing:
            self._found.source("workloads", SourceState.OK)
        elif missing != _WORKLOADS:
            reason = f"not recorded: {', '.join(sorted(missing))}"
            self._found.source("workloads", SourceState.PARTIAL, reason)

    def _open_listing(self) -> _Listing:
        if self._listings is None:
            self._listings = _listings(self._path)
        if self._listing is None:
            self._listing = next(self._listings, _Listing("", self._latest))
        return self._listing

    def _document(self, raw: bytes, where: str) -> Stream:
        try:
            head = _HEAD.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._found.note(f"{where}: {error}")
            return
        body = bytes(head.object)
        if head.type and body.startswith(b"{"):
            yield from self._event(head.type, body, where)
        elif head.kind:
            yield from self._observe(self._plain(head, raw), raw, where)
        else:
            self._found.note(f"{where}: no kind, no list, no watch event")

    def _event(self, change: str, body: bytes, where: str) -> Stream:
        if change == "ERROR":
            why = self._found.redactor.text(body.decode(errors="replace"))[:200]
            self._found.note(f"{where}: the watch ended with an error: {why}")
        elif change in (ADDED, MODIFIED, DELETED):
            # What is listed at the beginning of a watch comes as ADDED; it shows by being out of order.
            old = change == ADDED and newest(body) + _SKEW < self._latest
            yield from self._observe(STATE if old else change, body, where)
        elif change != "BOOKMARK":
            self._found.note(f"{where}: {change!r} is no type of a watch event")

    def _plain(self, head: _Head, raw: bytes) -> str:
        """The change of an object of a watch without events, which does not say what happened."""
        uid = head.metadata.uid if head.metadata else ""
        known = uid in self._uids
        self._uids.add(uid)
        if known and uid:
            return MODIFIED
        return STATE if not self._latest or newest(raw) + _SKEW < self._latest else ADDED

    def _observe(self, change: str, raw: bytes, where: str, kind: str | None = None) -> Stream:
        found = self._found
        seen_at = self._latest = max(self._latest, newest(raw))
        try:
            for row in self._kube.observe(change, raw, seen_at, kind=kind):
                if row.table != "workloads":
                    found.source(row.table, SourceState.OK)
                if row.table not in ("events", "objects"):
                    found.list_seen(row.table, seen_at)
                yield Timed(seen_at, row)
        except msgspec.DecodeError as error:
            found.note(f"{where}: {error}")
        while self._kube.problems:
            found.note(f"{where}: left out: {self._kube.problems.pop(0)}")

    def _listed(self, piece: Piece, where: str, *, empty: bool) -> None:
        """A list proves its kind even when it is empty: the kind is in PodList, or in the name of the file."""
        kind = _list_kind(piece.raw)
        kinds = [kind] if kind in TABLE_OF_KIND else list(_kinds_named(self._path)) if empty else []
        for one in kinds:
            self._kube.kinds.add(one)
            if one not in _WORKLOADS:
                self._found.source(TABLE_OF_KIND[one], SourceState.OK)
        if empty and not kinds:
            self._found.note(f"{where}: an empty list does not say of what; name the file after it, such as pods.json")

    def _note_damage(self, piece: Piece, where: str) -> None:
        self._damaged += 1
        if self._damaged <= _MOST_DAMAGE:
            begins = piece.raw.strip()[:40].decode(errors="replace")
            clean = self._found.redactor.text(begins)
            self._found.note(f"{where}: {piece.why}; everything around it is kept. It begins with {clean!r}")


def _listings(path: Path) -> Iterator[_Listing]:
    """A look ahead at the lists of a file that have items."""
    latest: Micros | None = None
    try:
        for piece in pieces(path, lambda _: None):
            if piece.part is Part.ITEM:
                latest = max(latest or 0, newest(piece.raw))
            elif latest is not None:
                yield _Listing(_list_kind(piece.raw), latest)
                latest = None
    except (OSError, EOFError, zlib.error):
        latest = latest or 0  # whoever reads the rows meets and notes the same
    if latest is not None:
        yield _Listing("", latest)


def _list_kind(raw: bytes) -> str:
    match = _LIST_KIND.search(raw)
    return match[1].decode() if match else ""


def _kinds_named(path: Path) -> Iterator[str]:
    """Kinds that a file's name names, or that of its folder, as bundles have a file per namespace in it."""
    names = [*re.split(r"[^a-z]+", path.name.lower()), *re.split(r"[^a-z]+", path.parent.name.lower())]
    for word in names:
        for kind in (_PLURALS.get(word), _SHORT.get(word), _PLURALS.get(f"{word}s")):
            if kind:
                yield kind
                break
