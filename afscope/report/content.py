"""What a report says, in the order in which it says it; HTML and Markdown only lay it out.

Every text in here is already in the report's language, and every text out of the capture is one harmless line.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from afscope import __version__
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, from_datetime, to_datetime
from afscope.model.finding import STAGES, Analysis, Cost, Evidence, Finding, Kind, Role, Ruling
from afscope.model.text import harmless
from afscope.model.timeline import AttemptWait, Chart
from afscope.report.measures import Measures, measures, wait_seconds
from afscope.report.words import say, span_text

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation

MAX_ROWS = 200
MAX_FINDINGS = 60
_EVIDENCE_TEXT = 600
_SLOWEST = 10
_CARDS = (Role.ROOT_CAUSE, Role.CONTRIBUTING)


@dataclass(frozen=True, slots=True)
class Look:
    """How a report is told: language, time zone, and what the reader calls the capture."""

    lang: str
    zone: tzinfo
    name: str = ""

    def say(self, key: str, **values: object) -> str:
        """A word or sentence of the report."""
        return say(self.lang, key, **values)

    def span(self, seconds: float) -> str:
        """A length of time."""
        return span_text(seconds, self.lang)

    def clock(self, at: Micros) -> str:
        """HH:MM:SS."""
        return to_datetime(at).astimezone(self.zone).strftime("%H:%M:%S")

    def full(self, at: Micros) -> str:
        """Date, time and zone."""
        return to_datetime(at).astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S %Z")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of evidence."""

    table: str
    time: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """A finding as people read it. `left` and `width` place it on the capture's time, in percent."""

    cause: str
    role: str
    role_name: str
    severity: str
    component: str
    stage: str
    title: str
    detail: str
    remedy: str
    when: str
    costs: tuple[str, ...]
    share: int
    confidence: str
    left: float
    width: float
    evidence: tuple[Row, ...]
    against: tuple[Row, ...]
    explained_by: tuple[str, ...]
    docs: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of the waterfall: `left` and `width` are percent of all waiting, `parts` its causes, costly first."""

    stage: str
    seconds: str
    left: float
    width: float
    parts: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its headings; `left_out` rows are not shown."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


@dataclass(slots=True)
class Content:
    """The whole report."""

    look: Look
    state: str
    state_name: str
    title: str
    headline: str
    summary: str
    numbers: tuple[tuple[str, str], ...]
    cards: tuple[Card, ...]
    lesser: tuple[Card, ...]
    hidden: int
    cleared: tuple[str, ...]
    charts: tuple[Chart, ...]
    ceilings: dict[str, int]
    bars: tuple[Bar, ...]
    no_bars: str
    slowest: Table
    decisions: Table
    killed: Table | None
    lint: tuple[Card, ...]
    components: tuple[tuple[str, str, str, str], ...]
    conditions: tuple[tuple[str, str, str, str], ...]
    limits: tuple[str, ...]
    gaps: Table
    sources: Table
    needs: Table
    made_by: str
    what_if: "tuple[WhatIf, ...]" = field(default=())


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A simulation of one target: how far it can be trusted, and its table."""

    target: str
    trust: str
    warning: str
    table: Table


