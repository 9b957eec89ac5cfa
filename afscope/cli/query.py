r"""`sql`: results in each format, and the small shell with line editing, `\d` and `\q`."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from afscope.cli.output import emit, jsonable, message, plain, rendered, to_csv, to_json, to_jsonl
from afscope.errors import QueryError

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("table", "json", "jsonl", "csv")
_TABLES = (
    "SELECT table_name, estimated_size AS rows FROM duckdb_tables() UNION ALL "
    "SELECT view_name, NULL FROM duckdb_views() WHERE NOT internal ORDER BY 1"
)
_HELP = r"\d lists tables, \d TABLE its columns, \q or Ctrl-D leaves; a statement ends with ;"


class Result(Protocol):
    """What a query gives: names, DuckDB types, rows."""

    @property
    def columns(self) -> Sequence[str]:
        """Column names."""

    @property
    def rows(self) -> Sequence[Sequence[object]]:
        """Rows of Python values."""


def formatted(result: Result, output: str) -> str:
    """A result in one of FORMATS. JSON is a list of objects; a name that repeats gets a number."""
    if output == "csv":
        return to_csv(result.columns, result.rows)
    if output == "table":
        return _table(result)
    names = unique(result.columns)
    documents = [dict(zip(names, row, strict=True)) for row in result.rows]
    return to_jsonl(documents) if output == "jsonl" else to_json(documents)


def unique(names: Sequence[str]) -> list[str]:
    """Names with `_2`, `_3`… behind repeated ones: an object cannot hold a key twice."""
    result: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in result:
            number, candidate = number + 1, f"{name}_{number}"
        result.append(candidate)
    return result


def shell(run: Callable[[str], Result], output: str) -> None:
    """Reads statements until Ctrl-D; a refused one is reported and the shell goes on."""
    import readline  # noqa: F401  (importing it gives input() line editing and history)

    message(_HELP)
    while (statement := _statement()) is not None:
        try:
            if statement:
                emit(formatted(run(statement), output))
        except QueryError as error:
            message(f"afscope: {plain(error)}")


def _statement() -> str | None:
    r"""The next statement, `\` commands translated; empty for nothing to do, None at the end."""
    lines: list[str] = []
    while True:
        try:
            lines.append(input("   ...> " if lines else "afscope> "))
        except EOFError:
            sys.stderr.write("\n")
            return None
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            return ""
        text = "\n".join(lines).strip()
        if text.startswith("\\") or not text:
            return _command(text)
        if text.endswith(";"):
            return text


def _command(text: str) -> str | None:
    name, _, argument = text.partition(" ")
    if name == r"\q":
        return None
    if name == r"\d":
        quoted = argument.strip().replace('"', '""')
        return f'DESCRIBE "{quoted}"' if quoted else _TABLES
    if text:
        message(_HELP)
    return ""


def _table(result: Result) -> str:
    if not result.columns:
        return "(no result)"
    return rendered(lambda console: _draw(console, result)) + f"{len(result.rows)} row(s)\n"


def _draw(console: "Console", result: Result) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in result.columns:
        table.add_column(Text(plain(name)), overflow="fold")
    for row in result.rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    console.print(table)


def _shown(value: object) -> str:
    ready = jsonable(value)
    if ready is None:
        return "NULL"
    return plain(to_json(ready, indent=None) if isinstance(ready, dict | list) else ready)
