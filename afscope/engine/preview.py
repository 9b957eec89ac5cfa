"""A capture before its analysis is done: its rows can be read, counted and searched at once."""

from collections import defaultdict
from functools import cached_property
from pathlib import Path

from afscope.engine import evidence_rows
from afscope.engine.browse import naive
from afscope.engine.look import Look
from afscope.engine.session import Session
from afscope.engine.words import say
from afscope.model.clock import Micros, from_datetime
from afscope.model.finding import Analysis, CaptureInfo, Evidence, Gap, Verdict
from afscope.model.timeline import Chart, Lane, RowPage, Span, Step
from afscope.store.reader import Capture

_COLUMNS = 512
"""Into so many stretches the quick lanes are cut; each shows its highest value."""


class Preview:
    """What a screen can show while the analysis is made: no verdict, lanes of counts, every row."""

    def __init__(self, capture: Capture, *, lang: str = "en", session: Session | None = None) -> None:
        self.capture, self.lang = capture, lang
        # Nothing is copied, nothing opened before it is asked for.
        self.session = session or Session(capture, copy_rows=0, lazy=True)
        self.look = Look(self.session, capture, analyzed=False)

    @classmethod
    def open(cls, path: Path, *, lang: str = "en") -> "Preview":
        """Opens a capture folder or zip. Raises CaptureError."""
        return cls(Capture.open(path), lang=lang)

    def finish(self) -> None:
        """Opens what nobody has asked for yet, and so finds what is damaged."""
        self.session.open_all()

    def close(self) -> None:
        """Frees the DuckDB session."""
        self.session.close()

    @cached_property
    def analysis(self) -> Analysis:
        """An analysis that says that there is none yet."""
        capture, manifest = self.capture, self.capture.manifest
        info = CaptureInfo(manifest.id, capture.started_at, capture.ended_at, manifest.cluster, dict(manifest.sources))
        verdict = Verdict(None, say(self.lang, "analyzing"), (), (), ())
        rows = self.session.run("SELECT source, from_ts, to_ts, reason FROM gaps ORDER BY from_ts, source").rows
        gaps = tuple(Gap(s, from_datetime(a), from_datetime(b), r or "") for s, a, b, r in rows if a and b)
        return Analysis(info, (), verdict, (), (), gaps)

    @cached_property
    def charts(self) -> tuple[Chart, ...]:
        """One chart over everything: tasks by state as Airflow counted them, made small in SQL."""
        start, end = self.capture.started_at, self.capture.ended_at
        gaps = tuple(Span(gap.from_ts, gap.to_ts, gap.source, gap.reason) for gap in self.analysis.gaps)
        lanes = tuple(Lane(name, tuple(steps)) for name, steps in self._counts(start, end).items())
        return (Chart("", start, end, lanes, (), (), gaps, ()),)

    def _counts(self, start: Micros, end: Micros) -> dict[str, list[Step]]:
        """Queued and running tasks: the highest count of each stretch. A change rewrites all groups of a state."""
        width = max(1, (end - start) // _COLUMNS)
        rows = self.session.run(
            """SELECT state, (epoch_us(ts) - $start) // $width AS stretch, max(n) FROM (
                SELECT ts, state, sum(n) AS n FROM task_counts
                WHERE state IN ('queued', 'running') AND ts >= $from_at GROUP BY ALL)
            GROUP BY ALL ORDER BY stretch""",
            {"start": start, "width": width, "from_at": naive(start)},
        ).rows
        lanes: dict[str, list[Step]] = defaultdict(list)
        for state, stretch, n in rows:
            lanes[state].append(Step(start + stretch * width, float(n)))
        return {name: lanes[name] for name in ("queued", "running") if name in lanes}

    def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
        """The rows of the evidence's table around it."""
        return evidence_rows.around(self.session, evidence, limit)

    def cause_title(self, cause: str) -> str:
        """There are no causes yet."""
        return cause.replace("_", " ")
