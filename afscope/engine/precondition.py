"""What must be in the tables for a SELECT to give any row at all, read off its own syntax.

Most analyzers have nothing to say about most captures, and each costs ten milliseconds to say so. Most of them begin
with rows that are not there: no pod was evicted, no log line has the pattern. Such a SELECT need not be run.

The proof is on the safe side: it knows joins, unions, CTEs, grouping, EXISTS, and columns that must equal a text;
whatever else it meets counts as true. To read a statement takes DuckDB as long as to run it, so the conditions of the
shipped analyzers are in preconditions.json, by the digest of their SQL: `python -m afscope.engine.precondition` writes
it anew. SQL that is not in there is always run. A condition is True, or one of

    ["rows", table]                     the table has rows
    ["value", table, column, [text]]    some row has one of the texts in the column
    ["all", condition, …]  ["any", condition, …]
"""

import hashlib
import importlib.resources
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from afscope.engine.catalog import Catalog
from afscope.engine.session import Session, quoted

Condition = Any
"""True, or a list as above."""
Node = Mapping[str, Any]
Scope = Mapping[str, Condition]
"""Conditions of the CTEs in sight, by name."""
_BOTH = ("INNER", "SEMI")
_STRICT = {
    "COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_GREATERTHANOREQUALTO",
}  # fmt: skip
"""Comparisons that are not true where a side is NULL."""
_NULL_OF_NONE = {"min", "max", "sum", "avg", "median", "any_value", "arg_max", "arg_min", "mode", "list"}
"""Aggregates that give NULL for no rows."""


