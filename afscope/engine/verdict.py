"""From claims and attribution to findings, roles and the verdict."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from afscope.engine.claims import Claim
from afscope.engine.header import AnalyzerFile, Texts
from afscope.model.clock import SECOND, Micros
from afscope.model.finding import Cost, Evidence, Finding, Gap, Kind, Role, Severity

# A root cause costs at least this share of the waiting and this many task-seconds, or it killed work.
ROOT_SHARE, ROOT_SECONDS = 0.05, 60.0
EVIDENCE_KEPT = 8
_SEVERITIES = list(Severity)
_KINDS = {"symptom": Kind.SYMPTOM, "log": Kind.LOG, "lint": Kind.LINT}
# What a kind is, whatever it costs. Log lines prove that something happened, not whom it made wait: never a root cause.
_ROLES = {Kind.SYMPTOM: Role.SYMPTOM, Kind.LOG: Role.CONTRIBUTING, Kind.LINT: Role.OBSERVATION}


def fill(template: str, params: Mapping[str, Any], variants: Mapping[str, str] | None = None) -> str:
    """`{name}` from params; nothing else is interpreted, so hostile names stay harmless.

    A value that names one of `variants` becomes that text, itself filled from the same params.
    """

    def word(match: re.Match[str]) -> str:
        value = params.get(match.group(1))
        if variants and isinstance(value, str) and value in variants:
            return fill(variants[value], params)
        return _word(value)

    return re.sub(r"\{(\w+)\}", word, template)


def _word(value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"
    return str(value)


def texts(file: AnalyzerFile, lang: str) -> Texts:
    """An analyzer's texts in a language, English where it has none."""
    return file.header.text.get(lang) or file.header.text.get("en") or Texts()


def findings(
    claims: Iterable[Claim],
    seconds: Mapping[tuple[str, str, str, str], Micros],
    total: float,
    gaps: Sequence[Gap],
    lang: str,
) -> list[Finding]:
    """One finding per claim instance, root causes first, then by cost."""
    instances: dict[tuple[str, str, str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        instances[claim.instance].append(claim)
    found = [_finding(group, seconds.get(key, 0) / SECOND, total, gaps, lang) for key, group in instances.items()]
    return sorted(_explained(found, claims_by_id(instances)), key=_order)


def claims_by_id(instances: Mapping[tuple[str, str, str, str], Sequence[Claim]]) -> dict[str, Claim]:
    """A claim per finding id, for its header."""
    return {_identity(key): group[0] for key, group in instances.items()}


def _identity(key: tuple[str, str, str, str]) -> str:
    return ":".join(part for part in key if part)


def _finding(group: Sequence[Claim], waiting: float, total: float, gaps: Sequence[Gap], lang: str) -> Finding:
    # the longest window speaks for the instance
    leading = max(group, key=lambda claim: (claim.end - claim.start, claim.confidence))
    header, words = leading.about.header, texts(leading.file, lang)
    kind = _KINDS.get(leading.file.header.group, Kind.CAUSE)
    start, end = min(c.start for c in group), max(c.end for c in group)
    # an observation on the finished attribution brings its own price
    waiting += sum(c.waiting_task_seconds for c in group)
    cost = Cost(
        round(waiting, 3),
        round(sum(c.lost_task_seconds for c in group), 3),
        round(sum(c.idle_pod_seconds for c in group), 3),
    )
    return Finding(
        id=_identity(leading.instance),
        cause=header.id,
        stage=header.stage,
        component=leading.component,
        target=leading.target,
        subject=leading.subject,
        severity=header.severity,
        role=_ROLES.get(kind) or _role(leading, cost, total),
        title=fill(words.title, leading.params, words.variants),
        detail=fill(words.detail, leading.params, words.variants),
        remedy=fill(words.remedy, leading.params, words.variants),
        docs=_page(header.id, kind, ".zh.md" if lang == "zh" else ".md"),
        started_at=start,
        ended_at=end,
        confidence=round(leading.confidence * (1 - 0.5 * _hole(leading.file.header.needs, start, end, gaps)), 3),
        cost=cost,
        evidence=_evidence(leading, group),
        kind=kind,
    )


def _page(cause: str, kind: Kind, tail: str) -> str:
    """Symptoms and lint rules share a page each."""
    shared = {Kind.SYMPTOM: "symptoms", Kind.LINT: "lint"}.get(kind)
    return f"docs/{shared}{tail}#{cause}" if shared else f"docs/causes/{cause}{tail}"


def _evidence(leading: Claim, group: Sequence[Claim]) -> tuple[Evidence, ...]:
    ordered = [*leading.evidence, *(e for c in group if c is not leading for e in c.evidence)]
    return tuple(dict.fromkeys(ordered))[:EVIDENCE_KEPT]


def _role(claim: Claim, cost: Cost, total: float) -> Role:
    waiting = cost.waiting_task_seconds
    if claim.file.header.ordinary:
        return Role.OBSERVATION
    if cost.lost_task_seconds > 0 or (waiting >= ROOT_SECONDS and waiting >= ROOT_SHARE * total):
        return Role.ROOT_CAUSE
    return Role.CONTRIBUTING if waiting >= 1 else Role.OBSERVATION


def _hole(needs: Sequence[str], start: Micros, end: Micros, gaps: Sequence[Gap]) -> float:
    """Largest share of the window that a gap of a needed source covers."""
    length = max(1, end - start)
    holes = [min(g.to_ts, end) - max(g.from_ts, start) for g in gaps if g.source in needs]
    return min(1.0, max(0, sum(h for h in holes if h > 0)) / length)


def _explained(found: list[Finding], claims: Mapping[str, Claim]) -> list[Finding]:
    """A root cause that makes another finding inevitable explains it: the other becomes a symptom.

    A symptom is also explained by what is too small, or not proven enough, for a root cause.
    """
    roots = [f for f in found if f.role is Role.ROOT_CAUSE]
    lesser = [f for f in found if f.role is Role.CONTRIBUTING]
    out = []
    for finding in found:
        by = [
            r.id
            for r in (roots + lesser if finding.kind is Kind.SYMPTOM else roots)
            if r.id != finding.id and finding.cause in claims[r.id].about.header.explains and _meet(r, finding)
        ]
        if by and finding.role is not Role.OBSERVATION:
            out.append(msgspec.structs.replace(finding, role=Role.SYMPTOM, explained_by=tuple(by)))
        else:
            out.append(finding)
    return out


def _meet(a: Finding, b: Finding) -> bool:
    same = not a.target or not b.target or a.target == b.target
    return same and a.started_at <= b.ended_at and b.started_at <= a.ended_at


def _order(finding: Finding) -> tuple[int, float, int, str]:
    price = finding.cost.waiting_task_seconds + finding.cost.lost_task_seconds
    return (list(Role).index(finding.role), -price, _SEVERITIES.index(finding.severity), finding.id)
