"""A metadata DB of each kind, and a collector on a fresh capture with a clock that moves when told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from afscope.capture.airflow.collector import AirflowCollector
from afscope.capture.airflow.options import PollOptions
from afscope.normalize.airflow.versions import Version
from tests.capture.airflow.lab import KINDS, Lab
from tests.capture.conftest import Deck
from tests.replay.airflow.servers import empty_database

MakeLab = Callable[..., Lab]


@pytest.fixture
def make_lab(tmp_path: Path) -> Iterator[MakeLab]:
    with ExitStack() as stack:

        def make(kind: str = "sqlite", version: Version = (2, 10), **more: Any) -> Lab:
            return Lab(stack.enter_context(empty_database(kind, tmp_path)), version, **more)

        yield make


@pytest.fixture(params=KINDS)
def lab(request: pytest.FixtureRequest, make_lab: MakeLab) -> Lab:
    """Airflow 2.10 on each kind of database."""
    return make_lab(request.param)


class Watch:
    """A collector that polls when told, each time after some seconds."""

    def __init__(self, deck: Deck, lab: Lab, **options: Any) -> None:
        self.deck, self.lab = deck, lab
        self.collector = AirflowCollector(deck.tape, lab.login, PollOptions(**options))

    def poll(self, after_s: float = 5.0) -> bool:
        """One poll."""
        self.deck.pace.step(after_s)
        return self.collector.poll_once()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of the capture's table so far."""
        return self.deck.rows(table)

    def states(self, task_id: str = "t1", run_id: str = "r1") -> list[tuple[str, str | None]]:
        """What was recorded of a task instance: change and state, in order."""
        return [
            (row["change"], row["state"])
            for row in self.rows("task_instances")
            if (row["task_id"], row["run_id"]) == (task_id, run_id)
        ]

    def newest(self) -> dict[str, str | None]:
        """The state in the last row of each task, by its id."""
        return {row["task_id"]: row["state"] for row in self.rows("task_instances")}


@pytest.fixture
def watch(deck: Deck, lab: Lab) -> Iterator[Watch]:
    watch = Watch(deck, lab)
    yield watch
    watch.collector.close()