def content(opened: "Investigation", look: Look, what_if: Sequence[WhatIf] = ()) -> Content:
    """Everything that a report of this investigation says. Its language must be the look's."""
    analysis = opened.analysis
    attempts = opened.waits()
    total = opened.total_waiting
    lint = [finding for finding in analysis.findings if finding.kind is Kind.LINT]
    cards = [_card(finding, opened, look, total) for finding in analysis.findings if finding.kind is not Kind.LINT]
    span = (opened.end - opened.start) / SECOND
    told = measures(opened)
    state = {True: "healthy", False: "unhealthy", None: "unknown"}[analysis.verdict.healthy]
    name = harmless(look.name or analysis.capture.id)
    cluster = f" · {harmless(analysis.capture.cluster)}" if analysis.capture.cluster else ""
    return Content(
        look=look,
        state=state,
        state_name=look.say(state),
        title=f"{look.say(state)}: {name}",
        headline=f"{name}{cluster} · {look.full(opened.start)} · {look.span(span)}",
        summary=harmless(analysis.verdict.summary),
        numbers=tuple(_numbers(told, look)),
        cards=tuple(card for card in cards if card.role in _CARDS),
        lesser=tuple(card for card in cards if card.role not in _CARDS)[:MAX_FINDINGS],
        hidden=max(0, len([card for card in cards if card.role not in _CARDS]) - MAX_FINDINGS),
        cleared=tuple(dict.fromkeys(r.component for r in analysis.verdict.components if r.ruling is Ruling.NOT_GUILTY)),
        charts=opened.charts,
        ceilings=_ceilings(opened),
        bars=tuple(_bars(attempts, look)),
        no_bars=look.say("waits_unknown" if told.attempts is None else "none_waited"),
        slowest=_slowest(attempts, look),
        decisions=_decisions(opened, look),
        killed=_killed(opened, look),
        lint=tuple(_card(finding, opened, look, total) for finding in lint),
        components=tuple(_components(analysis, look)),
        conditions=tuple(_conditions(analysis, look)),
        limits=tuple(_limits(opened, attempts, look)),
        gaps=_gaps(analysis, look),
        sources=_sources(analysis, look),
        needs=_needs(analysis, look),
        made_by=look.say("made_by", version=__version__, id=harmless(analysis.capture.id)),
        what_if=tuple(what_if),
    )


def _card(finding: Finding, opened: "Investigation", look: Look, total: float) -> Card:
    length = max(1, opened.end - opened.start)
    start, end = max(finding.started_at, opened.start), min(finding.ended_at, opened.end)
    titles = {other.id: harmless(other.title) for other in opened.analysis.findings}
    return Card(
        cause=harmless(finding.cause),
        role=finding.role.value,
        role_name=look.say(finding.role.value),
        severity=look.say(finding.severity.value),
        component=finding.component,
        stage=look.say(f"stage_{finding.stage}"),
        title=harmless(finding.title),
        detail=harmless(finding.detail),
        remedy=harmless(finding.remedy),
        when=_when(finding, look),
        costs=tuple(_costs(finding.cost, look)),
        share=round(100 * finding.cost.waiting_task_seconds / total) if total else 0,
        confidence=look.say("confidence", percent=round(100 * finding.confidence)),
        left=round(100 * (start - opened.start) / length, 2),
        width=round(max(100 * (end - start) / length, 0.4), 2),
        evidence=tuple(_rows(finding.evidence, look)),
        against=tuple(_rows(finding.counter_evidence, look)),
        explained_by=tuple(titles[other] for other in finding.explained_by if other in titles),
        docs=harmless(finding.docs),
    )


def _when(finding: Finding, look: Look) -> str:
    length = look.span((finding.ended_at - finding.started_at) / SECOND)
    return look.say(
        "since", **{"from": look.clock(finding.started_at), "to": look.clock(finding.ended_at), "span": length}
    )


def _costs(cost: Cost, look: Look) -> Iterator[str]:
    parts = ((cost.waiting_task_seconds, "waiting"), (cost.lost_task_seconds, "lost"), (cost.idle_pod_seconds, "idle"))
    for seconds, name in parts:
        if seconds >= 0.5:
            yield look.say(f"{name}_cost", span=look.span(seconds))


def _rows(rows: Iterable[Evidence], look: Look) -> Iterator[Row]:
    for row in rows:
        yield Row(row.table, look.clock(row.ts), harmless(row.key), _shortened(harmless(row.text)))


def _shortened(text: str) -> str:
    """Messages of Kubernetes can repeat themselves for pages; the JSON has all of it."""
    return text if len(text) <= _EVIDENCE_TEXT else text[:_EVIDENCE_TEXT].rstrip() + " …"


