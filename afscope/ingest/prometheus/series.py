"""Samples on their way in: kept in a temporary SQLite file, changes only, given back in the order of time."""

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from afscope.model.clock import Micros


class Sample(NamedTuple):
    """One sample that differs from the one before it in its series; `later` when there was one."""

    at: Micros
    name: str
    labels: dict[str, str]
    value: float
    later: bool


class Series:
    """All series of an import."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000;"
            "CREATE TABLE series (id INTEGER PRIMARY KEY, name, labels, UNIQUE (name, labels));"
            "CREATE TABLE samples (series INTEGER, at INTEGER, value REAL, PRIMARY KEY (series, at)) WITHOUT ROWID;"
            "BEGIN"
        )
        self._steps: Counter[Micros] = Counter()
        self.count = 0
        self.last: Micros = 0

    def close(self) -> None:
        """Forgets everything."""
        self._db.close()

    @property
    def step(self) -> Micros:
        """The usual time between two samples; 0 when there was but one."""
        return self._steps.most_common(1)[0][0] if self._steps else 0

    def open(self, name: str, labels: Mapping[str, str]) -> int:
        """The number of a series."""
        key = name, json.dumps(dict(sorted(labels.items())))
        found = self._db.execute("SELECT id FROM series WHERE name = ? AND labels = ?", key).fetchone()
        if found is None:
            self.count += 1
            return int(self._db.execute("INSERT INTO series (name, labels) VALUES (?, ?)", key).lastrowid or 0)
        return int(found[0])

    def put(self, series: int, at: Micros, value: float) -> None:
        """One sample."""
        self._db.execute(
            "INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", (series, at, None if math.isnan(value) else value)
        )
        self.last = max(self.last, at)

    def spaced(self, step: Micros) -> None:
        """Two samples of a series were that far apart."""
        if step > 0:
            self._steps[step] += 1

    def samples(self) -> Iterator[Sample]:
        """What changed, oldest first."""
        self._db.execute("COMMIT")
        changed = (
            "SELECT at, name, labels, value, before_at FROM ("
            " SELECT series, at, value, lag(value) OVER w AS before, lag(at) OVER w AS before_at FROM samples"
            " WHERE value IS NOT NULL WINDOW w AS (PARTITION BY series ORDER BY at)"
            ") JOIN series ON id = series WHERE before_at IS NULL OR value <> before ORDER BY at, name, labels"
        )
        for at, name, labels, value, before in self._db.execute(changed):
            yield Sample(at, name, json.loads(labels), value, before is not None)

    def ends(self) -> Iterator[Sample]:
        """The last sample of each series."""
        latest = (
            "SELECT max(at), name, labels, value FROM samples JOIN series ON id = series"
            " WHERE value IS NOT NULL GROUP BY series"
        )
        for at, name, labels, value in self._db.execute(latest):
            yield Sample(at, name, json.loads(labels), value, True)
