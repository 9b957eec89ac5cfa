"""Episodes: from demand rising above zero to the workers being gone again, stage by stage."""

from collections.abc import Sequence
from typing import Any

from afscope.engine.session import Session
from afscope.model.clock import SECOND, Micros, from_datetime
from afscope.model.timeline import Decision, Episode, Phase

# Demand that comes back within this time after it was gone belongs to the same episode: a cooldown at least.
QUIET_S = 30


def episodes(session: Session, end: Micros) -> list[Episode]:
    """All episodes of all targets, in the order of time. `ended_at` is None where the capture ends first."""
    out = []
    for target, cooldown in session.run("SELECT target, cooldown_period_s FROM targets ORDER BY target").rows:
        spans = _busy(session, target)
        decisions = _decisions(session, target)
        pods = session.dicts("FROM worker_pods WHERE target = $t ORDER BY created_at, name", {"t": target})
        zeros = [d.at for d in decisions if d.after == 0]
        for start, stop, peak in _merge(spans, max(cooldown, QUIET_S) * SECOND, zeros):
            out.append(_episode(session, target, (start, stop, peak), decisions, pods, end))
    return sorted(out, key=lambda episode: (episode.started_at, episode.target))


def _busy(session: Session, target: str) -> list[tuple[Micros, Micros | None, int]]:
    """Spans in which the trigger's demand is above zero, each with its peak of open tasks."""
    edges: list[tuple[Micros, int]] = []
    for row in session.dicts("FROM demand_spans WHERE target = $target", {"target": target}):
        edges.append((from_datetime(row["from_at"]), 1))
        if row["to_at"] is not None:
            edges.append((from_datetime(row["to_at"]), -1))
    spans: list[tuple[Micros, Micros | None, int]] = []
    level = peak = 0
    opened: Micros = 0
    for at, change in sorted(edges, key=lambda edge: (edge[0], -edge[1])):
        if level == 0:
            opened, peak = at, 0
        level += change
        peak = max(peak, level)
        if level == 0:
            spans.append((opened, at, peak))
    return [*spans, (opened, None, peak)] if level else spans


def _merge(
    spans: Sequence[tuple[Micros, Micros | None, int]], quiet: Micros, zeros: Sequence[Micros]
) -> list[tuple[Micros, Micros | None, int]]:
    """Joins what a cooldown bridges; once the workers were taken to zero the next demand is another episode."""
    out: list[tuple[Micros, Micros | None, int]] = []
    for start, stop, peak in spans:
        opened, closed, most = out[-1] if out else (0, None, 0)
        if closed is not None and start - closed <= quiet and not any(closed <= zero <= start for zero in zeros):
            out[-1] = (opened, stop, max(most, peak))
        else:
            out.append((start, stop, peak))
    return out


def _decisions(session: Session, target: str) -> list[Decision]:
    rows = session.dicts("FROM decisions WHERE target = $t ORDER BY moment", {"t": target})
    return [
        Decision(from_datetime(r["moment"]), target, r["before"], r["after"], r["author"], r["reason"]) for r in rows
    ]


def _episode(
    session: Session,
    target: str,
    span: tuple[Micros, Micros | None, int],
    decisions: Sequence[Decision],
    pods: Sequence[dict[str, Any]],
    end: Micros,
) -> Episode:
    start, idle, peak = span
    ups = [d for d in decisions if start <= d.at <= (idle or end) and d.after > d.before]
    down = next((d for d in decisions if idle is not None and d.at >= idle and d.after == 0), None)
    stop = _drained(pods, down)
    mine = [d for d in decisions if start <= d.at <= (down.at if down else end)]
    born = [
        p
        for p in pods
        if from_datetime(p["created_at"]) >= start - SECOND and from_datetime(p["created_at"]) <= (idle or end)
    ]
    before = next((d.after for d in reversed(decisions) if d.at < start), 0)
    return Episode(
        target=target,
        started_at=start,
        ended_at=stop if down else None,
        peak_demand=peak,
        peak_replicas=max([d.after for d in mine] + [before], default=0),
        phases=tuple(_phases(session, target, span, ups, born, down, stop)),
        decisions=tuple(mine),
    )


def _drained(pods: Sequence[dict[str, Any]], down: Decision | None) -> Micros | None:
    if down is None:
        return None
    told = [p for p in pods if p["stopping_at"] and abs(from_datetime(p["stopping_at"]) - down.at) <= 10 * SECOND]
    return max((from_datetime(p["gone_at"]) for p in told if p["gone_at"]), default=down.at)


def _phases(
    session: Session,
    target: str,
    span: tuple[Micros, Micros | None, int],
    ups: Sequence[Decision],
    born: Sequence[dict[str, Any]],
    down: Decision | None,
    stop: Micros | None,
) -> list[Phase]:
    start, idle, _ = span
    out: list[Phase] = []
    if ups and ups[0].author == "keda":
        out.append(
            Phase("trigger", start, ups[0].at, "keda-operator", f"{ups[0].before} -> {ups[0].after}: {ups[0].reason}")
        )
    hpa = [d for d in ups if d.author == "hpa"]
    if hpa:
        text = ", ".join(f"{d.before} -> {d.after}" for d in hpa)
        out.append(Phase("decide", out[-1].ended_at or start if out else start, hpa[-1].at, "hpa", text))
    out += _boot(born)
    first = _first_task(session, target, start)
    if first is not None:
        out.append(Phase("execute", first, idle, "worker", "from the first task taken to the last one done"))
    if down is not None and idle is not None:
        out.append(
            Phase(
                "drain",
                idle,
                stop,
                down.author if down.author != "keda" else "keda-operator",
                f"{down.before} -> {down.after}: {down.reason}",
            )
        )
    return out


def _boot(born: Sequence[dict[str, Any]]) -> list[Phase]:
    """place, image and start over all pods of the episode: from the first that entered to the last that left."""
    out = []
    for stage, since, until, author in (
        ("place", "created_at", "scheduled_at", "nodes"),
        ("image", "scheduled_at", "started_at", "image"),
        ("start", "started_at", "consuming_at", "worker"),
    ):
        entered = [p for p in born if p[since]]
        if not entered:
            continue
        left = [from_datetime(p[until]) for p in entered if p[until]]
        slowest = max(
            (max(0, from_datetime(p[until]) - from_datetime(p[since])) for p in entered if p[until]), default=0
        )
        done = max(left) if len(left) == len(entered) else None
        text = f"{len(left)} of {len(entered)} pod(s), slowest {slowest / SECOND:.1f} s"
        out.append(Phase(stage, min(from_datetime(p[since]) for p in entered), done, author, text))
    return out


def _first_task(session: Session, target: str, start: Micros) -> Micros | None:
    rows = session.dicts("FROM running_spans WHERE target = $target", {"target": target})
    return min((at for row in rows if (at := from_datetime(row["from_at"])) >= start), default=None)
