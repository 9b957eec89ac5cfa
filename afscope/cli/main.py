"""The entry point: the list of commands, and what becomes of errors.

Exit codes: 0 ran, 1 a gate tripped (`--fail-on`, `verify`), 2 could not run, 130 interrupted. A command never shows
a traceback unless AFSCOPE_DEBUG is set.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import typer

from afscope import __version__
from afscope.cli import (
    analysis_commands,
    analyzer_commands,
    capture_commands,
    doctor_commands,
    fleet_commands,
    gate_commands,
    live_commands,
    look_commands,
    manifest_commands,
    record_commands,
    serve_commands,
    share_commands,
    simulate_commands,
)
from afscope.cli.grouped_help import GroupedHelp
from afscope.cli.output import emit, flush, message, plain
from afscope.errors import AfscopeError

INTERRUPTED = 130
COULD_NOT_RUN = 2
_ISSUES = "please report it with the output of the same command under AFSCOPE_DEBUG=1"

app = typer.Typer(
    name="afscope",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    cls=GroupedHelp,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"afscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Who is to blame when Airflow tasks wait and the KEDA-scaled workers are not there."""


for _module in (
    record_commands,
    live_commands,
    manifest_commands,
    serve_commands,
    look_commands,
    analysis_commands,
    simulate_commands,
    gate_commands,
    fleet_commands,
    doctor_commands,
    share_commands,
    capture_commands,
    analyzer_commands,
):
    _module.register(app)


def run() -> NoReturn:
    """The console script."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code."""
    return guarded(lambda: app(args=list(arguments), prog_name="afscope", standalone_mode=False))


def guarded(command: Callable[[], object]) -> int:
    """Runs a command and returns the exit code; every error becomes one sentence on stderr."""
    try:
        result = command()
        flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except AfscopeError as error:
        return _told(error, error.what, error.hint, error.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _told(error, f"{where}{error.strerror or error}")
    except Exception as error:  # the last line of defence: a user gets a sentence, never a traceback
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _unexpected(error: Exception) -> int:
    # Usage errors: typer keeps them in click or, since 0.2x, in a private copy of it; both can format themselves.
    describe = getattr(error, "format_message", None)
    if describe is None:
        return _told(error, f"unexpected {type(error).__name__}: {error}", f"this is a bug in afscope; {_ISSUES}")
    what = describe()
    if not what:  # a bare `afscope`: the help is already on the screen
        return COULD_NOT_RUN
    context = getattr(error, "ctx", None)
    hint = f"see `{context.command_path} --help`" if context else ""
    return _told(error, what, hint)


def _told(error: Exception, what: str, hint: str = "", code: int = COULD_NOT_RUN) -> int:
    if os.environ.get("AFSCOPE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    message(f"afscope: {plain(what)}")
    if hint:
        message(f"  {plain(hint)}")
    return code
