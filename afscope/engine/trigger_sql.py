"""The trigger's SQL, read with sqlglot, so that it can be run again over recorded rows.

KEDA takes the first column of the first row. Translated is every SELECT of one value that counts or sums rows of
`task_instance`, alone or with other tables that a capture holds: joins, subqueries, CTEs, derived tables; PostgreSQL
and MySQL. What is not says why. Where the dialects count differently the translation keeps the meaning of the
original: PostgreSQL divides integers without a remainder and rounds halves away from zero, MySQL compares text without
regard to case (the collation that Airflow's documents ask for; ids are binary).
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

# Trigger types of KEDA and the dialect of their query.
DIALECTS = {"postgresql": "postgres", "mysql": "mysql", "mssql": "tsql"}
# Airflow's tables as a capture can show them, with the columns that do not change while a task waits.
AIRFLOW_TABLES: dict[str, dict[str, str]] = {
    "task_instance": {
        "dag_id": "text", "run_id": "text", "task_id": "text", "map_index": "int", "state": "text", "queue": "text",
        "executor": "text", "pool": "text", "pool_slots": "int", "operator": "text", "priority_weight": "int",
        "hostname": "text",
    },
    "dag_run": {"dag_id": "text", "run_id": "text", "state": "text", "run_type": "text", "id": "int",
                "backfill_id": "int"},
    "dag": {"dag_id": "text", "is_paused": "boolean", "is_active": "boolean", "is_stale": "boolean",
            "max_active_tasks": "int", "max_active_runs": "int"},
    "slot_pool": {"pool": "text", "slots": "int", "include_deferred": "boolean"},
    "job": {"id": "int", "dag_id": "text", "job_type": "text", "state": "text", "hostname": "text"},
}  # fmt: skip
# How the fact `attempts` calls them.
COLUMNS = {**{name: name for name in AIRFLOW_TABLES["task_instance"]}, "hostname": "host"}
_IDS = frozenset({"dag_id", "run_id", "task_id"})
_WHOLE = exp.DataType.INTEGER_TYPES
_COMPARED = (exp.EQ, exp.NEQ, exp.In, exp.Like, exp.NullSafeEQ, exp.NullSafeNEQ)
_CLOCK = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.CurrentDatetime, exp.UtcTimestamp)


class Translation(NamedTuple):
    """A query in DuckDB's dialect, over tables that are called as Airflow calls them; see AIRFLOW_TABLES.

    `value`: the whole query, one row of one number. `counts`: a boolean expression, whether any row of these tables
    counts. `predicate`: which rows of the fact `attempts` count, where the query reads nothing else; else empty.
    `tables`: Airflow's tables that it reads. A query that could not be translated has only a `reason`.
    """

    value: str = ""
    counts: str = ""
    predicate: str = ""
    of_count: str = ""
    tables: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def translated(self) -> bool:
        """Whether the query can be run again."""
        return not self.reason


def translate(query: str, trigger_type: str) -> Translation:
    """Translates one trigger query."""
    dialect = DIALECTS.get(trigger_type)
    if dialect is None:
        return Translation(reason=f"triggers of type {trigger_type} have no SQL")
    try:
        return _translate(sqlglot.parse_one(query, read=dialect), dialect)
    except OptimizeError as error:
        column = re.search(r"Column '([^']+)'", str(error))
        what = f"column {column[1]}" if column else str(error).splitlines()[0]
        return Translation(reason=f"reads {what}, which is not recorded or changes while a task waits")
    except (SqlglotError, _NotTranslatedError) as error:
        return Translation(reason=str(error).splitlines()[0] or "does not parse")


class _NotTranslatedError(Exception):
    """Internal: carries the reason up."""


def _translate(tree: exp.Expr, dialect: str) -> Translation:
    if not isinstance(tree, exp.Select):
        raise _NotTranslatedError("not a plain SELECT")
    tables = _tables(tree)
    if len(tree.expressions) != 1 or tree.args.get("group"):
        raise _NotTranslatedError("groups or returns more than one value")
    for clock in tree.find_all(*_CLOCK):
        raise _NotTranslatedError(f"asks for the time of day ({clock.sql(dialect=dialect)})")
    schema = MappingSchema({name: dict(AIRFLOW_TABLES[name]) for name in tables}, dialect=dialect)
    whole = qualify(tree, dialect=dialect, schema=schema, quote_identifiers=False)
    whole = annotate_types(whole, schema=schema, dialect=dialect)
    for node in list(whole.walk()):
        _keep_meaning(node, dialect)
    counting = _counting(whole)
    return Translation(
        value=str(whole.sql(dialect="duckdb")),
        counts=" OR ".join(f"coalesce(({_any_row(whole, one)}), false)" for one in counting),
        **_plain(whole) if counting == [whole] and tables == {"task_instance"} else {},
        tables=frozenset(tables),
    )


def _tables(tree: exp.Select) -> set[str]:
    """Airflow's tables in the query, without the schemas before their names; others are refused."""
    own = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    found = set()
    for table in tree.find_all(exp.Table):
        name = table.name.lower()
        if name in own:
            continue
        if name not in AIRFLOW_TABLES:
            raise _NotTranslatedError(f"reads {table.name or 'a function'}, which no capture holds")
        table.set("db", None)
        table.set("catalog", None)
        found.add(name)
    if "task_instance" not in found:
        raise _NotTranslatedError("does not read task_instance")
    return found


