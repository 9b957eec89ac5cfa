"""What was observed of the Airflow DB, out of a raw recording or out of a capture, in one shape."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from afscope.errors import CannotReplay
from afscope.model.clock import Micros, from_seconds
from afscope.model.row import DELETED, STATE
from afscope.normalize.airflow.tables import KEYS
from afscope.replay.airflow.reverse import TABLES, airflow_row
from afscope.replay.kube.files import lines
from afscope.store.reader import Capture
from afscope.store.schema import TABLES as CAPTURE_TABLES
from afscope.store.schema import Type

FILE = "airflow_db.jsonl"
_HINT = "was it recorded without a database?"


class Seen(NamedTuple):
    """A row of an Airflow table as one poll found it; of one that is gone, what its key needs."""

    table: str
    row: Mapping[str, Any]
    gone: bool = False


@dataclass
class Observed:
    """Everything a source holds. `polls` are in order, at strictly ascending times; one may have found no change."""

    begins: Micros
    ends: Micros
    polls: list[tuple[Micros, list[Seen]]]
    complete: bool
    """Whether a column that no row has was not there; in a capture it may only be unknown."""
    unread: list[str] = field(default_factory=list)
    """What was left out because it could not be read."""


class _Line(msgspec.Struct):
    t: Annotated[float, msgspec.Meta(ge=0, lt=1e11)]
    table: str = ""
    rows: list[dict[str, Any]] = msgspec.field(default_factory=list)


_LINE = msgspec.json.Decoder(_Line)


def observed(source: Path) -> Observed:
    """Reads a recording folder or a capture (folder or .zip). Raises CannotReplay, or CaptureError for a capture."""
    for name in (f"{FILE}.gz", FILE):
        if (source / name).is_file():
            return _recording(source / name)
    if (source / "manifest.json").is_file() or source.is_file():
        return _capture(Capture.open(source))
    raise CannotReplay(f"{source} holds no Airflow tables", f"give a capture, or a recording folder with {FILE}.gz")


def _recording(path: Path) -> Observed:
    unread: list[str] = []
    polls: dict[Micros, list[Seen]] = {}
    for number, text in enumerate(lines(path, unread), 1):
        try:
            line = _LINE.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if text.strip():
                unread.append(f"{path}:{number}: {error}")
            continue
        seen = polls.setdefault(from_seconds(line.t), [])
        if line.table != "counts":  # sums that the recorder made; no table of Airflow's
            seen.extend(Seen(line.table, row) for row in line.rows)
    if not polls:
        raise CannotReplay(f"{path} holds no poll of the Airflow DB", _HINT)
    return Observed(min(polls), max(polls), sorted(polls.items()), complete=True, unread=unread)


def _capture(capture: Capture) -> Observed:
    rows = sorted(_rows(capture), key=lambda found: found[:2])
    if not rows:
        raise CannotReplay(f"{capture.path} holds no Airflow tables", _HINT)
    polls = [(at, [seen for _, _, seen in found]) for at, found in groupby(rows, key=lambda found: found[0])]
    begins, ends = capture.started_at, max(capture.ended_at, polls[-1][0])
    return Observed(min(begins, polls[0][0]), ends, polls, complete=False, unread=list(capture.warnings))


def _rows(capture: Capture) -> Iterator[tuple[Micros, bool, Seen]]:
    """(when it was seen, whether it is a change, row): what a keyframe repeats comes before what changes then."""
    for name in TABLES:
        for row in _plain(capture, name):
            seen = airflow_row(name, row)
            if seen is not None and _has_key(*seen):
                yield row["seen_at"], row["change"] != STATE, Seen(*seen, gone=row["change"] == DELETED)


def _has_key(table: str, row: Mapping[str, Any]) -> bool:
    return all(row.get(column) is not None for column in KEYS.get(table, ()))


def _plain(capture: Capture, name: str) -> Iterable[dict[str, Any]]:
    """The rows of a table of the capture, times in microseconds."""
    table = capture.table(name)
    for column in CAPTURE_TABLES[name].columns:
        if column.type is Type.TIME:
            at = table.schema.get_field_index(column.name)
            table = table.set_column(at, column.name, table[column.name].cast("int64"))
    for batch in table.to_batches(max_chunksize=4096):
        yield from batch.to_pylist()
