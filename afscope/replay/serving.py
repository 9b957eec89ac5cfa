"""Both halves of a replay on one clock: the cluster and the Airflow DB of one recording or capture."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from afscope.errors import AfscopeError, CannotReplay
from afscope.model.clock import SECOND, Micros
from afscope.model.pace import ScaledPace
from afscope.replay.airflow import observations as airflow
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.on_demand import DatabaseFaults
from afscope.replay.airflow.server import AirflowReplay
from afscope.replay.kube import observations as kube
from afscope.replay.kube.forward import Forward
from afscope.replay.kube.history import History
from afscope.replay.kube.server import KubeReplay

_T = TypeVar("_T")


@dataclass(frozen=True)
class Halves:
    """What a source holds, not yet moved in time; at least one half is there."""

    source: Path
    cluster: kube.Observed | None
    database: airflow.Observed | None
    missing: tuple[AfscopeError, ...]
    """Why a half that was asked for is not there."""

    @property
    def begins(self) -> Micros:
        """When the first of the halves begins."""
        return min(half.begins for half in (self.cluster, self.database) if half is not None)

    @property
    def ends(self) -> Micros:
        """When the last of the halves ends."""
        return max(half.ends for half in (self.cluster, self.database) if half is not None)


@dataclass(frozen=True)
class Settings:
    """How a source is served."""

    start: Micros
    """Where the clock stands at first, in the recording's time."""
    speed: float = 1.0
    paused: bool = False
    now: Micros | None = None
    """The time that `start` becomes; everything is moved with it. None leaves the recording's time."""
    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = False
    database_url: str | None = None
    forwards: tuple[Forward, ...] = ()
    token_file: Path | None = None


@dataclass(frozen=True)
class Served:
    """A replay that runs."""

    pace: ScaledPace
    begins: Micros
    ends: Micros
    cluster: KubeReplay | None
    database: AirflowReplay | None


def halves(source: Path, *, cluster: bool = True, database: bool = True) -> Halves:
    """Reads a recording folder or a capture (folder or .zip).

    Of two halves one may be missing; when nothing is left to serve the reason is raised, an AfscopeError.
    """
    if not source.exists():
        raise CannotReplay(f"{source} does not exist", "give a recording folder or a capture")
    missing: list[AfscopeError] = []
    found = Halves(
        source,
        _tried(lambda: kube.observed(source), missing) if cluster else None,
        _tried(lambda: airflow.observed(source), missing) if database else None,
        tuple(missing),
    )
    if found.cluster is None and found.database is None:
        raise missing[0]
    return found


@contextmanager
def served(what: Halves, settings: Settings) -> Iterator[Served]:
    """Serves until the block is left. Raises CannotReplay when a port is taken or a database refused."""
    shift = 0 if settings.now is None else round((settings.now - settings.start) / SECOND) * SECOND
    pace = ScaledPace(settings.start + shift, settings.speed, paused=settings.paused)
    with ExitStack() as stack:
        database = cluster = None
        if what.database is not None:
            history = AirflowHistory(what.database, shift=shift)
            database = stack.enter_context(AirflowReplay(history, pace, settings.database_url))
        if what.cluster is not None:
            logs = what.source / "logs"
            cluster = stack.enter_context(
                KubeReplay(
                    History(what.cluster, rebase_to=what.cluster.begins + shift),
                    pace,
                    host=settings.host,
                    port=settings.port,
                    # kubectl sends a token over TLS only.
                    token=secrets.token_urlsafe(18) if settings.tls and settings.token_file is None else "",
                    token_file=settings.token_file,
                    tls=settings.tls,
                    logs=logs if logs.is_dir() else None,
                    forwards=settings.forwards,
                )
            )
        if cluster is not None and database is not None:
            cluster.strikes(DatabaseFaults(database.url))
        yield Served(pace, what.begins + shift, what.ends + shift, cluster, database)


def _tried(read: Callable[[], _T], missing: list[AfscopeError]) -> _T | None:
    try:
        return read()
    except CannotReplay as error:
        missing.append(error)
        return None
