"""Commands that keep captures: import, info, verify, recover, pack, cut, merge, redact."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from afscope.cli.options import MAINTAIN, RECORD, SHARE, CapturePath, choice, moment
from afscope.cli.output import emit, message, plain, to_json
from afscope.errors import CaptureExists, UsageError
from afscope.model.clock import Micros, rfc3339
from afscope.tui.times import jump

OutPath = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="PATH", help="Used exactly as given; must not exist.")
]
_SHOWN_UNREAD = 5


def import_(
    sources: Annotated[list[Path] | None, typer.Argument(metavar="[SRC…]", help="Dumps: files, or folders.")] = None,
    output: OutPath = None,
    db_url_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds the URL of a live Airflow DB: reads what it still has.")
    ] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="Take only what happened from then on (RFC 3339).")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Take only what happened up to then (RFC 3339).")] = "",
    taken_at: Annotated[
        str, typer.Option(metavar="TIME", help="When kubectl printed ages; else what the files tell.")
    ] = "",
) -> None:
    """Builds a capture from what is left of an incident: dumps, bundles, logs, a live DB. Prints its path."""
    sources = sources or []
    window = moment("--since", since), moment("--until", until)
    _check_import(sources, output, db_url_file, window)
    named = sources[0].resolve().name if sources else "airflow-db"
    out = output or free_name(default_folder(Path.cwd()), named or "capture")

    from afscope.ingest import Rows, Window, import_sources

    live: Iterator[Rows] = iter(())
    if db_url_file is not None:
        from afscope.capture.airflow.environment import login_of
        from afscope.capture.airflow.past import past

        login = login_of(url_file=db_url_file)
        if login is not None and window[0] is not None and window[1] is not None:
            live = (Rows(*part) for part in past(login, window[0], window[1]))
    summary = import_sources(sources, out, window=Window(*window), live=live, taken_at=moment("--taken-at", taken_at))
    message(_import_summary(summary.rows, sum(summary.redactions.values())))
    for line in summary.notes:
        message(f"note: {plain(line)}")
    for line in summary.unread[:_SHOWN_UNREAD]:
        message(f"not read: {plain(line)}")
    if len(summary.unread) > _SHOWN_UNREAD:
        message(f"not read: {len(summary.unread) - _SHOWN_UNREAD} more, see `afscope info`")
    emit(str(out))


def _check_import(
    sources: list[Path], output: Path | None, db_url_file: Path | None, window: tuple[Micros | None, Micros | None]
) -> None:
    """What is wrong before anything is read. Raises UsageError, CaptureExists."""
    if not sources and db_url_file is None:
        raise UsageError("nothing to import", "name dumps, or give --db-url-file with --since and --until")
    for path in [*sources, *([db_url_file] if db_url_file else [])]:
        if not path.exists():
            raise UsageError(f"{plain(path)}: no such file or folder")
    since, until = window
    if db_url_file is not None and (since is None or until is None):
        raise UsageError("a live database holds years: which window?", "give --since and --until")
    if since is not None and until is not None and since >= until:
        raise UsageError("--until is not after --since")
    if output is not None and (output.exists() or output.is_symlink()):
        raise CaptureExists(f"{output} exists", "captures are never overwritten; choose another path")


def info(
    capture: CapturePath,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json")] = "table",
) -> None:
    """What a capture holds: time span, sources and their state, rows, gaps, redactions."""
    choice("--output", output, ("table", "json"))
    from afscope.store.info import info as describe

    document = describe(capture)
    emit(to_json(document) if output == "json" else "\n".join(_outline(document)))


def verify(capture: CapturePath) -> None:
    """Checks every checksum; exits 1 on damage."""
    from afscope.store.verify import verify as check

    report = check(capture)
    for note in report.notes:
        message(f"note: {plain(note)}")
    if not report.ok:
        emit("\n".join(f"{plain(capture)}: {plain(problem)}" for problem in report.problems))
        raise typer.Exit(1)
    emit(f"{plain(capture)}: ok, {report.segments} segments, {report.rows} rows")


def recover(capture: CapturePath) -> None:
    """Closes and repairs a damaged or unfinished capture, as far as its bytes allow; nothing is thrown away."""
    from afscope.store.recover import recover as repair

    done = repair(capture).done
    emit("\n".join(f"{plain(capture)}: {plain(line)}" for line in done or ["nothing to do"]))


def pack(capture: CapturePath, output: OutPath = None) -> None:
    """Packs a capture folder into one file that opens the same way; prints its path."""
    out = output or capture.with_name(capture.resolve().name + ".zip")
    from afscope.store.pack import pack as write

    emit(str(write(capture, out)))


def cut(
    capture: CapturePath,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="RFC 3339, 20:10:39, +5m, or 10m ago.")] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="As --from; +5m counts from there.")] = "",
    output: OutPath = None,
) -> None:
    """Takes a stretch of time out of a capture, also one that still grows; prints the new capture's path."""
    from afscope.store.cut import Stretch
    from afscope.store.cut import cut as take
    from afscope.store.reader import Capture

    opened = Capture.open(capture)
    begin = _instant("--from", start, opened.started_at, opened.started_at, opened.ended_at)
    until = _instant("--to", end, opened.ended_at + 1, begin, opened.ended_at)
    out = output or free_name(default_folder(Path.cwd()), f"{capture.resolve().name.split('.')[0]}-cut")
    rows = take(opened, out, Stretch(begin, until))
    message(f"{rows} rows from {rfc3339(begin)} to {rfc3339(min(until, opened.ended_at))}")
    emit(str(out))


