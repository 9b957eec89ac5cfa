"""Several captures become one: recorders side by side, of different namespaces, or one after another.

A row that two recorders saw is kept once: the k-th time that a recorder saw a thing in a state is the k-th time that
any other did. Recorders' clocks are compared by the objects that both saw in the same version, and brought to the
clock of the first. What no recorder covered is a gap of the merged capture; a hole of one that another one of the same
scope covered is none.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from afscope.errors import CaptureError
from afscope.model.capture import Source, SourceState
from afscope.model.clock import Micros
from afscope.model.row import DELETED, STATE, Row
from afscope.store.cut import stored_values
from afscope.store.keyframe import CHANGE, SEEN_AT
from afscope.store.objects import full_bodies
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

# What a recorder says of itself: only the same row of the same recorder is a duplicate.
_OWN = frozenset({"polls", "samples"})
# Of these a recorder sees only the namespaces that it was given; a database is whole for everybody.
_SCOPED = frozenset(
    {"events", "pods", "workloads", "hpas", "scaledobjects", "quotas", "leases", "objects", "log_lines"}
)
_VERSIONED = ("pods", "workloads", "hpas", "scaledobjects")
# Two watches deliver one change at slightly different times; only more than this is a clock that is off.
_SKEW: Micros = 500_000
_LEAST_PAIRS = 5
_SEEN = (SourceState.OK, SourceState.PARTIAL)
Span = tuple[Micros, Micros]


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of it: rows written, rows that were seen twice, and each capture's clock against the first's."""

    rows: int
    duplicates: int
    skews: tuple[Micros | None, ...]


def merge(captures: Sequence[Capture], out: Path) -> Merged:
    """Writes the new capture `out`. Raises CaptureError for fewer than two, or for captures of different clusters."""
    if len(captures) < 2:
        raise CaptureError("a merge needs two captures at least")
    clusters = {c.manifest.cluster for c in captures if c.manifest.cluster}
    if len(clusters) > 1:
        raise CaptureError(f"these captures are of different clusters: {', '.join(sorted(clusters))}")
    skews = [0, *(_skew(captures[0], other) for other in captures[1:])]
    shifts = [skew if skew is not None and abs(skew) > _SKEW else 0 for skew in skews]
    begin = min(c.started_at - shift for c, shift in zip(captures, shifts, strict=True))
    end = max(c.ended_at - shift for c, shift in zip(captures, shifts, strict=True))
    known = captures[0].manifest
    versions = {c.manifest.airflow_version for c in captures} - {""}
    with CaptureWriter.create(
        out, origin="merge", options=WriterOptions.bulk(), started_at=begin, cluster=next(iter(clusters), ""),
        airflow_version=versions.pop() if len(versions) == 1 else "", epoch_us=known.epoch_us,
        settings={**known.settings, "merged_from": [c.manifest.id for c in captures]},
    ) as writer:  # fmt: skip
        _describe(writer, captures)
        twice = _Twice()
        rows = 0
        streams = [_rows(number, c, shift) for number, (c, shift) in enumerate(zip(captures, shifts, strict=True))]
        for _, number, row in heapq.merge(*streams, key=lambda item: item[0]):
            if twice.is_new(number, row):
                writer.append(row)
                rows += 1
        for source, start, stop, reason in _gaps(captures, shifts, (begin, end)):
            writer.gap(source, start, stop, reason)
        writer.close(ended_at=end)
    return Merged(rows, twice.dropped, tuple(skews))


class _Twice:
    """Which rows another recorder has already told."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
        self.dropped = 0

    def is_new(self, number: int, row: Row) -> bool:
        """Takes note of a row of recorder `number`."""
        counts = self._counts[row.table, hash(_content(row))]
        told = max(counts.values(), default=0)
        counts[number] = counts.get(number, 0) + 1
        if counts[number] <= told:
            self.dropped += 1
            return False
        return True


def _content(row: Row) -> tuple[Any, ...]:
    """What makes two rows the same: all but when and how a recorder saw it; an object is its version."""
    values = row.values
    gone = values["change"] == DELETED
    if row.table == "objects":
        return (*(values[k] for k in ("kind", "namespace", "name", "uid", "resource_version")), gone)
    own = set() if row.table in _OWN else {"seen_at", "change", "count_delta"}
    if TABLES[row.table].is_state:
        own.add("ts")
    return (*(value for name, value in values.items() if name not in own), gone)


def _rows(number: int, capture: Capture, shift: Micros) -> Iterator[tuple[Micros, int, Row]]:
    """All rows but keyframes and gaps, by `seen_at` on the first capture's clock; objects with their whole bodies."""
    streams = [table_rows(capture, name) for name in TABLES if name != "gaps"]
    for seen_at, row in heapq.merge(*streams, key=lambda item: item[0]):
        moved = seen_at - shift
        yield moved, number, Row(row.table, {**row.values, "seen_at": moved}) if shift else row


