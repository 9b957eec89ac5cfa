"""Captures from dumps that were made elsewhere: `import_sources` finds out what each source is by looking."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from afscope.errors import ImportFailed
from afscope.ingest import kubectl, logs, prometheus, recording
from afscope.ingest.airflow import dumps
from afscope.ingest.airflow.dumps import Rows
from afscope.ingest.airflow.rebuild import Window
from afscope.ingest.clocks import Clocks
from afscope.ingest.kubetext import stream as kubetext
from afscope.ingest.scratch import Scratch, is_archive, is_dump
from afscope.ingest.sink import Findings, Hole, Stream, Timed
from afscope.model.capture import Source, SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.row import STATE
from afscope.normalize.kube import KubeNormalizer
from afscope.store.options import WriterOptions
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

__all__ = ["Rows", "Summary", "Window", "import_sources"]
_ALL = Window()
# An archive in an archive in an archive is somebody's joke.
_DEEPEST = 4
# A list that was made this soon after the recording began has shown the whole of it.
_SOON: Micros = 30 * SECOND


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import did: rows per table, what could not be read ("file:line: why"), maskings per rule.

    `sources` is the state of each table that anything was said about; `ignored` lists files left out on purpose;
    `notes` say what had to be assumed.
    """

    rows: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    redactions: dict[str, int] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Opened:
    """What the sources turned out to be, by how they are read."""

    recordings: list[Path] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    objects: dict[Path, Path] = field(default_factory=dict)
    """Files of API objects, and the source that each came out of."""
    printed: list[Path] = field(default_factory=list)
    metrics: list[Path] = field(default_factory=list)
    dumps: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)


def import_sources(
    sources: Sequence[Path],
    out: Path,
    *,
    window: Window = _ALL,
    live: Iterable[Rows] = (),
    taken_at: Micros | None = None,
    progress: Callable[[int], None] | None = None,
) -> Summary:
    """Builds the capture `out` from all sources together, in the order of time; `progress` hears the rows so far.

    `window` bounds what is taken, `live` are rows that somebody reads from a database that still runs, `taken_at` is
    when kubectl printed what holds ages. The capture begins and ends with what a recorder saw; logs that reach further
    do not stretch it. Killed half-way it leaves an open capture that lacks at most one flush. Raises ImportFailed, and
    leaves nothing behind, when no source holds anything that afscope can read.
    """
    found = Findings()
    with Scratch() as scratch:
        opened = _Opened()
        kube = KubeNormalizer(found.redactor)
        for source in sources:
            if not source.exists():
                raise ImportFailed(f"{source}: no such file or folder")
            _add(source, source, kube, found, opened, scratch)
        heads = _heads(_streams(opened, live, window, taken_at, kube, found))
        begins = min((first.seen_at for first, _ in heads), default=None)
        streams: list[Stream] = [itertools.chain((first,), stream) for first, stream in heads]
        day = begins if begins is not None else window.since
        streams += [logs.stream(path, day, found) for path in opened.logs]
        merged = _bounded(heapq.merge(*streams, key=lambda timed: timed.seen_at), window)
        first = next(merged, None)
        if first is None:
            raise ImportFailed(scratch.named(_nothing(sources, found)), _WHAT_TO_DO)
        if window.since is not None:
            begins = window.since
        counts = _write(out, begins, itertools.chain((first,), merged), found, window, scratch, progress)
    texts = [[scratch.named(text) for text in texts] for texts in (found.unread, found.ignored, found.notes)]
    return Summary(dict(counts), texts[0], dict(found.redactor.counts), dict(found.sources), texts[1], texts[2])


_WHAT_TO_DO = (
    "give what `kubectl get -o json|yaml`, `kubectl describe`, `kubectl get events` or `kubectl cluster-info dump` "
    "wrote, support bundles, dumps of the Airflow DB, answers of Prometheus, logs, or a raw recording: docs/import.md"
)


def _nothing(sources: Sequence[Path], found: Findings) -> str:
    names = ", ".join(str(source) for source in sources) or "the database"
    return f"{names}: nothing to import" + (f"; first problem: {found.unread[0]}" if found.unread else "")


