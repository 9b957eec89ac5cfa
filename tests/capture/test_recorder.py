"""The recorder: what happens to collectors that fail, caps that bite, and a capture that ends."""

import threading
from pathlib import Path

import pytest

from afscope.capture.budget import MIB, Budget, Warden
from afscope.capture.recorder import Progress, Recorder
from afscope.errors import CaptureError
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND
from tests.capture.conftest import START, Deck, Pacer

POD = b'{"metadata":{"name":"w-%d","namespace":"air","uid":"u-%d","resourceVersion":"%d"},"spec":{},"status":{}}'


class Steady:
    """Puts a pod on the tape and waits for its end."""

    name: str = "pods in air"
    tables: tuple[str, ...] = ("pods",)

    def __init__(self, deck: Deck) -> None:
        self.deck = deck
        self.ended = False

    def run(self, stop: threading.Event) -> None:
        self.deck.tape.source("pods", "air", SourceState.OK)
        self.deck.tape.observed("STATE", POD % (1, 1, 1), kind="Pod")
        stop.wait()
        self.ended = True


class Flawed(Steady):
    """Has a bug that shows in its first runs."""

    name = "events in air"
    tables: tuple[str, ...] = ("events",)

    def __init__(self, deck: Deck, failures: int) -> None:
        super().__init__(deck)
        self.failures = failures
        self.runs_well = False

    def run(self, stop: threading.Event) -> None:
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError("oh")
        self.runs_well = True
        super().run(stop)


def warden(deck: Deck, **caps: int) -> Warden:
    return Warden(deck.tape, Budget(**{"min_free_bytes": 0, **caps}), deck.path)


def test_it_ends_when_its_time_is_over_and_samples_its_own_cost(deck: Deck) -> None:
    steady = Steady(deck)
    ticks: list[Progress] = []
    recorder = Recorder(deck.tape, [steady], warden(deck), on_tick=ticks.append)
    with Pacer(deck.pace):
        assert recorder.run(threading.Event(), duration_s=25) == "its time is over"
    assert steady.ended
    assert deck.rows("pods")[0]["name"] == "w-1"
    assert {row["metric"] for row in deck.rows("samples")} == {"rss_bytes", "cpu_s", "rows", "gaps", "capture_bytes"}
    assert ticks[-1].rows >= 2
    assert ticks[-1].resident_bytes > MIB
    assert deck.sources["pods"] == deck.sources["objects"] == deck.sources["airflow_config"] == ("ok", "")


def test_stop_ends_it(deck: Deck) -> None:
    stop, steady = threading.Event(), Steady(deck)
    recorder = Recorder(deck.tape, [steady], warden(deck), on_tick=lambda _: stop.set())
    with Pacer(deck.pace):
        assert recorder.run(stop) == "stopped"
    assert steady.ended


def test_a_bug_in_one_collector_is_a_gap_and_the_others_go_on(deck: Deck) -> None:
    said: list[str] = []
    steady, flawed, stop = Steady(deck), Flawed(deck, failures=1), threading.Event()
    recorder = Recorder(
        deck.tape, [steady, flawed], warden(deck),
        say=said.append, on_tick=lambda _: stop.set() if flawed.runs_well else None,
    )  # fmt: skip
    with Pacer(deck.pace):
        recorder.run(stop)
    assert steady.ended
    assert flawed.ended
    (gap,) = deck.rows("gaps")
    assert gap["source"] == "events"
    assert gap["reason"] == "events in air: ZeroDivisionError: oh"
    assert "report" in said[0]


def test_a_capture_that_cannot_be_written_ends_the_recording(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise CaptureError("the disk is full")

    steady = Steady(deck)
    monkeypatch.setattr(deck.writer, "tick", full)
    with Pacer(deck.pace), pytest.raises(CaptureError, match="disk is full"):
        Recorder(deck.tape, [steady], warden(deck)).run(threading.Event())
    assert steady.ended


def test_memory_sheds_bodies_then_logs_then_ends(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afscope.capture.budget.resident_bytes", lambda: 160 * MIB)
    guard = warden(deck, memory_bytes=100 * MIB)
    deck.tape.source("pods", "air", SourceState.OK)
    deck.tape.observed("STATE", POD % (1, 1, 1), kind="Pod")
    assert guard.look() is None
    deck.tape.observed("MODIFIED", POD % (1, 1, 2), kind="Pod")
    deck.pace.step(10)
    assert guard.look() is None  # what was freed shows late
    deck.pace.step(30)
    assert guard.look() is None
    deck.pace.step(31)
    assert guard.look() == "the recorder takes 160 MiB, its cap is 100 MiB"
    deck.tape.end()
    assert [row["resource_version"] for row in deck.rows("objects")] == ["1"]
    assert [row["resource_version"] for row in deck.rows("pods")] == ["1", "2"]
    assert [(g["source"], g["from_ts"] == g["to_ts"]) for g in deck.rows("gaps")] == [
        ("objects", False), ("log_lines", False),
    ]  # fmt: skip
    assert deck.sources["objects"][0] == deck.sources["log_lines"][0] == "partial"
    assert deck.sources["pods"] == ("ok", "")


def test_memory_between_the_caps_is_borne(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afscope.capture.budget.resident_bytes", lambda: 120 * MIB)
    guard = warden(deck, memory_bytes=100 * MIB)
    for _ in range(10):
        assert guard.look() is None
        deck.pace.step(31)


def test_a_disk_that_fills_up_ends_the_recording_whole(deck: Deck) -> None:
    recorder = Recorder(deck.tape, [Steady(deck)], warden(deck, min_free_bytes=2**62))
    with Pacer(deck.pace):
        why = recorder.run(threading.Event())
    assert why.startswith("only ")
    assert str(deck.path) in why
    (gap,) = deck.rows("gaps")
    assert gap["source"] == "*"


def test_what_is_no_json_is_noted_and_costs_nothing_else(deck: Deck) -> None:
    for _ in range(100):
        deck.tape.observed("MODIFIED", b"{nonsense", kind="Pod")
    deck.tape.observed("ADDED", POD % (2, 2, 2), kind="Pod")
    assert [row["name"] for row in deck.rows("pods")] == ["w-2"]
    assert 0 < len(deck.writer.manifest.unread) <= 20


def test_sources_of_several_parts_are_folded(deck: Deck) -> None:
    deck.tape.source("pods", "air", SourceState.OK)
    deck.tape.source("pods", "keda", SourceState.FORBIDDEN, 'pods is forbidden: User "x" cannot list')
    assert deck.sources["pods"] == ("partial", 'keda: pods is forbidden: User "x" cannot list')
    deck.tape.source("pods", "air", SourceState.FORBIDDEN, "no")
    assert deck.sources["pods"][0] == "forbidden"
    deck.tape.source("pods", "air", SourceState.OK)
    deck.tape.source("pods", "keda", SourceState.OK)
    assert deck.sources["pods"] == ("ok", "")


def test_redactions_are_counted_once(deck: Deck, tmp_path: Path) -> None:
    deck.tape.gap("pods", START, START + SECOND, "postgresql://airflow:hunter2@db/airflow refused")
    deck.tape.tick()
    deck.tape.tick()
    deck.tape.end()
    assert "hunter2" not in deck.rows("gaps")[0]["reason"]
    assert sum(deck.writer.manifest.redactions.values()) == 1
