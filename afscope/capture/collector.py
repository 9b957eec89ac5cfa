"""What the recorder runs: each collector reads one kind of source in a thread of its own."""

import threading
from typing import Protocol


class Collector(Protocol):
    """Reads one source until it is told to stop.

    It handles what a source may do (refuse, hang, vanish) itself, by declaring gaps and trying again; what it raises
    nevertheless is a bug, which the recorder survives: it declares a gap and starts the collector anew.
    """

    name: str
    """For people, and for the thread: "pods in airflow"."""
    tables: tuple[str, ...]
    """Tables that have a hole while this collector is down."""

    def run(self, stop: threading.Event) -> None:
        """Reads until `stop` is set; returns soon after."""
        ...
