"""An investigation: one capture, analyzed once, asked many times. The CLI, the report and the UI all use this."""

from collections.abc import Sequence
from pathlib import Path

from afscope.engine import waits
from afscope.engine.attribution import Attribution, attribute
from afscope.engine.catalog import Catalog
from afscope.engine.claims import Claim, collect
from afscope.engine.facts import Facts, parameters, tables_read
from afscope.engine.header import AnalyzerFile
from afscope.engine.session import Result, Session
from afscope.errors import AnalyzerError, QueryError
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND
from afscope.model.finding import NotAssessed
from afscope.model.timeline import AttemptWait
from afscope.store.reader import Capture


class Investigation:
    """Opens a capture, builds the facts, runs the analyzers and the attribution."""

    def __init__(self, capture: Capture, catalog: Catalog, *, lang: str = "en") -> None:
        self.capture, self.catalog, self.lang = capture, catalog, lang
        self.start, self.end = capture.started_at, capture.ended_at
        self.session = Session(capture)
        self.facts = Facts(self.session, catalog, self.start, self.end)
        self.facts.build_all()
        self.not_assessed: list[NotAssessed] = []
        self.claims: list[Claim] = []
        before, after = self._bottlenecks()
        self._collect(before)
        self.attribution = self._attribute()
        self._collect(after)

    @classmethod
    def open(cls, path: Path, *, lang: str = "en", analyzers: Sequence[Path] = ()) -> "Investigation":
        """Opens a capture folder or zip. Raises CaptureError and AnalyzerError."""
        return cls(Capture.open(path), Catalog.load(analyzers), lang=lang)

    def close(self) -> None:
        """Frees the DuckDB session."""
        self.session.close()

    @property
    def total_waiting(self) -> float:
        """Task-seconds that anything waited."""
        return sum(w.ended_at - w.runnable_at for w in self.attribution.waiters) / SECOND

    def waits(self) -> list[AttemptWait]:
        """Where each attempt's wait went."""
        return waits.attempt_waits(self.attribution)

    def sql(self, query: str) -> Result:
        """A query of the user over capture and facts. Raises QueryError."""
        return self.session.run(query)

    def _bottlenecks(self) -> tuple[list[AnalyzerFile], list[AnalyzerFile]]:
        """Those that claim waiting seconds, and those that look at the result of the attribution."""
        before: list[AnalyzerFile] = []
        after: list[AnalyzerFile] = []
        for file in self.catalog.group("bottleneck"):
            (after if "waits" in tables_read(self.session, file.sql) else before).append(file)
        return before, after

    def _collect(self, files: Sequence[AnalyzerFile]) -> None:
        for file in files:
            missing = tuple(need for need in file.header.needs if not self.assessable(need))
            if missing:
                self.not_assessed.append(NotAssessed(file.header.id, missing))
                continue
            try:
                self.claims += collect(self.session, file, parameters(self.session, file, self.start, self.end))
            except QueryError as error:
                raise AnalyzerError(f"analyzer {file.path}: {error}") from error

    def assessable(self, source: str) -> bool:
        """Whether a table was recorded: zero rows of a recorded table are an answer, a missing source is none."""
        return self.capture.source(source).status in (SourceState.OK, SourceState.PARTIAL)

    def _attribute(self) -> Attribution:
        result = attribute(
            waits.waiters(self.session), waits.running(self.session), waits.targets(self.session), self.claims
        )
        waits.publish(self.session, result)
        return result
