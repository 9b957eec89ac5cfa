"""Captures from dumps that were made elsewhere: `import_sources` finds out what each source is by looking."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from afscope.errors import ImportFailed
from afscope.ingest import kubectl, recording
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.capture import SourceState
from afscope.normalize.kube import KubeNormalizer
from afscope.store.options import WriterOptions
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

__all__ = ["Summary", "import_sources"]
_LOGS = (".log", ".log.gz")


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import did: rows per table, what could not be read ("file:line: why"), maskings per rule."""

    rows: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    redactions: dict[str, int] = field(default_factory=dict)


def import_sources(sources: Sequence[Path], out: Path, *, progress: Callable[[int], None] | None = None) -> Summary:
    """Builds the capture `out` from all sources together, in the order of time; `progress` hears the rows so far.

    Raises ImportFailed, and leaves nothing behind, when no source holds anything that afscope can read.
    """
    found = Findings()
    merged: Iterator[Timed] = heapq.merge(*_streams(sources, found), key=lambda timed: timed.seen_at)
    first = next(merged, None)
    if first is None:
        raise ImportFailed(_nothing(sources, found), _WHAT_TO_DO)
    counts: Counter[str] = Counter()
    with CaptureWriter.create(out, origin="import", options=WriterOptions.bulk()) as writer:
        for timed in itertools.chain((first,), merged):
            writer.append(timed.row)
            counts[timed.row.table] += 1
            if progress is not None and counts.total() % 1000 == 0:
                progress(counts.total())
        _finish(writer, found)
    return Summary(dict(counts), found.unread, dict(found.redactor.counts))


_WHAT_TO_DO = (
    "give a folder of a raw recording (k8s/*.jsonl.gz, airflow_db.jsonl.gz, logs/), or files written by "
    "`kubectl get … -o json`"
)


def _nothing(sources: Sequence[Path], found: Findings) -> str:
    names = ", ".join(str(source) for source in sources)
    return f"{names}: nothing to import" + (f"; first problem: {found.unread[0]}" if found.unread else "")


def _streams(sources: Sequence[Path], found: Findings) -> Iterator[Stream]:
    kube = KubeNormalizer(found.redactor)
    for source in sources:
        if not source.exists():
            raise ImportFailed(f"{source}: no such file or folder")
        yield from _source(source, kube, found)


def _source(source: Path, kube: KubeNormalizer, found: Findings) -> Iterator[Stream]:
    if source.is_dir() and recording.is_recording(source):
        yield from recording.streams(source, found)
    elif source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.is_file() and p.name != "label.json"):
            yield from _source(path, kube, found)
    elif kubectl.sniff(source):
        yield kubectl.stream(source, kube, found)
    else:
        found.note(f"{source}:1: neither JSON of the Kubernetes API nor part of a recording")


def _finish(writer: CaptureWriter, found: Findings) -> None:
    """The manifest's last words: sources, gaps, what was not read. Whatever nobody looked at is not recorded."""
    for table in TABLES:
        known = found.sources.get(table)
        if known is None and table not in ("gaps", "samples"):
            writer.set_source(table, SourceState.NOT_RECORDED)
        elif known is not None:
            writer.set_source(table, known.status, known.reason)
    for hole in found.holes:
        writer.gap(*hole)
    for text in found.unread:
        writer.note_unread(text)
    for rule, count in found.redactor.counts.items():
        writer.count_redaction(rule, count)
    writer.describe(airflow_version=found.airflow_version)
