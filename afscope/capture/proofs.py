"""Up to when each source is proved to be in the record, told while it is recorded.

A recorder that is killed cannot declare what it had not proved, and a reader of a growing capture cannot ask it. So it
says all the time how far its proofs reach; `afscope.store.proven` makes gaps of what lies behind them.
"""

from collections.abc import Callable, Iterable, Iterator

from afscope.model.clock import Micros
from afscope.store.proven import FRESH

Until = Callable[[], Micros | None]
"""Up to when a part of the sources is whole; None while there is nothing to vouch for. Asked from another thread."""


class Proofs:
    """Who vouches for which table. Several watches may fill one: it is whole up to the oldest of their proofs."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, Until]] = {}
        self._told: dict[str, Micros] = {}

    def vouch(self, tables: Iterable[str], part: str, until: Until | None) -> None:
        """From now on `until` speaks for a part (such as "pods in airflow") of these tables; None for nobody."""
        for table in tables:
            parts = self._parts.setdefault(table, {})
            if until is None:
                parts.pop(part, None)
            else:
                parts[part] = until

    def news(self) -> Iterator[tuple[str, Micros]]:
        """Tables whose proof is another than the one that was given before."""
        for table in self._parts:
            until = min((at for at, _ in self._of(table)), default=None)
            if until is not None and until != self._told.get(table):
                self._told[table] = until
                yield table, until

    def lacking(self, stopped: Micros) -> Iterator[tuple[str, str, Micros]]:
        """Table, part, and up to when: whatever is not proved up to the end of the recording."""
        for table in self._parts:
            for at, part in self._of(table):
                if stopped - at > FRESH:
                    yield table, part, at

    def _of(self, table: str) -> list[tuple[Micros, str]]:
        known = [(until(), part) for part, until in list(self._parts[table].items())]
        return [(at, part) for at, part in known if at is not None]
