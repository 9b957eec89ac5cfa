"""The recorder: runs collectors in threads, keeps the capture's house, and ends it whole."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from afscope.capture.backoff import Backoff
from afscope.capture.budget import Warden
from afscope.capture.collector import Collector
from afscope.capture.tape import Tape
from afscope.errors import CaptureError
from afscope.model.clock import SECOND, Micros

# How long collectors may take to end, in real seconds; who hangs in a system call is left behind.
_PATIENCE = 10.0
_TICK = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is."""

    elapsed_s: float
    """By the capture's clock."""
    rows: int
    gaps: int
    resident_bytes: int
    cpu_s: float


class Recorder:
    """Runs until it is stopped, until its time is over, or until its budget is spent.

    `say` gets sentences for people, `on_tick` the progress about each second. Whatever a collector raises is declared
    as a gap and the collector started anew; when the capture cannot be written, the recording ends.
    """

    def __init__(
        self,
        tape: Tape,
        collectors: Sequence[Collector],
        warden: Warden,
        *,
        say: Callable[[str], None] = lambda _: None,
        on_tick: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._tape = tape
        self._collectors = collectors
        self._warden = warden
        self._say = say
        self._on_tick = on_tick
        self._broken: CaptureError | None = None

    def run(self, stop: threading.Event, duration_s: float | None = None) -> str:
        """Records and returns why it ended; `stop` ends it early, and is set whenever it ends.

        Raises CaptureError when the capture could not be written any more. The caller closes the capture.
        """
        pace = self._tape.pace
        begun = pace.now()
        threads = [
            threading.Thread(target=self._attend, args=(collector, stop), name=collector.name, daemon=True)
            for collector in self._collectors
        ]
        for thread in threads:
            thread.start()
        try:
            why = self._keep_house(stop, begun, duration_s)
        finally:
            stopped = pace.now()
            stop.set()
            self._join(threads)
        if self._broken is not None:
            raise self._broken
        self._tape.end(stopped)
        return why

    def _keep_house(self, stop: threading.Event, begun: Micros, duration_s: float | None) -> str:
        pace = self._tape.pace
        while True:
            left = _TICK if duration_s is None else min(_TICK, duration_s - (pace.now() - begun) / SECOND)
            if left <= 0:
                return "its time is over"
            if pace.wait(stop, left):
                return "stopped"
            try:
                self._tape.tick()
                spent = self._warden.look()
            except CaptureError as error:
                self._broken = error
                return str(error)
            elapsed = (pace.now() - begun) / SECOND
            self._on_tick(
                Progress(elapsed, self._tape.rows, self._tape.gaps, self._warden.resident, self._warden.cpu_s)
            )
            if spent is not None:
                self._say(f"{spent}: the recording ends here")
                self._tape.gap("*", pace.now(), pace.now(), spent)
                return spent

    def _attend(self, collector: Collector, stop: threading.Event) -> None:
        """One collector for the whole recording."""
        backoff = Backoff()
        while not stop.is_set():
            since = self._tape.pace.now()
            try:
                collector.run(stop)
                if not stop.is_set():  # it has nothing more to do
                    return
            except CaptureError as error:
                self._broken = error
                stop.set()
            except Exception as error:  # a bug in one collector must not end the others
                why = f"{collector.name}: {type(error).__name__}: {error}"
                self._say(f"{why}; starting it again (a bug of afscope: please report it)")
                stop.wait(backoff.next())
                self._missed(collector, since, why)

    def _missed(self, collector: Collector, since: Micros, why: str) -> None:
        for table in collector.tables:
            self._tape.gap(table, since, self._tape.pace.now(), why)

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        until = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                self._say(f"{thread.name} did not end in time; what it had written is kept")
