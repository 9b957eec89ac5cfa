"""What is known of each source while it is recorded: several watches may fill one table, one of them may fail."""

from afscope.model.capture import Source, SourceState


class Sources:
    """The state of each table, folded from the states of its parts (a kind in a namespace, a file, a DB table)."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, Source]] = {}

    def set(self, table: str, part: str, state: SourceState, reason: str = "") -> Source:
        """Notes a part's state and returns the state of the whole table."""
        self._parts.setdefault(table, {})[part] = Source(state, reason)
        return self.of(table)

    def of(self, table: str) -> Source:
        """ok if all parts are, partial if some are, else the state that all share, or failed; with the reasons."""
        parts = self._parts.get(table, {})
        states = {source.status for source in parts.values()}
        if not states:
            return Source(SourceState.NOT_RECORDED)
        if states == {SourceState.OK}:
            return Source(SourceState.OK)
        reasons = "; ".join(
            f"{part}: {source.reason}" for part, source in sorted(parts.items()) if source.reason
        )  # fmt: skip
        if states & {SourceState.OK, SourceState.PARTIAL}:
            return Source(SourceState.PARTIAL, reasons)
        return Source(states.pop() if len(states) == 1 else SourceState.FAILED, reasons)
