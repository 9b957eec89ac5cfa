"""Facts: the tables of analyzers/timeline, and those that Python computes, materialized in order of their needs."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from afscope.engine.catalog import BUILT_IN_FACTS, Catalog
from afscope.engine.header import AnalyzerFile
from afscope.engine.session import Session
from afscope.engine.trigger_sql import Translation, translate
from afscope.errors import AnalyzerError, QueryError
from afscope.model.clock import Micros, to_datetime

# What the built-in facts themselves read.
BUILT_IN_NEEDS = {
    "trigger_queries": frozenset({"targets", "attempts"}),
    "counted": frozenset({"trigger_queries"}),
    "assignments": frozenset({"counted", "worker_pods"}),
}
_KEY = ("dag_id", "run_id", "task_id", "map_index", "attempt")
_KEY_TYPES = {
    "dag_id": "VARCHAR",
    "run_id": "VARCHAR",
    "task_id": "VARCHAR",
    "map_index": "BIGINT",
    "attempt": "BIGINT",
}


def tables_read(session: Session, sql: str) -> frozenset[str]:
    """Names of tables that a SELECT reads, CTEs left out. Works on ASOF joins, unlike get_table_names."""
    raw = session.run("SELECT json_serialize_sql(CAST($sql AS VARCHAR))", {"sql": sql}).rows[0][0]
    tree = json.loads(raw)
    if tree.get("error"):
        raise QueryError(str(tree.get("error_message", "SQL does not parse")))
    names: set[str] = set()
    ctes: set[str] = set()
    _walk(tree, names, ctes)
    return frozenset(names - ctes)


def _walk(node: object, names: set[str], ctes: set[str]) -> None:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            names.add(node["table_name"])
        ctes.update(entry["key"] for entry in node.get("cte_map", {}).get("map", []))
        for child in node.values():
            _walk(child, names, ctes)
    elif isinstance(node, list):
        for child in node:
            _walk(child, names, ctes)


_NOT_CODE = re.compile(r"'(?:[^']|'')*'|--[^\n]*")


def mentioned(sql: str, names: Iterable[str]) -> set[str]:
    """Which of `names` occur in the code of a SELECT: quick, and enough to order what needs what."""
    words = set(re.findall(r"\w+", _NOT_CODE.sub(" ", sql)))
    return words.intersection(names)


def parameters(session: Session, file: AnalyzerFile, start: Micros, end: Micros) -> dict[str, Any]:
    """The parameters that a file's SELECT uses: its own, and the bounds of the analysis as $start and $end."""
    _, used = session.statement(file.sql)
    values = {
        **file.header.params,
        "start": to_datetime(start).replace(tzinfo=None),
        "end": to_datetime(end).replace(tzinfo=None),
    }
    return {name: value for name, value in values.items() if name in used}


