"""Nobody is cleared, and nothing called healthy, for a time of which nothing is proved."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from afscope.engine.catalog import Catalog
from afscope.engine.investigation import Investigation
from afscope.engine.reach import Reach
from afscope.model.clock import SECOND
from afscope.model.finding import Analysis, Gap, Ruling
from afscope.store import proven
from afscope.store.lock import WriterLock
from afscope.store.manifest import read_manifest, write_manifest
from afscope.store.reader import Capture
from afscope.store.recover import recover
from afscope.store.schema import TABLES
from afscope.store.segment import write_segments
from afscope.store.wal import Frame

SAMPLE = Path(__file__).parents[2] / "captures/samples/metrics-apiserver-hung.afscope.zip"


def reach(*gaps: tuple[str, int, int]) -> Reach:
    """Of an analysis of the seconds 0 to 600."""
    return Reach([Gap(s, a * SECOND, b * SECOND, "why") for s, a, b in gaps], (0, 600 * SECOND), "en")


@pytest.mark.parametrize(
    ("gaps", "until"),
    [
        ((), 600),
        ((("pods", 100, 200),), 600),
        ((("pods", 500, 600),), 500),
        ((("*", 500, 600),), 500),
        ((("hpas", 500, 600),), 600),
        ((("pods", 592, 600),), 600),
        ((("pods", 500, 560), ("pods", 560, 600)), 500),
        ((("pods", 400, 600), ("pods", 500, 600)), 400),
        ((("pods", 100, 200), ("pods", 500, 600)), 500),
    ],
)
def test_a_hole_that_reaches_to_the_end_bounds_a_source(gaps: tuple[tuple[str, int, int], ...], until: int) -> None:
    assert reach(*gaps).until("pods") == until * SECOND


def test_what_is_not_proved_is_said_with_the_oldest_proof() -> None:
    told = reach(("pods", 500, 600), ("hpas", 550, 600)).bounded("all is well", ["pods", "hpas", "nodes"])
    assert told == "all is well (proven until 00:08:20 UTC: what came then of hpas, pods is not known)"


class Recording:
    """The sample as if its recorder had written proofs and were gone, or still at work."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "c.afscope"
        with zipfile.ZipFile(SAMPLE) as packed:
            packed.extractall(self.path)
        self.end = Capture.open(self.path).ended_at
        self.proofs = dict.fromkeys(TABLES, 3)

    def cut_off(self) -> None:
        """Reopens it, with proofs that many seconds old at the end."""
        manifest = read_manifest(self.path)
        seq = max(segment.seq for segment in manifest.segments) + 1
        rows = [(self.end, self.end, "ADDED", proven.METRIC + table, float(age)) for table, age in self.proofs.items()]
        samples = Frame("samples", ["ts", "seen_at", "change", "metric", "value"], rows)
        added = write_segments(self.path, manifest.id, seq, [samples])
        write_manifest(
            self.path, msgspec.structs.replace(manifest, closed=False, segments=[*manifest.segments, *added])
        )

    def analyzed(self) -> Analysis:
        opened = Investigation(Capture.open(self.path), Catalog.load(()))
        try:
            return opened.analysis
        finally:
            opened.close()


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    yield Recording(tmp_path)
    shutil.rmtree(tmp_path / "c.afscope")


def ruling(told: Analysis, component: str) -> tuple[Ruling, str]:
    found = next(c for c in told.verdict.components if c.component == component)
    return found.ruling, found.because


@pytest.mark.parametrize("recovered", [False, True])
def test_a_recorder_that_was_killed_clears_nobody_behind_its_last_proof(
    recording: Recording, *, recovered: bool
) -> None:
    recording.proofs["scaledobjects"] = 50
    recording.cut_off()
    if recovered:
        recover(recording.path)
    told = recording.analyzed()
    assert "cut off" in told.verdict.summary
    assert told.verdict.root_causes[0] == "external_metric_timeout"
    guilt, because = ruling(told, "keda-operator")
    assert guilt is Ruling.NOT_GUILTY
    assert "proven until" in because
    assert "scaledobjects" in because
    assert ruling(told, "scheduler")[0] is Ruling.NOT_GUILTY
    assert "proven until" not in ruling(told, "scheduler")[1]
    gap = next(gap for gap in told.gaps if gap.source == "scaledobjects")
    assert (gap.to_ts - gap.from_ts, gap.reason) == (50 * SECOND, proven.CUT_OFF)


def test_a_growing_capture_is_bounded_by_what_is_heard_and_not_called_cut_off(recording: Recording) -> None:
    recording.proofs["hpas"] = 40
    recording.cut_off()
    with WriterLock(recording.path):
        told = recording.analyzed()
    assert "cut off" not in told.verdict.summary
    assert [gap.source for gap in told.gaps if gap.reason == proven.GROWING] == ["hpas"]
    assert "proven until" in ruling(told, "hpa")[1]
    answers = next(c for c in told.verdict.conditions if c.condition == "metric_path_answers")
    assert answers.ok is False  # what is proved to be wrong stays so


def test_a_source_that_proved_nothing_clears_nobody(recording: Recording) -> None:
    recording.proofs["hpas"] = 10**6
    recording.cut_off()
    guilt, because = ruling(recording.analyzed(), "hpa")
    assert guilt is Ruling.NOT_ASSESSED
    assert "nothing proves" in because
