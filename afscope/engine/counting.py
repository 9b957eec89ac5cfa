"""What a trigger's query would count and answer: for what-if, over the attempts of a capture."""

from typing import NamedTuple

from afscope.engine.session import Session
from afscope.engine.trigger_sql import Translation, as_if

Key = tuple[str, str, str, int, int]
"""dag_id, run_id, task_id, map_index, attempt."""


class Counted(NamedTuple):
    """Whether a query counts an attempt while it is queued, and while it runs."""

    queued: bool
    running: bool


def counted(session: Session, query: Translation) -> dict[Key, Counted]:
    """The attempts that a translated query counts in at least one of the two states. Raises QueryError."""
    queued, running = as_if(query.predicate, "queued"), as_if(query.predicate, "running")
    rows = session.run(
        f"""SELECT * FROM (SELECT dag_id, run_id, task_id, map_index, attempt, {queued} AS q, {running} AS r
            FROM attempts) WHERE q OR r"""
    ).rows
    return {(d, r, t, m, a): Counted(q, run) for d, r, t, m, a, q, run in rows}


def values(session: Session, query: Translation, most: int) -> list[int]:
    """The query's answer in milli for 0 … `most` counted rows, rounded as KEDA prints it (%.3f); NULL and NaN are 0.

    Raises QueryError.
    """
    rows = session.run(
        f"""SELECT coalesce(CASE WHEN isfinite(v) THEN round(v * 1000) END, 0)::BIGINT
            FROM (SELECT n, ({query.of_count})::DOUBLE AS v FROM (SELECT unnest(range(0, $most + 1)) AS n))
            ORDER BY n""",
        {"most": most},
    ).rows
    return [value for (value,) in rows]
