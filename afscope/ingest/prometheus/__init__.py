"""Answers of Prometheus and pages of metrics: samples as they are, and the objects that known names measure."""

import tempfile
from collections import deque
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from afscope.ingest.prometheus import read
from afscope.ingest.prometheus.objects import Measured
from afscope.ingest.prometheus.series import Sample, Series
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, rfc3339
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE, Row
from afscope.normalize.kube import TABLE_OF_KIND, KubeNormalizer

sniff = read.sniff
Known = Callable[[str, str, str], bool]
Listed = Callable[[str, str, str], tuple[str, Micros] | None]


def stream(paths: list[Path], known: Known, listed: Listed, found: Findings) -> Stream:
    """The rows of all files together, in the order of time.

    `known` says which objects the API itself gave, `listed` which of them it only listed, with their uid and when: of
    these the time before the list is measured.
    """
    with tempfile.TemporaryDirectory(prefix="afscope-import-") as folder:
        series = Series(Path(folder) / "series.db")
        try:
            for path in paths:
                read.load(path, series, found)
            yield from _rows(series, known, listed, found)
        finally:
            series.close()


def _rows(series: Series, known: Known, listed: Listed, found: Findings) -> Stream:
    kube = KubeNormalizer(found.redactor)
    measured = Measured()
    begun: set[str] = set()
    moments = groupby(series.samples(), key=lambda sample: sample.at)
    # an object of which two scrapes show nothing is gone since the first of them
    ended = deque(measured.ended(series.ends(), series.last - 2 * series.step) if series.step else ())
    for at, samples in moments:
        while ended and ended[0][0] + series.step <= at:
            yield from _gone(*ended.popleft(), series.step, measured, kube, known)
        found.source("metrics", SourceState.OK)
        for sample in samples:
            yield from _sample(sample, measured, found)
        for kind, namespace, name, body in measured.changed():
            real = listed(kind, namespace, name)
            if (real is None and known(kind, namespace, name)) or (real is not None and at >= real[1]):
                continue
            if real is not None:
                body["metadata"]["uid"] = real[0]
            table, uid = TABLE_OF_KIND[kind], body["metadata"]["uid"]
            found.source(table, SourceState.PARTIAL, "measured by kube-state-metrics, at each scrape")
            found.list_seen(table, at)
            yield from _observed(kube, STATE if uid not in begun else MODIFIED, body, at, kind)
            begun.add(uid)
    for last, key in ended:
        yield from _gone(last, key, series.step, measured, kube, known)
    if series.step:
        found.notes.append(
            f"Prometheus: {series.count} series, one sample per {series.step / SECOND:.0f} s: what lasted less may be"
            f" missing; the last at {rfc3339(series.last)}"
        )
    found.saw(series.last)


def _sample(sample: Sample, measured: Measured, found: Findings) -> Stream:
    """A sample as it is, and as the value of a trigger where it is one."""
    labels = msgspec.json.encode(found.redactor.labels(dict(sample.labels))).decode()
    head = {"ts": sample.at, "seen_at": sample.at, "change": MODIFIED if sample.later else ADDED}
    yield Timed(sample.at, Row("metrics", {"name": sample.name, "labels": labels, "value": sample.value, **head}))
    if (row := measured.trigger(sample)) is not None:
        found.source("trigger_metrics", SourceState.OK)
        yield Timed(sample.at, Row("trigger_metrics", {**row, **head, "change": ADDED}))
    measured.take(sample)


def _gone(
    last: Micros, key: tuple[str, str, str], step: Micros, measured: Measured, kube: KubeNormalizer, known: Known
) -> Stream:
    body = measured.gone(key)
    if body is not None and not known(*key):
        yield from _observed(kube, DELETED, body, last + step, key[0])


def _observed(kube: KubeNormalizer, change: str, body: dict[str, Any], at: Micros, kind: str) -> Stream:
    """The typed rows only: what was measured is no object that anybody could serve."""
    for row in kube.observe(change, msgspec.json.encode(body), at, kind=kind):
        if row.table != "objects":
            yield Timed(at, row)