class Facts:
    """Builds every fact that is needed, once."""

    def __init__(self, session: Session, catalog: Catalog, start: Micros, end: Micros) -> None:
        self._session = session
        self._start, self._end = start, end
        self._files: Mapping[str, AnalyzerFile] = {f.header.id: f for f in catalog.group("timeline")}
        self._built: set[str] = set()
        self._built_in: Mapping[str, Callable[[], None]] = {
            "trigger_queries": self._trigger_queries,
            "counted": lambda: None,  # comes with trigger_queries
            "assignments": self._assignments,
        }
        self.translations: dict[str, Translation] = {}

    def build_all(self) -> None:
        """Materializes every timeline fact that does not wait for the attribution."""
        for name in (*self._files, *self._built_in):
            self.build(name, ())

    def build(self, name: str, path: tuple[str, ...]) -> None:
        """Materializes one fact after what it needs. Raises AnalyzerError on a cycle."""
        if name in self._built:
            return
        if name in path:
            raise AnalyzerError(f"facts need each other: {' -> '.join((*path, name))}")
        for need in self._needs(name):
            self.build(need, (*path, name))
        if name in self._built_in:
            self._built_in[name]()
        else:
            file = self._files[name]
            try:
                self._session.materialize(name, file.sql, parameters(self._session, file, self._start, self._end))
            except QueryError as error:
                raise AnalyzerError(f"analyzer {file.path}: {error}") from error
        self._built.add(name)

    def _needs(self, name: str) -> Iterator[str]:
        if name in BUILT_IN_NEEDS:
            yield from sorted(BUILT_IN_NEEDS[name])
        elif name in self._files:
            known = (self._files.keys() | BUILT_IN_FACTS) - {"waits", name}
            yield from sorted(mentioned(self._files[name].sql, known))

    def _trigger_queries(self) -> None:
        """Tables trigger_queries (one row per target) and counted (one row per attempt and target)."""
        rows = []
        counted = [
            "SELECT dag_id, run_id, task_id, map_index, attempt, '' AS target, false AS q, false AS r FROM attempts WHERE false"
        ]
        for target in self._session.dicts(
            "SELECT target, query, trigger_type, created_at FROM targets ORDER BY target"
        ):
            translation = (
                translate(target["query"], target["trigger_type"] or "")
                if target["query"]
                else Translation("", "", "the trigger has no query")
            )
            self.translations[target["target"]] = translation
            rows.append((target["target"], target["query"], bool(translation.predicate), translation.reason))
            if translation.predicate:
                counted.append(self._count_sql(target["target"], translation.predicate))
        self._session.materialize("counted", " UNION ALL ".join(counted))
        self._session.fill(
            "trigger_texts",
            {"target": "VARCHAR", "query": "VARCHAR", "translated": "BOOLEAN", "reason": "VARCHAR"},
            rows,
        )
        self._session.materialize(
            "trigger_queries",
            """SELECT x.*, coalesce(c.q, false) AS counts_queued, coalesce(c.r, false) AS counts_running,
                (SELECT min(s.ts) FROM scaledobjects s WHERE s.namespace || '/' || s.name = x.target) AS ts
            FROM trigger_texts x
            LEFT JOIN (SELECT target, bool_or(q) AS q, bool_or(r) AS r FROM counted GROUP BY target) c USING (target)""",
        )

    @staticmethod
    def _count_sql(target: str, predicate: str) -> str:
        from afscope.engine.session import literal

        def arm(state: str) -> str:
            return f"coalesce((SELECT {predicate} FROM (SELECT '{state}' AS state)), false)"

        return (
            f"SELECT dag_id, run_id, task_id, map_index, attempt, {literal(target)} AS target, "
            f"{arm('queued')} AS q, {arm('running')} AS r FROM attempts"
        )

    def _assignments(self) -> None:
        """Each attempt's target: whose query counts it, else whose workers consume its queue, else nobody's ('')."""
        self._session.materialize(
            "assignments",
            """WITH by_query AS (
                SELECT dag_id, run_id, task_id, map_index, attempt, min(target) AS target FROM counted WHERE q GROUP BY ALL
            ),
            by_workers AS (SELECT DISTINCT target, unnest(queues) AS queue FROM worker_pods WHERE queues IS NOT NULL),
            -- a query that nobody can read may count anything: what no other target counts is taken to be meant
            unreadable AS (SELECT min(target) AS target FROM trigger_queries WHERE NOT translated)
            SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt,
                coalesce(any_value(q.target), min(w.target), (SELECT target FROM unreadable), '') AS target, count(q.target) > 0 AS counted
            FROM attempts a
            LEFT JOIN by_query q USING (dag_id, run_id, task_id, map_index, attempt)
            LEFT JOIN by_workers w ON q.target IS NULL AND w.queue = a.queue
            GROUP BY a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt""",
        )


def shift(at: Micros, seconds: float) -> Micros:
    """A time moved by seconds."""
    return at + int(timedelta(seconds=seconds) / timedelta(microseconds=1))
