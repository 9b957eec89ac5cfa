"""Commands that hand things over: report, diff; and the schemas of what is printed."""

from pathlib import Path
from typing import Annotated

import typer

from afscope.cli.analysis_commands import investigation
from afscope.cli.options import (
    MAINTAIN,
    SHARE,
    Analyzers,
    CapturePath,
    Lang,
    Since,
    Targets,
    Until,
    Zone,
    choice,
    moment,
    people,
)
from afscope.cli.output import emit, message, to_json
from afscope.errors import CaptureExists, UsageError

_SUFFIXES = {".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown"}


def report(
    capture: CapturePath,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.html|.md", help="The ending says which; must not exist.")
    ],
    lang: Lang = "",
    target: Targets = None,
    analyzers: Analyzers = None,
    since: Since = "",
    until: Until = "",
    tz: Zone = "UTC",
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="What-if: a changed setting; all of them make one variant."),
    ] = None,
    variants: Annotated[
        list[str] | None, typer.Option("--variant", metavar="'A=1; B=2'", help="What-if: one more variant; repeatable.")
    ] = None,
    no_what_if: Annotated[bool, typer.Option("--no-what-if", help="Leave the simulation out.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
) -> None:
    """Writes a self-contained post-mortem: one HTML file to mail and print, or Markdown for a ticket."""
    kind = _SUFFIXES.get(output.suffix.lower())
    if kind is None:
        raise UsageError(f"-o {output}: a report is an .html or an .md file")
    if not output.parent.is_dir():
        raise UsageError(f"-o {output}: no folder {output.parent}")
    if (output.exists() or output.is_symlink()) and not force:
        raise CaptureExists(f"{output} exists", "choose another -o, or say --force")
    who = people(tz, lang)
    with investigation(capture, who.lang, target, analyzers, since, until) as opened:
        from afscope.report.content import Look, content
        from afscope.report.whatif import what_if
        from afscope.simulate.settings import expand

        look = Look(who.lang, who.zone, capture.resolve().name)
        asked = expand(sets or (), variants or ())
        told = content(opened, look, () if no_what_if else what_if(opened, look, asked))
    if kind == "html":
        from afscope.report.html import html

        text = html(told)
    else:
        from afscope.report.markdown import markdown

        text = markdown(told)
    output.write_text(text, encoding="utf-8")
    message(f"{len(text.encode()) / 1000:.0f} kB")
    emit(str(output))


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="The capture before.")],
    b: Annotated[
        Path | None, typer.Argument(metavar="[B]", help="The capture after; default: A, another range.")
    ] = None,
    range_a: Annotated[str, typer.Option("--a", metavar="FROM/TO", help="Only this range of A (RFC 3339).")] = "",
    range_b: Annotated[str, typer.Option("--b", metavar="FROM/TO", help="Only this range of B (RFC 3339).")] = "",
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json")] = "table",
    target: Targets = None,
    analyzers: Analyzers = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the resampling; the same seed, the same intervals.")] = 0,
) -> None:
    """Compares two captures, or two ranges of one: waits, lost work, pod-hours, causes, and how sure that is."""
    choice("--output", output, ("table", "json"))
    if b is None and not (range_a and range_b):
        raise UsageError(
            "one capture, but not two ranges", "afscope diff A B, or afscope diff A --a FROM/TO --b FROM/TO"
        )
    from afscope.report.diff import diff as compare
    from afscope.report.diff import side

    sides = []
    for capture, bounds in ((a, _bounds("--a", range_a)), (b or a, _bounds("--b", range_b))):
        with investigation(capture, "en", target, analyzers, *bounds) as opened:
            sides.append(side(opened, capture.name))
    told = compare(*sides, seed=seed)
    from afscope.cli.diff_view import diff_document, diff_text

    emit(to_json(diff_document(told)) if output == "json" else diff_text(told))


def _bounds(flag: str, text: str) -> tuple[str, str]:
    """FROM/TO, as ISO 8601 writes an interval."""
    if text and text.count("/") != 1:
        raise UsageError(
            f"{flag} {text!r} is no range", "write FROM/TO, e.g. 2026-11-22T20:00:00Z/2026-11-22T21:00:00Z"
        )
    start, _, end = text.partition("/")
    for bound in (start, end):
        moment(flag, bound)
    return start, end


def schema(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A document; without it: their names.")] = "",
) -> None:
    """Prints the JSON Schema of a document that a command prints as JSON."""
    from afscope.cli.schemas import names, text

    if not name:
        emit("\n".join(names()))
        return
    emit(text(choice("NAME", name, names())))


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(rich_help_panel=SHARE)(report)
    app.command(rich_help_panel=SHARE)(diff)
    app.command(rich_help_panel=MAINTAIN)(schema)
