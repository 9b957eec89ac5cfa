"""The JSON documents of `analyze`, `timeline` and `waits`: schema_version 1, the stable contract of docs/cli.md.

Every function returns plain dicts and lists; times are RFC 3339 UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from afscope import __version__
from afscope.model.capture import Source
from afscope.model.clock import Micros, rfc3339
from afscope.model.finding import Analysis, ComponentRuling, Evidence, Finding, Gap, MissingSource, Verdict
from afscope.model.timeline import AttemptWait, Episode

SCHEMA_VERSION = 1
Document = dict[str, Any]


def analysis_document(analysis: Analysis) -> Document:
    """What `analyze -o json` prints."""
    capture = analysis.capture
    return {
        "schema_version": SCHEMA_VERSION,
        "afscope_version": __version__,
        "capture": {
            "id": capture.id,
            "started_at": rfc3339(capture.started_at),
            "ended_at": rfc3339(capture.ended_at),
            "cluster": capture.cluster,
            "sources": {name: _source(source) for name, source in sorted(capture.sources.items())},
        },
        "targets": [dict(target) for target in analysis.targets],
        "verdict": _verdict(analysis.verdict),
        "findings": [finding_document(finding) for finding in analysis.findings],
        "not_assessed": [{"cause": item.cause, "needs": list(item.needs)} for item in analysis.not_assessed],
        "missing_sources": [_missing(item) for item in analysis.missing],
        "gaps": [_gap(gap) for gap in analysis.gaps],
    }


def analysis_lines(analysis: Analysis) -> Iterator[Document]:
    """What `analyze -o jsonl` prints: a `verdict` line, then one line per finding, unassessed cause and gap."""
    document = analysis_document(analysis)
    names = {"finding": "findings", "not_assessed": "not_assessed", "missing_source": "missing_sources"}
    lists = {kind: document.pop(name) for kind, name in names.items()}
    lists["gap"] = document.pop("gaps")
    yield {"type": "verdict", **document}
    for kind, items in lists.items():
        for item in items:
            yield {"type": kind, **item}


def finding_document(finding: Finding) -> Document:
    """One finding."""
    return {
        "id": finding.id,
        "cause": finding.cause,
        "stage": finding.stage,
        "component": finding.component,
        "target": finding.target,
        "subject": finding.subject,
        "severity": finding.severity.value,
        "role": finding.role.value,
        "title": finding.title,
        "detail": finding.detail,
        "remedy": finding.remedy,
        "docs": finding.docs,
        "started_at": rfc3339(finding.started_at),
        "ended_at": rfc3339(finding.ended_at),
        "confidence": finding.confidence,
        "cost": {
            "waiting_task_seconds": _seconds(finding.cost.waiting_task_seconds),
            "lost_task_seconds": _seconds(finding.cost.lost_task_seconds),
            "idle_pod_seconds": _seconds(finding.cost.idle_pod_seconds),
        },
        "evidence": _evidence(finding.evidence),
        "counter_evidence": _evidence(finding.counter_evidence),
        "explained_by": list(finding.explained_by),
    }


def timeline_document(episodes: Iterable[Episode]) -> Document:
    """What `timeline -o json` prints."""
    return {"schema_version": SCHEMA_VERSION, "episodes": [_episode(episode) for episode in episodes]}


def waits_document(attempts: Iterable[AttemptWait]) -> Document:
    """What `waits -o json` prints."""
    return {"schema_version": SCHEMA_VERSION, "attempts": [_attempt(attempt) for attempt in attempts]}


def _verdict(verdict: Verdict) -> Document:
    return {
        "healthy": verdict.healthy,
        "summary": verdict.summary,
        "root_causes": list(verdict.root_causes),
        "components": [_ruling(ruling) for ruling in verdict.components],
        "conditions": [
            {"condition": item.condition, "ok": item.ok, "because": item.because} for item in verdict.conditions
        ],
    }


def _ruling(ruling: ComponentRuling) -> Document:
    return {
        "component": ruling.component,
        "target": ruling.target,
        "ruling": ruling.ruling.value,
        "because": ruling.because,
        "evidence": _evidence(ruling.evidence),
    }


def _source(source: Source) -> Document:
    return {"status": source.status.value, "reason": source.reason}


def _missing(item: MissingSource) -> Document:
    return {
        "source": item.source, "status": item.status, "reason": item.reason, "would_settle": list(item.causes),
        "components": list(item.components), "how": item.how,
    }  # fmt: skip


def _gap(gap: Gap) -> Document:
    return {"source": gap.source, "from": rfc3339(gap.from_ts), "to": rfc3339(gap.to_ts), "reason": gap.reason}


def _evidence(rows: Sequence[Evidence]) -> list[Document]:
    return [{"table": row.table, "ts": rfc3339(row.ts), "key": row.key, "text": row.text} for row in rows]


def _episode(episode: Episode) -> Document:
    return {
        "target": episode.target,
        "started_at": rfc3339(episode.started_at),
        "ended_at": _time(episode.ended_at),
        "peak_demand": episode.peak_demand,
        "peak_replicas": episode.peak_replicas,
        "phases": [
            {
                "stage": phase.stage,
                "started_at": rfc3339(phase.started_at),
                "ended_at": _time(phase.ended_at),
                "author": phase.author,
                "text": phase.text,
                "evidence": _evidence(phase.evidence),
            }
            for phase in episode.phases
        ],
        "decisions": [
            {
                "at": rfc3339(decision.at),
                "before": decision.before,
                "after": decision.after,
                "author": decision.author,
                "reason": decision.reason,
            }
            for decision in episode.decisions
        ],
    }


def _attempt(attempt: AttemptWait) -> Document:
    return {
        "dag_id": attempt.dag_id,
        "run_id": attempt.run_id,
        "task_id": attempt.task_id,
        "map_index": attempt.map_index,
        "try_number": attempt.try_number,
        "queue": attempt.queue,
        "pool": attempt.pool,
        "target": attempt.target,
        "runnable_at": rfc3339(attempt.runnable_at),
        "running_at": _time(attempt.running_at),
        "ended_at": _time(attempt.ended_at),
        "stages": [
            {"stage": wait.stage, "seconds": _seconds(wait.seconds), "cause": wait.cause} for wait in attempt.stages
        ],
    }


def _time(at: Micros | None) -> str | None:
    return None if at is None else rfc3339(at)


def _seconds(value: float) -> float:
    return round(value, 6)
