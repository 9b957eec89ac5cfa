"""The trigger's query, run again over the recorded states of Airflow's tables.

Each table of Airflow becomes its versions with the span in which they stood in the database. To ask the query about an
instant is then to run it over the versions of that instant, under the names that it knows.
"""

from collections.abc import Iterable

from afscope.engine.session import Session, literal
from afscope.engine.trigger_sql import AIRFLOW_TABLES, COLUMNS, Translation, as_if
from afscope.errors import QueryError

# Table of the capture, its key, and its columns where Airflow calls them otherwise.
_RECORDED = {
    "task_instance": ("task_instances", "dag_id, run_id, task_id, map_index", {}),
    "dag_run": ("dag_runs", "dag_id, run_id", {}),
    "dag": ("dags", "dag_id", {"is_stale": "NOT is_active"}),
    "slot_pool": ("pools", "pool", {}),
    "job": ("jobs", "id", {}),
}  # fmt: skip
# At most this many instants are asked about; where more changed, they are spread evenly.
INSTANTS = 240
ATTEMPT = "dag_id, run_id, task_id, map_index, attempt"


class Rerun:
    """Runs translated queries over the capture of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._built: set[str] = set()

    def run(self, target: str, said: Translation, number: int) -> Translation:
        """Fills tables counted_by_N and values_of_N for a target. The translation, or why it could not be run.

        A table that was not recorded, or SQL that DuckDB refuses on these rows, makes a query unreadable, no more.
        """
        if not said.translated:
            return said
        for table in sorted(said.tables - {"task_instance"}):
            recorded = _RECORDED[table][0]
            # a live Airflow has rows in each of these: none means that nobody looked
            if not self._session.run(f"SELECT 1 FROM {recorded} LIMIT 1").rows:
                return Translation(reason=f"reads {table}, and {recorded} was not recorded")
        try:
            self._session.materialize(f"counted_by_{number}", self._counted(target, said))
            self._session.materialize(f"values_of_{number}", self._values(target, said))
        except QueryError as error:
            return Translation(reason=f"cannot be run again: {error}")
        return said

    def _counted(self, target: str, said: Translation) -> str:
        """A SELECT that says of each attempt whether the query would count it, were it queued, and were it running."""
        queued, running = (self._one(said, state) for state in ("queued", "running"))
        return (
            f"SELECT {ATTEMPT}, {literal(target)} AS target, {queued} AS in_queued, {running} AS in_running "
            "FROM attempts a"
        )

    def _values(self, target: str, said: Translation) -> str:
        """A SELECT of what the query gave at each instant at which demand changed."""
        changes = " UNION ".join(
            f"SELECT {column} AS moment FROM attempts WHERE {column} IS NOT NULL"
            for column in ("queued_at", "running_at", "ended_at")
        )
        spread = f"""SELECT moment FROM (
                SELECT moment, row_number() OVER (ORDER BY moment) AS n, count(*) OVER () AS total FROM ({changes})
            ) WHERE n % greatest(1, total // {INSTANTS}) = 0"""
        value = self._at("i.moment", said.tables, said.value)
        return f"SELECT {literal(target)} AS target, i.moment, CAST(({value}) AS DOUBLE) AS value FROM ({spread}) i"

    def _one(self, said: Translation, state: str) -> str:
        if said.predicate:
            return as_if(said.predicate, state)
        columns = ", ".join(
            f"{literal(state) if name == 'state' else f'a.{COLUMNS[name]}'} AS {name}"
            for name in AIRFLOW_TABLES["task_instance"]
        )
        # the other tables are taken as they stood when the attempt was queued
        others = self._ctes("coalesce(a.queued_at, a.first_seen_at)", said.tables - {"task_instance"})
        return f"(WITH {', '.join([f'task_instance AS (SELECT {columns})', *others])} SELECT {said.counts})"

    def _at(self, moment: str, tables: Iterable[str], query: str) -> str:
        return f"WITH {', '.join(self._ctes(moment, tables))} FROM ({query})"

    def _ctes(self, moment: str, tables: Iterable[str]) -> list[str]:
        valid = f"valid_from <= {moment} AND valid_to > {moment}"
        return [f"{table} AS (SELECT * FROM {self._versions(table)} WHERE {valid})" for table in sorted(tables)]

    def _versions(self, table: str) -> str:
        """The name of the table of versions, made at its first use."""
        name = f"versions_of_{table}"
        if name not in self._built:
            recorded, key, renamed = _RECORDED[table]
            columns = ", ".join(f"{renamed.get(column, column)} AS {column}" for column in AIRFLOW_TABLES[table])
            self._session.materialize(
                name,
                f"""SELECT {columns}, until AS valid_to,
                    CASE WHEN first AND change = 'STATE' THEN '-infinity'::TIMESTAMP ELSE ts END AS valid_from
                FROM (
                    SELECT *, lead(ts, 1, 'infinity'::TIMESTAMP) OVER w AS until, row_number() OVER w = 1 AS first
                    FROM {recorded} WINDOW w AS (PARTITION BY {key} ORDER BY seen_at, ts)
                ) WHERE change <> 'DELETED'""",
            )
            self._built.add(name)
        return name
