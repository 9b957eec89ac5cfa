"""`fleet analyze` for people, as CSV, and as JSON (docs/cli.md)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from afscope.cli.documents import SCHEMA_VERSION
from afscope.cli.options import duration
from afscope.cli.output import plain, rendered
from afscope.cli.words import word
from afscope.model.clock import rfc3339
from afscope.model.finding import Finding
from afscope.model.fleet import Assessed, CommonCause, common_causes

if TYPE_CHECKING:
    from rich.console import Console

_STATES = {True: "healthy", False: "unhealthy", None: "unknown"}
_STYLES = {"healthy": "green", "unhealthy": "bold red", "unknown": "yellow", "not_analyzed": "yellow"}

CSV_COLUMNS = (
    "capture", "started_at", "ended_at", "cluster", "healthy", "cause", "role", "target", "severity", "confidence",
    "waiting_task_seconds", "lost_task_seconds", "error",
)  # fmt: skip


def fleet_document(fleet: Sequence[Assessed]) -> dict[str, Any]:
    """What `fleet analyze -o json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "captures": [capture_document(item) for item in fleet],
        "causes": [_cause_document(cause) for cause in common_causes(fleet)],
    }


def capture_document(item: Assessed) -> dict[str, Any]:
    """One capture of it: a line of `-o jsonl`."""
    analysis = item.analysis
    if analysis is None:
        return {"capture": item.place, "error": item.error, "verdict": None, "findings": []}
    return {
        "capture": item.place,
        "error": None,
        "started_at": rfc3339(analysis.capture.started_at),
        "ended_at": rfc3339(analysis.capture.ended_at),
        "cluster": analysis.capture.cluster,
        "verdict": {
            "healthy": analysis.verdict.healthy,
            "summary": analysis.verdict.summary,
            "root_causes": list(analysis.verdict.root_causes),
        },
        "findings": [_finding_document(finding) for finding in item.blamed],
    }


def csv_rows(fleet: Iterable[Assessed]) -> Iterator[tuple[object, ...]]:
    """A row per root cause and contributing finding; one row for a capture without any."""
    for item in fleet:
        analysis = item.analysis
        if analysis is None:
            yield (item.place, *(None,) * (len(CSV_COLUMNS) - 2), item.error)
            continue
        capture = analysis.capture
        head = (
            item.place, rfc3339(capture.started_at), rfc3339(capture.ended_at), capture.cluster,
            analysis.verdict.healthy,
        )  # fmt: skip
        for finding in item.blamed:
            cost = finding.cost
            yield (
                *head, finding.cause, finding.role.value, finding.target, finding.severity.value, finding.confidence,
                round(cost.waiting_task_seconds, 3), round(cost.lost_task_seconds, 3), None,
            )  # fmt: skip
        if not item.blamed:
            yield (*head, *(None,) * (len(CSV_COLUMNS) - len(head)))


def fleet_text(fleet: Sequence[Assessed], lang: str) -> str:
    """The causes that come back first, then a line for each capture."""
    return rendered(lambda console: _draw(console, fleet, lang))


def _finding_document(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "cause": finding.cause,
        "role": finding.role.value,
        "target": finding.target,
        "severity": finding.severity.value,
        "confidence": finding.confidence,
        "title": finding.title,
        "waiting_task_seconds": round(finding.cost.waiting_task_seconds, 3),
        "lost_task_seconds": round(finding.cost.lost_task_seconds, 3),
    }


def _cause_document(cause: CommonCause) -> dict[str, Any]:
    return {
        "cause": cause.cause,
        "severity": cause.severity.value,
        "captures": list(cause.captures),
        "targets": list(cause.targets),
        "waiting_task_seconds": round(cause.waiting_task_seconds, 3),
        "lost_task_seconds": round(cause.lost_task_seconds, 3),
    }


def _state(item: Assessed) -> str:
    return "not_analyzed" if item.analysis is None else _STATES[item.analysis.verdict.healthy]


def _draw(console: "Console", fleet: Sequence[Assessed], lang: str) -> None:
    from rich.table import Table
    from rich.text import Text

    counted = Counter(_state(item) for item in fleet)
    said = ", ".join(f"{counted[state]} {word(lang, state)}" for state in _STYLES if counted[state])
    console.print(Text(word(lang, "captures_are").format(n=len(fleet)) + said, style="bold"))
    if causes := common_causes(fleet):
        console.print()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for name, justify in (
            ("root_cause", "left"),
            ("captures", "right"),
            ("waited_for", "right"),
            ("lost", "right"),
        ):
            table.add_column(word(lang, name), justify="right" if justify == "right" else "left", overflow="fold")
        for cause in causes:
            table.add_row(
                Text(cause.cause), str(len(cause.captures)),
                f"{cause.waiting_task_seconds:.0f}", f"{cause.lost_task_seconds:.0f}",
            )  # fmt: skip
        console.print(table)
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    for item in fleet:
        state = _state(item)
        table.add_row(Text(_short(item.place)), Text(word(lang, state), style=_STYLES[state]), _outcome(item))
    console.print(table)


def _outcome(item: Assessed) -> str:
    analysis = item.analysis
    if analysis is None:
        return plain(item.error)
    length = duration((analysis.capture.ended_at - analysis.capture.started_at) / 1e6)
    causes = ", ".join(analysis.verdict.root_causes)
    return f"{length}  {causes}" if causes else length


def _short(place: str) -> str:
    """The name is what tells captures apart in a narrow terminal; JSON and CSV have the whole place."""
    return plain(PurePath(place).name.removesuffix(".zip").removesuffix(".afscope") or place)
