"""Commands that open the screen: demo and open."""

import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afscope.cli.analysis_commands import investigation
from afscope.cli.options import LOOK, Analyzers, CapturePath, Lang, Targets, people
from afscope.cli.output import emit
from afscope.errors import UsageError

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation


def demo(
    sample: Annotated[str, typer.Option("--sample", metavar="NAME", help="Which one; see --list.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the samples and leave.")] = False,
    lang: Lang = "",
) -> None:
    """Opens a real incident that ships with afscope; without a terminal prints its verdict and timeline."""
    from afscope.cli.samples import DEFAULT, samples
    from afscope.cli.samples import sample as find

    if list_:
        width = max(len(item.name) for item in samples())
        emit("\n".join(f"{item.name:{width}}  {item.about}" for item in samples()))
        return
    chosen = find(sample or DEFAULT)
    with resources.as_file(chosen.file) as path:
        if on_a_terminal():
            screen(path, chosen.name, people("UTC", lang).lang)
        else:
            tell(path, chosen.name, lang)


def open_(
    capture: CapturePath,
    lang: Lang = "",
    target: Targets = None,
    analyzers: Analyzers = None,
) -> None:
    """Browses a capture on the terminal."""
    from afscope.store.reader import Capture

    Capture.open(capture)  # a wrong path is told before the screen takes over
    if not on_a_terminal():
        raise UsageError("`afscope open` needs a terminal", "`afscope analyze` and `afscope timeline` do without")
    screen(capture, capture.name, people("UTC", lang).lang, target, analyzers)


def on_a_terminal() -> bool:
    """Whether a full-screen program can run here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def tell(capture: Path, name: str, lang: str) -> None:
    """Verdict and timeline as text."""
    from afscope.cli.timeline_view import timeline_text
    from afscope.cli.verdict_view import verdict_text

    who = people("UTC", lang)
    with investigation(capture, who.lang) as opened:
        emit(verdict_text(opened.analysis, who, name) + "\n" + timeline_text(opened.timeline(), who))


def screen(
    capture: Path, name: str, lang: str, targets: list[str] | None = None, analyzers: list[Path] | None = None
) -> None:
    """Runs the UI until the user leaves; the capture is analyzed behind its first frame."""
    from afscope.tui.app import run

    def load() -> "Investigation":
        from afscope.engine.investigation import Investigation

        return Investigation.open(capture, lang=lang, targets=tuple(targets or ()), analyzers=tuple(analyzers or ()))

    code = run(load, name=name, lang=lang)
    if code:
        raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(rich_help_panel=LOOK)(demo)
    app.command("open", rich_help_panel=LOOK)(open_)
