"""An investigation: one capture, analyzed once, asked many times. The CLI, the report and the UI all use this."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from afscope.engine import analysis, charts, episodes, evidence_rows, waits
from afscope.engine.attribution import Attribution, attribute
from afscope.engine.catalog import Catalog
from afscope.engine.claims import Claim, collect
from afscope.engine.facts import Facts, parameters, tables_read
from afscope.engine.header import AnalyzerFile
from afscope.engine.rulings import Bench
from afscope.engine.session import Result, Session
from afscope.engine.verdict import findings
from afscope.errors import AnalyzerError, QueryError
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, from_datetime
from afscope.model.finding import Analysis, CaptureInfo, Evidence, Gap, NotAssessed
from afscope.model.timeline import AttemptWait, Chart, Episode, RowPage
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

    @cached_property
    def analysis(self) -> Analysis:
        """Findings, verdict and rulings, in this investigation's language."""
        gaps = self.gaps()
        found = tuple(findings(self.claims, self.attribution.claim_seconds, self.total_waiting, gaps, self.lang))
        targets = self.targets()
        bench = Bench(self.session, self.catalog, (self.start, self.end), self._missing, self.lang)
        names = [target["target"] for target in targets]
        manifest = self.capture.manifest
        return Analysis(
            capture=CaptureInfo(manifest.id, self.start, self.end, manifest.cluster, dict(manifest.sources)),
            targets=targets,
            verdict=analysis.verdict(self.session, bench, found, self.attribution, names, self._missing, self.lang),
            findings=found,
            not_assessed=tuple(self.not_assessed),
            gaps=tuple(gaps),
        )

    def targets(self) -> tuple[dict[str, Any], ...]:
        """The scaled worker groups, as `analyze -o json` lists them."""
        rows = self.session.dicts(
            """SELECT target, namespace, name AS scaledobject, hpa_name AS hpa, workload_kind, workload_name AS workload,
                trigger_type, query, polling_interval_s, cooldown_period_s, min_replica_count, max_replica_count,
                worker_concurrency FROM targets ORDER BY target"""
        )
        return tuple(rows)

    def gaps(self) -> list[Gap]:
        """The holes of the capture."""
        rows = self.session.run("SELECT source, from_ts, to_ts, reason FROM gaps ORDER BY from_ts, source").rows
        return [Gap(s, from_datetime(a), from_datetime(b), r or "") for s, a, b, r in rows if a and b]

    def waits(self) -> list[AttemptWait]:
        """Where each attempt's wait went."""
        return waits.attempt_waits(self.attribution)

    def timeline(self) -> list[Episode]:
        """The scaling episodes."""
        return episodes.episodes(self.session, self.end)

    @cached_property
    def charts(self) -> tuple[Chart, ...]:
        """Lanes and strips per target."""
        return charts.charts(
            self.session, self.attribution, waits.targets(self.session), self.gaps(), (self.start, self.end)
        )

    def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
        """The rows of the evidence's table around it."""
        return evidence_rows.around(self.session, evidence, limit)

    def cause_title(self, cause: str) -> str:
        """A cause in a few words, for strips and legends."""
        return cause.replace("_", " ")

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

    def _missing(self, source: str) -> bool:
        return not self.assessable(source)

    def assessable(self, source: str) -> bool:
        """Whether a table was recorded: zero rows of a recorded table are an answer, a missing source is none."""
        return self.capture.source(source).status in (SourceState.OK, SourceState.PARTIAL)

    def _attribute(self) -> Attribution:
        result = attribute(
            waits.waiters(self.session), waits.running(self.session), waits.targets(self.session), self.claims
        )
        waits.publish(self.session, result)
        return result
