"""Facts: the tables of analyzers/timeline, and those that Python computes, materialized in order of their needs."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from afscope.engine import authors
from afscope.engine.catalog import BUILT_IN_FACTS, Catalog
from afscope.engine.header import AnalyzerFile
from afscope.engine.session import Session
from afscope.engine.trigger_rerun import ATTEMPT, Rerun
from afscope.engine.trigger_sql import Translation, translate
from afscope.errors import AnalyzerError, QueryError
from afscope.model.clock import Micros, to_datetime

# What the built-in facts themselves read.
BUILT_IN_NEEDS = {
    "counted": frozenset({"targets", "attempts"}),
    "trigger_texts": frozenset({"counted"}),
    "trigger_values": frozenset({"counted"}),
    "decisions": authors.NEEDS,
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


def parameters(file: AnalyzerFile, start: Micros, end: Micros) -> dict[str, Any]:
    """The parameters that a file's SELECT uses: its own, and the bounds of the analysis as $start and $end."""
    used = set(re.findall(r"\$([A-Za-z_]\w*)", _NOT_CODE.sub(" ", file.sql)))
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
            "counted": self._count,
            "trigger_texts": lambda: None,  # these two come with counted
            "trigger_values": lambda: None,
            "decisions": lambda: authors.build(self._session),
        }

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
                self._session.materialize(name, file.sql, parameters(file, self._start, self._end))
            except QueryError as error:
                raise AnalyzerError(f"analyzer {file.path}: {error}") from error
        self._built.add(name)

    def _needs(self, name: str) -> Iterator[str]:
        if name in BUILT_IN_NEEDS:
            yield from sorted(BUILT_IN_NEEDS[name])
        elif name in self._files:
            known = (self._files.keys() | BUILT_IN_FACTS) - {"waits", name}
            yield from sorted(mentioned(self._files[name].sql, known))

    def _count(self) -> None:
        """Tables trigger_texts (one row per target), counted (one row per attempt and readable target) and
        trigger_values (what the query gave at each instant)."""
        rerun = Rerun(self._session)
        rows = []
        counted = [f"SELECT {ATTEMPT}, '' AS target, false AS in_queued, false AS in_running FROM attempts LIMIT 0"]
        values = ["SELECT '' AS target, NULL::TIMESTAMP AS moment, NULL::DOUBLE AS value LIMIT 0"]
        for number, target in enumerate(self._session.dicts("FROM targets ORDER BY target")):
            name, query = target["target"], target["query"]
            said = translate(query, target["trigger_type"] or "") if query else Translation(reason="no query")
            said = rerun.run(name, said, number)
            rows.append((name, query, said.translated, said.reason))
            if said.translated:
                counted.append(f"FROM counted_by_{number}")
                values.append(f"FROM values_of_{number}")
        self._session.materialize("counted", " UNION ALL ".join(f"({arm})" for arm in counted))
        self._session.materialize("trigger_values", " UNION ALL ".join(f"({arm})" for arm in values))
        columns = {"target": "VARCHAR", "query": "VARCHAR", "translated": "BOOLEAN", "reason": "VARCHAR"}
        self._session.fill("trigger_texts", columns, rows)
