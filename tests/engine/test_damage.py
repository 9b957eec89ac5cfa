"""What damage took is not calm: neither a verdict nor an acquittal rests on a table that lost rows."""

import zipfile
from pathlib import Path

import pytest

from afscope.engine.catalog import Catalog
from afscope.engine.investigation import Investigation
from afscope.model.finding import Analysis, Ruling
from afscope.store.reader import Capture
from afscope.store.recover import recover

SAMPLE = Path(__file__).parents[2] / "captures/samples/metrics-apiserver-hung.afscope.zip"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A folder of its own with the sample in it."""
    with zipfile.ZipFile(SAMPLE) as packed:
        packed.extractall(tmp_path / "damaged.afscope")
    return tmp_path / "damaged.afscope"


def break_table(capture: Path, table: str) -> None:
    """Turns one byte of each segment of a table."""
    for segment in (capture / "segments" / table).iterdir():
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 0xFF
        segment.write_bytes(data)


def analyzed(capture: Path) -> Analysis:
    opened = Investigation(Capture.open(capture), Catalog.load(()))
    try:
        return opened.analysis
    finally:
        opened.close()


@pytest.mark.parametrize("repaired", [False, True])
def test_without_the_task_table_nothing_is_healthy(capture: Path, *, repaired: bool) -> None:
    break_table(capture, "task_instances")
    if repaired:
        recover(capture)
    told = analyzed(capture)
    assert told.verdict.healthy is None
    assert any(gap.source == "task_instances" and "damaged" in gap.reason for gap in told.gaps)


def test_a_scheduler_whose_heartbeats_were_lost_is_not_accused(capture: Path) -> None:
    break_table(capture, "jobs")
    told = analyzed(capture)
    ruling = next(c for c in told.verdict.components if c.component == "scheduler")
    assert ruling.ruling is Ruling.NOT_ASSESSED
    assert "external_metric_timeout" in told.verdict.root_causes


def test_damage_elsewhere_takes_nothing_away(capture: Path) -> None:
    whole = analyzed(capture)
    break_table(capture, "nodes")
    told = analyzed(capture)
    assert told.verdict.root_causes == whole.verdict.root_causes
    assert told.verdict.healthy is False