def _keep_meaning(node: exp.Expr, dialect: str) -> None:
    """Rewrites what would mean something else in DuckDB, in place."""
    if isinstance(node, exp.Cast) and node.to.this in _WHOLE and not _is_whole(node.this):
        node.set("this", exp.Round(this=node.this.copy()))  # DuckDB rounds halves to even
    if dialect == "mysql" and isinstance(node, _COMPARED) and _is_caseless(node.this):
        node.set("this", exp.Lower(this=node.this.copy()))
        if isinstance(node, exp.In):
            node.set("expressions", [_lower(item) for item in node.expressions])
        else:
            node.set("expression", _lower(node.expression))


def _is_whole(node: exp.Expr) -> bool:
    return node.type is not None and node.type.this in _WHOLE


def _is_caseless(node: Any) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() not in _IDS and node.is_type("text")


def _lower(node: exp.Expr) -> exp.Expr:
    return exp.Lower(this=node.copy()) if isinstance(node, exp.Column) or node.is_string else node.copy()


def _counting(tree: exp.Select) -> list[exp.Select]:
    """The SELECTs that count: the outermost, else that of the one table which it takes its value from, else those of
    the subqueries of which it makes its value."""
    if next(_aggregates(tree), None) is not None:
        return [tree]
    source = tree.args.get("from_") or tree.args.get("from")
    if source is None:
        inside = [query.unnest() for query in tree.find_all(exp.Subquery) if query.parent_select is tree]
        selects = [query for query in inside if isinstance(query, exp.Select)]
        if selects and len(selects) == len(inside):
            return [one for query in selects for one in _counting(query)]
        raise _NotTranslatedError("the value counts or sums nothing")
    inner = source.this.unnest() if not tree.args.get("joins") else None
    if isinstance(inner, exp.Table):
        inner = next((cte.this for cte in tree.find_all(exp.CTE) if cte.alias == inner.name), None)
    if isinstance(inner, exp.Select):
        return _counting(inner)
    raise _NotTranslatedError("the value counts or sums nothing")


def _aggregates(select: exp.Select) -> Iterator[exp.Expr]:
    """The counts and sums of a SELECT's own list. Averages and the like are no demand: refused."""
    for projection in select.expressions:
        for node in projection.find_all(exp.AggFunc):
            if node.parent_select is not select:
                continue
            if not isinstance(node, exp.Count | exp.Sum):
                raise _NotTranslatedError(f"the value is made with {node.sql_name()}")
            yield node.parent if isinstance(node.parent, exp.Filter) else node


def _any_row(whole: exp.Select, counting: exp.Select) -> str:
    """The query with its value replaced: true where one of the counts or sums is not 0."""
    marked = counting.copy()
    found = [exp.NEQ(this=exp.Coalesce(this=a.copy(), expressions=[exp.Literal.number(0)]),
                     expression=exp.Literal.number(0)) for a in _aggregates(marked)]  # fmt: skip
    marked.set("expressions", [exp.or_(*found)])
    marked.set("having", None)
    if counting is not whole and (ctes := whole.args.get("with_") or whole.args.get("with")):
        marked.set("with_" if "with_" in whole.args else "with", ctes.copy())
    return str(marked.sql(dialect="duckdb"))


def _plain(whole: exp.Select) -> dict[str, str]:
    """`predicate` and `of_count`, where the query is one plain count over task_instance; else nothing."""
    if whole.find(exp.Subquery, exp.Exists, exp.CTE, exp.Join, exp.Filter) or len(list(whole.find_all(exp.Table))) > 1:
        return {}
    counts = list(_aggregates(whole))
    if len(counts) != 1 or not isinstance(counts[0], exp.Count) or not isinstance(counts[0].this, exp.Star):
        return {}
    return {"predicate": _condition(whole.args.get("where")), "of_count": _of_count(whole.expressions[0])}


def _condition(where: exp.Expr | None) -> str:
    if where is None:
        return "TRUE"
    condition = where.this.copy()
    for column in list(condition.find_all(exp.Column)):
        column.replace(exp.column(COLUMNS[column.name.lower()]))
    return str(condition.sql(dialect="duckdb"))


def _of_count(projection: exp.Expr) -> str:
    value = exp.Paren(this=projection.unalias().copy())
    for count in list(value.find_all(exp.Count)):
        count.replace(exp.column("n"))
    return str(value.sql(dialect="duckdb"))


def as_if(predicate: str, state: str) -> str:
    """The trigger's condition on an attempt, were it in `state` (a word of Airflow's, never a text from outside)."""
    return f"coalesce((SELECT {predicate} FROM (SELECT '{state}' AS state)), false)"


def with_divisor(query: str, trigger_type: str, old: int, new: int) -> str:
    """The query with `new` where its SELECT list divides by `old`, as the chart renders worker_concurrency into it.

    A query that does not divide by `old`, or cannot be read, stays as it is.
    """
    dialect = DIALECTS.get(trigger_type)
    if dialect is None or old == new:
        return query
    try:
        tree = sqlglot.parse_one(query, read=dialect)
    except SqlglotError:
        return query
    changed = False
    for division in (part for item in tree.expressions for part in item.find_all(exp.Div)):
        for literal in division.expression.find_all(exp.Literal):
            if not literal.is_string and float(literal.this) == old:
                literal.replace(exp.Literal.number(new))
                changed = True
    return str(tree.sql(dialect=dialect)) if changed else query
