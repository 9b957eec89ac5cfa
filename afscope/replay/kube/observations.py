"""What was observed of each kind, out of a recording folder or out of the `objects` of a capture, in one shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from afscope.errors import CannotReplay
from afscope.model.capture import SourceState
from afscope.model.clock import Micros, from_seconds
from afscope.model.row import STATE
from afscope.replay.kube.files import lines
from afscope.replay.kube.resources import BY_KIND, BY_PLURAL, Resource, guessed
from afscope.store.objects import full_bodies
from afscope.store.reader import Capture

BOOKMARK, LOST = "BOOKMARK", "LOST"
_CHANGES = {
    "LIST": STATE,
    "ADDED": "ADDED",
    "MODIFIED": "MODIFIED",
    "DELETED": "DELETED",
    "BOOKMARK": BOOKMARK,
    "DISCONNECT": LOST,
    "ERROR": LOST,
}
# The tables of a capture whose source says that a kind was listed even though there was none of it. LimitRanges
# share theirs with ResourceQuotas, so an absent one proves nothing.
_TABLES = {
    "pods": "pods",
    "events": "events",
    "deployments": "workloads",
    "statefulsets": "workloads",
    "replicasets": "workloads",
    "horizontalpodautoscalers": "hpas",
    "scaledobjects": "scaledobjects",
    "nodes": "nodes",
    "resourcequotas": "quotas",
    "apiservices": "apiservices",
    "leases": "leases",
}


class Observation(NamedTuple):
    """What the recorder saw at one moment: STATE, ADDED, MODIFIED, DELETED, BOOKMARK, or LOST for a broken watch."""

    at: Micros
    change: str
    raw: bytes


@dataclass
class Observed:
    """Everything a source holds; a kind without observations was listed and there was none."""

    begins: Micros
    ends: Micros
    kinds: dict[Resource, list[Observation]]
    unread: list[str] = field(default_factory=list)
    """What was left out because it could not be read."""


class _Line(msgspec.Struct):
    t: Annotated[float, msgspec.Meta(ge=0, lt=1e11)]
    type: str
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Typed(msgspec.Struct):
    kind: str = ""
    apiVersion: str = ""  # noqa: N815  (the API's own word)
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


_LINE = msgspec.json.Decoder(_Line)
_TYPED = msgspec.json.Decoder(_Typed)


def observed(source: Path) -> Observed:
    """Reads a recording folder or a capture (folder or .zip). Raises CannotReplay, or CaptureError for a capture."""
    if (source / "k8s").is_dir():
        return _recording(source)
    if (source / "manifest.json").is_file() or source.is_file():
        return _capture(Capture.open(source))
    raise CannotReplay(
        f"{source} holds no Kubernetes objects", "give a capture, or a recording folder with k8s/<kind>.jsonl.gz"
    )


def _recording(folder: Path) -> Observed:
    found = Observed(0, 0, {})
    for path in sorted((folder / "k8s").glob("*.jsonl*")):
        plural = path.name.split(".")[0]
        observations = list(_lines(path, found.unread))
        resource = BY_PLURAL.get(plural) or _guessed(plural, observations)
        if resource is None:
            found.unread.append(f"{path}: what kind this is, only an object could tell, and there is none")
        else:
            found.kinds[resource] = observations
    moments = [seen.at for observations in found.kinds.values() for seen in observations]
    if not moments:
        raise CannotReplay(f"{folder} holds no observation of any Kubernetes object")
    found.begins, found.ends = min(moments), max(moments)
    return found


def _lines(path: Path, unread: list[str]) -> Iterator[Observation]:
    for number, line in enumerate(lines(path, unread), 1):
        try:
            seen = _LINE.decode(line)
            yield Observation(from_seconds(seen.t), _CHANGES[seen.type], bytes(seen.object))
        except (msgspec.DecodeError, KeyError, UnicodeDecodeError) as error:
            if line.strip():
                unread.append(f"{path}:{number}: {error}")


def _guessed(plural: str, observations: list[Observation]) -> Resource | None:
    for seen in observations:
        try:
            obj = _TYPED.decode(seen.raw)
        except msgspec.DecodeError:
            continue
        if obj.kind and obj.apiVersion and seen.change != BOOKMARK:
            return guessed(plural, obj.kind, obj.apiVersion, namespaced="namespace" in obj.metadata)
    return None


def _capture(capture: Capture) -> Observed:
    found = Observed(capture.started_at, capture.ended_at, _listed(capture))
    for body in full_bodies(_rows(capture)):
        row = body.row
        if not isinstance(body.document, dict):
            found.unread.append(
                f"objects: {row['kind']} {row['namespace'] or '-'}/{row['name']}: no body to start from"
            )
            continue
        resource = BY_KIND.get(row["kind"]) or _custom(row)
        seen = Observation(row["seen_at"], row["change"], msgspec.json.encode(body.document))
        found.kinds.setdefault(resource, []).append(seen)
    if not found.kinds:
        raise CannotReplay(f"{capture.path} holds no Kubernetes objects", "was it recorded from a database alone?")
    moments = [seen.at for observations in found.kinds.values() for seen in observations]
    found.begins = min([found.begins, *moments])
    found.ends = max([found.ends, *moments])
    found.unread += capture.warnings
    return found


def _rows(capture: Capture) -> Iterator[dict[str, Any]]:
    table = capture.table("objects")
    columns = ("seen_at", "change", "kind", "api_version", "namespace", "name", "uid", "full", "body")
    at = table.schema.get_field_index("seen_at")
    table = table.set_column(at, "seen_at", table["seen_at"].cast("int64")).select(columns)
    for batch in table.to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


def _listed(capture: Capture) -> dict[Resource, list[Observation]]:
    return {
        BY_PLURAL[plural]: []
        for plural, table in _TABLES.items()
        if capture.source(table).status is SourceState.OK
        and capture.source("objects").status is not SourceState.NOT_RECORDED
    }


def _custom(row: Mapping[str, Any]) -> Resource:
    plural = f"{row['kind'].lower()}s"
    return guessed(plural, row["kind"], row["api_version"] or "v1", namespaced=row["namespace"] is not None)
