"""Commands that explain a capture: analyze, timeline, waits, sql."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afscope.cli.options import (
    EXPLAIN,
    Analyzers,
    CapturePath,
    Lang,
    Since,
    Targets,
    Until,
    Zone,
    choice,
    language,
    moment,
    people,
)
from afscope.cli.output import emit, message, plain, to_csv, to_json, to_jsonl
from afscope.errors import GateTripped, UsageError

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation
    from afscope.model.finding import Analysis

GATES = ("critical", "high", "medium", "low")


@contextmanager
def investigation(
    capture: Path,
    lang: str,
    targets: Sequence[str] | None = None,
    analyzers: Sequence[Path] | None = None,
    since: str = "",
    until: str = "",
) -> Iterator["Investigation"]:
    """An open investigation, closed at the end. Raises UsageError and CaptureError."""
    start, end = moment("--since", since), moment("--until", until)
    if start is not None and end is not None and start >= end:
        raise UsageError("--since is not before --until")

    from afscope.engine.investigation import Investigation

    opened = Investigation.open(
        capture, lang=lang, targets=tuple(targets or ()), analyzers=tuple(analyzers or ()), since=start, until=end
    )
    try:
        for warning in opened.capture.warnings:
            message(f"afscope: damaged: {plain(warning)}")
        yield opened
    finally:
        opened.close()


def _at_least(threshold: str) -> Sequence[str]:
    """The severities that trip a gate of this threshold."""
    return GATES[: GATES.index(threshold) + 1]


def severe(analysis: "Analysis", threshold: str) -> list[str]:
    """The ids of root causes and contributing findings that are at least as severe as `threshold`, one per finding."""
    from afscope.model.fleet import BLAMED

    bad = _at_least(threshold)
    return [finding.cause for finding in analysis.findings if finding.role in BLAMED and finding.severity.value in bad]


def gate(analysis: "Analysis", threshold: str) -> None:
    """Raises GateTripped when a root cause or contributing finding is at least as severe as `threshold`."""
    if tripped := severe(analysis, threshold):
        causes = ", ".join(dict.fromkeys(tripped))
        raise GateTripped(f"--fail-on {threshold}: {len(tripped)} finding(s) at or above it: {causes}")


def analyze(
    capture: CapturePath,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json|jsonl|markdown|junit|sarif")] = "table",
    fail_on: Annotated[
        str,
        typer.Option(
            metavar="critical|high|medium|low", help="Exit 1 on a root cause or contributing finding this severe."
        ),
    ] = "",
    lang: Lang = "",
    target: Targets = None,
    analyzers: Analyzers = None,
    since: Since = "",
    until: Until = "",
    tz: Zone = "UTC",
) -> None:
    """The verdict: who is to blame, since when, what it cost, what to change."""
    choice("--output", output, ("table", "json", "jsonl", "markdown", "junit", "sarif"))
    if fail_on:
        choice("--fail-on", fail_on, GATES)
    who = people(tz, lang)
    with investigation(capture, who.lang, target, analyzers, since, until) as opened:
        analysis = opened.analysis
        causes = [(file.header.id, file.header.stage) for file in opened.catalog.group("bottleneck")]
    if output == "junit":
        from afscope.model.finding import Severity
        from afscope.report.junit import junit

        emit(junit(analysis, causes, capture.name, [Severity(level) for level in _at_least(fail_on or "low")]))
    elif output == "sarif":
        from afscope.report.sarif import sarif

        emit(to_json(sarif(analysis, capture.as_posix(), who.lang)))
    elif output in ("json", "jsonl"):
        from afscope.cli.documents import analysis_document, analysis_lines

        emit(to_json(analysis_document(analysis)) if output == "json" else to_jsonl(analysis_lines(analysis)))
    elif output == "markdown":
        from afscope.cli.markdown import markdown

        emit(markdown(analysis, who, capture.name))
    else:
        from afscope.cli.verdict_view import verdict_text

        emit(verdict_text(analysis, who, capture.name))
    if fail_on:
        gate(analysis, fail_on)


def timeline(
    capture: CapturePath,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json|csv")] = "table",
    lang: Lang = "",
    target: Targets = None,
    since: Since = "",
    until: Until = "",
    tz: Zone = "UTC",
) -> None:
    """The scaling timeline: episodes, each stage with its time and its author."""
    choice("--output", output, ("table", "json", "csv"))
    who = people(tz, lang)
    with investigation(capture, who.lang, target, None, since, until) as opened:
        episodes, recorded = opened.timeline(), opened.assessable("task_instances")
    from afscope.cli.timeline_view import CSV_COLUMNS, timeline_rows, timeline_text

    if output == "json":
        from afscope.cli.documents import timeline_document

        emit(to_json(timeline_document(episodes)))
    elif output == "csv":
        emit(to_csv(CSV_COLUMNS, timeline_rows(episodes)))
    else:
        emit(timeline_text(episodes, who, recorded=recorded))


def waits(
    capture: CapturePath,
    by: Annotated[str, typer.Option(metavar="dag|queue|pool|task", help="How table and CSV group attempts.")] = "dag",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="table|json|csv", help="JSON lists every attempt, whatever --by.")
    ] = "table",
    lang: Lang = "",
    target: Targets = None,
    analyzers: Analyzers = None,
    since: Since = "",
    until: Until = "",
) -> None:
    """Where each task's wait went, stage by stage and cause by cause."""
    choice("--output", output, ("table", "json", "csv"))
    from afscope.cli.waits_view import CSV_COLUMNS, GROUPS, grouped, waits_rows, waits_text

    choice("--by", by, GROUPS)
    spoken = language(lang)
    with investigation(capture, spoken, target, analyzers, since, until) as opened:
        attempts, recorded = opened.waits(), opened.assessable("task_instances")
    if output == "json":
        from afscope.cli.documents import waits_document

        emit(to_json(waits_document(attempts)))
    elif output == "csv":
        emit(to_csv(CSV_COLUMNS, waits_rows(grouped(attempts, by))))
    else:
        emit(waits_text(grouped(attempts, by), spoken, recorded=recorded))


def sql(
    capture: CapturePath,
    query: Annotated[str, typer.Argument(help="One statement; without it: stdin, or a shell on a terminal.")] = "",
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json|jsonl|csv")] = "table",
) -> None:
    """DuckDB over the capture's tables and the analyzers' facts, read-only and locked down."""
    from afscope.cli.query import FORMATS, formatted, shell

    choice("--output", output, FORMATS)
    interactive = not query and sys.stdin.isatty()
    statement = query or ("" if interactive else sys.stdin.read())
    if not interactive and not statement.strip():
        raise UsageError("no query", 'afscope sql CAPTURE "SELECT …", or a query on stdin')
    with investigation(capture, "en") as opened:
        if interactive:
            shell(opened.sql, output)
        else:
            emit(formatted(opened.sql(statement), output))


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (analyze, timeline, waits, sql):
        app.command(rich_help_panel=EXPLAIN)(command)
