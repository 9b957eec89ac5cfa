"""Replays of recordings made by hand, on a clock that stands until it is told to move."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from afscope.model.pace import ScaledPace
from afscope.replay.kube.history import History
from afscope.replay.kube.server import KubeReplay
from tests.replay.kube.client import Client
from tests.replay.kube.cluster import Cluster

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"


class Replay(NamedTuple):
    """A running server, its clock, and a client of it."""

    server: KubeReplay
    pace: ScaledPace
    client: Client

    @property
    def history(self) -> History:
        """What it serves."""
        return self.server.history


Serve = Callable[..., Replay]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path / "recording")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a source, the clock paused at its beginning; stops all servers in the end."""
    with ExitStack() as stack:

        def start(source: Path, *, rebase_to: int | None = None, **options: Any) -> Replay:
            history = History.of(source, rebase_to=rebase_to)
            pace = ScaledPace(history.begins, paused=True)
            logs = source / "logs"
            server = stack.enter_context(KubeReplay(history, pace, logs=logs if logs.is_dir() else None, **options))
            return Replay(server, pace, Client(server.url, token=server.token))

        yield start
