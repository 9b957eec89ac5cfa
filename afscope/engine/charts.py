"""Charts: the lanes, strips and ticks of each target, from facts and attribution. Data only; screens draw them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from afscope.engine.attribution import Attribution, Waiter
from afscope.engine.session import Session
from afscope.engine.supply import NEVER, Target
from afscope.model.clock import Micros, from_datetime
from afscope.model.finding import Gap
from afscope.model.timeline import Chart, Lane, Span, Step, Tick

LANES = ("waiting", "queued", "running", "metric", "desired", "current", "ready", "slots", "slots_used")
# Lanes that count what is on record: before the first of it there was none, which is not the same as not knowing.
COUNTED = ("waiting", "queued", "running", "slots", "slots_used")
# Ticks beyond this many would hide each other; warnings are thinned, evenly over the whole time.
MAX_TICKS = 400
Delta = tuple[Micros, float]


def charts(
    session: Session,
    attribution: Attribution,
    targets: Sequence[Target],
    gaps: Sequence[Gap],
    bounds: tuple[Micros, Micros],
) -> tuple[Chart, ...]:
    """One chart per target. Tasks that belong to none are drawn with the only target, else in a chart of their own.

    That a queue grows while the metric beside it stays at zero is what a mismatch looks like.
    """
    names = [t.name for t in targets]
    strays = any(w.target not in names for w in attribution.waiters)
    alone = len(names) == 1
    if strays and not alone:
        names.append("")
    by_name = {t.name: t for t in targets}
    return tuple(
        _chart(session, attribution, by_name.get(name), (name, "") if alone else (name,), gaps, bounds)
        for name in names
    )


def _chart(
    session: Session,
    attribution: Attribution,
    target: Target | None,
    drawn: tuple[str, ...],
    gaps: Sequence[Gap],
    bounds: tuple[Micros, Micros],
) -> Chart:
    """`drawn` are the target's own name and, maybe, the empty one of tasks that nobody serves."""
    name = drawn[0]
    waiters = [w for w in attribution.waiters if w.target in drawn]
    replicas = session.dicts(
        "SELECT moment, desired, current, ready FROM replicas WHERE target = $target ORDER BY moment", {"target": name}
    )
    lanes = {
        "waiting": _counted(_phase(waiters, worker=False)),
        "queued": _counted(_phase(waiters, worker=True)),
        "running": _counted(_runs(session, drawn)),
        "metric": _metric(session, name),
        **{
            lane: [Step(from_datetime(r["moment"]), r[lane]) for r in replicas]
            for lane in ("desired", "current", "ready")
        },
        "slots": _counted(_slots(target)),
        "slots_used": _counted(_runs(session, drawn, hosts=[p.name for p in target.pods] if target else [])),
    }
    start, end = bounds
    for lane in COUNTED:
        if not lanes[lane] or lanes[lane][0].at > start:
            lanes[lane].insert(0, Step(start, 0.0))
    return Chart(
        target=name,
        start=start,
        end=end,
        lanes=tuple(Lane(lane, _tidy(lanes[lane])) for lane in LANES),
        health=tuple(_health(session, name, bounds)),
        constraint=tuple(_constraint(attribution, drawn)),
        gaps=tuple(Span(g.from_ts, g.to_ts, g.source, g.reason) for g in gaps),
        ticks=tuple(_ticks(session, name)),
    )


def _phase(waiters: Iterable[Waiter], *, worker: bool) -> Iterable[Delta]:
    for w in waiters:
        start, end = (w.queued_at, w.ended_at) if worker else (w.runnable_at, min(w.queued_at, w.ended_at))
        if end > start:
            yield from ((start, 1), (end, -1))


def _runs(session: Session, drawn: tuple[str, ...], hosts: Sequence[str] | None = None) -> Iterable[Delta]:
    """Counted where they are: a day has a million of them."""
    rows = session.run(
        """SELECT epoch_us(moment), sum(change)::BIGINT FROM (
            SELECT from_at AS moment, 1 AS change, target, host FROM running_spans
            UNION ALL SELECT to_at, -1, target, host FROM running_spans WHERE to_at IS NOT NULL
        ) WHERE list_contains($drawn, target)
            AND ($hosts IS NULL OR host IN (SELECT unnest($hosts::VARCHAR[]))) GROUP BY moment""",
        {"drawn": list(drawn), "hosts": None if hosts is None else list(hosts)},
    ).rows
    yield from rows


