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

_PATH = "'/' || regexp_replace($key, '^[a-z_]+=', '') || '/'"
# So much of a message tells messages of one kind apart; evidence may hold a shortened one.
_TOLD = 80


def around(session: Session, evidence: Evidence, limit: int) -> RowPage:
    """Up to `limit` rows of the evidence's table, the most alike and nearest in time; `focus` is the one meant."""
    table = TABLES.get(evidence.table)
    if table is None:
        return RowPage(evidence.table, (), (), 0)
    names = [column.name for column in table.columns]
    where = _same_thing(table, evidence.key)
    at = to_datetime(evidence.ts).replace(tzinfo=None)
    params = {"at": at, "key": evidence.key, "text": evidence.text, "limit": limit}
    rows = _nearest(session, table, where, params)
    if not rows:
        rows = _nearest(session, table, "$key IS NOT NULL", params)
    # A scheduler queues many tasks, an API server dates many events, at one instant: the key tells them apart.
    focus = min(range(len(rows)), key=lambda i: (-rows[i][-1], abs(rows[i][0] - at)), default=0)
    return RowPage(evidence.table, tuple(names), tuple(tuple(_cell(v) for v in row[:-1]) for row in rows), focus)


def _same_thing(table: Table, key: str) -> str:
    """Rows whose naming columns all occur in the key (`dag/run/task`, `namespace/name`, `pool=x`)."""
    named = [c.name for c in table.columns if c.name in _NAMING]
    parts = [f"({quoted(n)} IS NULL OR contains({_PATH}, '/' || {quoted(n)} || '/'))" for n in named]
    any_known = " OR ".join(f"contains($key, CAST({quoted(n)} AS VARCHAR))" for n in named)
    if not key or not named or table.name in ("events", "log_lines", "task_instances", "dag_runs", "jobs"):
        return f"({any_known})" if key and named else "$key IS NOT NULL"
    return f"({' AND '.join(parts)})"


def _likeness(table: Table) -> str:
    """How many naming columns the key names, and whether the evidence quotes the row's message."""
    names = [column.name for column in table.columns]
    terms = [f"contains({_PATH}, '/' || {quoted(n)} || '/')" for n in names if n in _NAMING]
    if "message" in names:
        terms.append(f"(message <> '' AND contains($text, left(message, {_TOLD})))")
    return " + ".join(f"coalesce({term}, false)::INTEGER" for term in terms) or "0"


def _nearest(session: Session, table: Table, where: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows with their likeness to the evidence behind the last column."""
    columns = ", ".join(quoted(column.name) for column in table.columns)
    sql = f"""SELECT {columns}, likeness FROM (
            SELECT *, {_likeness(table)} AS likeness FROM {quoted(table.name)}
            WHERE {where} AND $text IS NOT NULL
            ORDER BY likeness DESC, abs(epoch_us(ts) - epoch_us($at::TIMESTAMP)), seen_at LIMIT $limit)
        ORDER BY ts, seen_at"""
    return session.run(sql, params).rows


def _cell(value: object) -> str:
    return "" if value is None else str(value)
