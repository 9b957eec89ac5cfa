"""Files of printed events and descriptions as streams of rows."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from afscope.ingest.kubetext.ages import Anchor, Taken, taken
from afscope.ingest.kubetext.describe import Described, described
from afscope.ingest.kubetext.events import Columns, Printed, anchors, header, objects, row
from afscope.ingest.kubetext.outline import blocks
from afscope.ingest.lines import lines
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.capture import ClockOffset, SourceState
from afscope.model.clock import SECOND, Micros, rfc3339
from afscope.model.row import STATE
from afscope.normalize.kube import TABLE_OF_KIND, KubeNormalizer

_LOOKED_AT = 40
Known = Callable[[str, str, str], bool]
# Files that were saved this close to each other come from one session.
_TOGETHER: Micros = 600 * SECOND


class _Page(NamedTuple):
    """One file, read: its events, its descriptions, and what tells when it was made."""

    path: Path
    saved_at: Micros
    printed: list[Printed]
    descriptions: list[Described]
    anchors: list[Anchor]


def sniff(path: Path) -> bool:
    """Whether a file begins like a table of events, or like a description."""
    named = False
    for _, line in itertools.islice(_texts(path), _LOOKED_AT):
        if header(line):
            return True
        if named and (line.startswith(("Namespace:", "Labels:", "Roles:", "Priority:", "Annotations:"))):
            return True
        named = line.startswith("Name:  ")
    return False


def streams(
    paths: list[Path], kube: KubeNormalizer, known: Known, stated: Micros | None, found: Findings
) -> Iterator[Stream]:
    """The rows of each file; `known` says which objects the API itself gave, `stated` when kubectl ran if that is said.

    Files without anything that tells when they were made borrow that from those beside them.
    """
    pages = [_read(path, found) for path in paths]
    for page in pages:
        yield _rows(page, _when(page, pages, stated), kube, known, found)


def _when(page: "_Page", pages: list["_Page"], stated: Micros | None) -> Taken:
    told = taken(page.anchors, page.saved_at, stated)
    beside = [other for other in pages if other.anchors and other.path.parent == page.path.parent]
    if stated is not None or page.anchors or not beside:
        return told
    near = min(beside, key=lambda other: abs(other.saved_at - page.saved_at))
    apart = page.saved_at - near.saved_at
    at = taken(near.anchors, near.saved_at).at
    return Taken(at + (apart if abs(apart) <= _TOGETHER else 0), _TOGETHER // 10, f"the time of {near.path.name}")


def _rows(page: "_Page", when: Taken, kube: KubeNormalizer, known: Known, found: Findings) -> Stream:
    path, printed = page.path, page.printed
    found.clocks[path.name] = ClockOffset(0, when.uncertainty)
    found.notes.append(f"{path}: ages count from {rfc3339(when.at)} ± {when.uncertainty / SECOND:.0f} s, by {when.by}")
    encode = msgspec.json.Encoder().encode
    if printed:
        found.source("events", SourceState.OK)
    for event in objects(printed, when.at):
        for made in kube.observe(STATE, encode(event), when.at):
            yield Timed(when.at, made)
    for one in page.descriptions:
        if one.object is not None and not known(one.kind, one.namespace, one.name):
            yield from _object(path, one, when, kube, found)


def _object(path: Path, one: Described, when: Taken, kube: KubeNormalizer, found: Findings) -> Stream:
    table = TABLE_OF_KIND[one.kind]
    found.list_seen(table, when.at)
    found.source(table, SourceState.PARTIAL, f"described once, at {rfc3339(when.at)}")
    for made in kube.observe(STATE, msgspec.json.encode(one.object), when.at):
        yield Timed(when.at, made)
    while kube.problems:
        found.note(f"{path}:{one.line}: left out: {kube.problems.pop(0)}")


def _read(path: Path, found: Findings) -> "_Page":
    """All events and descriptions of a file; tables and descriptions may follow one another."""
    printed: list[Printed] = []
    descriptions: list[Described] = []
    for columns, part in _parts(_texts(path, found)):
        if columns is None:
            descriptions += _descriptions(path, part, found)
            continue
        for number, line in part:
            event = row(columns, line) if line.strip() else None
            if event is not None:
                printed.append(event)
            elif line.strip():
                found.note(f"{path}:{number}: no event with an age")
    marks = [*anchors(printed), *(anchor for one in descriptions for anchor in one.anchors)]
    printed += [event for one in descriptions for event in one.events]
    return _Page(path, int(path.stat().st_mtime) * SECOND, printed, descriptions, marks)


def _descriptions(path: Path, part: list[tuple[int, str]], found: Findings) -> Iterator[Described]:
    for root in blocks(part):
        one = described(root)
        if not one.kind:
            found.note(f"{path}:{one.line}: a description of a kind that is not known")
        elif one.object is None and not one.events:
            found.note(f"{path}:{one.line}: of a described {one.kind} only its events are read, and it has none")
        yield one


def _parts(texts: Iterator[tuple[int, str]]) -> Iterator[tuple[Columns | None, list[tuple[int, str]]]]:
    """Stretches of a file, each with the columns of its table or None for descriptions."""
    columns: Columns | None = None
    part: list[tuple[int, str]] = []
    for number, line in texts:
        head = header(line)
        if head is not None or (columns is not None and line.startswith("Name:  ")):
            yield columns, part
            columns, part = head, []
        if head is None:
            part.append((number, line))
    yield columns, part


def _texts(path: Path, found: Findings | None = None) -> Iterator[tuple[int, str]]:
    for number, line in lines(path, found.note if found else lambda _: None, exact=True):
        if len(line) <= 1 << 20:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
        elif found:
            found.note(f"{path}:{number}: longer than any line that kubectl prints")