def _slots(target: Target | None) -> Iterable[Delta]:
    for pod in target.pods if target else ():
        if pod.consuming_at < pod.stopping_at:
            yield (pod.consuming_at, pod.slots)
            if pod.stopping_at < NEVER:
                yield (pod.stopping_at, -pod.slots)


def _counted(deltas: Iterable[Delta]) -> list[Step]:
    level = 0.0
    at: dict[Micros, float] = defaultdict(float)
    for when, change in deltas:
        at[when] += change
    steps = []
    for when in sorted(at):
        level += at[when]
        steps.append(Step(when, level))
    return steps


def _metric(session: Session, target: str) -> list[Step]:
    """What the HPA was told, in workers; a hole where it was told nothing."""
    rows = session.dicts("FROM metric_seen WHERE target = $target ORDER BY moment", {"target": target})
    return [Step(from_datetime(row["moment"]), row["workers"]) for row in rows]


def _tidy(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Sorted, one step per instant, without repeats."""
    last = {step.at: step for step in sorted(steps, key=lambda s: s.at)}
    out: list[Step] = []
    for step in last.values():
        if not out or out[-1].value != step.value:
            out.append(step)
    return tuple(out)


def _health(session: Session, target: str, bounds: tuple[Micros, Micros]) -> Iterable[Span]:
    """failing where requests failed, ok between good answers, silent where nobody asked or nothing is known."""
    trouble = session.dicts("FROM metric_trouble WHERE target = $target ORDER BY from_at", {"target": target})
    failing = [
        Span(from_datetime(t["from_at"]), from_datetime(t["to_at"]), "failing", t["first_message"] or "")
        for t in trouble
    ]
    views = [
        (row["moment"], bool(row["answered"]))
        for row in session.dicts("FROM metric_seen WHERE target = $target ORDER BY moment", {"target": target})
    ]
    ends = [*(from_datetime(at) for at, _ in views[1:]), bounds[1]][: len(views)]
    spans = [
        Span(from_datetime(at), end, "ok" if ok else "silent", "")
        for (at, ok), end in zip(views, ends, strict=True)
        if end > from_datetime(at)
    ]
    calm = [part for span in spans for part in _without(span, failing)]
    return sorted([*failing, *_merged(calm)], key=lambda span: span.start)


def _without(span: Span, holes: Sequence[Span]) -> Iterable[Span]:
    """What is left of a span outside the holes, which are in the order of time."""
    start = span.start
    for hole in holes:
        if hole.start < span.end and start < hole.end:
            if start < hole.start:
                yield Span(start, hole.start, span.kind, span.text)
            start = max(start, hole.end)
    if start < span.end:
        yield Span(start, span.end, span.kind, span.text)


def _constraint(attribution: Attribution, drawn: tuple[str, ...]) -> list[Span]:
    """The cause that most tasks of the target waited for, interval by interval, neighbours merged."""
    best: dict[tuple[Micros, Micros], tuple[int, str]] = {}
    for start, end, name, cause, n in attribution.strip:
        if name in drawn and (n, cause) > best.get((start, end), (0, "")):
            best[(start, end)] = (n, cause)
    return _merged([Span(start, end, cause, "") for (start, end), (_, cause) in sorted(best.items())])


def _merged(spans: Sequence[Span]) -> list[Span]:
    out: list[Span] = []
    for span in spans:
        if out and out[-1].kind == span.kind and out[-1].end == span.start:
            out[-1] = Span(out[-1].start, span.end, span.kind, span.text)
        else:
            out.append(span)
    return out


def _ticks(session: Session, target: str) -> list[Tick]:
    decisions = [
        Tick(from_datetime(d["moment"]), "decision", f"{d['before']} -> {d['after']} by {d['author']}")
        for d in session.dicts("FROM decisions WHERE target = $target", {"target": target})
    ]
    warnings = [
        Tick(from_datetime(w["moment"]), "warning", f"{w['reason']} {w['object_name']}: {w['message']}")
        for w in session.dicts("FROM warnings WHERE target = $target ORDER BY moment", {"target": target})
    ]
    every = -(-len(warnings) // MAX_TICKS) or 1
    return sorted([*decisions, *warnings[::every]], key=lambda tick: tick.at)
