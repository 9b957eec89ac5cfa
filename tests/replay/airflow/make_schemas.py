"""Makes `afscope/replay/airflow/schemas/*.json` out of dumps of migrated Airflow databases.

    python -m tests.replay.airflow.make_schemas FOLDER

FOLDER holds `columns_indexes_postgres.json` ({"columns": {release: {table: {column: {type, nullable, default}}}},
"indexes": {release: {table: {name: definition}}}}), `alembic_heads.json` ({release: head}) and `mariadb-*.sql`, which
tell the columns that MariaDB compares byte by byte.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from afscope.replay.airflow import schema as package
from afscope.replay.airflow.schema import Column, Index, Schema, Table

TABLES = (
    "alembic_version", "slot_pool", "dag", "dag_run", "task_instance", "task_instance_history", "job", "log",
    "celery_taskmeta",
)  # fmt: skip
# Celery makes its table at the first result, so not every dump has it; it depends on Celery, not on Airflow.
CELERY_OF = {"2": "2.10.5", "3": "3.3.2"}
_INDEX = re.compile(
    r"btree \((?P<columns>[^)]*)\)(?: INCLUDE \((?P<include>[^)]*)\))?(?P<unique> UNIQUE)?"
    r"(?: WHERE \(\(state\)::text = '(?P<state>\w+)'::text\))?"
)
_CREATE = re.compile(r"CREATE TABLE `(\w+)` \((.*?)\n\)", re.DOTALL)
_BYTEWISE = re.compile(r"^  `(\w+)` varchar.*_bin\b", re.MULTILINE)


def main(folder: Path) -> None:
    dump = json.loads((folder / "columns_indexes_postgres.json").read_text(encoding="utf-8"))
    heads = json.loads((folder / "alembic_heads.json").read_text(encoding="utf-8"))
    bytewise = {
        (table, column)
        for path in folder.glob("mariadb-*.sql")
        for table, body in _CREATE.findall(path.read_text(encoding="utf-8"))
        for column in _BYTEWISE.findall(body)
    }
    for release in dump["columns"]:
        made = Schema(release, head(release, heads), tables(release, dump, bytewise))
        path = Path(package.__file__).parent / "schemas" / f"{release}.json"
        path.write_text(text(made), encoding="utf-8")


def head(release: str, heads: dict[str, str]) -> str:
    """The head of the last release that changed the schema."""
    return heads[max((known for known in heads if numbers(known) <= numbers(release)), key=numbers)]


def numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def tables(release: str, dump: dict[str, Any], bytewise: set[tuple[str, str]]) -> dict[str, Table]:
    found = {}
    for name in TABLES:
        source = release if name in dump["columns"][release] else CELERY_OF[release[0]]
        if name == "celery_taskmeta" or name in dump["columns"][release]:
            found[name] = table(name, dump["columns"][source][name], dump["indexes"][source][name], bytewise)
    return found


def table(name: str, columns: dict[str, Any], definitions: dict[str, str], bytewise: set[tuple[str, str]]) -> Table:
    primary, unique, indexes = ("", ()), {}, {}
    for index, definition in definitions.items():
        match = _INDEX.fullmatch(definition)
        if match is None:
            raise SystemExit(f"{name}.{index}: {definition!r} is not understood")
        over = tuple(match["columns"].split(", "))
        if index.endswith(("_pkey", "_pkc")):
            primary = (index, over)
        elif match["unique"]:
            unique[index] = over
        else:
            indexes[index] = Index(
                over, match["state"], tuple((match["include"] or "").split(", ")) if match["include"] else ()
            )
    made = {column: column_of(spec, bytewise=(name, column) in bytewise) for column, spec in columns.items()}
    return Table(made, primary[1], primary[0], unique, indexes)


def column_of(spec: dict[str, Any], *, bytewise: bool) -> Column:
    default = spec.get("default")
    serial = default is not None and default.startswith("nextval(")
    bytewise = bytewise and spec["type"].startswith("varchar")
    return Column(spec["type"], spec["nullable"], None if serial else literal(default), serial, bytewise)


def literal(default: str | None) -> int | str | bool | None:
    """The value of a default as PostgreSQL prints it: '-1'::integer, 0, false, 'text'::character varying."""
    if default is None:
        return None
    value = default.partition("::")[0].strip("'")
    if value in ("true", "false"):
        return value == "true"
    return int(value) if re.fullmatch(r"-?\d+", value) else value


def text(made: Schema) -> str:
    """A line per column, key and index, so that two releases can be compared."""
    return lines(msgspec.to_builtins(made), depth=0) + "\n"


def lines(value: Any, depth: int) -> str:
    """JSON whose objects are broken into lines down to those that hold columns and indexes."""
    if not isinstance(value, dict) or depth > 3:
        return json.dumps(value)
    pad = " " * (depth + 1)
    inner = ",\n".join(f"{pad}{json.dumps(key)}: {lines(item, depth + 1)}" for key, item in value.items())
    return f"{{\n{inner}\n{pad[1:]}}}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
