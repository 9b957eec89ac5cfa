"""`afscope fleet`: the same questions to many captures at once."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afscope.cli.grouped_help import GroupedHelp
from afscope.cli.options import EXPLAIN, Lang, Since, Until, choice, language, moment
from afscope.cli.output import emit, message, plain, to_csv, to_json
from afscope.errors import CannotConnect, CaptureError, UsageError

if TYPE_CHECKING:
    from afscope.engine.fleet import Told
    from afscope.model.fleet import Assessed, Question

_SUFFIXES = (".afscope", ".afscope.zip")
_CLEAR = "\r\x1b[2K"


def analyze(
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="GLOB|URL…", help="Captures, folders full of them, quoted patterns (** too), URLs of packed ones."
        ),
    ],
    scheduler: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="A dask scheduler whose workers do it, such as tcp://scheduler:8786."),
    ] = "",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=0, help="Processes on this machine; default: its cores.")
    ] = 0,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json|jsonl|csv")] = "table",
    fail_on: Annotated[
        str, typer.Option(metavar="critical|high|medium|low", help="Exit 1 when any capture has one this severe.")
    ] = "",
    lang: Lang = "",
    since: Since = "",
    until: Until = "",
) -> None:
    """Analyzes many captures: which causes come back, where, at what cost."""
    from afscope.cli.analysis_commands import GATES
    from afscope.cli.fleet_view import CSV_COLUMNS, capture_document, csv_rows, fleet_document, fleet_text
    from afscope.model.fleet import Question

    choice("--output", output, ("table", "json", "jsonl", "csv"))
    if fail_on:
        choice("--fail-on", fail_on, GATES)
    if scheduler and jobs:
        raise UsageError("--jobs says how many processes here, --scheduler that others do it", "give one of them")
    question = Question(language(lang), moment("--since", since), moment("--until", until))
    found = list(expanded(places))
    answers: dict[int, Assessed] = {}
    with ExitStack() as stack:
        for index, answer in _surveyed(found, question, scheduler, jobs or os.cpu_count() or 1, stack):
            answers[index] = answer
            _told(answer, len(answers), len(found))
            if output == "jsonl":
                emit(to_json(capture_document(answer), indent=None))
    fleet = [answers[index] for index in sorted(answers)]
    if output == "json":
        emit(to_json(fleet_document(fleet)))
    elif output == "csv":
        emit(to_csv(CSV_COLUMNS, csv_rows(fleet)))
    elif output == "table":
        emit(fleet_text(fleet, question.lang))
    _judge(fleet, fail_on)


def expanded(places: Sequence[str]) -> Iterator[str]:
    """Each capture once, in the order given. Raises UsageError for what names none."""
    from afscope.store.fetch import is_url

    seen = set()
    for place in places:
        for name in [place] if is_url(place) else _matches(place):
            if name not in seen:
                seen.add(name)
                yield name


def _matches(place: str) -> list[str]:
    """The captures that a path or a pattern names; a folder that is none itself names those in it."""
    from afscope.store.layout import MANIFEST

    path = Path(place)
    if path.is_dir() and not place.rstrip("/").endswith(_SUFFIXES) and not (path / MANIFEST).exists():
        inside = sorted(str(entry) for entry in path.iterdir() if entry.name.endswith(_SUFFIXES))
        if not inside:
            raise UsageError(f"{plain(place)}: a folder without captures", "they are named *.afscope or *.afscope.zip")
        return inside
    if path.exists() or not glob.has_magic(place):
        return [place]
    if found := sorted(glob.glob(place, recursive=True)):
        return found
    raise UsageError(f"{plain(place)}: nothing is named like that")


def _surveyed(
    places: Sequence[str], question: "Question", scheduler: str, jobs: int, stack: ExitStack
) -> "Iterator[Told]":
    from afscope.engine.fleet import survey_here, survey_there

    if not scheduler:
        return survey_here(places, question, min(jobs, len(places)))
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "`afscope fleet --scheduler` needs dask", 'install it with `uv tool install "afscope[fleet]"`'
        ) from error
    try:
        client = stack.enter_context(Client(scheduler, timeout="10s"))  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise CannotConnect(
            f"--scheduler {plain(scheduler)}: {type(error).__name__}: {error}", "is its address right, and is it up?"
        ) from error
    return survey_there(places, question, stack.enter_context(client.get_executor()))


def _told(answer: "Assessed", done: int, every: int) -> None:
    """At once what could not be analyzed; and how far it is, for a person who waits."""
    tty = sys.stderr.isatty() and every > 1
    if tty:
        sys.stderr.write(_CLEAR)
    if answer.error:
        message(f"afscope: not analyzed: {plain(answer.place)}: {plain(answer.error)}")
    if tty and done < every:
        sys.stderr.write(f"{done} of {every} captures")
    sys.stderr.flush()


def _judge(fleet: "Sequence[Assessed]", fail_on: str) -> None:
    """Raises CaptureError when there is no answer at all, GateTripped as `analyze --fail-on` would."""
    from afscope.cli.analysis_commands import severe
    from afscope.errors import GateTripped

    if all(item.analysis is None for item in fleet):
        raise CaptureError("none of the captures could be analyzed", "see above")
    tripped = {item.place: severe(item.analysis, fail_on) for item in fleet if item.analysis is not None and fail_on}
    if bad := [f"{plain(place)}: {', '.join(causes)}" for place, causes in tripped.items() if causes]:
        raise GateTripped(f"--fail-on {fail_on}: {len(bad)} of {len(fleet)} captures: {'; '.join(bad)}")


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(
        cls=GroupedHelp, no_args_is_help=True, rich_markup_mode=None, help="The same questions to many captures."
    )

    # a group of one command would become that command
    @group.callback()
    def _group() -> Any: ...

    group.command()(analyze)
    app.add_typer(group, name="fleet", rich_help_panel=EXPLAIN)
