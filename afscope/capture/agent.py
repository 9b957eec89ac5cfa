"""The agent: finds out what can be recorded, says what cannot, and records the rest into one capture."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from afscope.capture.airflow.collector import AirflowCollector, Source, probe
from afscope.capture.airflow.environment import login_of, schema_of
from afscope.capture.airflow.login import Login, parse, replace_address
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.states import TABLES as AIRFLOW_TABLES
from afscope.capture.airflow_cfg import CfgCollector, local_files
from afscope.capture.broker.address import addresses, broker_source, default_queues, key_prefix
from afscope.capture.broker.collector import BrokerCollector
from afscope.capture.broker.collector import probe as probe_broker
from afscope.capture.budget import Budget, Warden, folder_bytes
from afscope.capture.collector import Collector
from afscope.capture.kube.access import all_refused, scope, unknown
from afscope.capture.kube.access import reached as version_of
from afscope.capture.kube.configmaps import ConfigMaps
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.endpoint import Goal
from afscope.capture.kube.kinds import WATCHED
from afscope.capture.kube.listwatch import Meter, collectors
from afscope.capture.kube.logs import LogCollector
from afscope.capture.kube.replay_clock import pace_of
from afscope.capture.kube.secret import read_secret
from afscope.capture.kube.tunnel import Tunnel
from afscope.capture.recorder import Progress, Recorder
from afscope.capture.tape import Tape, table_of
from afscope.capture.tidings import refusal
from afscope.errors import CannotConnect
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, to_datetime
from afscope.model.pace import Pace, SystemPace
from afscope.store.options import WriterOptions
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

Say = Callable[[str], None]
Build = Callable[[Tape], Sequence[Collector]]
# Filled by the recorder itself: always there.
_OWN = ("gaps", "samples")
# What each source fills; `airflow_config` comes from either side.
_KUBE = (*dict.fromkeys(table_of(watched.kind) for watched in WATCHED), "objects", "log_lines")
_DB = (*dict.fromkeys(AIRFLOW_TABLES.values()), "task_counts", "polls")
_BROKER = ("broker_queues",)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be recorded. Defaults: everything that can be reached, with credentials from the environment."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; none means all that may be watched, else the context's own."""
    all_namespaces: bool = False
    """Only the whole cluster will do."""
    kubeconfig: str | None = None
    context: str | None = None
    db_url_file: Path | None = None
    db_secret: str = ""
    """[NS/]NAME:KEY of a Secret that holds the URL of the Airflow DB."""
    db_via: str = ""
    """svc/NAME:PORT or pod/NAME:PORT: reach the DB through the Kubernetes API."""
    broker_url_file: Path | None = None
    kube: bool = True
    db: bool = True
    logs: bool = True
    raw_logs: bool = False
    broker: bool = True
    answer_s: float = 10.0
    """How long to wait for the answers of the Kubernetes API that the beginning needs, real seconds each."""
    budget: Budget = field(default_factory=Budget)
    ring: WriterOptions = field(default_factory=WriterOptions)