def _numbers(told: Measures, look: Look) -> Iterator[tuple[str, str]]:
    """Value and name of what sums the incident up; what was not recorded says so."""
    missing = look.say("unrecorded")
    yield missing if told.attempts is None else str(told.attempts), look.say("n_attempts")
    for value, name in ((told.wait_p50_s, "n_p50"), (told.wait_p95_s, "n_p95")):
        if value is not None:
            yield look.span(value), look.say(name)
    if told.wait_total_s is not None:
        yield look.span(told.wait_total_s), look.say("n_total")
    if told.lost_task_seconds is not None and told.lost_task_seconds >= 0.5:
        yield look.span(told.lost_task_seconds), look.say("n_lost")
    yield missing if told.peak_replicas is None else str(told.peak_replicas), look.say("n_peak")
    yield missing if told.pod_hours is None else f"{told.pod_hours:.2f}", look.say("n_pods")


def _ceilings(opened: "Investigation") -> dict[str, int]:
    rows = opened.targets()
    return {str(row["target"]): int(row["max_replica_count"]) for row in rows if row["max_replica_count"] is not None}


def _bars(attempts: Sequence[AttemptWait], look: Look) -> Iterator[Bar]:
    """Stages in the order of the chain, each beginning where the one before ended."""
    parts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for attempt in attempts:
        for wait in attempt.stages:
            parts[wait.stage][wait.cause] += wait.seconds
    total = sum(sum(causes.values()) for causes in parts.values())
    left = 0.0
    for stage in STAGES:
        seconds = sum(parts.get(stage, {}).values())
        if seconds < 0.05 or not total:
            continue
        width = 100 * seconds / total
        causes = sorted(parts[stage].items(), key=lambda item: (-item[1], item[0]))
        told = tuple((harmless(c), look.span(s), round(100 * s / total)) for c, s in causes if s >= 0.05)
        yield Bar(look.say(f"stage_{stage}"), look.span(seconds), round(left, 2), round(width, 2), told)
        left += width


def _slowest(attempts: Sequence[AttemptWait], look: Look) -> Table:
    heads = tuple(look.say(key) for key in ("t_task", "t_waited", "t_stage", "t_cause"))
    rows = []
    for attempt in sorted(attempts, key=lambda a: (-wait_seconds(a), a.dag_id, a.run_id, a.task_id))[:_SLOWEST]:
        most = max(attempt.stages, key=lambda stage: stage.seconds, default=None)
        stage = look.say(f"stage_{most.stage}") if most else ""
        cause = harmless(most.cause) if most else ""
        name = _task(attempt.dag_id, attempt.run_id, attempt.task_id, attempt.map_index, attempt.try_number)
        rows.append((name, look.span(wait_seconds(attempt)), stage, cause))
    return Table(heads, tuple(rows))


def _task(dag: str, run: str, task: str, index: int, attempt: int) -> str:
    mapped = f"[{index}]" if index >= 0 else ""
    return harmless(f"{dag}.{task}{mapped} · {run}" + (f" · #{attempt}" if attempt > 1 else ""))


def _decisions(opened: "Investigation", look: Look) -> Table:
    heads = tuple(look.say(key) for key in ("t_time", "t_target", "t_change", "t_author", "t_reason"))
    names = {target["target"] for target in opened.targets()}
    rows = [
        (look.clock(from_datetime(d["moment"])), harmless(d["target"]), f"{d['before']} → {d['after']}",
         harmless(d["author"]), harmless(d["reason"] or ""))
        for d in opened.session.dicts("FROM decisions ORDER BY moment, target") if d["target"] in names
    ]  # fmt: skip
    return Table(heads, tuple(rows[:MAX_ROWS]), max(0, len(rows) - MAX_ROWS))


def _killed(opened: "Investigation", look: Look) -> Table | None:
    """None when it could not be assessed; a table without rows when nothing was killed."""
    if any(opened.capture.source(name).status is not SourceState.OK and not opened.capture.has(name)
           for name in ("task_instances", "pods")):  # fmt: skip
        return None
    heads = tuple(look.say(key) for key in ("t_time", "t_task", "t_pod", "t_lost", "t_way"))
    names = {target["target"] for target in opened.targets()}
    rows = [_kill(k, look) for k in opened.session.dicts("FROM kills ORDER BY stopping_at") if k["target"] in names]
    return Table(heads, tuple(rows[:MAX_ROWS]), max(0, len(rows) - MAX_ROWS))