def merge(
    captures: Annotated[
        list[Path], typer.Argument(metavar="CAPTURE…", help="Two or more; the first one's clock counts.")
    ],
    output: OutPath = None,
) -> None:
    """Makes one capture of several: parallel recorders, other namespaces, one after another; prints its path."""
    from afscope.store.merge import merge as join
    from afscope.store.reader import Capture

    opened = [Capture.open(path) for path in captures]
    out = output or free_name(default_folder(Path.cwd()), f"{captures[0].resolve().name.split('.')[0]}-merged")
    done = join(opened, out)
    message(f"{done.rows} rows; {done.duplicates} were seen by more than one recorder")
    for path, skew in zip(captures, done.skews, strict=True):
        if skew is None:
            message(f"{plain(path)}: too little in common with the first to compare the clocks")
        elif skew:
            message(f"{plain(path)}: its clock is {skew / 1e6:+.3f} s against the first")
    emit(str(out))


def redact(
    capture: CapturePath,
    output: OutPath = None,
    names: Annotated[
        Path | None,
        typer.Option("--names", metavar="FILE", help="Keep the list of names for yourself; never share it."),
    ] = None,
) -> None:
    """Replaces all names by pseudonyms, the same everywhere, and checks the result; prints the new capture's path."""
    from afscope.engine.catalog import words_of_analyzers
    from afscope.store.reader import Capture
    from afscope.store.redact import redact as write

    if names is not None and names.exists():
        raise CaptureExists(f"{names} exists", "choose another --names")
    out = output or free_name(default_folder(Path.cwd()), f"{capture.resolve().name.split('.')[0]}-redacted")
    done = write(Capture.open(capture), out, words_of_analyzers())
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(done.counts.items()))
    message(f"{len(done.names)} names, replaced {sum(done.counts.values())} times: {counts}")
    message(f"kept, as they consist of ordinary words only: {plain(', '.join(done.kept)) or '-'}")
    message(f"leak check: {done.texts} texts, none of the names is left")
    if names is not None:
        with os.fdopen(os.open(names, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(to_json(dict(sorted(done.names.items()))) + "\n")
    emit(str(out))


def _instant(flag: str, text: str, default: Micros, base: Micros, end: Micros) -> Micros:
    """A time option: absolute, a time of day within the capture, or relative; `+5m` counts from `base`."""
    if not text:
        return default
    try:
        return jump(text, cursor=base, start=min(base, end), end=end)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error


def default_folder(start: Path) -> Path:
    """`captures/` of the checkout that `start` lies in, else the XDG state folder."""
    for folder in (start, *start.parents):
        if _is_checkout(folder):
            return folder / "captures"
    from platformdirs import user_state_path

    return user_state_path("afscope") / "captures"


def free_name(folder: Path, source: str) -> Path:
    """A path for the capture of `source` that is not taken; the folder is created."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = source.split(".")[0] or "capture"
    number, path = 2, folder / f"{stem}.afscope"
    while path.exists():
        number, path = number + 1, folder / f"{stem}-{number}.afscope"
    return path


def _is_checkout(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(project.get("project", {}).get("name") == "afscope")


def _import_summary(rows: Mapping[str, int], redactions: int) -> str:
    filled = [f"{table} {count}" for table, count in sorted(rows.items()) if count]
    masked = f"; {redactions} value(s) redacted" if redactions else ""
    return f"{sum(rows.values())} rows: {', '.join(filled)}{masked}"


def _outline(document: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """A nested document as indented `name: value` lines."""
    pad = "  " * depth
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield f"{pad}{plain(name)}:"
            yield from _outline(value, depth + 1)
        elif isinstance(value, list | tuple) and value:
            yield f"{pad}{plain(name)}:"
            yield from (f"{pad}  {_inline(item)}" for item in value)
        else:
            yield f"{pad}{plain(name)}: {plain('-' if value in (None, '', [], (), {}) else value)}"


def _inline(item: object) -> str:
    if isinstance(item, Mapping):
        return ", ".join(f"{plain(name)} {plain(value)}" for name, value in item.items())
    return plain(item)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command("import", rich_help_panel=RECORD)(import_)
    app.command(rich_help_panel=SHARE)(pack)
    app.command(rich_help_panel=SHARE)(cut)
    app.command(rich_help_panel=SHARE)(merge)
    app.command(rich_help_panel=SHARE)(redact)
    for command in (info, verify, recover):
        app.command(rich_help_panel=MAINTAIN)(command)
