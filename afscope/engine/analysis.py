"""The analysis of an investigation as one value: findings, verdict, rulings, what was not assessed."""

from collections.abc import Callable, Sequence

from afscope.engine.attribution import UNKNOWN, Attribution
from afscope.engine.clocks import Clocks
from afscope.engine.reach import Reach
from afscope.engine.rulings import Bench, conditions
from afscope.engine.session import Session
from afscope.engine.verdict import ROOT_SECONDS, ROOT_SHARE
from afscope.engine.words import say
from afscope.model.clock import SECOND, to_datetime
from afscope.model.finding import Finding, Kind, NotAssessed, Role, Verdict

# What these tables prove also shows in the task table, as waiting beyond every timer or as failed attempts. Where
# neither is there, a cause that only they could name has done no harm: their absence does not withhold health.
DETAIL = frozenset({"log_lines", "celery_results", "broker_queues"})
_TASKS = ("task_instances", "dag_runs")


def verdict(
    session: Session,
    bench: Bench,
    found: Sequence[Finding],
    attribution: Attribution,
    total: float,
    targets: Sequence[str],
    missing: Callable[[str], bool],
    unlooked: Sequence[NotAssessed],
    reach: Reach,
    clocks: Clocks,
    lang: str,
) -> Verdict:
    """The verdict over findings that are sorted by role and price; `total` is what was waited, in task-seconds."""
    roots = [f for f in found if f.role is Role.ROOT_CAUSE]
    healthy, summary = _summary(session, found, roots, attribution, total, missing, unlooked, lang)
    if healthy:
        summary = reach.bounded(summary, bench.needed)
        healthy = None if reach.long_silent(_TASKS) else True
    return Verdict(
        healthy=healthy,
        summary=summary + _clocks(clocks, lang) + reach.cut_off(),
        root_causes=tuple(dict.fromkeys(f.cause for f in roots)),
        components=bench.rule(found, targets),
        conditions=conditions(session, found, missing, reach, lang),
    )


def _summary(
    session: Session,
    found: Sequence[Finding],
    roots: Sequence[Finding],
    attribution: Attribution,
    total: float,
    missing: Callable[[str], bool],
    unlooked: Sequence[NotAssessed],
    lang: str,
) -> tuple[bool | None, str]:
    waiters = attribution.waiters
    unknown = sum(us for w in waiters for (stage, _), us in w.seconds.items() if stage == UNKNOWN) / SECOND
    if any(map(missing, _TASKS)):
        proven = [f.title for f in found if f.kind is Kind.LOG]
        return None, say(lang, "no_tasks") + (say(lang, "from_logs", proven="; ".join(proven)) if proven else "")
    much_unknown = unknown >= ROOT_SECONDS and unknown >= ROOT_SHARE * total
    unexplained = say(lang, "unexplained", unknown=f"{unknown:.0f}", total=f"{total:.0f}")
    if roots:
        return False, _guilty(roots, total, lang) + (f" {unexplained}" if much_unknown else "")
    if much_unknown:
        return None, unexplained
    own, unexplained_failures = _failures(session)
    if unexplained_failures:
        return None, say(lang, "failures", n=unexplained_failures)
    if hidden := [item for item in unlooked if not DETAIL.issuperset(item.needs)]:
        sources = sorted({need for item in hidden for need in item.needs})
        return None, say(lang, "partly", n=len(hidden), sources=", ".join(sources))
    if not waiters:
        return True, say(lang, "idle")
    smaller = [f.title for f in found if f.role is Role.CONTRIBUTING]
    text = say(
        lang,
        "contributing" if smaller else "healthy",
        tasks=len(waiters),
        total=f"{total:.0f}",
        others="; ".join(smaller),
    )
    return True, text + (" " + say(lang, "own_failures", n=own) if own else "")


def _clocks(clocks: Clocks, lang: str) -> str:
    if not clocks.differ:
        return ""
    cluster, airflow = (f"{offset / SECOND:+.0f}" for offset in clocks)
    return say(lang, "clocks", cluster=cluster, airflow=airflow)


def _guilty(roots: Sequence[Finding], total: float, lang: str) -> str:
    first = roots[0]
    waited, lost = first.cost.waiting_task_seconds, first.cost.lost_task_seconds
    text = say(
        lang,
        "guilty_lost" if lost and not waited else "guilty_one",
        title=first.title,
        seconds=f"{lost:.0f}",
        since=f"{to_datetime(first.started_at):%H:%M:%S}",
        cost=f"{waited:.0f}",
        total=f"{total:.0f}",
        share=f"{100 * waited / max(total, 1):.0f}",
        lost=say(lang, "lost", seconds=f"{lost:.0f}") if lost else "",
    )
    if len(roots) > 1:
        text += say(lang, "guilty_more", n=len(roots) - 1, others="; ".join(f.title for f in roots[1:]))
    return text


def _failures(session: Session) -> tuple[int, int]:
    """Attempts that failed by themselves, on workers that lived on, and all others that failed in the capture.

    A healthy chain vouches for the first kind: nobody took their workers. Without pods on record none is of that kind.
    """
    sql = """SELECT count(*) FILTER (WHERE fate = 'own'),
        (SELECT count(*) FROM attempts WHERE last_state IN ('failed', 'up_for_retry')) FROM failures"""
    own, failed = session.run(sql).rows[0]
    return int(own), int(failed) - int(own)