def _kill(row: dict[str, Any], look: Look) -> tuple[str, ...]:
    name = _task(row["dag_id"], row["run_id"], row["task_id"], row["map_index"], row["attempt"])
    who = row["author"] or row["taken_by"]
    by = " · " + look.say("taken_by", who=harmless(who)) if who else ""
    lost = look.span((row["lost_seconds"] or 0) + (row["grace_seconds"] or 0))
    at = look.clock(from_datetime(row["stopping_at"]))
    return at, name, harmless(row["pod"]), lost, look.say(f"way_{row['way']}") + by


def _components(analysis: Analysis, look: Look) -> Iterator[tuple[str, str, str, str]]:
    """Ruling, its name, the components, why: equal ones on one line, the guilty first."""
    groups: dict[tuple[Ruling, str], list[str]] = {}
    order = list(Ruling)
    for item in sorted(analysis.verdict.components, key=lambda item: order.index(item.ruling)):
        name = item.component + (f" ({harmless(item.target)})" if item.target and len(analysis.targets) > 1 else "")
        groups.setdefault((item.ruling, harmless(item.because)), []).append(name)
    for (ruling, because), names in groups.items():
        yield ruling.value, look.say(ruling.value), ", ".join(names), because


def _conditions(analysis: Analysis, look: Look) -> Iterator[tuple[str, str, str, str]]:
    """State, its name, the condition, why."""
    known = ("scheduler_fills_table", "metric_path_answers", "query_matches_tasks")
    for item in analysis.verdict.conditions:
        state = {True: "yes", False: "no", None: "perhaps"}[item.ok]
        name = look.say(item.condition) if item.condition in known else harmless(item.condition)
        yield state, look.say(state), name, harmless(item.because)


def _limits(opened: "Investigation", attempts: Sequence[AttemptWait], look: Look) -> Iterator[str]:
    """Sentences about what bounds the report's certainty."""
    manifest = opened.capture.manifest
    unknown = sum(stage.seconds for attempt in attempts for stage in attempt.stages if stage.stage == "unknown")
    total = sum(map(wait_seconds, attempts))
    if unknown >= 0.5 and total:
        yield look.say("unknown_share", span=look.span(unknown), percent=max(1, round(100 * unknown / total)))
    for source, offset in sorted(manifest.clock_offsets.items()):
        ms, more = round(offset.offset_us / 1000), round(offset.uncertainty_us / 1000)
        yield look.say("clock_off", source=harmless(source), ms=ms, more=more)
    if manifest.unread:
        yield look.say("unread", n=len(manifest.unread) + int(manifest.settings.get("unread_not_listed", 0)))
    if masked := sum(manifest.redactions.values()):
        yield look.say("masked", n=masked)


def _gaps(analysis: Analysis, look: Look) -> Table:
    heads = tuple(look.say(key) for key in ("t_time", "t_source", "t_because"))
    rows = [(f"{look.clock(g.from_ts)} – {look.clock(g.to_ts)}", harmless(g.source), harmless(g.reason))
            for g in analysis.gaps]  # fmt: skip
    return Table(heads, tuple(rows[:MAX_ROWS]), max(0, len(rows) - MAX_ROWS))


def _sources(analysis: Analysis, look: Look) -> Table:
    heads = tuple(look.say(key) for key in ("t_source", "t_status", "t_because"))
    rows = tuple(
        (harmless(name), source.status.value, harmless(source.reason))
        for name, source in sorted(analysis.capture.sources.items())
        if source.status is not SourceState.OK
    )
    return Table(heads, rows)


def _needs(analysis: Analysis, look: Look) -> Table:
    """What each missing source would have settled, and how to get it."""
    rows = tuple(
        (harmless(item.source), ", ".join((*map(harmless, item.causes), *item.components)), harmless(item.how))
        for item in analysis.missing
    )
    return Table(tuple(look.say(key) for key in ("t_needs", "t_tells", "t_how")), rows)
