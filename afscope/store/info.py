"""What `afscope info` says of a capture, ready for JSON."""

from pathlib import Path
from typing import Any

import msgspec

from afscope.model.clock import rfc3339
from afscope.store.lock import is_being_written
from afscope.store.reader import Capture
from afscope.store.schema import TABLES


def info(path: Path) -> dict[str, Any]:
    """Identity, times (RFC 3339), sources, rows and bytes per table, gaps, redactions, state of the capture.

    `sources` names every table; `proven`, for a capture that nobody closed, up to when each is known to be whole.
    Raises NotACapture, NewerFormat or DamagedCapture.
    """
    capture = Capture.open(path)
    manifest = capture.manifest
    gaps = [
        {"source": gap.source, "from": rfc3339(gap.from_ts), "to": rfc3339(gap.to_ts), "reason": gap.reason}
        for gap in capture.gaps()
    ]
    return {
        "path": str(path),
        "id": manifest.id,
        "format_version": manifest.format_version,
        "afscope_version": manifest.afscope_version,
        "airflow_version": manifest.airflow_version,
        "cluster": manifest.cluster,
        "origin": manifest.origin,
        "started_at": rfc3339(capture.started_at),
        "ended_at": rfc3339(capture.ended_at),
        "closed": manifest.closed,
        "being_written": not manifest.closed and is_being_written(capture.path),
        "epoch_s": manifest.epoch_us / 1_000_000,
        "sources": {name: msgspec.to_builtins(capture.source(name)) | {} for name in TABLES},
        "tables": {name: _table(capture, name) for name in TABLES if capture.has(name)},
        "gaps": gaps,
        "proven": {name: rfc3339(at) for name, at in sorted(capture.proven.items())},
        "redactions": dict(sorted(manifest.redactions.items())),
        "clock_offsets": msgspec.to_builtins(manifest.clock_offsets),
        "unread": list(manifest.unread),
        "settings": dict(manifest.settings),
        "warnings": list(capture.warnings),
    }


def _table(capture: Capture, name: str) -> dict[str, int]:
    """`bytes` counts sealed segments only."""
    segments = [segment for segment in capture.manifest.segments if segment.table == name]
    return {
        "rows": capture.rows(name),
        "bytes": sum(segment.bytes for segment in segments),
        "segments": len(segments),
    }
