"""The collector of queue depths."""

import threading
from collections.abc import Collection

from afscope.capture.backoff import Backoff
from afscope.capture.broker.address import addresses
from afscope.capture.broker.depths import Broker, Depth, connect
from afscope.capture.given import Source
from afscope.capture.tape import Tape
from afscope.errors import CannotConnect
from afscope.model.capture import SourceState
from afscope.model.clock import Micros
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE, Row

INTERVAL_S = 5.0
# [operators] default_queue in Airflow's own defaults; celery's, which bare Celery setups keep.
_QUEUES = ("default", "celery")
# An Airflow with more queues than that has names made by a program; whoever asks for all of them floods the broker.
_MOST_QUEUES = 200
_TABLE = "broker_queues"
_PART = "broker"
_FOR_PEOPLE = "queue depths"


class BrokerCollector:
    """Records the depth of each queue when it changes.

    Queues are those that Airflow has by default, that task instances wait in, and that the broker itself names.
    """

    name: str = _PART
    tables: tuple[str, ...] = (_TABLE,)

    def __init__(self, tape: Tape, source: Source, *, queues: Collection[str] = (), prefix: str = "") -> None:
        """`source` gives the URL, at first and after each failure. Nothing is connected yet."""
        self._tape, self._source, self._prefix = tape, source, prefix
        self._queues = frozenset((*_QUEUES, *queues))
        self._broker: Broker | None = None
        self._kind = ""
        self._told: dict[str, Depth] = {}
        self._polled = False
        self._good_at: Micros | None = None
        self._failing = ""
        tape.listen("task_instances", self._meet)

    def run(self, stop: threading.Event) -> None:
        """Polls until `stop` is set."""
        self._tape.vouch(self.tables, _PART, lambda: self._good_at)
        backoff = Backoff(first=1.0)
        try:
            while not stop.is_set():
                if self.poll_once():
                    backoff.reset()
                    if self._tape.pace.wait(stop, INTERVAL_S):
                        break
                elif stop.wait(backoff.next()):
                    break
        finally:
            self.end()

    def poll_once(self) -> bool:
        """One look at all queues, and what changed on the tape. False when the broker did not answer."""
        try:
            found = self._look()
        except CannotConnect as error:
            self._failed(str(error.what))
            return False
        now = self._tape.pace.now()
        self._tape.put(self._news(found, now))
        self._polled = True
        if self._failing and self._good_at is not None:
            self._tape.gap(_TABLE, self._good_at, now, self._failing)
        self._failing, self._good_at = "", now
        self._tape.source(_TABLE, _PART, SourceState.OK)
        self._tape.told(_FOR_PEOPLE, SourceState.OK)
        return True

    def _look(self) -> list[Depth]:
        """Asks; a connection that was there before gets a second try, because brokers end those that are idle."""
        known = self._queues
        if self._broker is not None:
            try:
                return self._broker.depths(known)
            except CannotConnect:
                self._disconnect()
        choices = addresses(self._source())
        self._broker, self._kind = connect(choices, prefix=self._prefix), choices[0].kind
        try:
            return self._broker.depths(known)
        except CannotConnect:
            self._disconnect()
            raise

    def _news(self, found: list[Depth], now: Micros) -> list[Row]:
        """Rows of queues that are new, have another depth, or are gone."""
        rows = []
        for depth in found:
            before = self._told.get(depth.queue)
            if before != depth:
                change = MODIFIED if before else ADDED if self._polled else STATE
                rows.append(self._row(depth, now, change))
        gone = self._told.keys() - {depth.queue for depth in found}
        rows.extend(self._row(Depth(queue, None), now, DELETED) for queue in sorted(gone))
        self._told = {depth.queue: depth for depth in found}
        return rows

    def _row(self, depth: Depth, now: Micros, change: str) -> Row:
        return Row(_TABLE, {"ts": now, "seen_at": now, "change": change, "broker": self._kind, **depth._asdict()})

    def _meet(self, row: Row) -> None:
        queue = row.values.get("queue")
        if queue and queue not in self._queues and len(self._queues) < _MOST_QUEUES:
            self._queues |= {str(queue)}

    def _failed(self, reason: str) -> None:
        self._failing = reason
        if self._good_at is None:
            self._tape.source(_TABLE, _PART, SourceState.FAILED, reason)
        self._tape.told(_FOR_PEOPLE, SourceState.FAILED, reason)

    def end(self) -> None:
        """Declares what is still missing and ends the connection; `run` does that by itself."""
        if self._failing and self._good_at is not None:
            self._tape.gap(_TABLE, self._good_at, self._tape.pace.now(), self._failing)
            self._tape.vouch(self.tables, _PART, None)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._broker is not None:
            self._broker.close()
            self._broker = None


def probe(source: Source) -> str:
    """The broker, for people: "redis at redis:6379". Raises CannotConnect with the reason why there is none."""
    choices = addresses(source())
    connect(choices).close()
    return str(choices[0])
