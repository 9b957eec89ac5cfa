"""What the recorder may cost, what it does cost, and what gives way when that is too much.

A recorder must never be the next incident. Requests and database time are limited where they are spent (the token
bucket of `capture.kube`, the duty limit of `capture.airflow`); memory and disk are watched here. Whatever gives way
is declared as a gap.
"""

import os
import resource
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from afscope.capture.tape import Tape
from afscope.model.clock import SECOND, Micros

MIB = 1024 * 1024
SAMPLE_EVERY: Micros = 10 * SECOND
# What is given up for memory, in this order: bodies are only needed to serve a capture again and to look at objects,
# log lines only where tables do not suffice.
SHED = ("objects", "log_lines")
# Memory that Python gave back shows late: wait between two steps.
_SETTLES: Micros = 30 * SECOND
_STOP_AT = 1.5


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps on what recording may cost."""

    memory_bytes: int = 512 * MIB
    """Resident memory above which tables are shed; at one and a half times this the recording ends, whole."""
    requests_per_s: float = 20.0
    """Requests to the Kubernetes API; an open watch is one request."""
    db_ms_per_s: float = 50.0
    """Milliseconds per second that the Airflow DB may work for the recorder."""
    min_free_bytes: int = 256 * MIB
    """Free space on the capture's disk below which the recording ends, whole."""


def resident_bytes() -> int:
    """Memory of this process; where the system does not tell, its highest so far."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


class Warden:
    """Watches the recorder's own cost; call `look` about each second."""

    def __init__(self, tape: Tape, budget: Budget, folder: Path) -> None:
        self._tape = tape
        self._budget = budget
        self._folder = folder
        self._shed: list[str] = []
        self._shed_at: Micros = 0
        self._sampled_at: Micros = 0
        self.resident = 0
        """Bytes, as of the last look."""
        self.cpu_s = 0.0
        """CPU seconds of this process, as of the last look."""

    def look(self) -> str | None:
        """Samples, sheds what is too much; a text says why the recording must end."""
        now = self._tape.pace.now()
        self.resident, self.cpu_s = resident_bytes(), time.process_time()
        if now - self._sampled_at >= SAMPLE_EVERY:
            self._sampled_at = now
            self._sample()
        return self._memory(now) or self._disk()

    def _sample(self) -> None:
        self._tape.sample("rss_bytes", self.resident)
        self._tape.sample("cpu_s", self.cpu_s)
        self._tape.sample("rows", self._tape.rows)
        self._tape.sample("gaps", self._tape.gaps)
        self._tape.sample("capture_bytes", folder_bytes(self._folder))

    def _memory(self, now: Micros) -> str | None:
        cap = self._budget.memory_bytes
        if self.resident <= cap or now - self._shed_at < _SETTLES:
            return None
        left = [table for table in SHED if table not in self._shed]
        if left:
            self._shed.append(left[0])
            self._shed_at = now
            self._tape.shed(left[0], f"shed at {self.resident // MIB} MiB: the memory cap is {cap // MIB} MiB")
        elif self.resident > _STOP_AT * cap:
            return f"the recorder takes {self.resident // MIB} MiB, its cap is {cap // MIB} MiB"
        return None

    def _disk(self) -> str | None:
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return None  # the writer meets the same error, and tells it
        if free >= self._budget.min_free_bytes:
            return None
        return f"only {free // MIB} MiB are free on the disk of {self._folder}"


def folder_bytes(folder: Path) -> int:
    """The size of all files in a folder that is being written."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # sealed or dropped meanwhile
            continue
    return total
