"""`settled` tells the truth: about a write under way while the clock is turned, and about a thread that is no more."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import CannotReplay
from afscope.replay.airflow.database import Database
from afscope.replay.airflow.state import State
from tests.replay.airflow.conftest import PATIENCE_S, Serve, at, record, task, until

COUNT = "SELECT count(*) FROM task_instance"


class Gate:
    """Holds each write of the database until it is opened."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self.open.set()
        write = Database.write

        def held(database: Database, *given: Any, **named: Any) -> None:
            self.reached.set()
            assert self.open.wait(PATIENCE_S)
            write(database, *given, **named)

        patch.setattr(Database, "write", held)

    def close(self) -> None:
        """The next write waits; `reached` tells that it does."""
        self.open.clear()
        self.reached.clear()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open.set()


@pytest.mark.parametrize(("standing", "turned"), [(0, 5), (5, 0)])
def test_nothing_is_settled_while_a_write_is_under_way(
    serve: Serve, tmp_path: Path, gate: Gate, standing: float, turned: float
) -> None:
    """The clock is turned away and back before the write is done: forward by a poll, back by a rebuild."""
    source = record(tmp_path / "r", (0, {"task_instance": [task()]}), (5, {"task_instance": [task("t2")]}))
    replay = serve(source).to(at(standing))
    rows = replay.query(COUNT)

    gate.close()
    replay.pace.jump(at(turned))
    assert gate.reached.wait(PATIENCE_S)
    replay.pace.jump(at(standing))

    assert not replay.server.settled()
    gate.open.set()
    assert replay.settle().query(COUNT) == rows


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_replay_that_follows_no_more_says_so(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = record(tmp_path / "r", (0, {"task_instance": [task()]}), (5, {"task_instance": [task("t2")]}))
    replay = serve(source)

    def broken(_: State, __: object) -> Iterator[Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(State, "apply", broken)
    replay.pace.jump(at(5))
    with pytest.raises(CannotReplay, match="does not follow the clock any more"):
        until(replay.server.settled)
