"""Recording and looking at once: live, and demo --live on a replayed cluster."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.request import Request, urlopen

import typer

from afscope.cli.agent_process import AgentProcess, ServeProcess
from afscope.cli.capture_commands import default_folder, free_name
from afscope.cli.look_commands import on_a_terminal, tell
from afscope.cli.options import RECORD, Lang, Targets, people
from afscope.cli.output import emit, message, plain
from afscope.cli.samples import DEFAULT
from afscope.cli.samples import sample as find
from afscope.errors import CaptureExists, UsageError

if TYPE_CHECKING:
    from afscope.engine.growing import Growing

# Without a terminal nobody watches the demo: as fast as a poll every two seconds of its clock still means something.
_UNWATCHED_SPEED, _WATCHED_SPEED = 20.0, 4.0
_LISTING_S = 1.0


def live(
    context: typer.Context,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="PATH", help="Where the capture goes; must not exist.")
    ] = None,
    lang: Lang = "",
    target: Targets = None,
) -> None:
    """Records and shows it while it grows. Takes all options of `afscope capture`; the capture is kept."""
    if not on_a_terminal():
        raise UsageError("`afscope live` needs a terminal", "`afscope capture` records without one")
    if keep is not None and (keep.exists() or keep.is_symlink()):
        raise CaptureExists(f"{keep} exists", "captures are never overwritten; choose another path")
    out = keep or free_name(default_folder(Path.cwd()), "live")
    out.parent.mkdir(parents=True, exist_ok=True)
    log = out.with_name(f"{out.name}.log")
    code = watch(["-o", str(out), *context.args], log, out.name, people("UTC", lang).lang, target)
    log.unlink(missing_ok=True)
    emit(str(out))
    if code:
        raise typer.Exit(code)


def watch(
    arguments: Sequence[str],
    log: Path,
    name: str,
    lang: str,
    targets: list[str] | None = None,
    begun: Callable[[], None] = lambda: None,
) -> int:
    """Starts a recorder, shows its capture until the user leaves, and ends the recorder whole.

    `begun` is called once it records.
    """
    agent = AgentProcess(arguments, log)
    try:
        capture = agent.capture()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            message(plain(line))
        begun()
        return show(capture, name, lang, agent.ended, targets)
    finally:
        if agent.ended() is None:
            message("sealing the capture …")
        if not agent.stop():
            message(f"the recorder did not end in time; see {plain(log)}")


def show(capture: Path, name: str, lang: str, ended: Callable[[], str | None], targets: list[str] | None = None) -> int:
    """Runs the UI on a growing capture until the user leaves."""
    from afscope.tui.app import run
    from afscope.tui.live import Live

    def load() -> Any:  # a case only together with the rows: `Growing.case`
        from afscope.engine.apart import Apart

        return Apart(capture, lang, tuple(targets or ()), following.stop)

    def rows() -> "Growing":
        from afscope.engine.growing import Growing

        return Growing(capture, lang)

    following = Live(ended, rows)
    return run(load, name=name, lang=lang, live=following)


def demo_live(sample: str, lang: str, speed: float) -> None:
    """A shipped incident as a cluster, recorded by the real recorder: shown, or without a terminal told at its end."""
    chosen = find(sample or DEFAULT)
    watched = on_a_terminal()
    pace = speed or (_WATCHED_SPEED if watched else _UNWATCHED_SPEED)
    with tempfile.TemporaryDirectory(prefix="afscope-demo-") as name, resources.as_file(chosen.file) as packed:
        folder = Path(name)
        serving = ServeProcess([str(packed), "--speed", str(pace), "--rebase", "now", "--paused"], folder / "serve.log")
        try:
            ready = json.loads(serving.ready())
            start = partial(_start_clock, ready["url"])
            arguments = ["-o", str(folder / "demo.afscope"), "--kubeconfig", ready["kubeconfig"]]
            arguments += ["--db-url-file", ready["db_url_file"], "--no-broker", "--no-logs"]
            if watched:
                shown = f"{chosen.name} (replayed)"
                code = watch(arguments, folder / "agent.log", shown, people("UTC", lang).lang, begun=start)
            else:
                arguments += ["--duration", f"{_length(ready):.0f}s"]
                code = _told(arguments, folder, chosen.name, lang, start)
        finally:
            serving.stop()
    if code:
        raise typer.Exit(code)


def _told(arguments: list[str], folder: Path, name: str, lang: str, begun: Callable[[], None]) -> int:
    """Records to the end of the incident, then prints verdict and timeline."""
    agent = AgentProcess(arguments, folder / "agent.log")
    try:
        capture = agent.capture()
        begun()
        message(f"recording {name} as it is replayed …")
        agent.wait()
    finally:
        agent.stop()
    tell(capture, name, lang)
    return 0


def _start_clock(url: str) -> None:
    """Lets a paused replay run, as soon as the recorder has had time to list what there is."""
    time.sleep(_LISTING_S)
    body = json.dumps({"paused": False}).encode()
    request = Request(f"{url}/afscope/clock", data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=10):  # noqa: S310  (our own server)
        return


def _length(ready: dict[str, str]) -> float:
    """Seconds from now to the end of the replay, by its clock."""
    from afscope.model.clock import SECOND, parse_time

    return max(1.0, (parse_time(ready["ends"]) - parse_time(ready["now"])) / SECOND)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}
    app.command(rich_help_panel=RECORD, context_settings=settings)(live)
