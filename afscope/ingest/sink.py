"""Where importers put what they find: rows in the order of time, the state of sources, gaps, what was not read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from afscope.model.capture import ClockOffset, Source, SourceState
from afscope.model.clock import Micros
from afscope.model.row import Row
from afscope.normalize.redact import Redactor


class Timed(NamedTuple):
    """A row and when the recorder saw it: streams of these are merged."""

    seen_at: Micros
    row: Row


class Hole(NamedTuple):
    """A gap found while reading; without `to_ts` nothing of that source came any more."""

    source: str
    from_ts: Micros
    to_ts: Micros | None
    reason: str


@dataclass(slots=True)
class Findings:
    """What reading found besides rows. One per import; readers add to it while their streams are consumed."""

    redactor: Redactor = field(default_factory=Redactor)
    sources: dict[str, Source] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Files that were recognized and left out on purpose, each with the reason."""
    notes: list[str] = field(default_factory=list)
    """What had to be assumed, such as the moment from which ages count."""
    clocks: dict[str, ClockOffset] = field(default_factory=dict)
    """Clock offsets by source."""
    listed: dict[str, Micros] = field(default_factory=dict)
    """When each table was first filled by something that shows a moment only, such as a list."""
    airflow_version: str = ""
    ends: Micros = 0
    """The latest moment at which a recorder saw anything."""

    def saw(self, at: Micros) -> None:
        """A recorder lived at `at`, whether or not that gave a row."""
        self.ends = max(self.ends, at)

    def list_seen(self, table: str, at: Micros) -> None:
        """Something showed, at `at`, what there was at that moment."""
        self.listed[table] = min(self.listed.get(table, at), at)

    def note(self, text: str) -> None:
        """Something that could not be read, as "file:line: why"."""
        self.unread.append(text)

    def source(self, table: str, state: SourceState, reason: str = "") -> None:
        """The state of a table; a better word replaces a worse one (several sources may fill one table)."""
        known = self.sources.get(table)
        if known is None or _RANK[state] < _RANK[known.status]:
            self.sources[table] = Source(state, reason)


_RANK = {
    SourceState.OK: 0,
    SourceState.PARTIAL: 1,
    SourceState.FAILED: 2,
    SourceState.FORBIDDEN: 3,
    SourceState.ABSENT: 4,
    SourceState.NOT_RECORDED: 5,
}
Stream = Iterator[Timed]
