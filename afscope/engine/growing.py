"""A capture while it grows: each poll adds what was written since to one session, and nothing is read twice.

Sealed rows stay in their files, rows of the open WAL lie in memory until they are sealed: what this needs does not
grow with the capture. Beside it stands the last analysis, which is as old as it is; `LiveCase` puts both together.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from afscope.engine import evidence_rows
from afscope.engine.apart import Apart
from afscope.engine.browse import naive
from afscope.engine.catalog import Catalog
from afscope.engine.look import Look, Stretch
from afscope.engine.preview import Preview
from afscope.engine.session import Session
from afscope.model.browse import Answer
from afscope.model.clock import Micros, from_datetime
from afscope.model.finding import Analysis, Evidence, Gap
from afscope.model.stop import Stop
from afscope.model.timeline import Chart, Lane, RowPage, Span, Step
from afscope.store import proven
from afscope.store.follow import Follower
from afscope.store.lock import is_being_written
from afscope.store.manifest import sealed_seq
from afscope.store.reader import Capture
from afscope.store.schema import TABLES
from afscope.store.segment import bounds
from afscope.store.snapshot import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

QUICK = ("metric", "desired", "current", "ready")
"""Lanes that need no analysis but the name of the target: they are made anew from few rows."""
COUNTED = ("queued", "running")
"""Lanes that are continued behind the analysis with Airflow's own counts."""
_QUICK_TABLES = frozenset({"scaledobjects", "hpas", "workloads"})


