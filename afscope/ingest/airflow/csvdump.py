"""Tables of Airflow as CSV: `COPY task_instance TO … CSV HEADER`, `mariadb --batch`, or what a client saved.

The first line names the columns; they tell which table it is, whatever the file is called.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from afscope.ingest.airflow.staging import HISTORY, Staging
from afscope.ingest.lines import lines
from afscope.ingest.sink import Findings

# What no other table of Airflow has together (DDL of 2.2 to 3.3).
_MARKS: tuple[tuple[str, frozenset[str]], ...] = (
    (HISTORY, frozenset(("task_instance_id", "dag_id", "run_id", "task_id", "try_number", "state"))),
    (HISTORY, frozenset(("id", "job_id", "dag_id", "run_id", "task_id", "try_number", "state", "queued_dttm"))),
    ("task_instance", frozenset(("dag_id", "run_id", "task_id", "state", "try_number", "queued_dttm"))),
    ("dag_run", frozenset(("dag_id", "run_id", "state", "queued_at"))),
    ("dag", frozenset(("dag_id", "is_paused"))),
    ("slot_pool", frozenset(("pool", "slots"))),
    ("job", frozenset(("id", "job_type", "latest_heartbeat"))),
    ("log", frozenset(("id", "dttm", "event"))),
    ("celery_taskmeta", frozenset(("id", "task_id", "status", "date_done"))),
    ("alembic_version", frozenset(("version_num",))),
)
_DELIMITERS = (",", "\t", ";", "|")
# How the tools write NULL: COPY and most clients nothing at all, COPY in text \N, mariadb --batch NULL.
_NULLS = frozenset(("", "\\N", "NULL"))
csv.field_size_limit(1 << 26)


def table_of(columns: frozenset[str]) -> str | None:
    """The table of Airflow that has these columns; None for another."""
    return next((table for table, marks in _MARKS if marks <= columns), None)


def header(path: Path) -> tuple[str, list[str], str] | None:
    """(table, columns, delimiter) by the first line of a file; None when that names no table of Airflow."""
    first = next((line for _, line in lines(path, lambda _: None)), b"")
    if len(first) > 1 << 16:
        return None
    text = first.decode("utf-8-sig", "replace")
    for delimiter in _DELIMITERS:
        columns = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
        if (table := table_of(frozenset(columns))) is not None:
            return table, columns, delimiter
    return None


def load(path: Path, staging: Staging, found: Findings) -> None:
    """Stages the rows of one file; lines with too few or too many fields are noted."""
    head = header(path)
    if head is None:
        return
    table, columns, delimiter = head
    staging.see(table, tuple(columns))
    source = _Texts(path, found)
    reader = csv.reader(source, delimiter=delimiter)
    next(reader, None)
    while True:
        begins = source.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            found.note(f"{path}:{begins}: {error}")
            continue
        if len(fields) != len(columns):
            found.note(f"{path}:{begins}: {len(fields)} fields where the header names {len(columns)}")
            continue
        staging.put(table, {c: None if v in _NULLS else v for c, v in zip(columns, fields, strict=True)})


class _Texts(Iterator[str]):
    """Lines as text for the CSV reader, which joins those of a quoted field; `number` is the last one it took."""

    def __init__(self, path: Path, found: Findings) -> None:
        self._lines = lines(path, found.note, exact=True)
        self.number = 0

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8", "replace").replace("\0", "") + "\n"
