"""Up to when a watch can vouch for its record."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from afscope.capture.kube.coverage import Coverage
from afscope.capture.tape import Tape
from afscope.model.capture import SourceState
from afscope.model.pace import ScaledPace
from afscope.store.reader import Capture
from afscope.store.writer import CaptureWriter
from tests.capture.conftest import START


class Watch:
    """A collector's coverage on a clock that is stepped."""

    def __init__(self, path: Path) -> None:
        self.pace = ScaledPace(START, paused=True)
        self.writer = CaptureWriter.create(path, clock=self.pace)
        self.tape = Tape(self.writer, self.pace)
        self.said: list[str] = []
        self.tape.say = self.said.append
        self.coverage = Coverage(self.tape, "pods", "pods in the cluster")
        self.path = path

    def moment(self) -> None:
        """Long enough for all that is one matter to be known."""
        self.said += self.tape._tidings.due(all_of_it=True)

    def ended(self) -> Capture:
        self.coverage.end(self.pace.now())
        self.tape.end()
        self.writer.close()
        return Capture.open(self.path)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path / "c.afscope")
    watch.coverage.listed(START, "")
    yield watch
    watch.writer.close()


@pytest.mark.parametrize("silence", [1, 74, 76])
def test_silence_proves_nothing_however_short(watch: Watch, silence: int) -> None:
    watch.pace.step(60)
    watch.coverage.whole(watch.pace.now())
    watch.pace.step(silence)
    (gap,) = watch.ended().gaps()
    assert (gap.from_ts - START, gap.to_ts - START) == (60_000_000, (60 + silence) * 1_000_000)
    assert "silent" in gap.reason


def test_what_was_proved_at_the_end_is_calm(watch: Watch) -> None:
    watch.pace.step(60)
    watch.coverage.silent()
    watch.coverage.whole(watch.pace.now())
    assert not watch.coverage.doubtful
    assert watch.ended().gaps() == ()


def test_what_came_late_without_its_time_is_a_gap(watch: Watch) -> None:
    watch.pace.step(60)
    watch.coverage.silent()
    assert watch.coverage.overdue_since == START
    watch.coverage.untimed()
    watch.pace.step(1)
    watch.coverage.whole(watch.pace.now())
    (gap,) = watch.ended().gaps()
    assert (gap.from_ts - START, gap.to_ts - START) == (0, 61_000_000)
    assert "1 change(s) came late" in gap.reason


def test_a_watch_that_broke_off_a_moment_ago_is_not_late(watch: Watch) -> None:
    watch.coverage.failed("connection reset")
    assert watch.coverage.overdue_since is None
    watch.pace.step(6)
    assert watch.coverage.overdue_since == START


def test_what_is_lost_and_comes_back_is_said_once_each(watch: Watch) -> None:
    for _ in range(3):
        watch.coverage.refused("pods is forbidden")
        watch.moment()
    watch.coverage.failed("a reason")
    watch.moment()
    watch.coverage.listed(watch.pace.now(), "")
    watch.moment()
    assert watch.said == [
        "not recorded: pods in the cluster: pods is forbidden (grant list and watch; `afscope manifest` prints the role)",
        "not recorded: pods in the cluster: a reason",
        "recorded again: pods in the cluster",
    ]
    assert watch.ended().source("pods").status is not SourceState.FORBIDDEN
