"""Dumps of the Airflow DB in any form, and what a live DB still holds of a past window, as one stream of rows."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from afscope.ingest.airflow import csvdump, sqldump, sqlitefile
from afscope.ingest.airflow.rebuild import Rebuilt, Window
from afscope.ingest.airflow.staging import HISTORY, Staging
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.capture import SourceState

_CUSTOM = b"PGDMP"
_TABLES = {
    "task_instance": "task_instances", "dag_run": "dag_runs", "dag": "dags", "slot_pool": "pools", "job": "jobs",
    "log": "db_log", "celery_taskmeta": "celery_results",
}  # fmt: skip
_REASONS = {
    "task_instances": "rebuilt from the end state: of each attempt the last queueing, its start and its end"
    "{history}{scheduled}",
    "dag_runs": "rebuilt from the end state: queued, started, over",
    "dags": "settings as they were when the dump was taken; only pausing by hand is known to have changed before",
    "pools": "settings as they were when the dump was taken",
    "jobs": "of each job only its start and its last heartbeat",
}


class Rows(NamedTuple):
    """Rows that somebody else reads: of one Airflow table, with the columns that it has."""

    table: str
    columns: tuple[str, ...]
    rows: Iterable[Mapping[str, Any]]


def is_table(path: Path) -> bool:
    """Whether a file is a SQLite database, or a table of Airflow."""
    return sqlitefile.sniff(path) or csvdump.header(path) is not None


def sniff(path: Path) -> bool:
    """Whether a file is SQL that fills tables."""
    return sqldump.sniff(path)


def refusal(path: Path) -> str | None:
    """Why a file cannot be read although it is a dump; None for others."""
    with path.open("rb") as handle:
        head = handle.read(4096)
    if head.startswith(_CUSTOM):
        return "pg_dump's custom format: `pg_restore -f dump.sql FILE` turns it into SQL, which can be imported"
    first = head.split(b"\n", 1)[0]
    if {b"task_id", b"dag_id"} & set(first.strip().split(b",")):
        columns = first[:80].decode(errors="replace")
        return f"a table of which a capture keeps nothing, or without needed columns: {columns}"
    return None


def stream(paths: list[Path], live: Iterable[Rows], window: Window, found: Findings) -> Stream:
    """The rebuilt history of all dumps together, in the order of time."""
    with Staging() as staging:
        for path in paths:
            _load(path, staging, found)
        for part in live:
            staging.see(part.table, part.columns)
            for row in part.rows:
                staging.put(part.table, row)
        staging.seal()
        yield from _rebuilt(staging, window, found)


def _load(path: Path, staging: Staging, found: Findings) -> None:
    if sqlitefile.sniff(path):
        sqlitefile.load(path, staging, found)
    elif csvdump.header(path) is not None:
        csvdump.load(path, staging, found)
    else:
        sqldump.load(path, staging, found)


def _rebuilt(staging: Staging, window: Window, found: Findings) -> Iterator[Timed]:
    for table, count in staging.keyless.items():
        found.note(f"dump of the Airflow DB: {count} rows of {table} without a key")
    for column, count in staging.untimely.items():
        found.note(f"dump of the Airflow DB: {count} values of {column} are no times")
    rebuilt = Rebuilt(staging, found.redactor, window)
    found.airflow_version = rebuilt.release or found.airflow_version
    _sources(staging, rebuilt, found)
    for row in rebuilt.rows():
        yield Timed(row.values["seen_at"], row)
    found.saw(rebuilt.ends)


def _sources(staging: Staging, rebuilt: Rebuilt, found: Findings) -> None:
    """Every table is only partly known, and its reason says what no dump can tell."""
    old = "" if HISTORY in staging.columns else ", and no attempt before the last"
    scheduled = "" if rebuilt.version >= (3, 0) else ", and not when it was scheduled"
    for table, name in _TABLES.items():
        if table not in staging.columns:
            continue
        if name in _REASONS:
            found.source(name, SourceState.PARTIAL, _REASONS[name].format(history=old, scheduled=scheduled))
        else:
            found.source(name, SourceState.OK)
