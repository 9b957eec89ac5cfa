"""`afscope analyzers`: the catalogue of what can be found, and a check for analyzers of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afscope.cli.grouped_help import GroupedHelp
from afscope.cli.options import MAINTAIN, Analyzers, Lang, choice, language
from afscope.cli.output import emit, plain, rendered, to_json
from afscope.errors import AnalyzerError

if TYPE_CHECKING:
    from rich.console import Console

    from afscope.engine.header import AnalyzerFile


def list_(
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json")] = "table",
    lang: Lang = "",
    analyzers: Analyzers = None,
) -> None:
    """All analyzers, in the order of a task's way."""
    choice("--output", output, ("table", "json"))
    tongue = language(lang)
    files = [file for file in _load(analyzers) if file.header.group != "timeline"]
    files.sort(key=lambda file: _rank(file.header.stage))
    if output == "json":
        emit(to_json({"schema_version": 1, "analyzers": [_document(file, tongue) for file in files]}))
    else:
        emit(rendered(lambda console: _table(console, files, tongue)))


def show(
    analyzer: Annotated[str, typer.Argument(metavar="ID")],
    analyzers: Analyzers = None,
) -> None:
    """One analyzer as it stands: header and SQL."""
    from afscope.engine.catalog import Catalog

    file = Catalog.load(dirs=tuple(analyzers or ())).get(analyzer)
    emit(file.path.read_text(encoding="utf-8"))


def new(
    name: Annotated[str, typer.Argument(metavar="ID", help="Its id and the name of its file, such as slow_tasks.")],
    group: Annotated[str, typer.Option(metavar="bottleneck|symptom|lint")] = "bottleneck",
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Default: the folder that every command reads.")
    ] = None,
) -> None:
    """Writes an analyzer that runs, to be changed into one of your own; prints its path."""
    from afscope.engine.catalog import new_analyzer

    emit(str(new_analyzer(name, choice("--group", group, ("bottleneck", "symptom", "lint")), folder)))


def check(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="[DIR…]", help="Folders besides the usual.")] = None,
) -> None:
    """Reads and runs every analyzer on empty tables, says what breaks the contract; exits 2 when something does."""
    from afscope.engine.catalog import Catalog
    from afscope.engine.contract import problems

    catalog = Catalog.load(dirs=tuple(folders or ()))
    if found := problems(catalog):
        raise AnalyzerError("\n".join(plain(problem) for problem in found), "see docs/analyzers.md")
    emit(f"{len(catalog.analyzers)} analyzers keep the contract")


def _load(folders: Sequence[Path] | None) -> list["AnalyzerFile"]:
    from afscope.engine.catalog import Catalog

    return list(Catalog.load(dirs=tuple(folders or ())).analyzers)


def _rank(stage: str) -> int:
    from afscope.model.finding import STAGES

    return STAGES.index(stage)


def _title(file: "AnalyzerFile", lang: str) -> str:
    text = file.header.text.get(lang) or file.header.text.get("en")
    return (text.title or text.because) if text else ""


def _document(file: "AnalyzerFile", lang: str) -> dict[str, Any]:
    header = file.header
    return {
        "id": header.id,
        "group": header.group,
        "stage": header.stage,
        "component": header.component,
        "severity": header.severity.value,
        "needs": list(header.needs),
        "uses": list(header.uses),
        "explains": list(header.explains),
        "title": _title(file, lang),
        "path": str(file.path),
        "shipped": file.shipped,
    }


def _table(console: "Console", files: Sequence["AnalyzerFile"], lang: str) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("stage", "id", "component", "severity"):
        table.add_column(name, no_wrap=name == "stage", overflow="fold")
    table.add_column("says", overflow="fold", ratio=1)
    for file in files:
        header = file.header
        bottleneck = header.group == "bottleneck"
        row = (
            header.stage if bottleneck else "-",
            header.id,
            header.component,
            header.severity.value if bottleneck else header.group,
            _title(file, lang),
        )
        table.add_row(*(Text(plain(cell)) for cell in row))
    console.print(table)


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(
        cls=GroupedHelp, no_args_is_help=True, rich_markup_mode=None, help="The catalogue: list, show, new, check."
    )
    group.command("list")(list_)
    group.command()(show)
    group.command()(new)
    group.command()(check)
    app.add_typer(group, name="analyzers", rich_help_panel=MAINTAIN)