def _add(
    path: Path, root: Path, kube: KubeNormalizer, found: Findings, opened: _Opened, scratch: Scratch, depth: int = 0
) -> None:
    """Finds out what one source is by looking into it, not by its name."""
    if path.is_dir():
        if recording.is_recording(path):
            opened.recordings.append(path)
            return
        for inner in sorted(path.iterdir()):
            if inner.name == "label.json":
                continue
            if inner.is_symlink() and not inner.resolve().is_relative_to(root.resolve()):
                found.note(
                    f"{inner}: a link that leads outside of {root}: left out; name it as a source if it is wanted"
                )
            elif not (inner.is_dir() and inner.is_symlink()):
                _add(inner, root, kube, found, opened, scratch, depth)
    elif not path.is_file():
        found.note(f"{path}: neither file nor folder")
    elif is_archive(path):
        if depth >= _DEEPEST:
            found.note(f"{path}: an archive inside of {depth} others: left out")
            return
        inside = scratch.unpack(path, found)
        _add(inside, inside, kube, found, opened, scratch, depth + 1)
    else:
        _add_file(path, root, kube, found, opened, scratch)


def _add_file(path: Path, root: Path, kube: KubeNormalizer, found: Findings, opened: _Opened, scratch: Scratch) -> None:
    if path.stat().st_size == 0 and not recording.named_kind(path):
        found.ignored.append(f"{path}: empty")
    elif (single := recording.single(path, kube, found)) is not None:
        opened.streams.append(single)
    elif kubetext.sniff(path):
        opened.printed.append(path)
    elif prometheus.sniff(path):
        opened.metrics.append(path)
    elif dumps.is_table(path):
        opened.dumps.append(path)
    elif kubectl.sniff(path) and is_dump(path):
        for part in sorted(scratch.split_dump(path, found).rglob("*.*")):
            if part.suffix == ".log":
                opened.logs.append(part)
            else:
                opened.objects[part] = root
    elif logs.sniff(path):
        opened.logs.append(path)
    elif kubectl.sniff(path):
        opened.objects[path] = root
    elif dumps.sniff(path):
        opened.dumps.append(path)
    else:
        found.note(f"{path}:1: {dumps.refusal(path) or 'in no form that afscope knows (docs/import.md lists them)'}")


def _streams(
    opened: _Opened,
    live: Iterable[Rows],
    window: Window,
    taken_at: Micros | None,
    kube: KubeNormalizer,
    found: Findings,
) -> Iterator[Stream]:
    """All streams but the logs. What is printed or measured stands back behind objects that the API itself gave."""
    kube.began = window.since
    first_part = next(live := iter(live), None)
    if opened.dumps or first_part is not None:
        live = itertools.chain(() if first_part is None else (first_part,), live)
        # what the database saw begins the recording, so that events of that time happened in it
        dumped = dumps.stream(opened.dumps, live, window, found)
        first = next(dumped, None)
        if first is not None:
            kube.began = first.seen_at if kube.began is None else kube.began
            yield itertools.chain((first,), dumped)
    yield from opened.streams
    for folder in opened.recordings:
        yield from recording.streams(folder, found)
        opened.logs += recording.log_files(folder)
    looks = _Looks(opened)
    listed = looks.listed_at() if len(opened.objects) > 1 else {}
    yield from (kubectl.stream(path, kube, found, listed.get(path, 0)) for path in opened.objects)
    yield from kubetext.streams(opened.printed, kube, looks.known, taken_at, found)
    if opened.metrics:
        yield prometheus.stream(opened.metrics, looks.known, looks.listed, found)
    if opened.logs:
        found.source("log_lines", SourceState.OK)


