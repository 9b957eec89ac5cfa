"""Imports of real exports, small ones made by hand, and what the tests ask of them."""

import os
from pathlib import Path
from typing import Any

from afscope.ingest import Window, import_sources
from afscope.model.clock import parse_time
from afscope.store.reader import Capture

EXPORTS = Path(__file__).parents[1] / "data" / "exports"
ALL = Window()


def imported(out: Path, *sources: Path, window: Window = ALL, taken_at: str = "") -> Capture:
    """The capture of these sources."""
    import_sources(sources, out, window=window, taken_at=parse_time(taken_at) if taken_at else None)
    return Capture.open(out)


def rows(capture: Capture, table: str) -> list[dict[str, Any]]:
    """All rows of a table in the order in which they were seen."""
    if not capture.has(table):
        return []
    found: list[dict[str, Any]] = capture.table(table).sort_by("seen_at").to_pylist()
    return found


def written(folder: Path, name: str, text: str | bytes, saved_at: str = "") -> Path:
    """A file, maybe with a date."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if saved_at:
        at = parse_time(saved_at) / 1e6
        os.utime(path, (at, at))
    return path
