"""The trigger's SQL, read with sqlglot, so that it can be re-run over recorded rows.

Every query of the shape `SELECT <expression of COUNT(*)> FROM task_instance WHERE <condition on its columns>` is
translated (the Airflow chart's queries of all versions, PostgreSQL and MySQL); what is not says why.
"""

from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# Trigger types of KEDA and the dialect of their query.
DIALECTS = {"postgresql": "postgres", "mysql": "mysql", "mssql": "tsql"}
# Columns of task_instance as the fact `attempts` names them.
COLUMNS = {
    "state": "state", "queue": "queue", "executor": "executor", "pool": "pool", "pool_slots": "pool_slots",
    "dag_id": "dag_id", "run_id": "run_id", "task_id": "task_id", "map_index": "map_index", "operator": "operator",
    "priority_weight": "priority_weight", "hostname": "host",
}  # fmt: skip


class Translation(NamedTuple):
    """`predicate`: which rows count; `value`: the metric as an expression of `n`. Both in DuckDB's dialect.

    Where the query could not be translated both are empty and `reason` says why.
    """

    predicate: str
    value: str
    reason: str = ""


def translate(query: str, trigger_type: str) -> Translation:
    """Translates one trigger query."""
    dialect = DIALECTS.get(trigger_type)
    if dialect is None:
        return Translation("", "", f"triggers of type {trigger_type} have no SQL")
    try:
        return _translate(sqlglot.parse_one(query, read=dialect))
    except (SqlglotError, _NotTranslatedError) as error:
        return Translation("", "", str(error).splitlines()[0])


class _NotTranslatedError(Exception):
    """Internal: carries the reason up."""


def _translate(tree: exp.Expr) -> Translation:
    if not isinstance(tree, exp.Select):
        raise _NotTranslatedError("not a plain SELECT")
    tables = list(tree.find_all(exp.Table))
    if len(tables) != 1 or tables[0].name.lower() != "task_instance":
        raise _NotTranslatedError("reads more than task_instance")
    if tree.args.get("group") or tree.args.get("having") or tree.args.get("joins") or len(tree.expressions) != 1:
        raise _NotTranslatedError("groups, joins or returns more than one value")
    where = tree.args.get("where")
    predicate = _columns(where.this) if where is not None else "TRUE"
    return Translation(predicate, _value(tree.expressions[0]))


def _columns(condition: exp.Expr) -> str:
    condition = condition.copy()
    for column in list(condition.find_all(exp.Column)):
        known = COLUMNS.get(column.name.lower())
        if known is None:
            raise _NotTranslatedError(f"filters on column {column.name}, which is not recorded")
        column.replace(exp.column(known))
    if condition.find(exp.Subquery, exp.Exists):
        raise _NotTranslatedError("filters by a subquery")
    return str(condition.sql(dialect="duckdb"))


def _value(projection: exp.Expr) -> str:
    value = (projection.this if isinstance(projection, exp.Alias) else projection).copy()
    counts = list(value.find_all(exp.Count))
    if len(counts) != 1 or isinstance(counts[0].this, exp.Distinct) or isinstance(counts[0].parent, exp.Filter):
        raise _NotTranslatedError("the value is not an expression of one COUNT(*)")
    if value.find(exp.Column) and not counts[0].find(exp.Column):
        raise _NotTranslatedError("the value reads columns")
    if counts[0] is value:
        return "n"
    counts[0].replace(exp.column("n"))
    return str(value.sql(dialect="duckdb"))
