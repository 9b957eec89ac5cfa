"""The command `simulate`: replays the autoscaler's mind on a capture, then asks what-if."""

from pathlib import Path
from typing import Annotated

import typer

from afscope.cli.analysis_commands import investigation
from afscope.cli.options import EXPLAIN, CapturePath, Lang, Since, Targets, Until, Zone, choice, people
from afscope.cli.output import emit, to_json


def simulate(
    capture: CapturePath,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A changed setting; all of them make one variant."),
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", metavar="'A=1; B=2'", help="One more variant, on top of --set; repeatable."),
    ] = None,
    sweeps: Annotated[
        list[str] | None,
        typer.Option("--sweep", metavar="NAME=5,10,20", help="One variant for each value; repeatable, then all pairs."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Settings from a Helm values file or a ScaledObject's YAML."),
    ] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="List the settings that can be changed, and leave.")
    ] = False,
    draws: Annotated[int, typer.Option("--draws", metavar="N", help="Draws per variant, for the intervals.")] = 20,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed draws other luck.")] = 0,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json")] = "table",
    lang: Lang = "",
    target: Targets = None,
    since: Since = "",
    until: Until = "",
    tz: Zone = "UTC",
) -> None:
    """What would have happened with other settings, and how far that can be trusted."""
    choice("--output", output, ("table", "json"))
    who = people(tz, lang)

    from afscope.cli.simulation_view import settings_text, simulation_document, simulation_text
    from afscope.simulate import simulate as run
    from afscope.simulate.files import settings_from
    from afscope.simulate.settings import expand

    if settings:
        emit(settings_text(who.lang))
        return
    base = settings_from(file) if file is not None else {}
    wanted = expand(sets or (), variants or (), sweeps or (), base)
    with investigation(capture, who.lang, target, None, since, until) as opened:
        found = run(opened, wanted, draws=draws, seed=seed, lang=who.lang)
    emit(to_json(simulation_document(found, seed)) if output == "json" else simulation_text(found, who))


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel=EXPLAIN)(simulate)
