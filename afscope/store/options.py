"""How a writer behaves: when it writes, syncs and seals, and where it takes its time from."""

from dataclasses import dataclass
from typing import Self

from afscope.model.clock import SECOND, Micros

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """When buffers are written, synced and sealed. Times are microseconds of the capture's clock."""

    flush_us: Micros = SECOND
    """Age at which buffered rows are written: what a kill -9 can cost."""
    sync_us: Micros = 5 * SECOND
    """Age at which written rows are fsynced: what a power loss can cost."""
    flush_bytes: int = _MIB // 4
    """Size at which buffered rows are written, whatever their age."""
    seal_bytes: int = 4 * _MIB
    """Size at which a WAL is sealed; readers decode an open WAL on each opening, and sealing takes some times its size
    of memory for a moment."""
    seal_epochs: bool = True
    """Seal at each epoch, so that a ring and a cut can take whole segments."""
    seal_apart: bool = False
    """Seal in a child process, while rows go on to the next WAL: a recorder is small, as only the child needs Arrow."""
    retain_us: Micros | None = None
    """Ring mode: epochs that ended longer ago are dropped."""
    max_bytes: int | None = None
    """Ring mode: oldest epochs are dropped while the segments take more than this."""

    @classmethod
    def bulk(cls) -> Self:
        """For imports: no recorder waits for these rows, so only size counts."""
        never = 2**62
        return cls(flush_us=never, sync_us=never, flush_bytes=_MIB, seal_bytes=32 * _MIB, seal_epochs=False)


class RowClock:
    """The clock of a capture that is made of older rows: its now is the latest `seen_at` so far."""

    def __init__(self) -> None:
        self._now: Micros = 0

    def now(self) -> Micros:
        """The latest `seen_at`, 0 before the first row."""
        return self._now

    def advance(self, to: Micros) -> None:
        """Moves forward, never back."""
        self._now = max(self._now, to)
