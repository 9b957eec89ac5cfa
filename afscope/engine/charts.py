"""Charts: the lanes, strips and ticks of each target, from facts and attribution. Data only; screens draw them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from afscope.engine.attribution import Attribution, Waiter
from afscope.engine.session import Session
from afscope.engine.supply import NEVER, Target
from afscope.model.clock import Micros, from_datetime
from afscope.model.finding import Gap
from afscope.model.timeline import Chart, Lane, Span, Step, Tick

LANES = ("waiting", "queued", "running", "metric", "desired", "current", "ready", "slots", "slots_used")
# Ticks beyond this many would hide each other; warnings are thinned first.
MAX_TICKS = 400
Delta = tuple[Micros, float]


def charts(
    session: Session,
    attribution: Attribution,
    targets: Sequence[Target],
    gaps: Sequence[Gap],
    bounds: tuple[Micros, Micros],
) -> tuple[Chart, ...]:
    """One chart per target, and one for target "" when some task belongs to none."""
    names = [t.name for t in targets]
    if any(w.target not in names for w in attribution.waiters):
        names.append("")
    by_name = {t.name: t for t in targets}
    return tuple(_chart(session, attribution, by_name.get(name), name, gaps, bounds) for name in names)


def _chart(
    session: Session,
    attribution: Attribution,
    target: Target | None,
    name: str,
    gaps: Sequence[Gap],
    bounds: tuple[Micros, Micros],
) -> Chart:
    waiters = [w for w in attribution.waiters if w.target == name]
    replicas = session.dicts(
        "SELECT moment, desired, current, ready FROM replicas WHERE target = $target ORDER BY moment", {"target": name}
    )
    lanes = {
        "waiting": _counted(_phase(waiters, worker=False)),
        "queued": _counted(_phase(waiters, worker=True)),
        "running": _counted(_runs(session, name)),
        "metric": _metric(session, name),
        **{
            lane: [Step(from_datetime(r["moment"]), r[lane]) for r in replicas]
            for lane in ("desired", "current", "ready")
        },
        "slots": _counted(_slots(target)),
        "slots_used": _counted(_runs(session, name, hosts=[p.name for p in target.pods] if target else [])),
    }
    start, end = bounds
    return Chart(
        target=name,
        start=start,
        end=end,
        lanes=tuple(Lane(lane, _tidy(lanes[lane])) for lane in LANES),
        health=tuple(_health(session, name, bounds)),
        constraint=tuple(_constraint(attribution, name)),
        gaps=tuple(Span(g.from_ts, g.to_ts, g.source, g.reason) for g in gaps),
        ticks=tuple(_ticks(session, name)),
    )


def _phase(waiters: Iterable[Waiter], *, worker: bool) -> Iterable[Delta]:
    for w in waiters:
        start, end = (w.queued_at, w.ended_at) if worker else (w.runnable_at, min(w.queued_at, w.ended_at))
        if end > start:
            yield from ((start, 1), (end, -1))


def _runs(session: Session, target: str, hosts: Sequence[str] | None = None) -> Iterable[Delta]:
    sql = """SELECT a.running_at, coalesce(a.ended_at, CASE WHEN a.last_state IN ('failed', 'up_for_retry') THEN a.failed_seen_at END), a.host
        FROM attempts a JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
        WHERE s.target = $target AND a.running_at IS NOT NULL"""
    for start, end, host in session.run(sql, {"target": target}).rows:
        if hosts is None or host in hosts:
            yield (from_datetime(start), 1)
            if end is not None:
                yield (max(from_datetime(end), from_datetime(start)), -1)


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
    """What the HPA was told, in workers; a hole where it was told nothing (domain: keda-hpa 11.1)."""
    sql = """SELECT h.seen_at, h.active_status, h.current_milli, h.current_replicas, h.target_milli, h.metric_type
        FROM hpas h JOIN targets t ON t.hpa_uid = h.uid WHERE t.target = $target AND h.change <> 'DELETED' ORDER BY h.seen_at"""
    steps = []
    for at, active, milli, replicas, aim, kind in session.run(sql, {"target": target}).rows:
        known = active == "True" and milli is not None and aim
        share = 1 if kind == "Value" else (replicas or 1)
        steps.append(Step(from_datetime(at), round(milli * share / aim, 3) if known else None))
    return steps


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
    trouble = session.run(
        "SELECT from_at, to_at, first_message FROM metric_trouble WHERE target = $target ORDER BY from_at",
        {"target": target},
    ).rows
    failing = [Span(from_datetime(a), from_datetime(b), "failing", m or "") for a, b, m in trouble]
    sql = """SELECT h.seen_at, h.active_status = 'True' FROM hpas h JOIN targets t ON t.hpa_uid = h.uid
        WHERE t.target = $target AND h.change <> 'DELETED' ORDER BY h.seen_at"""
    views: list[tuple[datetime, bool]] = [(at, bool(ok)) for at, ok in session.run(sql, {"target": target}).rows]
    ends = [from_datetime(at) for at, _ in views[1:]] + [bounds[1]]
    spans = [
        Span(from_datetime(at), end, "ok" if ok else "silent", "")
        for (at, ok), end in zip(views, ends, strict=True)
        if end > from_datetime(at)
    ]
    calm = [s for s in spans if not any(f.start < s.end and s.start < f.end for f in failing)]
    return sorted([*failing, *_merged(calm)], key=lambda span: span.start)


def _constraint(attribution: Attribution, target: str) -> list[Span]:
    """The cause that most tasks of the target waited for, interval by interval, neighbours merged."""
    best: dict[tuple[Micros, Micros], tuple[int, str]] = {}
    for start, end, name, cause, n in attribution.strip:
        if name == target and (n, cause) > best.get((start, end), (0, "")):
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
    decisions = session.run(
        "SELECT moment, 'decision', before || ' -> ' || after || ' by ' || author FROM decisions WHERE target = $target",
        {"target": target},
    ).rows
    warnings = session.run(
        """SELECT e.ts, 'warning', e.reason || ' ' || e.object_name || ': ' || coalesce(e.message, '')
        FROM events e JOIN targets t ON t.target = $target AND e.object_namespace = t.namespace
        WHERE e.type = 'Warning' AND e.change <> 'STATE' AND (e.object_name IN (t.name, t.hpa_name) OR starts_with(e.object_name, t.workload_name))
        ORDER BY e.ts LIMIT $most""",
        {"target": target, "most": MAX_TICKS},
    ).rows
    ticks = [Tick(from_datetime(at), kind, text) for at, kind, text in [*decisions, *warnings]]
    return sorted(ticks, key=lambda tick: tick.at)
