"""A recording served as a cluster and a database, and recorded again by the real collectors, in lock step.

The clock stands still and is moved in steps; each step waits until everything that happened in it has arrived. So a
recording of minutes is recorded in seconds, and the result does not depend on how busy the machine is.
"""

import gzip
import json
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from afscope.capture.airflow.collector import AirflowCollector
from afscope.capture.airflow.login import parse
from afscope.capture.airflow.options import PollOptions
from afscope.capture.collector import Collector
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.listwatch import Meter, collectors
from afscope.capture.kube.logs import LogCollector
from afscope.capture.tape import Tape
from afscope.model.capture import SourceState
from afscope.model.clock import Micros, from_seconds
from afscope.model.pace import ScaledPace
from afscope.replay.airflow.faults import locked
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.server import AirflowReplay
from afscope.replay.kube.history import History
from afscope.replay.kube.kubeconfig import kubeconfig
from afscope.replay.kube.server import KubeReplay
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

PATIENCE_S = 20.0
STEP_S = 1.0


class CountingTape(Tape):
    """Knows how many objects it was shown."""

    shown = 0

    def observed(self, change: str, raw: bytes, *, kind: str, since: Micros | None = None) -> bool:
        timed = super().observed(change, raw, kind=kind, since=since)
        self.shown += 1
        return timed


def record_again(
    recording: Path, folder: Path, database: str | None = None, *, raw_logs: bool = False, close: bool = True
) -> Path:
    """Serves the recording, with its DB at the URL `database` (SQLite by default), and returns the new capture.

    Without `close` it is left as by a recorder that was killed: open, with a WAL.
    """
    history, airflow = History.of(recording), AirflowHistory.of(recording)
    pace = ScaledPace(min(history.begins, airflow.begins), paused=True)
    out = folder / "again.afscope"
    with (
        KubeReplay(history, pace, logs=recording / "logs") as kube,
        AirflowReplay(airflow, pace, database) as db,
        CaptureWriter.create(out, clock=pace, origin="capture") as writer,
    ):
        config = folder / "kubeconfig"
        config.write_text(kubeconfig(kube.url))
        cluster = Cluster.connect(kubeconfig=str(config), max_rps=10_000, now=pace.now)
        tape = CountingTape(writer, pace)
        for name in TABLES:
            if name not in ("gaps", "samples"):
                writer.set_source(name, SourceState.NOT_RECORDED)
        # A busy machine makes statements slow: that the budget then bites is right, and would make holes here.
        poller = AirflowCollector(tape, lambda: parse(db.url), PollOptions(max_ms_per_s=1e6))
        stop = threading.Event()
        watches = collectors(cluster, tape, ())
        running: list[Collector] = [LogCollector(cluster, tape, raw=raw_logs), *watches, Meter(cluster, tape)]
        threads = [threading.Thread(target=one.run, args=(stop,), daemon=True) for one in running]
        for thread in threads:
            thread.start()
        until(lambda: all(watch.answered for watch in watches))
        end = max(history.ends, airflow.ends)
        troubled = troubles(recording)
        while True:
            until(lambda: kube.settled() and db.settled() and tape.shown == kube.sent)
            trouble = any(start <= pace.now() < until_ for start, until_ in troubled)
            with locked(db.url, "task_instance") if trouble else nullcontext():
                poller.poll_once()
            tape.tick()
            if pace.now() > end:
                break
            pace.step(STEP_S)
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        tape.end()
        if close:
            writer.close(ended_at=end)
        else:
            writer.abandon()
    return out


def troubles(recording: Path) -> list[tuple[Micros, Micros]]:
    """When the recorder of the recording could not read the database: from a failed poll to the next good one."""
    polls = [line for line in lines(recording / "airflow_db.jsonl.gz") if "poll" in line]
    moments = [(from_seconds(line["t"]), line["poll"] == "ok") for line in polls]
    following = [at for at, _ in moments[1:]] + [moments[-1][0] + 1]
    return [(at, end) for (at, ok), end in zip(moments, following, strict=True) if not ok]


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a recorded file."""
    with gzip.open(path) as file:
        return [json.loads(line) for line in file]


def until(true: Callable[[], bool]) -> None:
    """Waits for a condition; raises TimeoutError when it does not come true."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the recorder did not catch up with the replay")
        time.sleep(0.002)