def table_rows(capture: Capture, name: str) -> Iterator[tuple[Micros, Row]]:
    """The rows of a table by `seen_at`, as a writer takes them: no keyframes, objects with their whole bodies."""
    table = capture.table(name)
    if table.num_rows == 0:
        return
    columns = TABLES[name].column_names()
    epoch = capture.manifest.epoch_us
    rows: Iterable[Mapping[str, Any]] = (dict(zip(columns, v, strict=True)) for v in stored_values(name, table))
    if name == "objects":
        rows = ({**row, "body": None if document is None else msgspec.json.encode(document).decode()}
                for row, document in full_bodies(rows))  # fmt: skip
    for row in rows:
        seen_at = row["seen_at"]
        keyframe = row["change"] == STATE and epoch and seen_at % epoch == 0 and seen_at != capture.started_at
        if not keyframe:
            yield seen_at, Row(name, dict(row))


def _skew(first: Capture, other: Capture) -> Micros | None:
    """How far the other recorder's clock is ahead of the first's; None when they saw too little in common."""
    apart: list[Micros] = []
    for name in _VERSIONED:
        seen = _first_sights(first, name)
        apart += [at - seen[key] for key, at in _first_sights(other, name).items() if key in seen]
    return round(median(apart)) if len(apart) >= _LEAST_PAIRS else None


def _first_sights(capture: Capture, name: str) -> dict[tuple[str, str], Micros]:
    """When each version of each object was first watched; listings say nothing about when it changed."""
    columns = TABLES[name].column_names()
    uid, version = columns.index("uid"), columns.index("resource_version")
    out: dict[tuple[str, str], Micros] = {}
    for values in stored_values(name, capture.table(name)):
        if values[CHANGE] != STATE and values[version]:
            out.setdefault((values[uid], values[version]), values[SEEN_AT])
    return out


def _describe(writer: CaptureWriter, captures: Sequence[Capture]) -> None:
    one_scope = _one_scope(captures)
    for name in TABLES:
        told = [c.source(name) for c in captures if name in c.manifest.sources or c.has(name)]
        if told:
            source = _source(told, len(captures), one_scope=one_scope or name not in _SCOPED)
            writer.set_source(name, source.status, source.reason)
    for capture in captures:
        for rule, count in capture.manifest.redactions.items():
            writer.count_redaction(rule, count)
        for text in capture.manifest.unread:
            writer.note_unread(text)
        for name, offset in capture.manifest.clock_offsets.items():
            if name not in writer.manifest.clock_offsets:
                writer.set_clock_offset(name, offset)


def _source(told: Sequence[Source], captures: int, *, one_scope: bool) -> Source:
    """Of one scope the best recorder speaks; of several each one's holes count."""
    states = list(SourceState)
    best = min(told, key=lambda source: (source.status not in _SEEN, states.index(source.status)))
    if one_scope or best.status not in _SEEN:
        return best
    poor = [source for source in told if source.status is not SourceState.OK]
    if poor or len(told) < captures:
        reason = poor[0].reason if poor else "only some of the merged captures recorded it"
        return Source(SourceState.PARTIAL, reason or f"{poor[0].status.value} in one of the merged captures")
    return best


def _one_scope(captures: Sequence[Capture]) -> bool:
    """Whether all recorders saw the same namespaces, judged by what scales in them."""
    return len({_namespaces(capture) for capture in captures}) == 1


def _namespaces(capture: Capture) -> frozenset[str]:
    found: set[str] = set()
    for name in ("scaledobjects", "workloads"):
        found.update(capture.table(name)["namespace"].unique().to_pylist())
    return frozenset(found)


def _gaps(
    captures: Sequence[Capture], shifts: Sequence[Micros], whole: Span
) -> Iterator[tuple[str, Micros, Micros, str]]:
    """What no recorder of a scope covered, table by table."""
    one_scope = _one_scope(captures)
    for name in TABLES:
        if name in _OWN or name == "gaps":
            continue
        parts = [(c, s) for c, s in zip(captures, shifts, strict=True) if c.source(name).status in _SEEN]
        groups = [parts] if one_scope or name not in _SCOPED else [[part] for part in parts]
        for group in groups:
            if group:
                seen = [span for capture, shift in group for span in _covered(capture, name, shift)]
                reasons = [gap.reason for capture, _ in group for gap in capture.gaps() if gap.source in (name, "*")]
                for start, end in _without(whole, seen):
                    yield name, start, end, "; ".join(dict.fromkeys(reasons)) or "none of the merged captures covers it"


def _covered(capture: Capture, name: str, shift: Micros) -> list[Span]:
    """When a capture recorded a table, on the first capture's clock."""
    holes = [(gap.from_ts - shift, gap.to_ts - shift) for gap in capture.gaps() if gap.source in (name, "*")]
    return _without((capture.started_at - shift, capture.ended_at - shift), holes)


def _without(whole: Span, parts: Iterable[Span]) -> list[Span]:
    """What of `whole` none of the parts covers."""
    out: list[Span] = []
    start, end = whole
    for left, right in sorted(parts):
        if left > start:
            out.append((start, min(left, end)))
        start = max(start, right)
        if start >= end:
            return out
    return [*out, (start, end)]
