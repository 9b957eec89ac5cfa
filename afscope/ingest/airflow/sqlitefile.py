"""A SQLite file of Airflow. It may come from a stranger: only tables are read, and nothing is written beside it."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from afscope.ingest.airflow.staging import WANTED, Staging
from afscope.ingest.sink import Findings

_MAGIC = b"SQLite format 3\x00"


def sniff(path: Path) -> bool:
    """Whether a file is a SQLite database."""
    try:
        with path.open("rb") as handle:
            return handle.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def load(path: Path, staging: Staging, found: Findings) -> None:
    """Stages the rows of its tables. With a write-ahead log beside it a copy is read, as reading needs a third file."""
    log = path.with_name(f"{path.name}-wal")
    if not log.is_file():
        _read(path, path, "mode=ro&immutable=1", staging, found)
        return
    with tempfile.TemporaryDirectory(prefix="afscope-import-") as folder:
        copy = Path(folder) / "copy.db"
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name("copy.db-wal"))
        _read(path, copy, "mode=rw", staging, found)


def _read(path: Path, file: Path, how: str, staging: Staging, found: Findings) -> None:
    try:
        db = sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)
    except sqlite3.Error as error:
        found.note(f"{path}: {error}")
        return
    try:
        # a view or a trigger of a hostile file must not call anything
        db.executescript("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON;")
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        for table in WANTED:
            if table in names:
                _table(path, db, table, staging, found)
        if not names & WANTED.keys():
            found.note(f"{path}: a SQLite database without a table of Airflow")
    except sqlite3.Error as error:
        found.note(f"{path}: {error}")
    finally:
        db.close()


def _table(path: Path, db: sqlite3.Connection, table: str, staging: Staging, found: Findings) -> None:
    """All rows that can be read; a damaged page ends the table, not the import."""
    has = tuple(row[1] for row in db.execute(f"PRAGMA table_info({table})"))
    columns = tuple(column for column in WANTED[table] if column in has)
    staging.see(table, has)
    number = 0
    try:
        for row in db.execute(f"SELECT {', '.join(columns)} FROM {table}"):
            staging.put(table, dict(zip(columns, row, strict=True)))
            number += 1
    except sqlite3.Error as error:
        found.note(f"{path}: table {table} after row {number}: {error}")
