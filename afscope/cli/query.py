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
_NARROW = 10
"""Columns narrower than this, with the gap behind them, cannot be read."""
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
    """A table, or, where columns would be too narrow to read, each row as a list of names and values."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if result.rows and len(result.columns) * _NARROW > console.width:
        _draw_rows(console, result)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in result.columns:
        table.add_column(Text(plain(name)), overflow="fold")
    for row in result.rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    console.print(table)


def _draw_rows(console: "Console", result: Result) -> None:
    """One row below the other; what is NULL everywhere is left out."""
    from rich.table import Table
    from rich.text import Text

    told = [i for i in range(len(result.columns)) if any(row[i] is not None for row in result.rows)]
    for number, row in enumerate(result.rows, 1):
        console.print(Text(f"-- row {number} --", style="bold"))
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for i in told:
            table.add_row(Text(plain(result.columns[i])), Text(_shown(row[i])))
        console.print(table)
    if hidden := len(result.columns) - len(told):
        console.print(Text(f"({hidden} column(s) without a value are not shown)", style="dim"))


def _shown(value: object) -> str:
    ready = jsonable(value)
    if ready is None:
        return "NULL"
    return plain(to_json(ready, indent=None) if isinstance(ready, dict | list) else ready)