@dataclass(slots=True)
class Reached:
    """What answered: a name for the capture, a clock, and who will build the collectors on a tape."""

    name: str = "airflow"
    cluster: str = ""
    pace: Pace = field(default_factory=SystemPace)
    kubernetes: Cluster | None = None
    """Open while this is."""
    parts: list[str] = field(default_factory=list)
    """What will be recorded, for people."""
    builders: list[Build] = field(default_factory=list)
    lacking: dict[str, str] = field(default_factory=dict)
    """Tables that will not be recorded, and why."""
    namespaces: tuple[str, ...] = ()
    """Those that are watched; without any it is the whole cluster."""

    @property
    def about(self) -> str:
        """One line for people."""
        return ", ".join(self.parts)

    @property
    def stamp(self) -> str:
        """The time of the beginning, as part of a file name."""
        return to_datetime(self.pace.now()).strftime("%Y%m%dT%H%M%SZ")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a recording was."""

    why: str
    """Why it ended."""
    elapsed_s: float
    rows: int
    gaps: int
    bytes: int
    cpu_s: float


@contextmanager
def reach(plan: Plan, say: Say) -> Iterator[Reached]:
    """Connects to what the plan asks for; tunnels live as long as the context.

    Whatever cannot be reached is said in one sentence each. Raises CannotConnect when nothing at all can be recorded.
    """
    reached = Reached()
    with ExitStack() as stack:
        failed: list[CannotConnect] = []
        useful: list[bool] = []
        for part, tables in ((_reach_kube, _KUBE), (_reach_db, _DB), (_reach_broker, _BROKER)):
            before = len(reached.builders)
            try:
                part(plan, reached, stack, say)
            except CannotConnect as error:
                failed.append(error)
                reached.lacking.update(dict.fromkeys(tables, str(error)))
            useful.append(len(reached.builders) > before)
        if useful == [True, False, False] and reached.kubernetes is not None:
            _any_right(reached.kubernetes, reached.namespaces, plan.answer_s)
        if not reached.builders:
            why = "; ".join(map(str, failed)) or "nothing was asked for"
            raise CannotConnect(f"nothing can be recorded: {why}")
        _kube_later(plan, reached, say)
        for why in dict.fromkeys(reached.lacking.values()):
            say(f"not recorded: {why}")
        yield reached


def record(
    plan: Plan,
    reached: Reached,
    out: Path,
    stop: threading.Event,
    duration_s: float | None,
    *,
    say: Say,
    on_tick: Callable[[Progress], None],
) -> Summary:
    """Records into the new capture `out` until it ends. Raises CaptureExists and CaptureError."""
    pace = reached.pace
    begun, cpu = pace.now(), time.process_time()
    with CaptureWriter.create(
        out, clock=pace, options=plan.ring, origin="capture", cluster=reached.cluster, started_at=begun
    ) as writer:
        tape = Tape(writer, pace)
        tape.say = say
        for table in TABLES:
            if table not in _OWN:
                writer.set_source(table, SourceState.NOT_RECORDED, tape.redactor.text(reached.lacking.get(table, "")))
        collectors = [collector for build in reached.builders for collector in build(tape)]
        recorder = Recorder(tape, collectors, Warden(tape, plan.budget, out), say=say, on_tick=on_tick)
        why = recorder.run(stop, duration_s)
        ended = pace.now()
        writer.close(ended_at=ended)
    elapsed = (ended - begun) / SECOND
    return Summary(why, elapsed, tape.rows, tape.gaps, folder_bytes(out), time.process_time() - cpu)


def _reach_kube(plan: Plan, reached: Reached, stack: ExitStack, say: Say) -> None:
    if not plan.kube:
        return
    cluster = _cluster(plan, reached, stack)
    version = version_of(cluster, plan.answer_s)
    namespaces = scope(cluster, plan.namespaces, whole=plan.all_namespaces, within_s=plan.answer_s)
    for missing in unknown(cluster, plan.namespaces, plan.answer_s):
        say(f"there is no namespace {missing}; what may come to be in it is recorded")
    reached.cluster = f"{cluster.name} ({version})"
    _watched(plan, reached, cluster, namespaces)


def _kube_later(plan: Plan, reached: Reached, say: Say) -> None:
    """A cluster that refused or did not answer may do better soon."""
    failure = reached.lacking.get("pods")
    if reached.kubernetes is None or failure is None:
        return
    for table in _KUBE:
        del reached.lacking[table]
    say(f"not recorded yet: {failure}; trying again while recording")
    _watched(plan, reached, reached.kubernetes, plan.namespaces)


def _any_right(cluster: Cluster, namespaces: tuple[str, ...], within_s: float) -> None:
    """Raises CannotConnect when there is nothing but this cluster, and nothing of it may be read."""
    if refused := all_refused(cluster, namespaces, within_s):
        raise CannotConnect("nothing can be recorded" + refusal(refused))


def _watched(plan: Plan, reached: Reached, cluster: Cluster, namespaces: tuple[str, ...]) -> None:
    """Has the objects of these namespaces watched (without any: of the whole cluster), and logs followed."""
    where = ", ".join(namespaces) or "all namespaces"
    reached.name, reached.namespaces = cluster.name, namespaces
    reached.parts.append(f"Kubernetes {cluster.name} ({where})")
    reached.builders.append(lambda tape: [*collectors(cluster, tape, namespaces), Meter(cluster, tape)])
    reached.builders.append(lambda tape: [CfgCollector(tape, [ConfigMaps(cluster, namespaces), *local_files()])])
    if plan.logs:
        reached.builders.insert(0, lambda tape: [LogCollector(cluster, tape, raw=plan.raw_logs)])


def _cluster(plan: Plan, reached: Reached, stack: ExitStack) -> Cluster:
    """The cluster, connected once for all that need it."""
    if reached.kubernetes is None:
        reached.pace = pace_of(plan.kubeconfig, plan.context)
        reached.kubernetes = Cluster.connect(
            kubeconfig=plan.kubeconfig, context=plan.context, max_rps=plan.budget.requests_per_s, now=reached.pace.now
        )
        stack.callback(reached.kubernetes.close)
    return reached.kubernetes


def _reach_db(plan: Plan, reached: Reached, stack: ExitStack, say: Say) -> None:
    if not plan.db:
        return
    source = _db_source(plan, reached, stack)
    for note in source().notes:  # raises here for what is no URL and never will be one
        say(f"the URL of the Airflow DB: {note}")
    tunnel = _tunnel(plan, reached, stack)
    if tunnel is not None:
        source = _tunnelled(source, tunnel)
    try:
        reached.parts.append(f"Airflow DB ({probe(source)})")
    except CannotConnect as refused:
        lost = tunnel.trouble if tunnel is not None else ""
        error = CannotConnect(f"the Airflow DB by {plan.db_via}: {lost}") if lost else refused
        if not reached.builders:
            raise error from None
        say(f"not recorded yet: {error}; trying again while recording")
    options = PollOptions(max_ms_per_s=plan.budget.db_ms_per_s)
    reached.builders.append(lambda tape: [AirflowCollector(tape, source, options)])


def _db_source(plan: Plan, reached: Reached, stack: ExitStack) -> Source:
    """Who tells where the DB is; a Secret or a file is read again when credentials were rotated."""
    if plan.db_secret:
        cluster = _cluster(plan, reached, stack)
        home = _home(plan, cluster)
        return lambda: parse(read_secret(cluster, plan.db_secret, namespace=home), schema_of(os.environ))
    return lambda: _said(plan.db_url_file)


def _said(url_file: Path | None) -> Login:
    login = login_of(url_file=url_file)
    if login is None:
        raise CannotConnect(
            "the Airflow DB: nobody says where it is", "set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN or give --db-url-file"
        )
    return login


def _tunnelled(source: Source, tunnel: Tunnel) -> Source:
    """The same DB, by way of the tunnel."""
    if source().backend == "sqlite":
        raise CannotConnect("a SQLite file cannot be reached through a tunnel", "leave --db-via out")
    return lambda: replace_address(source(), tunnel.host, tunnel.port)


def _tunnel(plan: Plan, reached: Reached, stack: ExitStack) -> Tunnel | None:
    if not plan.db_via:
        return None
    cluster = _cluster(plan, reached, stack)
    return stack.enter_context(Tunnel(cluster, Goal.parse(plan.db_via, namespace=_home(plan, cluster))))


def _home(plan: Plan, cluster: Cluster) -> str:
    """The namespace of what is named without one."""
    return plan.namespaces[0] if plan.namespaces else cluster.namespace


def _reach_broker(plan: Plan, reached: Reached, _stack: ExitStack, say: Say) -> None:
    if not plan.broker:
        return
    source = broker_source(url_file=plan.broker_url_file)
    if source is None:
        reached.lacking[_BROKER[0]] = (
            "queue depths: nobody says where the broker is (set AIRFLOW__CELERY__BROKER_URL or give --broker-url-file; "
            "--no-broker if there is none)"
        )
        return
    addresses(source())  # what is not supported never will be
    try:
        reached.parts.append(f"broker ({probe_broker(source)})")
    except CannotConnect as error:
        if not reached.builders:
            raise
        say(f"not recorded yet: {error}; trying again while recording")
    queues, prefix = default_queues(), key_prefix()
    reached.builders.append(lambda tape: [BrokerCollector(tape, source, queues=queues, prefix=prefix)])
