"""`analyze -o sarif`: the findings as SARIF 2.1.0 (OASIS), for code scanning and everything else that reads it.

Root causes and contributing findings have kind `fail`; symptoms and observations are `informational`; a cause that
could not be assessed is `open`, SARIF's word for "there was not enough information to decide".
"""

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from afscope import __version__
from afscope.model.clock import rfc3339
from afscope.model.finding import Analysis, Evidence, Finding, NotAssessed, Role, Severity
from afscope.model.text import harmless

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVEL = {
    Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note",
    Severity.INFO: "note",
}  # fmt: skip
Document = dict[str, Any]


def sarif(analysis: Analysis, path: str, lang: str = "en") -> Document:
    """One SARIF log with one run; `path` is the capture as the user names it, the artifact of every result."""
    causes = list(dict.fromkeys([*(f.cause for f in analysis.findings), *(n.cause for n in analysis.not_assessed)]))
    titles = {finding.cause: finding for finding in reversed(analysis.findings)}
    place = {cause: number for number, cause in enumerate(causes)}
    where = {"uri": quote(path.replace("\\", "/").lstrip("/")), "index": 0}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "afscope",
                        "version": __version__,
                        "semanticVersion": __version__,
                        "language": "zh-CN" if lang == "zh" else "en-US",
                        "rules": [_rule(cause, titles.get(cause)) for cause in causes],
                    }
                },
                "artifacts": [{"location": {"uri": where["uri"]}, "description": _text(analysis.verdict.summary)}],
                "automationDetails": {"id": f"afscope/{quote(analysis.capture.id)}"},
                "invocations": [{"executionSuccessful": True}],
                "results": [
                    *(_result(finding, place, where) for finding in analysis.findings),
                    *(_open(item, place, where) for item in analysis.not_assessed),
                ],
                "properties": {
                    "healthy": analysis.verdict.healthy,
                    "startedAt": rfc3339(analysis.capture.started_at),
                    "endedAt": rfc3339(analysis.capture.ended_at),
                },
            }
        ],
    }


def _rule(cause: str, finding: Finding | None) -> Document:
    rule: Document = {"id": cause, "name": "".join(part.capitalize() for part in cause.split("_"))}
    if finding is not None:
        rule["shortDescription"] = _text(finding.title)
        rule["help"] = _text(finding.remedy or finding.title)
        rule["defaultConfiguration"] = {"level": _LEVEL[finding.severity]}
        rule["properties"] = {"tags": ["reliability", finding.stage, finding.component]}
    return rule


def _result(finding: Finding, place: dict[str, int], where: Document) -> Document:
    blamed = finding.role in (Role.ROOT_CAUSE, Role.CONTRIBUTING)
    sentences = [finding.title, finding.detail, finding.remedy]
    return {
        "ruleId": finding.cause,
        "ruleIndex": place[finding.cause],
        "kind": "fail" if blamed else "informational",
        "level": _LEVEL[finding.severity] if blamed else "none",
        "message": _text(" ".join(s.rstrip(".") + "." for s in sentences if s)),
        "locations": [_location(where, finding)],
        "partialFingerprints": {"afscopeFinding/v1": _fingerprint((finding.cause, finding.target, finding.subject))},
        "properties": {
            "role": finding.role.value,
            "confidence": finding.confidence,
            "startedAt": rfc3339(finding.started_at),
            "endedAt": rfc3339(finding.ended_at),
            "waitingTaskSeconds": finding.cost.waiting_task_seconds,
            "lostTaskSeconds": finding.cost.lost_task_seconds,
            "idlePodSeconds": finding.cost.idle_pod_seconds,
            "evidence": list(_evidence(finding.evidence)),
            "counterEvidence": list(_evidence(finding.counter_evidence)),
        },
    }


def _open(item: NotAssessed, place: dict[str, int], where: Document) -> Document:
    needs = ", ".join(item.needs)
    return {
        "ruleId": item.cause,
        "ruleIndex": place[item.cause],
        "kind": "open",
        "level": "none",
        "message": _text(f"Not assessed: {item.cause} needs {needs}."),
        "locations": [{"physicalLocation": {"artifactLocation": where}}],
        "partialFingerprints": {"afscopeFinding/v1": _fingerprint((item.cause, "not assessed"))},
    }


def _location(where: Document, finding: Finding) -> Document:
    name = "/".join(part for part in (finding.target, finding.component, finding.subject) if part)
    return {
        "physicalLocation": {"artifactLocation": where},
        "logicalLocations": [
            {"name": finding.component, "fullyQualifiedName": harmless(name), "kind": "resource"}
        ],
    }  # fmt: skip


def _evidence(rows: Iterable[Evidence]) -> Iterable[Document]:
    for row in rows:
        yield {"table": row.table, "ts": rfc3339(row.ts), "key": harmless(row.key), "text": harmless(row.text)}


def _text(text: str) -> Document:
    return {"text": harmless(text) or "-"}


def _fingerprint(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
