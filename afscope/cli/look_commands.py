"""Commands that open the screen: demo and open."""

import gc
import os
import shlex
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
    from afscope.engine.preview import Preview


def demo(
    sample: Annotated[str, typer.Option("--sample", metavar="NAME", help="Which one; see --list.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the samples and leave.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Replay it as a cluster, and record that.")] = False,
    speed: Annotated[float, typer.Option("--speed", metavar="N", min=0, help="With --live: how fast.")] = 0,
    lang: Lang = "",
) -> None:
    """Opens a real incident that ships with afscope; without a terminal prints its verdict and timeline."""
    if live and not list_:
        from afscope.cli.live_commands import demo_live

        demo_live(sample, lang, speed)
        return
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
    browser: Annotated[
        bool, typer.Option("--browser", help="Serve the screen to a browser on this machine instead.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="With --browser: where.")] = 8000,
) -> None:
    """Browses a capture on the terminal."""
    from afscope.store.reader import Capture

    Capture.open(capture)  # a wrong path is told before the screen takes over
    if browser:
        in_a_browser(capture, port, people("UTC", lang).lang, target, analyzers)
        return
    if not on_a_terminal():
        raise UsageError("`afscope open` needs a terminal", "`afscope analyze` and `afscope timeline` do without")
    screen(capture, capture.name, people("UTC", lang).lang, target, analyzers)


def on_a_terminal() -> bool:
    """Whether a full-screen program can run here: Textual reads keys from stdin and draws on stderr, or speaks to a
    server that has asked for it.
    """
    return "TEXTUAL_DRIVER" in os.environ or (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty())


def in_a_browser(
    capture: Path, port: int, lang: str, targets: list[str] | None = None, analyzers: list[Path] | None = None
) -> None:
    """Serves the screen on 127.0.0.1: one program per visitor, each on the same capture. Ends with Ctrl-C."""
    try:
        from textual_serve.server import Server
    except ImportError as error:
        raise UsageError(
            "`afscope open --browser` needs textual-serve", 'install it with `uv tool install "afscope[web]"`'
        ) from error
    command = [sys.executable, "-m", "afscope", "open", str(capture), "--lang", lang]
    command += [part for name in targets or () for part in ("--target", name)]
    command += [part for folder in analyzers or () for part in ("--analyzers", str(folder))]
    Server(shlex.join(command), host="127.0.0.1", port=port, title=f"afscope {capture.name}").serve()


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
    gc.disable()  # hundreds of modules come in, and nothing of them is garbage; the screen enables it again
    from afscope.tui.app import run

    def load() -> "Investigation":
        from afscope.engine.investigation import Investigation

        return Investigation.open(capture, lang=lang, targets=tuple(targets or ()), analyzers=tuple(analyzers or ()))

    def preview() -> "Preview":
        from afscope.engine.preview import Preview

        return Preview.open(capture, lang=lang)

    code = run(load, name=name, lang=lang, preview=preview)
    if code:
        raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(rich_help_panel=LOOK)(demo)
    app.command("open", rich_help_panel=LOOK)(open_)
