"""Captures from dumps that were made elsewhere: `import_sources` finds out what each source is by looking."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from afscope.errors import ImportFailed
from afscope.ingest import kubectl, logs, recording
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.capture import Source, SourceState
from afscope.model.clock import Micros
from afscope.normalize.kube import KubeNormalizer
from afscope.store.options import WriterOptions
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

__all__ = ["Summary", "import_sources"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import did: rows per table, what could not be read ("file:line: why"), maskings per rule.

    `sources` is the state of each table that anything was said about; `ignored` lists files left out on purpose.
    """

    rows: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    redactions: dict[str, int] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Opened:
    """What the sources turned out to be: streams of things that a recorder saw, and logs, which have own times."""

    streams: list[Stream] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)


def import_sources(sources: Sequence[Path], out: Path, *, progress: Callable[[int], None] | None = None) -> Summary:
    """Builds the capture `out` from all sources together, in the order of time; `progress` hears the rows so far.

    The capture begins and ends with what a recorder saw; logs that reach further do not stretch it. Killed half-way
    it leaves an open capture that lacks at most one flush. Raises ImportFailed, and leaves nothing behind, when no
    source holds anything that afscope can read.
    """
    found = Findings()
    opened = _open(sources, found)
    heads = [(first, stream) for stream in opened.streams if (first := next(stream, None)) is not None]
    begins = min((first.seen_at for first, _ in heads), default=None)
    streams: list[Stream] = [itertools.chain((first,), stream) for first, stream in heads]
    streams += [logs.stream(path, begins, found) for path in opened.logs]
    merged: Iterator[Timed] = heapq.merge(*streams, key=lambda timed: timed.seen_at)
    first = next(merged, None)
    if first is None:
        raise ImportFailed(_nothing(sources, found), _WHAT_TO_DO)
    counts: Counter[str] = Counter()
    with CaptureWriter.create(out, origin="import", options=WriterOptions.bulk(), started_at=begins) as writer:
        for timed in itertools.chain((first,), merged):
            writer.append(timed.row)
            if begins is None or timed.row.table != "log_lines":
                found.saw(timed.seen_at)
            counts[timed.row.table] += 1
            if progress is not None and counts.total() % 1000 == 0:
                progress(counts.total())
        _finish(writer, found)
        writer.close(ended_at=found.ends)
    return Summary(dict(counts), found.unread, dict(found.redactor.counts), dict(found.sources), found.ignored)


_WHAT_TO_DO = (
    "give a folder of a raw recording (k8s/*.jsonl.gz, airflow_db.jsonl.gz, logs/), files written by "
    "`kubectl get … -o json`, or logs"
)


def _nothing(sources: Sequence[Path], found: Findings) -> str:
    names = ", ".join(str(source) for source in sources)
    return f"{names}: nothing to import" + (f"; first problem: {found.unread[0]}" if found.unread else "")


def _open(sources: Sequence[Path], found: Findings) -> _Opened:
    kube = KubeNormalizer(found.redactor)
    opened = _Opened()
    for source in sources:
        if not source.exists():
            raise ImportFailed(f"{source}: no such file or folder")
        _add(source, kube, found, opened)
    if opened.logs:
        found.source("log_lines", SourceState.OK)
    return opened


def _add(source: Path, kube: KubeNormalizer, found: Findings, opened: _Opened) -> None:
    """Finds out what one source is by looking into it, not by its name."""
    if source.is_dir() and recording.is_recording(source):
        opened.streams += recording.streams(source, found)
        opened.logs += recording.log_files(source)
    elif source.is_dir():
        for path in sorted(source.iterdir()):
            if path.name != "label.json" and not (path.is_dir() and path.is_symlink()):
                _add(path, kube, found, opened)
    elif (single := recording.single(source, kube, found)) is not None:
        opened.streams.append(single)
    elif logs.sniff(source):
        opened.logs.append(source)
    elif kubectl.sniff(source):
        opened.streams.append(kubectl.stream(source, kube, found))
    else:
        found.note(f"{source}:1: neither JSON of the Kubernetes API, nor part of a recording, nor a known form of log")


def _finish(writer: CaptureWriter, found: Findings) -> None:
    """The manifest's last words: sources, gaps, what was not read. Whatever nobody looked at is not recorded."""
    for table in TABLES:
        known = found.sources.get(table)
        if known is None and table not in ("gaps", "samples"):
            writer.set_source(table, SourceState.NOT_RECORDED)
        elif known is not None:
            writer.set_source(table, known.status, known.reason)
    for source, from_ts, to_ts, reason in found.holes:
        writer.gap(source, from_ts, _end(to_ts, from_ts, found.ends), reason)
    for text in found.unread:
        writer.note_unread(text)
    for rule, count in found.redactor.counts.items():
        writer.count_redaction(rule, count)
    writer.describe(airflow_version=found.airflow_version, ignored=found.ignored)


def _end(to_ts: Micros | None, from_ts: Micros, ends: Micros) -> Micros:
    return max(from_ts, ends) if to_ts is None else to_ts
