"""What `kubectl get … -o json` and `kubectl get -w -o json [--output-watch-events]` write.

Lists, single objects, and watch events ({"type", "object"}), concatenated in any way. Nobody wrote down when kubectl
saw what; an object was seen no earlier than the newest time it holds, and a watch is in the order of time, so that
is what `seen_at` becomes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from afscope.ingest.documents import documents
from afscope.ingest.lines import open_bytes
from afscope.ingest.recording import KINDS
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, parse_time
from afscope.model.row import ADDED, STATE
from afscope.normalize.kube import TABLE_OF_KIND, KubeNormalizer

_TIME = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"')
# deletionTimestamp lies in the future by the grace period, and certificates by years
_FUTURE = re.compile(rb'"(?:deletionTimestamp|notAfter|expirationTimestamp)"\s*:\s*"[^"]*"')
_PLURALS = {plural: table for plural, (_, table) in KINDS.items()}
_SHORT = {
    "po": "pods",
    "hpa": "horizontalpodautoscalers",
    "so": "scaledobjects",
    "deploy": "deployments",
    "ev": "events",
}


class _Head(msgspec.Struct):
    kind: str = ""
    type: str = ""
    items: list[msgspec.Raw] | None = None
    object: msgspec.Raw = msgspec.Raw()


_HEAD = msgspec.json.Decoder(_Head)


def sniff(path: Path) -> bool:
    """Whether a file begins like JSON of the Kubernetes API."""
    try:
        with open_bytes(path) as handle:
            head = handle.read(4096)
    except (OSError, EOFError):
        return False
    text = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()
    return text.startswith(b"{") and (b'"kind"' in text or b'"object"' in text or b'"apiVersion"' in text)


def stream(path: Path, kube: KubeNormalizer, found: Findings) -> Stream:
    """The rows of one file; what cannot be read is noted with its line."""
    latest: Micros = 0
    with open_bytes(path) as handle:
        try:
            for line, raw, whole in documents(handle):
                where = f"{path}:{line}"
                if not whole:
                    found.note(f"{where}: the file ends in the middle of a document: everything before is kept")
                    return
                for timed in _document(path, raw, kube, found, where, latest):
                    latest = max(latest, timed.seen_at)
                    yield timed
        except ValueError as error:
            found.note(f"{path}: {error}")
        except (OSError, EOFError) as error:
            found.note(f"{path}: cannot be read further: {error}")


def _document(path: Path, raw: bytes, kube: KubeNormalizer, found: Findings, where: str, latest: Micros) -> Stream:
    try:
        head = _HEAD.decode(raw)
    except msgspec.DecodeError as error:
        found.note(f"{where}: {error}")
        return
    if head.items is not None:
        _listed(path, head, found, where)
        seen_at = max([latest, *(newest(bytes(item)) for item in head.items)])
        for item in head.items:
            yield from _observe(kube, STATE, bytes(item), seen_at, found, where)
    elif head.type and bytes(head.object):
        if head.type not in ("BOOKMARK", "ERROR"):
            body = bytes(head.object)
            yield from _observe(kube, head.type, body, max(latest, newest(body)), found, where)
    elif head.kind:
        yield from _observe(kube, STATE if not latest else ADDED, raw, max(latest, newest(raw)), found, where)
    else:
        found.note(f"{where}: no kind, no list, no watch event")


def _observe(kube: KubeNormalizer, change: str, raw: bytes, seen_at: Micros, found: Findings, where: str) -> Stream:
    try:
        for row in kube.observe(change, raw, seen_at):
            found.source(row.table, SourceState.OK)
            yield Timed(seen_at, row)
    except msgspec.DecodeError as error:
        found.note(f"{where}: {error}")
    while kube.problems:
        found.note(f"{where}: only kept as an object: {kube.problems.pop()}")


def _listed(path: Path, head: _Head, found: Findings, where: str) -> None:
    """A list is proof for its kind even when it is empty: the kind is in PodList, or in the file's name."""
    table = TABLE_OF_KIND.get(head.kind.removesuffix("List")) or next(_tables_named(path), None)
    if table:
        found.source(table, SourceState.OK)
    elif not head.items:
        found.note(f"{where}: an empty list of nobody knows what; name the file after the kind, such as pods.json")


def _tables_named(path: Path) -> Iterator[str]:
    for word in re.split(r"[^a-z]+", path.name.lower()):
        plural = _SHORT.get(word, word)
        if plural in _PLURALS:
            yield _PLURALS[plural]


def newest(raw: bytes) -> Micros:
    """The newest time in an object's JSON, deadlines left out; one second more, as most have no fraction."""
    found = [parse_time(match.decode()) for match in _TIME.findall(_FUTURE.sub(b"", raw))]
    return max(found) + SECOND if found else 0
