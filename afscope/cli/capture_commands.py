"""Commands that keep captures: import, info, verify, recover, pack."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from afscope.cli.options import MAINTAIN, RECORD, SHARE, CapturePath, choice
from afscope.cli.output import emit, message, plain, to_json
from afscope.errors import CaptureExists, UsageError

OutPath = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="PATH", help="Used exactly as given; must not exist.")
]
_SHOWN_UNREAD = 5


def import_(
    sources: Annotated[list[Path], typer.Argument(metavar="SRC…", help="Dumps: files, or folders of them.")],
    output: OutPath = None,
) -> None:
    """Builds a capture from dumps made elsewhere; prints its path."""
    missing = [source for source in sources if not source.exists()]
    if missing:
        raise UsageError(f"{plain(missing[0])}: no such file or folder")
    if output is not None and (output.exists() or output.is_symlink()):
        raise CaptureExists(f"{output} exists", "captures are never overwritten; choose another path")
    out = output or free_name(default_folder(Path.cwd()), sources[0].resolve().name or "capture")

    from afscope.ingest import import_sources

    summary = import_sources(sources, out)
    message(_import_summary(summary.rows, sum(summary.redactions.values())))
    for line in summary.unread[:_SHOWN_UNREAD]:
        message(f"not read: {plain(line)}")
    if len(summary.unread) > _SHOWN_UNREAD:
        message(f"not read: {len(summary.unread) - _SHOWN_UNREAD} more, see `afscope info`")
    emit(str(out))


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
    for command in (info, verify, recover):
        app.command(rich_help_panel=MAINTAIN)(command)
