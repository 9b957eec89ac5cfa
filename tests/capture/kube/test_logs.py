"""Logs that are followed: each line once, across broken connections, silence, restarts and ends."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import pytest

from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.errors import ApiError, Unreachable
from afscope.capture.kube.logs import LogCollector, followed
from afscope.capture.kube.tail import Container, Tail
from afscope.model.clock import SECOND
from afscope.model.row import Row
from tests.capture.conftest import START, Deck

STAMP = "2027-01-15T08:00:{:02d}.{:09d}Z "
SCHEDULER = Container("air", "scheduler-0", "u1", "scheduler", "scheduler")


def line(second: int, n: int, text: str = "") -> bytes:
    """A line that every Airflow scheduler writes when a pool is full; `n` tells it apart."""
    return (STAMP.format(second, n) + (text or f"[2027-01-15T08:00:{second:02d}.000+0000] {{scheduler_job_runner.py:430}} INFO - "
            f"Not scheduling since there are {n} open slots in pool default_pool and require 1 pool slots")).encode() + b"\n"  # fmt: skip


class Stream:
    """Chunks as a test puts them; an exception is raised, None is the end."""

    def __init__(self, *chunks: bytes | Exception | None) -> None:
        self.chunks: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        self.stopped = False
        for chunk in chunks:
            self.chunks.put(chunk)

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self.chunks.get(timeout=60)) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def stop(self) -> None:
        self.stopped = True
        self.chunks.put(None)


class Kubelet:
    """Stands where `Cluster` stands: each follow takes the next of `answers`, then there is silence.

    Who asks for what there is gets `said`, the last question `said_last`; each is whole unless it ends in an exception.
    """

    def __init__(self, *answers: list[Any] | Exception, previous: bytes = b"") -> None:
        self.answers, self.previous = list(answers), previous
        self.said: list[Any] = []
        self.said_last: list[Any] = []
        self.queries: list[Mapping[str, Any]] = []
        self.open: list[Stream] = []

    def get(self, _path: str, query: Mapping[str, Any]) -> bytes:
        self.queries.append(query)
        return self.previous

    @contextmanager
    def stream(self, _path: str, query: Mapping[str, Any], *, idle_s: float, last: bool) -> Iterator[Stream]:
        if "follow" not in query:
            yield Stream(*(self.said_last if last else self.said), None)
            return
        self.queries.append(query)
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        self.open.append(Stream(*answer))
        yield self.open[-1]


Start = Callable[..., Tail]


@pytest.fixture
def start(deck: Deck) -> Iterator[Start]:
    """Starts tails, which end with the test."""
    stop, started = threading.Event(), list[tuple[Tail, threading.Thread]]()

    def go(kubelet: Kubelet, of: Container = SCHEDULER, *, raw: bool = False) -> Tail:
        tail = Tail(cast("Cluster", kubelet), deck.tape, of, raw=raw)
        started.append((tail, threading.Thread(target=tail.run, args=(stop,), daemon=True)))
        started[-1][1].start()
        return tail

    yield go
    stop.set()
    for tail, thread in started:
        tail.end()
        thread.join(30)
        assert not thread.is_alive()


def texts(deck: Deck, n: int) -> list[str]:
    """The known lines, once there are `n` of them: each as the number that tells it apart."""
    until = time.monotonic() + 60
    while len(rows := deck.rows("log_lines")) < n and time.monotonic() < until:
        time.sleep(0.02)
    return [row["text"].partition("there are ")[2].partition(" ")[0] or row["text"] for row in rows]


def test_lines_are_cut_wherever_the_network_cuts_them(deck: Deck, start: Start) -> None:
    data = b"".join(line(1, n) for n in range(5))
    start(Kubelet([data[at : at + 7] for at in range(0, len(data), 7)] + [None]))
    assert texts(deck, 5) == ["0", "1", "2", "3", "4"]


def test_a_broken_connection_loses_no_line_and_repeats_none(deck: Deck, start: Start) -> None:
    """The next one begins in the second of the last line, so the server sends some of them again."""
    kubelet = Kubelet(
        [line(1, 1) + line(2, 5) + line(2, 6), Unreachable("reset")],
        [line(2, 5) + line(2, 6) + line(2, 7) + line(3, 8), None],
    )
    start(kubelet)
    assert texts(deck, 5) == ["1", "5", "6", "7", "8"]
    assert kubelet.queries[0]["sinceSeconds"] == 60
    assert kubelet.queries[1]["sinceTime"] == "2027-01-15T08:00:02Z"


def test_lines_of_the_very_same_time_are_told_apart_by_their_number(deck: Deck, start: Start) -> None:
    same = [STAMP.format(1, 0).encode() + line(1, n)[len(STAMP.format(1, 0)) :] for n in range(3)]
    start(Kubelet([same[0] + same[1], Unreachable("reset")], [b"".join(same), None]))
    assert texts(deck, 3) == ["0", "1", "2"]


def test_silence_and_an_end_do_not_hold_the_last_line_back(deck: Deck, start: Start) -> None:
    kubelet = Kubelet([line(1, 1), Unreachable("Read timed out.")], [line(2, 2)])
    tail = start(kubelet)
    assert texts(deck, 1) == ["1"]
    until = time.monotonic() + 60
    while len(kubelet.open) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    while not kubelet.open[1].chunks.empty() and time.monotonic() < until:
        time.sleep(0.02)
    tail.end()
    assert texts(deck, 2) == ["1", "2"]


def test_a_line_without_end_is_not_held(deck: Deck, start: Start) -> None:
    huge = [STAMP.format(1, 0).encode() + b"x" * 1000] + [b"y" * (1 << 20)] * 40
    start(Kubelet([*huge, b"\n" + line(2, 7), None]))
    assert texts(deck, 1) == ["7"]


def test_unknown_lines_are_kept_only_on_demand_and_redacted(deck: Deck, start: Start) -> None:
    said = line(1, 0, "connecting to postgresql://air:hunter2@db/airflow")
    start(Kubelet([said + line(2, 1), None]))
    assert texts(deck, 1) == ["1"]
    start(Kubelet([said, None]), raw=True)
    assert len(texts(deck, 2)) == 2
    (kept,) = (row for row in deck.rows("log_lines") if row["pattern"] is None)
    assert "connecting to" in kept["text"]
    assert "hunter2" not in kept["text"]


def test_the_last_words_of_a_container_that_was_restarted(deck: Deck, start: Start) -> None:
    restarted = Container("air", "scheduler-0", "u1", "scheduler", "scheduler", restarts=1)
    kubelet = Kubelet([line(5, 2), None], previous=line(1, 1))
    start(kubelet, restarted)
    assert texts(deck, 2) == ["1", "2"]
    assert kubelet.queries[0]["previous"] == "true"


def test_a_refusal_ends_the_tail_and_speaks_for_the_namespace(deck: Deck) -> None:
    kubelet = Kubelet(ApiError(403, "Forbidden", "pods/log is forbidden"))
    collector, stop = LogCollector(cast("Cluster", kubelet), deck.tape), threading.Event()
    thread = threading.Thread(target=collector.run, args=(stop,))
    thread.start()
    for uid in ("u1", "u2"):
        deck.tape.put([Row("pods", pod(uid=uid))])
    until = time.monotonic() + 60
    while deck.sources.get("log_lines", ("", ""))[0] != "forbidden" and time.monotonic() < until:
        time.sleep(0.05)
    assert deck.sources["log_lines"] == ("forbidden", "air: pods/log is forbidden")
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_the_end_of_a_recording_writes_what_was_read(deck: Deck) -> None:
    kubelet = Kubelet([line(1, 1)])
    collector, stop = LogCollector(cast("Cluster", kubelet), deck.tape), threading.Event()
    thread = threading.Thread(target=collector.run, args=(stop,))
    thread.start()
    deck.tape.put([Row("pods", pod())])
    until = time.monotonic() + 60
    while not (kubelet.open and kubelet.open[0].chunks.empty()) and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    thread.join(30)
    assert texts(deck, 1) == ["1"]


def pod(**more: Any) -> dict[str, Any]:
    """A row of `pods`: a scheduler of the official chart."""
    return {
        "ts": 1, "seen_at": 1, "change": "STATE", "uid": "u1", "namespace": "air", "name": "airflow-scheduler-5d-x",
        "phase": "Running", "labels": '{"component":"scheduler"}', "main_container": "scheduler", "restart_count": 0, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "component"),
    [
        ({}, "scheduler"),
        ({"labels": '{"app":"keda-operator"}', "name": "keda-operator-x", "main_container": "keda-operator"}, "keda-operator"),
        ({"labels": '{"app.kubernetes.io/name":"keda-operator-metrics-apiserver"}', "name": "keda-operator-metrics-apiserver-x",
          "main_container": "keda-operator-metrics-apiserver"}, "keda-metrics-apiserver"),
        ({"labels": '{"component":"postgresql"}', "name": "db-0", "main_container": "db"}, None),
        ({"labels": None, "name": "airflow-worker-0", "main_container": "worker"}, "worker"),
        ({"phase": "Pending"}, None),
    ],
)  # fmt: skip
def test_which_pods_are_followed(more: dict[str, Any], component: str | None) -> None:
    found = followed(pod(**more))
    assert (found.component if found else None) == component


def gaps(deck: Deck) -> list[tuple[float, float, str]]:
    """Seconds from the beginning to where each gap begins and ends, and why."""
    return [
        (row["from_ts"].timestamp() - START / SECOND, row["to_ts"].timestamp() - START / SECOND, row["reason"])
        for row in deck.rows("gaps")
    ]


def stopped(deck: Deck, kubelet: Kubelet, seconds: float) -> None:
    """A recording with one tail that is stopped after so many seconds of the capture's clock."""
    stop = threading.Event()
    tail = Tail(cast("Cluster", kubelet), deck.tape, SCHEDULER, raw=False)
    thread = threading.Thread(target=tail.run, args=(stop,), daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not (kubelet.open and kubelet.open[-1].chunks.empty()) and time.monotonic() < until:
        time.sleep(0.02)
    deck.pace.step(seconds)
    stop.set()
    tail.end()
    thread.join(30)
    assert not thread.is_alive()
    deck.tape.end()


def test_a_log_that_was_half_open_gives_the_rest_at_the_end(deck: Deck) -> None:
    kubelet = Kubelet([line(1, 1)])
    kubelet.said_last = [line(1, 1) + line(2, 2)]
    stopped(deck, kubelet, 40)
    assert texts(deck, 2) == ["1", "2"]
    assert gaps(deck) == []


def test_a_log_that_does_not_answer_at_the_end_is_a_gap(deck: Deck) -> None:
    """From the last line that is known to be followed by another one, or from the last whole answer."""
    kubelet = Kubelet([line(1, 1)])
    kubelet.said_last = [line(2, 2), Unreachable("Read timed out.")]
    stopped(deck, kubelet, 40)
    assert texts(deck, 2) == ["1", "2"]
    ((since, until, why),) = gaps(deck)
    assert (since, until) == (0, 40)
    assert why == "log of air/scheduler-0: Read timed out."


def test_a_pod_that_went_while_its_log_was_silent_is_a_gap_and_one_that_ended_is_none(deck: Deck, start: Start) -> None:
    start(Kubelet([line(1, 1), None], ApiError(404, "NotFound", "gone")))  # ended, then its pod went
    lost = start(silent := Kubelet([line(1, 1)]))
    until = time.monotonic() + 60
    while not (silent.open and silent.open[0].chunks.empty()) and time.monotonic() < until:
        time.sleep(0.02)
    texts(deck, 1)
    deck.pace.step(40)
    lost.end()
    while not deck.rows("gaps") and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(1.5)  # the other one asks again after a second
    assert [(since, upto) for since, upto, _ in gaps(deck)] == [(0, 40)]


def test_the_last_question_is_not_called_off(deck: Deck) -> None:
    """Neither by the collector, that ends all tails once it is told to stop."""
    kubelet, stop = Kubelet([line(1, 1), None]), threading.Event()
    tail = Tail(cast("Cluster", kubelet), deck.tape, SCHEDULER, raw=False)
    kubelet.said_last = [line(2, 2)]
    original, asked = tail._take, threading.Event()

    def take(stream: Any) -> Unreachable | None:
        if stop.is_set():
            asked.set()
            tail.end()
        return original(stream)

    tail._take = take  # type: ignore[method-assign]
    thread = threading.Thread(target=tail.run, args=(stop,), daemon=True)
    thread.start()
    texts(deck, 1)
    deck.pace.step(40)
    stop.set()
    thread.join(30)
    assert asked.is_set()
    deck.tape.end()
    assert texts(deck, 2) == ["1", "2"]
    assert gaps(deck) == []


def test_the_log_of_a_deleted_pod_may_come_to_its_end(deck: Deck, start: Start) -> None:
    tail = start(kubelet := Kubelet([line(1, 1)]))
    until = time.monotonic() + 60
    while not (kubelet.open and kubelet.open[0].chunks.empty()) and time.monotonic() < until:
        time.sleep(0.02)
    deck.pace.step(40)
    tail.end(within=20)
    for chunk in (line(2, 2), None):
        kubelet.open[0].chunks.put(chunk)
    assert texts(deck, 2) == ["1", "2"]
    assert gaps(deck) == []


def test_a_log_that_ended_before_its_pod_was_not_found_has_no_gap(deck: Deck, start: Start) -> None:
    """Also where it could be asked once more, and time goes by until it is followed again."""

    class Late(Kubelet):
        @contextmanager
        def stream(self, _path: str, query: Mapping[str, Any], *, idle_s: float, last: bool) -> Iterator[Stream]:
            if "follow" in query and self.queries:
                deck.pace.step(40)
            with super().stream(_path, query, idle_s=idle_s, last=last) as stream:
                yield stream

    kubelet = Late([line(1, 1), None], ApiError(404, "NotFound", "gone"))
    start(kubelet)
    until = time.monotonic() + 60
    while len(kubelet.queries) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.2)
    assert len(kubelet.queries) == 2
    assert gaps(deck) == []
