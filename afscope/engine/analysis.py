"""The analysis of an investigation as one value: findings, verdict, rulings, what was not assessed."""

from collections.abc import Callable, Sequence

from afscope.engine.attribution import UNKNOWN, Attribution
from afscope.engine.rulings import Bench, conditions
from afscope.engine.session import Session
from afscope.engine.verdict import ROOT_SECONDS, ROOT_SHARE
from afscope.engine.words import say
from afscope.model.clock import SECOND, to_datetime
from afscope.model.finding import Finding, NotAssessed, Role, Verdict


def verdict(
    session: Session,
    bench: Bench,
    found: Sequence[Finding],
    attribution: Attribution,
    targets: Sequence[str],
    missing: Callable[[str], bool],
    unlooked: Sequence[NotAssessed],
    lang: str,
) -> Verdict:
    """The verdict over findings that are sorted by role and price."""
    roots = [f for f in found if f.role is Role.ROOT_CAUSE]
    healthy, summary = _summary(session, found, roots, attribution, missing, unlooked, lang)
    return Verdict(
        healthy=healthy,
        summary=summary,
        root_causes=tuple(dict.fromkeys(f.cause for f in roots)),
        components=bench.rule(found, targets),
        conditions=conditions(session, found, missing, lang),
    )


def _summary(
    session: Session,
    found: Sequence[Finding],
    roots: Sequence[Finding],
    attribution: Attribution,
    missing: Callable[[str], bool],
    unlooked: Sequence[NotAssessed],
    lang: str,
) -> tuple[bool | None, str]:
    waiters = attribution.waiters
    total = sum(w.ended_at - w.runnable_at for w in waiters) / SECOND
    unknown = sum(us for w in waiters for (stage, _), us in w.seconds.items() if stage == UNKNOWN) / SECOND
    if missing("task_instances") or missing("dag_runs"):
        return None, say(lang, "no_tasks")
    much_unknown = unknown >= ROOT_SECONDS and unknown >= ROOT_SHARE * total
    unexplained = say(lang, "unexplained", unknown=f"{unknown:.0f}", total=f"{total:.0f}")
    if roots:
        return False, _guilty(roots, total, lang) + (f" {unexplained}" if much_unknown else "")
    if much_unknown:
        return None, unexplained
    if failures := _failures(session):
        return None, say(lang, "failures", n=failures)
    if unlooked:
        sources = sorted({need for item in unlooked for need in item.needs})
        return None, say(lang, "partly", n=len(unlooked), sources=", ".join(sources))
    if not waiters:
        return True, say(lang, "idle")
    smaller = [f.title for f in found if f.role is Role.CONTRIBUTING]
    if smaller:
        return True, say(lang, "contributing", tasks=len(waiters), total=f"{total:.0f}", others="; ".join(smaller))
    return True, say(lang, "healthy", tasks=len(waiters), total=f"{total:.0f}")


def _guilty(roots: Sequence[Finding], total: float, lang: str) -> str:
    first = roots[0]
    lost = first.cost.lost_task_seconds
    text = say(
        lang,
        "guilty_one",
        title=first.title,
        since=f"{to_datetime(first.started_at):%H:%M:%S}",
        cost=f"{first.cost.waiting_task_seconds:.0f}",
        total=f"{total:.0f}",
        share=f"{100 * first.cost.waiting_task_seconds / max(total, 1):.0f}",
        lost=say(lang, "lost", seconds=f"{lost:.0f}") if lost else "",
    )
    if len(roots) > 1:
        text += say(lang, "guilty_more", n=len(roots) - 1, others="; ".join(f.title for f in roots[1:]))
    return text


def _failures(session: Session) -> int:
    """Attempts that ended in failure while the capture ran; a healthy chain does not vouch for them."""
    (n,) = session.run("SELECT count(*) FROM attempts WHERE last_state IN ('failed', 'up_for_retry')").rows[0]
    return int(n)
