"""Depths of real brokers: what changed, what came and went, what could not be seen."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from afscope.capture.broker.collector import BrokerCollector
from afscope.model.clock import SECOND, from_datetime
from afscope.model.row import Row
from tests.capture.broker.brokers import RABBITMQ, REDIS, Kombu, kombu, name, rabbit
from tests.capture.conftest import START, Deck


@pytest.fixture
def keys() -> Iterator[Kombu]:
    with kombu() as found:
        yield found


@pytest.fixture
def channel() -> Iterator[Any]:
    with rabbit() as found:
        yield found


Make = Callable[..., BrokerCollector]


@pytest.fixture
def collecting(deck: Deck) -> Iterator[Make]:
    """Makes collectors that are ended afterwards."""
    made: list[BrokerCollector] = []

    def make(url: str, **options: Any) -> BrokerCollector:
        made.append(BrokerCollector(deck.tape, lambda: url, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


def depths(deck: Deck) -> list[tuple[Any, ...]]:
    rows = sorted(deck.rows("broker_queues"), key=lambda row: (row["seen_at"], row["queue"]))
    return [(row["queue"], row["change"], row["depth"], row["unacked"], row["consumers"]) for row in rows]


def waits_for(deck: Deck, queue: str) -> None:
    """A task instance that waits in a queue was polled."""
    at = deck.pace.now()
    key = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
    deck.tape.put([Row("task_instances", {"ts": at, "seen_at": at, "change": "ADDED", **key, "queue": queue})])


def test_redis_counts_every_priority_of_a_queue_and_what_workers_hold(
    deck: Deck, keys: Kombu, collecting: Make
) -> None:
    keys.bind("etl")
    keys.publish("etl", 4)
    keys.publish("etl", 2, priority=3)
    keys.publish("etl", 1, priority=9)
    keys.take("etl")
    assert collecting(REDIS, prefix=keys.prefix).poll_once()
    assert depths(deck) == [("*", "STATE", None, 1, None), ("etl", "STATE", 6, None, None)]
    assert deck.sources["broker_queues"] == ("ok", "")


def test_redis_rows_are_changes_of_queues_that_are_known_by_binding_message_or_task(
    deck: Deck, keys: Kombu, collecting: Make
) -> None:
    keys.bind("etl")
    keys.bind("celery@host.celery.pidbox", exchange="celery.pidbox")
    keys.bind("celeryev.0b1c", exchange="celeryev")
    collector = collecting(REDIS, prefix=keys.prefix)
    collector.poll_once()
    deck.pace.step(5)
    collector.poll_once()
    assert depths(deck) == [("*", "STATE", None, 0, None), ("etl", "STATE", 0, None, None)]
    waits_for(deck, "ml")
    keys.publish("ml", 3)
    keys.publish("default", 1)
    deck.pace.step(5)
    collector.poll_once()
    assert depths(deck)[2:] == [("default", "ADDED", 1, None, None), ("ml", "ADDED", 3, None, None)]
    keys.client.delete(f"{keys.prefix}ml")
    deck.pace.step(5)
    collector.poll_once()
    assert depths(deck)[4:] == [("ml", "MODIFIED", 0, None, None)]


def test_redis_keys_of_another_type_are_no_queues(deck: Deck, keys: Kombu, collecting: Make) -> None:
    keys.client.set(f"{keys.prefix}default", "cache")
    keys.client.set(f"{keys.prefix}unacked", "cache")
    assert collecting(REDIS, prefix=keys.prefix).poll_once()
    assert depths(deck) == []


def test_no_message_gets_into_the_capture(deck: Deck, keys: Kombu, collecting: Make) -> None:
    keys.bind("etl")
    keys.publish("etl", 3)
    keys.take("etl")
    collecting(REDIS, prefix=keys.prefix).poll_once()
    deck.writer.close()
    files = [path for path in deck.path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret-body" in path.read_bytes() for path in files)


def test_what_kombu_itself_publishes_is_counted(deck: Deck, keys: Kombu, collecting: Make) -> None:
    messaging = pytest.importorskip("kombu", reason="kombu is not installed; the other tests write its keys themselves")
    options = {"global_keyprefix": keys.prefix}
    with messaging.Connection(REDIS, transport_options=options) as connection:
        queue = messaging.Queue("etl", messaging.Exchange("etl"), routing_key="etl")
        producer = connection.Producer()
        for priority in (0, 3, 9):
            producer.publish({"x": 1}, exchange=queue.exchange, routing_key="etl", declare=[queue], priority=priority)
        message = queue(connection.channel()).get()
        assert message is not None
        collecting(REDIS, prefix=keys.prefix).poll_once()
        assert depths(deck) == [("*", "STATE", None, 1, None), ("etl", "STATE", 2, None, None)]
        message.ack()


def test_rabbitmq_tells_depth_and_consumers_of_the_queues_that_exist(
    deck: Deck, channel: Any, collecting: Make
) -> None:
    queue, other = name(), name()
    for each in (queue, other):
        channel.queue_declare(each, auto_delete=False, exclusive=False)
    try:
        for _ in range(3):
            channel.basic_publish("", queue, b"secret-body")
        collector = collecting(RABBITMQ, queues=[queue, f"{queue}_missing"])
        waits_for(deck, other)
        assert collector.poll_once()
        found = [row for row in depths(deck) if row[0] in (queue, other)]
        assert sorted(found) == sorted([(queue, "STATE", 3, None, 0), (other, "STATE", 0, None, 0)])
        assert not [row for row in depths(deck) if row[0].endswith("_missing")]
        channel.basic_consume(other, lambda *_: None)
        channel.queue_delete(queue)
        deck.pace.step(5)
        assert collector.poll_once()
        found = [row for row in depths(deck)[len(found) :] if row[0] in (queue, other)]
        assert sorted(found) == sorted([(queue, "DELETED", None, None, None), (other, "MODIFIED", 0, None, 1)])
    finally:
        channel.queue_delete(other)


class Relay:
    """Stands before a server, and can go away and come back."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self.up = True
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            if not self.up:
                here.close()
                continue
            there = socket.create_connection(("127.0.0.1", self._to))
            self._open += [here, there]
            for a, b in ((here, there), (there, here)):
                self._start(self._copy, a, b)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return  # cut
        finally:
            _end(source, sink)

    def cut(self) -> None:
        """Ends what is open; new connections still work."""
        _end(*self._open)
        self._open.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):  # ended already
            each.shutdown(socket.SHUT_RDWR)  # a close alone does not wake the thread that receives
        each.close()


