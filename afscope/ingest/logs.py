"""Logs of containers and tasks, one file each. They are known by their envelopes, not by their names."""

import itertools
from pathlib import Path

from afscope.ingest.lines import texts
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.clock import SECOND, Micros
from afscope.normalize.logs import MAX_LINE, LogNormalizer, component_of, is_log

_LOOKED_AT = 50


def sniff(path: Path) -> bool:
    """Whether one of the first lines is in the form of a log that afscope reads."""
    return is_log(itertools.islice(texts(path, lambda _: None, MAX_LINE), _LOOKED_AT))


def stream(path: Path, begins: Micros | None, found: Findings) -> Stream:
    """The known lines of one file. `begins` is when the recording did, None when there are only logs.

    Lines may be older than the recording: they keep their time, but the recorder saw them when it began. Without a
    recording the file's own date tells the year that klog does not write.
    """
    component, pod = component_of(path.name)
    day = begins if begins is not None else int(path.stat().st_mtime) * SECOND
    lines = texts(path, found.note, MAX_LINE)
    for row in LogNormalizer(found.redactor, day).lines(
        lines, component=component, pod=pod, container=None, source=path.name
    ):
        seen_at = max(row.values["ts"], begins or 0)
        yield Timed(seen_at, row._replace(values={**row.values, "seen_at": seen_at}))
