"""Clocks that differ: causes and effects are ordered by one clock, and the verdict says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from afscope.engine.catalog import Catalog
from afscope.engine.clocks import Clocks, measured
from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.capture import ClockOffset
from afscope.model.clock import SECOND, Micros, parse_time
from afscope.model.finding import Analysis
from afscope.model.row import Row
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter
from benchmarks.recorded import DB, Recording, shifted

START = parse_time("2026-11-22T20:00:00Z")
POOL = Path(__file__).parents[1] / "data" / "recordings" / "pool"
Record = Callable[..., Capture]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Thirty events and task changes, found by a watch and by polls when the clocks were so far ahead."""

    def write(cluster: float = 0, airflow: float = 0, told: float | None = None, late: float = 0) -> Capture:
        with CaptureWriter.create(tmp_path / "c.afscope", started_at=START) as writer:
            for n in range(30):
                seen = START + n * SECOND
                head = {"ts": seen, "seen_at": seen, "change": "MODIFIED"}
                own = seen + round(cluster * SECOND) - SECOND // 2
                writer.append(Row("events", {**head, "ts": own, "uid": f"e{n}", "first_ts": own, "last_ts": own}))
                changed = seen + round((airflow - late * (n % 2)) * SECOND)
                key = {"dag_id": "d", "run_id": "r", "task_id": f"t{n}", "map_index": -1, "attempt": 1}
                writer.append(Row("task_instances", {**head, **key, "state": "queued", "queued_dttm": changed}))
            if told is not None:
                writer.set_clock_offset("kubernetes", ClockOffset(round(told * SECOND), SECOND // 10))
        return Capture.open(tmp_path / "c.afscope")

    return write


@pytest.mark.parametrize(
    ("ahead", "differ"),
    [
        ({}, False),
        ({"cluster": 30}, True),
        ({"cluster": -30}, True),
        ({"airflow": 30}, True),
        ({"cluster": 30, "airflow": 30}, False),  # it is the recorder's clock that is wrong
        ({"cluster": 1.5}, False),
        ({"told": 30}, True),  # what the recorder measured counts more than events
        ({"cluster": 30, "told": 0}, False),
        ({"cluster": 30, "late": 20}, False),  # changes that are found late say nothing of a clock
    ],
)
def test_only_clocks_that_are_known_to_differ_are_set(record: Record, ahead: dict[str, float], *, differ: bool) -> None:
    assert measured(record(**ahead)).differ is differ


def test_all_times_but_the_recorders_own_are_told_by_its_clock(record: Record) -> None:
    opened = Investigation(record(cluster=30, airflow=-20), Catalog.load(()))
    try:
        assert opened.clocks == Clocks(30 * SECOND - SECOND // 2, -20 * SECOND)
        for column, table in (("first_ts", "events"), ("queued_dttm", "task_instances")):
            row = opened.session.run(
                f"SELECT epoch_us(ts), epoch_us(seen_at), epoch_us({column}) FROM {table} ORDER BY seen_at OFFSET 7"
            ).rows[0]
            assert [at - START for at in row] == [7 * SECOND] * 3, table
    finally:
        opened.close()


def analyzed(folder: Path, by: Micros) -> Analysis:
    """The recording with the cluster's clock so far ahead."""
    recording = Recording.load(POOL)
    for name, lines in recording.streams.items():
        if name != DB:
            recording.streams[name] = [{**line, "object": shifted(line.get("object"), by / SECOND)} for line in lines]
    recording.save(folder / "r")
    import_sources([folder / "r"], folder / "r.afscope")
    opened = Investigation.open(folder / "r.afscope")
    try:
        return opened.analysis
    finally:
        opened.close()


def test_a_cluster_whose_clock_is_wrong_gets_the_same_verdict(tmp_path: Path) -> None:
    (tmp_path / "right").mkdir()
    (tmp_path / "wrong").mkdir()
    right, wrong = analyzed(tmp_path / "right", 0), analyzed(tmp_path / "wrong", 30 * SECOND)
    assert wrong.verdict.root_causes == right.verdict.root_causes
    assert "the cluster's is +30 s ahead" in wrong.verdict.summary
    assert "clocks" not in right.verdict.summary
