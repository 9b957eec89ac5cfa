"""Episodes: from demand rising above zero to the workers being gone again, stage by stage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from afscope.engine.phases import Row, Scene, phases
from afscope.engine.session import Session
from afscope.model.clock import SECOND, Micros, from_datetime
from afscope.model.finding import Evidence
from afscope.model.timeline import Decision, Episode

# Demand that comes back within this time after it was gone belongs to the same episode: a cooldown at least.
QUIET_S = 30


@dataclass(frozen=True)
class _Span:
    """Demand from `start` to `stop`, None while it lasts; `peak` is the most tasks that were open at once."""

    start: Micros
    stop: Micros | None
    peak: int


@dataclass(frozen=True)
class _Story:
    """Everything on record about one target. `rest` is the size to which it returns without demand."""

    target: str
    rest: int
    decisions: Sequence[Decision]
    pods: Sequence[Row]
    answers: Sequence[Row]
    tasks: Sequence[Row]
    end: Micros
    lang: str


def episodes(session: Session, end: Micros, lang: str = "en") -> list[Episode]:
    """All episodes of all targets, in the order of time. `ended_at` is None where the capture ends first.

    Changes of spec.replicas outside of any demand are episodes of their own, with a peak demand of 0.
    """
    out: list[Episode] = []
    for row in session.dicts("FROM targets ORDER BY target"):
        story = _story(session, row, end, lang)
        quiet = max(row["cooldown_period_s"], QUIET_S) * SECOND
        spans = _merged(_busy(session, story.target), quiet, [d.at for d in story.decisions if d.after <= story.rest])
        found = [
            _episode(story, span, following.start if following else None)
            for span, following in zip(spans, (*spans[1:], None), strict=False)
        ]
        out += [*found, *_unasked(story, found)]
    return sorted(out, key=lambda episode: (episode.started_at, episode.target))


def _story(session: Session, target: Row, end: Micros, lang: str) -> _Story:
    name = {"t": target["target"]}
    decisions = [
        Decision(from_datetime(r["moment"]), r["target"], r["before"], r["after"], r["author"], r["reason"])
        for r in session.dicts("FROM decisions WHERE target = $t ORDER BY moment", name)
    ]
    hpa = f"{target['namespace']}/{target['hpa_name']}"
    answers = [{**row, "key": hpa} for row in session.dicts("FROM metric_seen WHERE target = $t ORDER BY moment", name)]
    pods = session.dicts("FROM worker_pods WHERE target = $t ORDER BY created_at, name", name)
    tasks = session.dicts("FROM running_spans WHERE target = $t ORDER BY from_at, dag_id, run_id, task_id", name)
    return _Story(target["target"], target["min_replica_count"], decisions, pods, answers, tasks, end, lang)


def _busy(session: Session, target: str) -> list[_Span]:
    """Spans in which the trigger's demand is above zero."""
    edges: list[tuple[Micros, int]] = []
    for row in session.dicts("FROM demand_spans WHERE target = $target", {"target": target}):
        edges.append((from_datetime(row["from_at"]), 1))
        if row["to_at"] is not None:
            edges.append((from_datetime(row["to_at"]), -1))
    spans: list[_Span] = []
    level = peak = 0
    opened: Micros = 0
    for at, change in sorted(edges, key=lambda edge: (edge[0], -edge[1])):
        if level == 0:
            opened, peak = at, 0
        level += change
        peak = max(peak, level)
        if level == 0:
            spans.append(_Span(opened, at, peak))
    return [*spans, _Span(opened, None, peak)] if level else spans


def _merged(spans: Sequence[_Span], quiet: Micros, rests: Sequence[Micros]) -> list[_Span]:
    """Joins what a cooldown bridges; once the workers were taken to rest the next demand is another episode."""
    out: list[_Span] = []
    for span in spans:
        last = out[-1] if out else None
        stop = last.stop if last else None
        if last and stop is not None and span.start - stop <= quiet and not any(stop <= r <= span.start for r in rests):
            out[-1] = _Span(last.start, span.stop, max(last.peak, span.peak))
        else:
            out.append(span)
    return out


def _episode(story: _Story, span: _Span, following: Micros | None) -> Episode:
    """One episode; what happens after its demand belongs to it until the next demand."""
    until = following if following is not None else story.end + 1
    before = next((d.after for d in reversed(story.decisions) if d.at < span.start), _first_size(story))
    own = [d for d in story.decisions if span.start <= d.at < until]
    last = next(
        (i for i, d in enumerate(own) if span.stop is not None and d.at >= span.stop and d.after <= story.rest), None
    )
    mine = own if last is None else own[: last + 1]
    busy_until = span.stop if span.stop is not None else story.end
    ups = [d for d in mine if d.after > d.before and d.at <= busy_until]
    downs = [d for d in mine if span.stop is not None and d.at >= span.stop and d.after < d.before]
    scene = Scene(
        story.target, span.start, span.stop, story.end, before, ups, downs,
        [p for p in story.pods if span.start - SECOND <= from_datetime(p["created_at"]) <= busy_until],
        _stopped(story, span, downs), story.answers, _first_task(story, span.start, busy_until), story.lang,
    )  # fmt: skip
    told = tuple(phases(scene))
    return Episode(
        target=story.target,
        started_at=span.start,
        ended_at=_over(story, span, mine[-1].after if mine else before, told[-1].ended_at if downs else span.stop),
        peak_demand=span.peak,
        peak_replicas=max([d.after for d in mine] + [before]),
        phases=told,
        decisions=tuple(mine),
    )


def _over(story: _Story, span: _Span, size: int, done: Micros | None) -> Micros | None:
    """When it was over: demand gone, the size back at rest, the pods gone."""
    return done if span.stop is not None and size <= story.rest else None


def _first_size(story: _Story) -> int:
    """spec.replicas before the first change on record."""
    return story.decisions[0].before if story.decisions else min(len(story.pods), story.rest)


def _stopped(story: _Story, span: _Span, downs: Sequence[Decision]) -> list[Row]:
    """Pods that the scale-in after this demand took."""
    if span.stop is None or not downs:
        return []
    first, last = span.stop - SECOND, downs[-1].at + 60 * SECOND
    return [p for p in story.pods if p["stopping_at"] and first <= from_datetime(p["stopping_at"]) <= last]


def _first_task(story: _Story, start: Micros, until: Micros) -> Evidence | None:
    for row in story.tasks:
        at = from_datetime(row["from_at"])
        if start <= at <= until:
            key = f"{row['dag_id']}/{row['run_id']}/{row['task_id']}"
            return Evidence("task_instances", at, key, f"running on {row['host']}")
    return None


def _unasked(story: _Story, found: Sequence[Episode]) -> Iterator[Episode]:
    """Runs of decisions that belong to no episode: somebody changed the size without demand."""
    told = {d for episode in found for d in episode.decisions}
    run: list[Decision] = []
    for decision in (*story.decisions, None):
        if decision is not None and decision not in told:
            run.append(decision)
        elif run:
            peak = max(max(d.before, d.after) for d in run)
            yield Episode(story.target, run[0].at, run[-1].at, 0, peak, (), tuple(run))
            run = []