@pytest.fixture
def relay() -> Iterator[Callable[[int], Relay]]:
    made: list[Relay] = []

    def make(port: int) -> Relay:
        made.append(Relay(port))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_is_away_is_a_gap_and_a_cut_connection_is_none(
    kind: str, deck: Deck, keys: Kombu, channel: Any, collecting: Make, relay: Callable[[int], Relay]
) -> None:
    between = relay(6379 if kind == "redis" else 5672)
    url = (
        (REDIS if kind == "redis" else RABBITMQ)
        .replace(":6379", f":{between.port}")
        .replace(":5672", f":{between.port}")
    )
    collector = collecting(url, prefix=keys.prefix)
    assert collector.poll_once()
    between.cut()
    assert collector.poll_once()
    assert deck.rows("gaps") == []
    deck.pace.step(5)
    between.up = False
    between.cut()
    assert not collector.poll_once()
    deck.pace.step(10)
    between.up = True
    assert collector.poll_once()
    (gap,) = deck.rows("gaps")
    assert gap["source"] == "broker_queues"
    assert (from_datetime(gap["from_ts"]), from_datetime(gap["to_ts"])) == (START, START + 15 * SECOND)
    assert f"{kind} at 127.0.0.1:{between.port}" in gap["reason"]
    assert deck.sources["broker_queues"][0] == "partial"


def test_a_broker_that_never_answered_makes_the_source_failed(deck: Deck, collecting: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    collector = collecting(f"redis://:hunter2@127.0.0.1:{port}/0")
    assert not collector.poll_once()
    status, reason = deck.sources["broker_queues"]
    assert status == "failed"
    assert f"redis at 127.0.0.1:{port}" in reason
    assert "hunter2" not in reason


def test_it_ends_when_it_is_told(deck: Deck, keys: Kombu, collecting: Make) -> None:
    keys.bind("etl")
    collector, stop = collecting(REDIS, prefix=keys.prefix), threading.Event()
    thread = threading.Thread(target=collector.run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
