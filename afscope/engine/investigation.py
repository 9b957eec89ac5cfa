"""An investigation: one capture, analyzed once, asked many times. The CLI, the report and the UI all use this."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from afscope.engine import analysis, charts, episodes, evidence_rows, waits
from afscope.engine.attribution import UNKNOWN, Attribution
from afscope.engine.catalog import Catalog
from afscope.engine.claims import Claim, collect, collect_for
from afscope.engine.clocks import measured
from afscope.engine.facts import Facts, mentioned, parameters
from afscope.engine.header import AnalyzerFile
from afscope.engine.look import Look
from afscope.engine.missing import missing_sources
from afscope.engine.precondition import Contents
from afscope.engine.reach import Reach
from afscope.engine.rulings import Bench
from afscope.engine.session import Result, Session
from afscope.engine.sweep import attribute
from afscope.engine.verdict import findings, texts
from afscope.engine.words import say
from afscope.errors import AnalyzerError, QueryError, UsageError
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, from_datetime, rfc3339
from afscope.model.finding import Analysis, CaptureInfo, Evidence, Gap, NotAssessed
from afscope.model.stop import Stop
from afscope.model.timeline import AttemptWait, Chart, Episode, RowPage
from afscope.store.reader import Capture
from afscope.store.schema import TABLES

# Kinds of statements that would change the tables in memory, and the answers after them; the capture itself is safe.
_CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE_INTO", "DROP", "ALTER"})


class Investigation:
    """Opens a capture, builds the facts, runs the analyzers and the attribution.

    `targets` restricts what is reported, never what is looked at; `since` and `until` bound the waiting that counts.
    """

    def __init__(
        self,
        capture: Capture,
        catalog: Catalog,
        *,
        lang: str = "en",
        targets: Sequence[str] = (),
        since: Micros | None = None,
        until: Micros | None = None,
        stop: Stop | None = None,
    ) -> None:
        """`stop` calls the analysis off: what was begun is let go and QueryError or AnalyzerError is raised."""
        self.capture, self.catalog, self.lang = capture, catalog, lang
        self.start = max(capture.started_at, since or 0)
        self.end = min(capture.ended_at, until) if until is not None else capture.ended_at
        if self.start > self.end:
            raise UsageError(
                "--since and --until leave nothing of the capture",
                f"it reaches from {rfc3339(capture.started_at)} to {rfc3339(capture.ended_at)}",
            )
        self._stop = stop or Stop()
        self.clocks = measured(capture)
        self.session = Session(capture, stop=self._stop, shifts=self.clocks.shifts())
        try:
            self._analyze(targets)
        except BaseException:
            self.session.close()
            raise
        self.look = Look(self.session, capture)

    def _analyze(self, targets: Sequence[str]) -> None:
        self.facts = Facts(self.session, self.catalog, self.start, self.end)
        self.facts.build_all()
        self._contents = Contents(self.session)
        self._wanted = self._known_targets(targets)
        self.not_assessed: list[NotAssessed] = []
        self.claims: list[Claim] = []
        before, after = self._bottlenecks()
        self._collect(before)
        self.attribution = self._attribute()
        self._collect(after)
        self._collect(self.catalog.group("symptom"))
        self._collect(self.catalog.group("lint"))
        self._read_logs()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        lang: str = "en",
        targets: Sequence[str] = (),
        analyzers: Sequence[Path] = (),
        since: Micros | None = None,
        until: Micros | None = None,
        stop: Stop | None = None,
    ) -> "Investigation":
        """Opens a capture folder or zip. Raises CaptureError, AnalyzerError, and UsageError for unknown targets."""
        catalog = Catalog.load(analyzers)
        return cls(Capture.open(path), catalog, lang=lang, targets=targets, since=since, until=until, stop=stop)

    def close(self) -> None:
        """Frees the DuckDB session."""
        self.session.close()

    @property
    def total_waiting(self) -> float:
        """Task-seconds that anything waited, deferred tasks without a triggerer included."""
        waited = sum(w.ended_at - w.runnable_at for w in self.attribution.waiters) / SECOND
        return waited + sum(c.waiting_task_seconds for c in self.claims if not c.file.header.ordinary)

    @cached_property
    def analysis(self) -> Analysis:
        """Findings, verdict and rulings, in this investigation's language."""
        gaps = self.gaps()
        every = findings(self.claims, self.attribution.claim_seconds, self.total_waiting, gaps, self.lang)
        found = tuple(f for f in every if self._reported(f.target))
        targets = self.targets()
        bounds = (self.start, self.end)
        reach = Reach(gaps, bounds, self.lang)
        bench = Bench(self.session, self.catalog, self._contents, bounds, self._missing, reach, self.lang)
        names = [target["target"] for target in targets]
        manifest = self.capture.manifest
        return Analysis(
            capture=CaptureInfo(manifest.id, self.start, self.end, manifest.cluster, dict(manifest.sources)),
            targets=targets,
            verdict=analysis.verdict(
                self.session,
                bench,
                found,
                self.attribution,
                self.total_waiting,
                names,
                self._missing,
                self._unlooked(),
                reach,
                self.clocks,
                self.lang,
            ),
            findings=found,
            not_assessed=tuple(self.not_assessed),
            gaps=tuple(gaps),
            missing=missing_sources(self.catalog, self.not_assessed, self.capture.source, self.lang),
        )

    def targets(self) -> tuple[dict[str, Any], ...]:
        """The scaled worker groups, as `analyze -o json` lists them."""
        rows = self.session.dicts(
            """SELECT target, namespace, name AS scaledobject, hpa_name AS hpa, workload_kind,
                workload_name AS workload, trigger_type, query,
                polling_interval_s, cooldown_period_s, min_replica_count, max_replica_count,
                worker_concurrency FROM targets ORDER BY target"""
        )
        return tuple(row for row in rows if self._reported(row["target"]))

    def _known_targets(self, targets: Sequence[str]) -> frozenset[str]:
        known = [str(target) for (target,) in self.session.run("SELECT target FROM targets ORDER BY target").rows]
        for target in targets:
            if target not in known:
                raise UsageError(f"no target {target!r} in this capture", f"it has: {', '.join(known) or 'none'}")
        return frozenset(targets)

    def _reported(self, target: str) -> bool:
        """Whether something about `target` was asked for; what concerns no single target always is."""
        return not self._wanted or not target or target in self._wanted

    def gaps(self) -> list[Gap]:
        """The holes of the capture, those that damage left among them."""
        rows = self.session.run("SELECT source, from_ts, to_ts, reason FROM gaps ORDER BY from_ts, source").rows
        told = [Gap(s, from_datetime(a), from_datetime(b), r or "") for s, a, b, r in rows if a and b]
        damaged = {gap for table in TABLES for gap in self.capture.damaged(table)}
        return sorted(damaged.union(told), key=lambda gap: (gap.from_ts, gap.source))

    def waits(self) -> list[AttemptWait]:
        """Where each attempt's wait went."""
        return [w for w in waits.attempt_waits(self.attribution, self.end) if self._reported(w.target)]

    def timeline(self) -> list[Episode]:
        """The scaling episodes."""
        return [e for e in episodes.episodes(self.session, self.end, self.lang) if self._reported(e.target)]

    @cached_property
    def charts(self) -> tuple[Chart, ...]:
        """Lanes and strips per target."""
        targets = [t for t in waits.targets(self.session) if self._reported(t.name)]
        return charts.charts(self.session, self.attribution, targets, self.gaps(), (self.start, self.end))

    def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
        """The rows of the evidence's table around it."""
        return evidence_rows.around(self.session, evidence, limit)

    def cause_title(self, cause: str) -> str:
        """A cause in a few words, for strips and legends."""
        if cause not in self.catalog:
            return say(self.lang, "unknown") if cause == UNKNOWN else cause.replace("_", " ")
        return texts(self.catalog.get(cause), self.lang).name or cause.replace("_", " ")

    def sql(self, query: str) -> Result:
        """A query of the user over capture and facts, in which $from and $to are the ends of what is analyzed.

        Raises QueryError, also for what would change them.
        """
        if refused := sorted(_CHANGES & self.session.kinds(query)):
            raise QueryError(f"{refused[0]} is refused: a capture is read, never changed")
        return self.session.run(query, self.look.given(query, (self.start, self.end)))

    def _bottlenecks(self) -> tuple[list[AnalyzerFile], list[AnalyzerFile]]:
        """Those that claim waiting seconds, and those that look at the result of the attribution."""
        before: list[AnalyzerFile] = []
        after: list[AnalyzerFile] = []
        for file in self.catalog.group("bottleneck"):
            (after if mentioned(file.sql, ("waits",)) else before).append(file)
        return before, after

    def _collect(self, files: Sequence[AnalyzerFile]) -> None:
        for file in files:
            missing = tuple(need for need in file.header.needs if not self.assessable(need))
            if missing:
                self.not_assessed.append(NotAssessed(file.header.id, missing))
                continue
            if not self._contents.may_speak(file.sql):
                continue
            try:
                self.claims += collect(self.session, file, parameters(file, self.start, self.end))
            except QueryError as error:
                raise AnalyzerError(f"analyzer {file.path}: {error}") from error

    def _unlooked(self) -> list[NotAssessed]:
        """Causes that could not be looked for; a symptom or a lint rule without its tables hides no fault."""
        return [item for item in self.not_assessed if self.catalog.get(item.cause).header.group == "bottleneck"]

    def _read_logs(self) -> None:
        """Without the task table, log lines speak for the causes that their tables could not prove."""
        if not self._missing("task_instances"):
            return
        silent = {item.cause: self.catalog.get(item.cause) for item in self._unlooked()}
        for file in self.catalog.group("log"):
            if all(self.assessable(need) for need in file.header.needs) and self._contents.may_speak(file.sql):
                self.claims += collect_for(self.session, file, parameters(file, self.start, self.end), silent)
        said = {claim.cause for claim in self.claims}
        self.not_assessed = [item for item in self.not_assessed if item.cause not in said]

    def _missing(self, source: str) -> bool:
        return not self.assessable(source)

    def assessable(self, source: str) -> bool:
        """Whether a table was recorded: zero rows of a recorded table are an answer, a missing source is none.

        Nor is a table that lost rows of this time to damage: what is left would look like calm, or like silence.
        """
        if any(gap.from_ts <= self.end and gap.to_ts >= self.start for gap in self.capture.damaged(source)):
            return False
        return self.capture.source(source).status in (SourceState.OK, SourceState.PARTIAL)

    def _attribute(self) -> Attribution:
        with _without_collector():
            result = attribute(
                waits.waiters(self.session),
                waits.running(self.session),
                waits.targets(self.session),
                self.claims,
                self._stop,
            )
            waits.publish(self.session, result)
        return result


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of objects are made, and none of them goes: Python would look for cycles among all of them, often."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
