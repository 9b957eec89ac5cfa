"""The rows around a piece of evidence, so that a person can check it."""

from typing import Any

from afscope.engine.session import Session, quoted
from afscope.model.clock import to_datetime
from afscope.model.finding import Evidence
from afscope.model.timeline import RowPage
from afscope.store.schema import TABLES, Table

# Columns that name the thing a row is about; an evidence key is made of them.
_NAMING = (
    "dag_id",
    "run_id",
    "task_id",
    "pool",
    "namespace",
    "name",
    "object_namespace",
    "object_name",
    "pod",
    "key",
    "id",
)


def around(session: Session, evidence: Evidence, limit: int) -> RowPage:
    """Up to `limit` rows of the evidence's table about the same thing, nearest in time; `focus` is the one meant."""
    table = TABLES.get(evidence.table)
    if table is None:
        return RowPage(evidence.table, (), (), 0)
    names = [column.name for column in table.columns]
    where = _same_thing(table, evidence.key)
    params = {"at": to_datetime(evidence.ts).replace(tzinfo=None), "key": evidence.key, "limit": limit}
    rows = _nearest(session, table, where, params)
    if not rows:
        rows = _nearest(session, table, "$key IS NOT NULL", params)
    focus = min(range(len(rows)), key=lambda i: abs(rows[i][0] - params["at"]), default=0)
    return RowPage(evidence.table, tuple(names), tuple(tuple(_cell(v) for v in row) for row in rows), focus)


def _same_thing(table: Table, key: str) -> str:
    """Rows whose naming columns all occur in the key (`dag/run/task`, `namespace/name`, `pool=x`)."""
    named = [c.name for c in table.columns if c.name in _NAMING]
    path = "'/' || regexp_replace($key, '^[a-z_]+=', '') || '/'"
    parts = [f"({quoted(n)} IS NULL OR contains({path}, '/' || {quoted(n)} || '/'))" for n in named]
    any_known = " OR ".join(f"contains($key, CAST({quoted(n)} AS VARCHAR))" for n in named)
    if not key or not named or table.name in ("events", "log_lines", "task_instances", "dag_runs", "jobs"):
        return f"({any_known})" if key and named else "$key IS NOT NULL"
    return f"({' AND '.join(parts)})"


def _nearest(session: Session, table: Table, where: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    columns = ", ".join(quoted(column.name) for column in table.columns)
    sql = f"""SELECT {columns} FROM (
            SELECT * FROM {quoted(table.name)} WHERE {where}
            ORDER BY abs(epoch_us(ts) - epoch_us($at::TIMESTAMP)), seen_at LIMIT $limit)
        ORDER BY ts, seen_at"""
    return session.run(sql, params).rows


def _cell(value: object) -> str:
    return "" if value is None else str(value)