class Growing:
    """The rows of a capture that is being recorded. `poll` belongs to one thread; everything else to any."""

    def __init__(self, path: Path, lang: str = "en", catalog: Catalog | None = None) -> None:
        """Raises NotACapture, NewerFormat or DamagedCapture."""
        self._follower = Follower(path, from_start=True)
        self.lang = lang
        self.capture = Capture(path, Snapshot(self._follower.manifest, {}))
        self.session = Session(self.capture, growing=True)
        self._tails: dict[str, dict[int, int]] = defaultdict(dict)
        self._seen_at: Micros = 0
        self.proven: dict[str, Micros] = proven.stamps(self.capture.table("samples"))
        """Up to when each table is known to be whole, as of the last poll."""
        self._lock = threading.Lock()
        self._quick: dict[str, tuple[Lane, ...]] = {}
        self._make_views(catalog or Catalog.load())
        self.poll()

    def _make_views(self, catalog: Catalog) -> None:
        """The facts that quick lanes are made of; small tables, so they are computed when they are asked for."""
        for name in ("targets", "replicas", "metric_seen"):
            self.session.run(f"CREATE VIEW {name} AS {catalog.get(name).sql}")

    def close(self) -> None:
        """Lets go of files and memory."""
        self._follower.close()
        self.session.close()

    def poll(self) -> bool:
        """Takes in what was written since the last poll; False when that was nothing. Raises CaptureError."""
        new = {seq: tables for seq, tables in self._follower.poll_wals().items() if tables}
        manifest, before = self._follower.manifest, self.capture
        sealed = sealed_seq(manifest)
        changed = _changed(before, manifest.segments) if sealed != sealed_seq(before.manifest) else set()
        if not new and not changed and manifest == before.manifest:
            return False
        tails = {seq: tables for seq, tables in new.items() if seq > sealed}
        capture = Capture(before.path, Snapshot(manifest, {}))
        capture.adopt(before, self._counted(tails, sealed))
        self._see(new)
        capture.ended_at = max(manifest.ended_at, self._seen_at)
        self.session.grow(capture, new, changed)
        self.capture = capture
        touched = changed | {name for tables in new.values() for name in tables}
        if not self._quick or not _QUICK_TABLES.isdisjoint(touched):
            self._quick = self._lanes()
        return True

    def _counted(self, tails: "Mapping[int, Mapping[str, pa.Table]]", sealed: int) -> dict[str, int]:
        """Rows of each table that are in no segment."""
        for name, by_seq in self._tails.items():
            self._tails[name] = {seq: n for seq, n in by_seq.items() if seq > sealed}
        for seq, tables in tails.items():
            for name, rows in tables.items():
                self._tails[name][seq] = self._tails[name].get(seq, 0) + rows.num_rows
        return {name: sum(by_seq.values()) for name, by_seq in self._tails.items() if by_seq}

    def _see(self, new: "Mapping[int, Mapping[str, pa.Table]]") -> None:
        for tables in new.values():
            if "samples" in tables:
                self.proven |= proven.stamps(tables["samples"])
        ends = [bounds(rows, "seen_at")[1] for tables in new.values() for rows in tables.values() if rows.num_rows]
        self._seen_at = max([self._seen_at, *ends])

    def _lanes(self) -> dict[str, tuple[Lane, ...]]:
        """By target: what the HPA was told, and the replicas."""
        lanes: dict[str, dict[str, list[Step]]] = {
            str(name): {lane: [] for lane in QUICK}
            for (name,) in self.session.run("SELECT target FROM targets ORDER BY target").rows
        }
        for target, at, desired, current, ready in self.session.run(
            "SELECT target, moment, desired, current, ready FROM replicas ORDER BY moment"
        ).rows:
            for lane, value in zip(QUICK[1:], (desired, current, ready), strict=True):
                lanes[target][lane].append(Step(from_datetime(at), value))
        for target, at, workers in self.session.run(
            "SELECT target, moment, workers FROM metric_seen ORDER BY moment"
        ).rows:
            lanes[target]["metric"].append(Step(from_datetime(at), workers))
        return {target: tuple(Lane(name, _tidy(steps)) for name, steps in of.items()) for target, of in lanes.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be followed and was left out."""
        return tuple(self._follower.warnings)

    @property
    def quick(self) -> Mapping[str, tuple[Lane, ...]]:
        """The quick lanes by target, as of the last poll."""
        return self._quick

    def counts(self, since: Micros, queues: Sequence[str] | None) -> dict[str, list[Step]]:
        """Queued and running tasks after an instant, of some queues or of all; each change tells all groups anew."""
        rows = self.session.run(
            """SELECT state, ts, sum(CASE WHEN $every OR list_contains($queues, queue) THEN n ELSE 0 END)
            FROM task_counts WHERE state IN ('queued', 'running') AND ts > $since GROUP BY ALL ORDER BY ts""",
            {"since": naive(since), "queues": list(queues or ()), "every": queues is None},
        ).rows
        lanes: dict[str, list[Step]] = {}
        for state, at, n in rows:
            lanes.setdefault(state, []).append(Step(from_datetime(at), float(n)))
        return lanes

    def gaps(self) -> tuple[Gap, ...]:
        """The holes of the recording so far: declared ones, and sources that have been silent for too long.

        Of a recorder that is gone all that it had not proved.
        """
        rows = self.session.run("SELECT source, from_ts, to_ts, reason FROM gaps ORDER BY from_ts, source").rows
        told = (Gap(s, from_datetime(a), from_datetime(b), r or "") for s, a, b, r in rows if a and b)
        return (*told, *self._unproven())

    def _unproven(self) -> Iterator[Gap]:
        """A watch that is proved each minute is no hole in between: the screen would be hatched all the time."""
        manifest, ended = self.capture.manifest, self.capture.ended_at
        if not manifest.closed:
            at_work = is_being_written(self.capture.path)
            reason, least = (proven.GROWING, proven.SILENT) if at_work else (proven.CUT_OFF, 0)
            yield from proven.tails(
                manifest.sources, lambda table: self.proven.get(table, ended), ended, reason=reason, least=least
            )

    def case(self, analyzed: Apart | None = None) -> "LiveCase":
        """The rows of now with an analysis, or without one yet."""
        return LiveCase(self, analyzed)


class LiveCase:
    """What a screen shows of a growing capture. `refreshed` is asked in a thread, `take` puts its answer in place."""

    def __init__(self, growing: Growing, analyzed: Apart | None) -> None:
        self._growing, self._analyzed = growing, analyzed
        self._blank = Preview(growing.capture, lang=growing.lang, session=growing.session)
        self._queues = {} if analyzed is None else analyzed.queues
        self.look: Look = LiveLook(growing, analyzed)
        self.analysis, self.charts = self.refreshed()

    def close(self) -> None:
        """Frees the analysis; the rows go on."""
        if self._analyzed is not None:
            self._analyzed.close()

    @property
    def analyzed(self) -> Apart | None:
        """The last analysis, in its process; None before the first."""
        return self._analyzed

    def refreshed(self) -> tuple[Analysis, tuple[Chart, ...]]:
        """Analysis and charts over all rows that are there by now: conclusions are old, the rest is new."""
        growing, capture = self._growing, self._growing.capture
        base = self._blank.analysis if self._analyzed is None else self._analyzed.analysis
        info = msgspec.structs.replace(
            base.capture,
            started_at=capture.started_at,
            ended_at=capture.ended_at,
            sources=dict(capture.manifest.sources),
        )
        gaps = growing.gaps()
        analysis = msgspec.structs.replace(base, capture=info, gaps=gaps)
        holes = tuple(Span(gap.from_ts, gap.to_ts, gap.source, gap.reason) for gap in gaps)
        return analysis, tuple(self._charts(capture.started_at, capture.ended_at, holes))

    def take(self, news: tuple[Analysis, tuple[Chart, ...]]) -> None:
        """Shows what `refreshed` gave."""
        self.analysis, self.charts = news

    def _charts(self, start: Micros, end: Micros, gaps: tuple[Span, ...]) -> Iterable[Chart]:
        quick = self._growing.quick
        if self._analyzed is None or not self._analyzed.charts:
            alone = len(quick) <= 1
            counted = self._growing.counts(start - 1, None) if alone else {}
            for target in quick or ("",):
                lanes = [Lane(name, _tidy(counted[name])) for name in COUNTED if name in counted]
                yield Chart(target, start, end, (*lanes, *quick.get(target, ())), (), (), gaps, ())
            return
        alone = len(self._analyzed.charts) == 1
        for chart in self._analyzed.charts:
            fresh = {lane.name: lane for lane in quick.get(chart.target, ())}
            more = self._more(chart, alone=alone)
            lanes = [fresh.get(lane.name) or _continued(lane, chart.end, end, more) for lane in chart.lanes]
            yield msgspec.structs.replace(chart, start=start, end=end, lanes=tuple(lanes), gaps=gaps)

    def _more(self, chart: Chart, *, alone: bool) -> dict[str, list[Step]] | None:
        """How the counts go on behind a chart; None where nobody can tell whose the tasks are."""
        if alone:
            return self._growing.counts(chart.end, None)
        queues = self._queues.get(chart.target)
        return None if queues is None else self._growing.counts(chart.end, queues)

    def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
        """The rows of the evidence's table around it."""
        return evidence_rows.around(self._growing.session, evidence, limit)

    def cause_title(self, cause: str) -> str:
        """A cause in a few words."""
        return (self._analyzed or self._blank).cause_title(cause)


class LiveLook(Look):
    """Rows of now, answers made of facts from the last analysis, queries over both where there is one."""

    def __init__(self, growing: Growing, analyzed: Apart | None) -> None:
        super().__init__(growing.session, growing.capture, analyzed=False)
        self._growing, self._facts_of = growing, analyzed

    @property
    def capture(self) -> Capture:
        """As of the last poll."""
        return self._growing.capture

    @capture.setter
    def capture(self, capture: Capture) -> None:
        """What the growing capture says counts."""

    def proven(self) -> Mapping[str, Micros]:
        """As of the last poll."""
        return {} if self.capture.manifest.closed else self._growing.proven

    def damage(self) -> tuple[str, ...]:
        """Of what is sealed, and of what was followed."""
        return tuple(dict.fromkeys((*super().damage(), *self._growing.warnings)))

    def facts(self, name: str, params: Mapping[str, Any], stop: Stop | None) -> list[dict[str, Any]]:
        """From the analysis."""
        return [] if self._facts_of is None else self._facts_of.facts(name, params, stop)

    def query(self, sql: str, span: Stretch | None = None, stop: Stop | None = None) -> Answer:
        """Facts are as old as the analysis, so a query that may join them sees the rows of then."""
        if self._facts_of is None:
            return super().query(sql, span, stop)
        return self._facts_of.query(sql, span, stop)

    def export(self, sql: str, out: Path, span: Stretch | None = None, stop: Stop | None = None) -> int:
        """The same rows as `query`."""
        if self._facts_of is None:
            return super().export(sql, out, span, stop)
        return self._facts_of.export(sql, out, span, stop)


def _changed(before: Capture, segments: Iterable[Any]) -> set[str]:
    """Tables whose segments are not those of before."""
    old = {(s.table, s.seq) for s in before.manifest.segments}
    return {table for table, _ in old ^ {(s.table, s.seq) for s in segments} if table in TABLES}


def _continued(lane: Lane, ended: Micros, end: Micros, more: Mapping[str, Sequence[Step]] | None) -> Lane:
    """A lane behind the end of its analysis: counted on, or a hole, because nobody knows it yet."""
    if lane.name in COUNTED and more is not None:
        return Lane(lane.name, _tidy([*lane.steps, *more.get(lane.name, ())]))
    return Lane(lane.name, (*lane.steps, Step(ended + 1, None))) if end > ended else lane


def _tidy(steps: Iterable[Step]) -> tuple[Step, ...]:
    """In the order of time, without repeats."""
    out: list[Step] = []
    for step in steps:
        if not out or out[-1].value != step.value:
            out.append(step)
    return tuple(out)
