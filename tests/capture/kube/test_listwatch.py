"""The real collector over real sockets against a replayed cluster that misbehaves."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.kinds import WATCHED
from afscope.capture.kube.listwatch import KubeCollector, Meter, Timing
from afscope.model.clock import SECOND, from_datetime
from afscope.model.pace import ScaledPace
from afscope.replay.kube.faults import Fault
from afscope.replay.kube.history import History
from afscope.replay.kube.kubeconfig import kubeconfig
from afscope.replay.kube.server import KubeReplay
from tests.capture.conftest import Deck

POOL = Path(__file__).parents[2] / "data" / "recordings" / "pool"
QUICK = Timing(idle_s=1.0, list_s=2.0, refused_s=0.2, page=3, proof_s=1.0, last_s=0.5)
PATIENT = Timing(page=3, last_s=0.5)
BY_PLURAL = {watched.plural: watched for watched in WATCHED}


class Scene:
    """A replayed cluster, a deck, and one collector in its thread."""

    def __init__(self, folder: Path, plural: str, namespace: str = "", timing: Timing = QUICK) -> None:
        self.history = History.of(POOL)
        self.pace = ScaledPace(self.history.begins, paused=True)
        self.kube = KubeReplay(self.history, self.pace)
        self.deck = Deck(folder / "c.afscope", self.pace)
        self.table = {"pods": "pods", "events": "events", "leases": "leases"}.get(plural, plural)
        (folder / "kubeconfig").write_text(kubeconfig(self.kube.url))
        self.cluster = Cluster.connect(kubeconfig=str(folder / "kubeconfig"), max_rps=1000, now=self.pace.now)
        self.collector = KubeCollector(self.cluster, self.deck.tape, BY_PLURAL[plural], namespace, timing=timing)
        self.meter = Meter(self.cluster, self.deck.tape)
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=one.run, args=(self.stop,), daemon=True) for one in (self.collector, self.meter)
        ]

    def to_the_end(self) -> None:
        self.pace.jump(self.history.ends)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline, f"never came true; {self.deck.sources} {self.deck.rows('gaps')}"
            time.sleep(0.02)

    def versions(self) -> set[str]:
        return {row["resource_version"] for row in self.deck.rows("objects") if row["change"] != "DELETED"}

    def truth(self, plural: str) -> set[str]:
        resource = next(one for one in self.history.kinds if one.plural == plural)
        log = self.history.log(resource)
        assert log is not None
        return {str(version.position) for version in log.versions if version.change != "DELETED"}


@contextmanager
def scene(folder: Path, plural: str = "pods", *faults: Fault, timing: Timing = QUICK) -> Iterator[Scene]:
    one = Scene(folder, plural, timing=timing)
    with one.kube:
        for fault in faults:
            one.kube.faults.arm(fault)
        for thread in one.threads:
            thread.start()
        try:
            yield one
        finally:
            one.stop.set()
            for thread in one.threads:
                thread.join(10)
            assert not any(thread.is_alive() for thread in one.threads), "stop ends everything soon"
            one.deck.writer.close()


# What costs nothing: the watch is resumed from where it was, and no hole is declared.
LOSSLESS = [
    Fault(fault="429", seconds=1, count=2),
    Fault(fault="500", count=3),
    Fault(fault="cut", verb="watch", count=2),
    Fault(fault="drip", verb="watch", count=1, seconds=0.001),
    Fault(fault="half_open", verb="watch", count=1),
    Fault(fault="hang", verb="list", count=1),
    Fault(fault="hang", verb="watch", count=1),
]


@pytest.mark.parametrize("fault", LOSSLESS, ids=lambda fault: f"{fault.fault}-{fault.verb or 'any'}")
def test_faults_that_lose_nothing(tmp_path: Path, fault: Fault) -> None:
    with scene(tmp_path, "pods", fault) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "ok")
        s.to_the_end()
        s.until(lambda: s.versions() == s.truth("pods"))
        assert s.deck.rows("gaps") == []


def test_a_watch_that_is_dead_when_the_recording_ends_is_found_out(tmp_path: Path) -> None:
    """No bookmark has come yet, and no time-out of ours is near: only the last look knows."""
    with scene(tmp_path, timing=PATIENT) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "ok")
        s.kube.faults.arm(Fault(fault="half_open", verb="watch", count=1))
        s.to_the_end()
        s.until(lambda: s.kube.faults.armed() == [])
        assert s.versions() != s.truth("pods")
    assert s.versions() == s.truth("pods")
    # This recording has lost who wrote what when, so some changes came late and do not say when they happened.
    assert all("came late" in gap["reason"] for gap in s.deck.rows("gaps"))


def test_a_watch_that_is_dead_for_good_is_a_gap_from_the_last_that_was_proved(tmp_path: Path) -> None:
    with scene(tmp_path, timing=PATIENT) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "ok")
        s.kube.faults.arm(Fault(fault="half_open", verb="watch", count=1))
        s.to_the_end()
        s.until(lambda: s.kube.faults.armed() == [])
        s.kube.faults.arm(Fault(fault="hang"))
    assert s.versions() != s.truth("pods")
    (gap,) = s.deck.rows("gaps")
    assert gap["source"] == "pods"
    assert "timed out" in gap["reason"]
    assert (from_datetime(gap["from_ts"]), from_datetime(gap["to_ts"])) == (s.history.begins, s.history.ends)
    assert s.deck.sources["pods"][0] == "partial"


def test_history_that_is_gone_is_listed_again_and_is_a_gap(tmp_path: Path) -> None:
    with scene(tmp_path) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "ok")
        s.kube.faults.arm(Fault(fault="half_open", verb="watch"))
        s.pace.jump(s.history.begins + (s.history.ends - s.history.begins) // 2)
        s.kube.expire(watches=True)
        s.kube.faults.clear()
        s.to_the_end()
        s.until(lambda: len(s.deck.rows("gaps")) > 0)
        (gap,) = s.deck.rows("gaps")
        assert gap["source"] == "pods"
        assert "expired" in gap["reason"]
        assert s.deck.sources["pods"][0] == "partial"


def test_a_kind_that_is_refused_and_later_granted(tmp_path: Path) -> None:
    with scene(tmp_path, "pods", Fault(fault="403")) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "forbidden")
        s.pace.step(5)
        s.kube.faults.clear()
        s.until(lambda: s.deck.sources["pods"][0] in ("ok", "partial"))
        s.until(lambda: any("not readable until now" in gap["reason"] for gap in s.deck.rows("gaps")))


def test_a_kind_that_was_not_recorded_is_forbidden_and_no_gap(tmp_path: Path) -> None:
    with scene(tmp_path, "limitranges") as s:
        s.until(lambda: s.collector.answered)
    assert s.deck.sources == {}  # a minor kind speaks for no table


def test_a_ten_megabyte_object(tmp_path: Path) -> None:
    with scene(tmp_path, "pods", Fault(fault="huge", count=1, size=10_000_000)) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "ok")
        s.to_the_end()
        s.until(lambda: s.versions() >= s.truth("pods"))


@pytest.mark.parametrize("ahead_s", [90, 3, 0, -20])
def test_a_skewed_server_clock_is_measured_and_told(ahead_s: int, tmp_path: Path) -> None:
    """However short the recording: a Date is a second, so one answer alone says it to half of one."""
    with scene(tmp_path, "pods", *([Fault(fault="skew", seconds=ahead_s)] if ahead_s else [])) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "ok")
    told = s.deck.writer.manifest.clock_offsets["kubernetes"]
    assert abs(told.offset_us - ahead_s * SECOND) <= told.uncertainty_us
    assert told.uncertainty_us <= SECOND // 2 + 1


def test_what_is_out_of_reach_at_the_end_is_a_gap(tmp_path: Path) -> None:
    with scene(tmp_path) as s:
        s.until(lambda: s.deck.sources.get("pods", ("", ""))[0] == "ok")
        s.kube.stop()
        s.pace.step(20)
        s.until(lambda: s.collector._backoff.waiting)
    manifest = s.deck.writer.manifest
    assert manifest.sources["pods"].status == "partial"