class Contents:
    """What the tables of a session hold, looked up once. They must not change any more."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows: dict[str, bool] = {}
        self._values: dict[tuple[str, str], frozenset[str]] = {}

    def may_speak(self, sql: str) -> bool:
        """Whether a SELECT may give a row; only then it must be run."""
        return self.holds(_known().get(_digest(sql), True))

    def holds(self, condition: Condition) -> bool:
        """Whether a condition is true of these tables."""
        if condition is True:
            return True
        kind, *rest = condition
        if kind == "rows":
            return self._has_rows(rest[0])
        if kind == "value":
            return self._has_rows(rest[0]) and not self._texts(rest[0], rest[1]).isdisjoint(rest[2])
        return (all if kind == "all" else any)(self.holds(part) for part in rest)

    def _has_rows(self, table: str) -> bool:
        if table not in self._rows:
            self._rows[table] = bool(self._session.run(f"SELECT 1 FROM {quoted(table)} LIMIT 1").rows)
        return self._rows[table]

    def _texts(self, table: str, column: str) -> frozenset[str]:
        if (table, column) not in self._values:
            rows = self._session.run(f"SELECT DISTINCT {quoted(column)} FROM {quoted(table)}").rows
            self._values[table, column] = frozenset(text for (text,) in rows)
        return self._values[table, column]


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()[:16]


@cache
def _known() -> Mapping[str, Condition]:
    text = importlib.resources.files("afscope.engine").joinpath("preconditions.json").read_text(encoding="utf-8")
    known: dict[str, Condition] = json.loads(text)
    return known


def shipped() -> dict[str, Condition]:
    """What preconditions.json should be: the conditions of all shipped analyzers that have one."""
    queries = [f.sql for f in Catalog.load().analyzers if f.shipped and f.header.group != "timeline"]
    told = dict(zip(map(_digest, queries), preconditions(queries), strict=True))
    return {digest: told[digest] for digest in sorted(told) if told[digest] is not True}


def preconditions(queries: Iterable[str]) -> list[Condition]:
    """The condition of each SELECT; True where nothing can be told of it."""
    session = Session(None)
    try:
        known = session.run("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'")
        reader = _Reader(frozenset(name for (name,) in known.rows))
        return [reader.statement(session, sql) for sql in queries]
    finally:
        session.close()


def all_of(parts: Iterable[Condition]) -> Condition:
    """The conjunction, flat and without what is always true."""
    flat: list[Condition] = []
    for part in parts:
        for item in part[1:] if part is not True and part[0] == "all" else [part]:
            if item is not True and item not in flat:
                flat.append(item)
    return True if not flat else flat[0] if len(flat) == 1 else ["all", *flat]


def any_of(parts: Iterable[Condition]) -> Condition:
    """The disjunction, flat; true where one part is."""
    flat: list[Condition] = []
    for part in parts:
        if part is True:
            return True
        flat += [item for item in (part[1:] if part[0] == "any" else [part]) if item not in flat]
    return flat[0] if len(flat) == 1 else ["any", *flat]


class _Reader:
    def __init__(self, aggregates: frozenset[str]) -> None:
        self._aggregates = aggregates

    def statement(self, session: Session, sql: str) -> Condition:
        raw = session.run("SELECT json_serialize_sql(CAST($sql AS VARCHAR))", {"sql": sql}).rows[0][0]
        tree = json.loads(raw)
        if tree.get("error") or len(tree["statements"]) != 1:
            return True
        return self.query(tree["statements"][0]["node"], {})

    def query(self, node: Node, scope: Scope) -> Condition:
        scope = dict(scope)
        for entry in node.get("cte_map", {}).get("map", []):
            scope[entry["key"]] = self.query(_body(entry["value"].get("query_node") or {}), scope)
        if node.get("type") == "SELECT_NODE":
            return self._select(node, scope)
        if node.get("type") == "SET_OPERATION_NODE":
            parts = [self.query(child, scope) for child in node.get("children", [])]
            if node.get("setop_type") == "UNION":
                return any_of(parts)
            return all_of(parts) if node.get("setop_type") == "INTERSECT" else parts[0] if parts else True
        return True

    def _select(self, node: Node, scope: Scope) -> Condition:
        source = node.get("from_table") or {}
        tables = dict(_aliases(source, scope))
        where = all_of([self._from(source, scope, tables), self._true(node.get("where_clause"), scope, tables)])
        return where if self._grouped(node) or self._needs_rows(node.get("having")) else True

    def _grouped(self, node: Node) -> bool:
        """Whether no rows in means no rows out: an aggregate without groups gives one row whatever comes in."""
        items = node.get("select_list", [])
        if node.get("aggregate_handling") == "FORCE_AGGREGATES":
            return any(item.get("class") in ("COLUMN_REF", "STAR") for item in items)
        if node.get("group_expressions"):
            return all(node.get("group_sets") or [True])
        return node.get("having") is None and not any(self._aggregates_in(item) for item in items)

    def _aggregates_in(self, node: object) -> bool:
        if isinstance(node, list):
            return any(self._aggregates_in(child) for child in node)
        if not isinstance(node, dict) or node.get("class") == "SUBQUERY":
            return False
        if node.get("class") == "FUNCTION" and node.get("function_name") in self._aggregates:
            return True
        return any(self._aggregates_in(child) for child in node.values())

    def _needs_rows(self, having: Node | None) -> bool:
        """Whether a HAVING is false for no rows: `count(*) > 0`, or what compares the NULL of an aggregate."""
        for part in _conjuncts(having):
            if part.get("type") not in _STRICT:
                continue
            left, right = part["left"], part["right"]
            names = {side.get("function_name") for side in (left, right) if side.get("class") == "FUNCTION"}
            if names & _NULL_OF_NONE:
                return True
            if names & {"count", "count_star"} and _above_zero(part["type"], left, right):
                return True
        return False

    def _from(self, node: Node, scope: Scope, tables: Mapping[str, str]) -> Condition:
        kind = node.get("type")
        if kind == "BASE_TABLE":
            name = node["table_name"]
            return scope.get(name, ["rows", name])
        if kind == "SUBQUERY":
            return self.query(_body(node.get("subquery") or {}), scope)
        if kind != "JOIN":
            return True
        left = self._from(node["left"], scope, tables)
        right = self._from(node["right"], scope, tables)
        if node.get("ref_type") == "POSITIONAL":
            return any_of([left, right])
        if node.get("join_type") in _BOTH:
            return all_of([left, right, self._true(node.get("condition"), scope, tables)])
        return {"LEFT": left, "ANTI": left, "RIGHT": right}.get(node.get("join_type", ""), any_of([left, right]))

    def _true(self, node: Node | None, scope: Scope, tables: Mapping[str, str]) -> Condition:
        """What must be there for an expression to be true."""
        if not node:
            return True
        kind = node.get("type")
        if kind == "CONJUNCTION_AND":
            return all_of(self._true(child, scope, tables) for child in node["children"])
        if kind == "CONJUNCTION_OR":
            return any_of(self._true(child, scope, tables) for child in node["children"])
        if kind == "SUBQUERY" and node.get("subquery_type") in ("EXISTS", "ANY"):
            return self.query(_body(node["subquery"]), scope)
        if kind == "COMPARE_EQUAL":
            sides = [node["left"], node["right"]]
            return all_of(_equals(column, [text], tables) for column, text in (sides, sides[::-1]))
        if kind == "COMPARE_IN":
            return _equals(node["children"][0], node["children"][1:], tables)
        return True


def _body(node: Node) -> Node:
    """A query, whether it stands as a statement or by itself."""
    inner: Node = node.get("node") or node
    return inner


def _aliases(node: Node, scope: Scope) -> Iterator[tuple[str, str]]:
    """Names under which a FROM speaks of tables of a capture."""
    if node.get("type") == "JOIN":
        yield from _aliases(node["left"], scope)
        yield from _aliases(node["right"], scope)
    elif node.get("type") == "BASE_TABLE" and node["table_name"] not in scope:
        yield node.get("alias") or node["table_name"], node["table_name"]
    elif node:
        yield node.get("alias") or "", ""


def _equals(column: Node, texts: Iterable[Node], tables: Mapping[str, str]) -> Condition:
    """What `column IN (texts)` needs; a bare name among several tables is left alone, it may be anybody's."""
    *alias, name = column.get("column_names") or [""]
    values = [text.get("literal", {}) for text in texts]
    if column.get("class") != "COLUMN_REF" or len(alias) > 1 or any(v.get("kind") != "STRING" for v in values):
        return True
    table = tables.get(alias[0], "") if alias else next(iter(tables.values())) if len(tables) == 1 else ""
    return ["value", table, name, sorted(v["text"] for v in values)] if (table, name) in LOOKED_UP else True


LOOKED_UP = frozenset(
    {
        ("log_lines", "pattern"),
        ("events", "reason"),
        ("db_log", "event"),
        ("attempts", "last_state"),
        ("jobs", "job_type"),
    }
)
"""Columns whose few values are known for the price of one look."""


def _conjuncts(node: Node | None) -> Iterator[Node]:
    if node and node.get("type") == "CONJUNCTION_AND":
        for child in node["children"]:
            yield from _conjuncts(child)
    elif node:
        yield node


def _above_zero(kind: str, left: Node, right: Node) -> bool:
    """Whether `count > n` or `count >= n` asks for a row at least."""
    literal = right.get("literal", {})
    if left.get("class") != "FUNCTION" or literal.get("kind") != "INTEGER":
        return False
    least = int(literal["text"])
    return least >= 0 if kind == "COMPARE_GREATERTHAN" else least >= 1 and kind == "COMPARE_GREATERTHANOREQUALTO"


if __name__ == "__main__":
    lines = ",\n".join(f"{json.dumps(digest)}: {json.dumps(told)}" for digest, told in shipped().items())
    Path(__file__).with_name("preconditions.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
