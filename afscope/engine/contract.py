"""The contract of analyzer files, checked without any capture: `afscope analyzers check`, and our own tests."""

import re
from collections.abc import Iterator

from afscope.engine.catalog import BUILT_IN_FACTS, Catalog
from afscope.engine.facts import Facts, parameters, tables_read
from afscope.engine.header import AnalyzerFile
from afscope.engine.session import Session
from afscope.errors import AnalyzerError, QueryError
from afscope.store.schema import TABLES

_FINDING = ("started_at", "ended_at", "target", "subject", "params", "confidence", "evidence")
COLUMNS = {
    "bottleneck": _FINDING,
    "symptom": _FINDING,
    "log": ("cause", *_FINDING),
    "lint": _FINDING,
    "alibi": ("target", "params", "evidence"),
    "timeline": (),
}
"""Columns that a SELECT of each group must give."""
# The horizon comes from the capture, or an old capture would change its answer from day to day.
_CLOCK = re.compile(
    r"\b(now|today|random|gen_random_uuid|uuid)\s*\(|\bcurrent_(timestamp|date|time)\b|\blocaltime", re.I
)
_GIVEN = frozenset({"start", "end"})
_WAITS = """SELECT ''::VARCHAR AS dag_id, ''::VARCHAR AS run_id, ''::VARCHAR AS task_id, 0::BIGINT AS map_index,
    0::BIGINT AS attempt, ''::VARCHAR AS queue, ''::VARCHAR AS pool, ''::VARCHAR AS target, ''::VARCHAR AS stage,
    ''::VARCHAR AS cause, 0::DOUBLE AS seconds WHERE false"""


def problems(catalog: Catalog) -> list[str]:
    """Every breach of the contract, as "path: what"; empty when all is well."""
    session = Session(None)
    try:
        return [f"{file.path}: {problem}" for file in catalog.analyzers for problem in _statement(session, file)] or [
            *_run_all(session, catalog)
        ]
    finally:
        session.close()


def _statement(session: Session, file: AnalyzerFile) -> Iterator[str]:
    """Breaches that show without running: one SELECT, its parameters, no clock."""
    try:
        kind, used = session.statement(file.sql)
    except QueryError as error:
        yield str(error)
        return
    if kind != "SELECT":
        yield f"expected a SELECT, found {kind}"
    declared = file.header.params.keys()
    if unknown := used - declared - _GIVEN:
        yield f"parameter ${min(unknown)} is not in [params]"
    if idle := declared - used - _GIVEN:
        yield f"[params] {min(idle)} is never used"
    if found := _CLOCK.search(re.sub(r"'(?:[^']|'')*'|--[^\n]*", " ", file.sql)):
        yield f"asks for {found.group(0).rstrip('( ')}: only the capture's own time counts"


def _run_all(session: Session, catalog: Catalog) -> Iterator[str]:
    """Breaches that show on empty tables: undeclared sources, missing columns, SQL that does not bind."""
    try:
        Facts(session, catalog, 0, 0).build_all()
    except AnalyzerError as error:
        yield str(error)
        return
    session.materialize("waits", _WAITS)
    facts = catalog.fact_names | BUILT_IN_FACTS
    for file in catalog.analyzers:
        yield from (f"{file.path}: {problem}" for problem in _sources(session, file, facts))
        yield from (f"{file.path}: {problem}" for problem in _columns(session, file))


def _sources(session: Session, file: AnalyzerFile, facts: frozenset[str]) -> Iterator[str]:
    header = file.header
    declared = {*header.needs, *header.uses}
    for name in sorted(declared - TABLES.keys()):
        yield f"needs or uses {name!r}, which is no table of a capture"
    for name in sorted(tables_read(session, file.sql) - declared - facts):
        yield (
            f"reads {name!r} without saying so in needs or uses" if name in TABLES else f"reads unknown table {name!r}"
        )


def _columns(session: Session, file: AnalyzerFile) -> Iterator[str]:
    try:
        result = session.run(file.sql, parameters(file, 0, 0))
    except QueryError as error:
        yield f"does not run on empty tables: {error}"
        return
    for name in COLUMNS[file.header.group]:
        if name not in result.columns:
            yield f"lacks column {name}"
    if result.rows and file.header.group != "timeline":
        yield "claims something on empty tables"