class _Looks:
    """What the files of API objects hold: looked at once, and only when somebody asks."""

    def __init__(self, opened: _Opened) -> None:
        self._opened = opened

    @cached_property
    def _looks(self) -> dict[Path, kubectl.Look]:
        return {path: kubectl.look(path) for path in self._opened.objects}

    @cached_property
    def _names(self) -> frozenset[tuple[str, str, str]]:
        recorded = {(kind, "", "") for folder in self._opened.recordings for kind in recording.kinds(folder)}
        return frozenset(recorded).union(*(look.names for look in self._looks.values()))

    def known(self, kind: str, namespace: str, name: str) -> bool:
        """Whether the API itself gave this object."""
        return (kind, namespace, name) in self._names or (kind, "", "") in self._names

    def listed(self, kind: str, namespace: str, name: str) -> tuple[str, Micros] | None:
        """(uid, when) of an object that was only listed, so that its past may come from elsewhere; else None."""
        if (kind, "", "") in self._names:
            return None
        key = kind, namespace, name
        found = {path: look for path, look in self._looks.items() if key in look.names}
        if len(found) != 1:
            return None
        ((path, look),) = found.items()
        at = max(look.newest, self._listed_at.get(path, 0))
        return (look.names[key], at) if look.newest and look.names[key] else None

    @cached_property
    def _listed_at(self) -> dict[Path, Micros]:
        return self.listed_at()

    def listed_at(self) -> dict[Path, Micros]:
        """Lists that were made together are as new as the newest of them: those of one source, else of one folder.

        Where an object is in two of them, they were made at different times.
        """
        found: dict[Path, Micros] = {}
        for group_of in (lambda path: self._opened.objects[path], lambda path: path.parent):
            groups: dict[Path, list[Path]] = {}
            for path in self._looks:
                groups.setdefault(group_of(path), []).append(path)
            for paths in groups.values():
                names = [name for path in paths for name in self._looks[path].names]
                if len(names) == len(set(names)):
                    newest = max(self._looks[path].newest for path in paths)
                    found |= {path: newest for path in paths if path not in found}
        return found


def _heads(streams: Iterable[Stream]) -> list[tuple[Timed, Stream]]:
    return [(first, stream) for stream in streams if (first := next(stream, None)) is not None]


def _bounded(rows: Iterable[Timed], window: Window) -> Iterator[Timed]:
    """What lies in the window; what was there before it stays, as its state is what the window begins with."""
    for timed in rows:
        point = not TABLES[timed.row.table].is_state
        # a list that was made later shows what there was then, which is better than nothing
        listed = not point and timed.row.values["change"] == STATE
        if window.until is not None and timed.row.values["ts"] > window.until and not listed:
            continue
        if window.since is not None and point and timed.row.values["ts"] < window.since:
            continue
        yield timed


def _write(
    out: Path, begins: Micros | None, rows: Iterable[Timed], found: Findings, window: Window, scratch: Scratch,
    progress: Callable[[int], None] | None,
) -> Counter[str]:  # fmt: skip
    counts: Counter[str] = Counter()
    clocks = Clocks()
    with CaptureWriter.create(out, origin="import", options=WriterOptions.bulk(), started_at=begins) as writer:
        for timed in rows:
            writer.append(timed.row)
            clocks.see(timed.row)
            if begins is None or timed.row.table != "log_lines":
                found.saw(timed.seen_at)
            counts[timed.row.table] += 1
            if progress is not None and counts.total() % 1000 == 0:
                progress(counts.total())
        found.clocks |= clocks.offsets()
        _finish(writer, found, scratch)
        ends = found.ends if window.until is None else min(found.ends, window.until)
        writer.close(ended_at=max(ends, begins or 0))
    return counts


def _finish(writer: CaptureWriter, found: Findings, scratch: Scratch) -> None:
    """The manifest's last words: sources, gaps, clocks, what was not read. What nobody looked at is not recorded."""
    for table in TABLES:
        known = found.sources.get(table)
        if known is None and table not in ("gaps", "samples"):
            writer.set_source(table, SourceState.NOT_RECORDED)
        elif known is not None:
            writer.set_source(table, known.status, known.reason)
    begins = writer.manifest.started_at
    for table, at in found.listed.items():
        if at > begins + _SOON:
            found.holes.append(Hole(table, begins, at, "before this, only what the objects themselves remember"))
    for source, from_ts, to_ts, reason in found.holes:
        writer.gap(source, from_ts, max(from_ts, found.ends) if to_ts is None else to_ts, reason)
    for text in found.unread:
        writer.note_unread(scratch.named(text))
    for rule, count in found.redactor.counts.items():
        writer.count_redaction(rule, count)
    for name, offset in found.clocks.items():
        writer.set_clock_offset(name, offset)
    writer.describe(airflow_version=found.airflow_version, ignored=[scratch.named(text) for text in found.ignored])
    if found.notes:
        writer.describe(notes=[scratch.named(text) for text in found.notes])
