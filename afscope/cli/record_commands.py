"""The command that records: capture."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afscope.cli.capture_commands import OutPath, default_folder, free_name
from afscope.cli.options import RECORD, seconds, size
from afscope.cli.output import emit, message, plain
from afscope.cli.progress import ProgressLine
from afscope.errors import CaptureExists, UsageError

if TYPE_CHECKING:
    from afscope.capture.agent import Plan

# How long an agent whose UI crashed goes on, in real seconds.
_ORPHANED = 15 * 60.0

Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", metavar="NS", help="A namespace to watch (workers, KEDA, tasks); repeatable."),
]
Duration = Annotated[str, typer.Option(metavar="30m", help="End by itself after this time.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Watch the whole cluster.")]
Kubeconfig = Annotated[str, typer.Option(metavar="FILE", help="Default: KUBECONFIG, ~/.kube/config, in-cluster.")]
Context = Annotated[str, typer.Option(metavar="NAME", help="A context of the kubeconfig.")]
DbUrlFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Holds the URL of the Airflow DB; default from Airflow's env.")
]
DbSecret = Annotated[str, typer.Option(metavar="[NS/]NAME:KEY", help="Read that URL from this Secret of the cluster.")]
DbVia = Annotated[str, typer.Option(metavar="svc/NAME:PORT", help="Reach the DB through the Kubernetes API.")]
BrokerUrlFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Holds the URL of the Celery broker; default from Airflow's env.")
]
Kube = Annotated[bool, typer.Option("--kube/--no-kube", help="Watch the Kubernetes API.")]
Db = Annotated[bool, typer.Option("--db/--no-db", help="Poll the Airflow DB.")]
Logs = Annotated[bool, typer.Option("--logs/--no-logs", help="Tail logs for known diagnostic lines.")]
RawLogs = Annotated[bool, typer.Option("--raw-logs", help="Keep unknown log lines too, redacted.")]
Broker = Annotated[bool, typer.Option("--broker/--no-broker", help="Record queue depths.")]
Retain = Annotated[str, typer.Option(metavar="6h", help="Ring: keep about this much time.")]
MaxBytes = Annotated[str, typer.Option(metavar="SIZE", help="Ring: drop the oldest above this size.")]
MaxMemory = Annotated[str, typer.Option(metavar="SIZE", help="Shed tables above this memory.")]
MaxRps = Annotated[float, typer.Option(metavar="N", min=0.1, help="Requests a second to the API.")]
MaxDbMs = Annotated[float, typer.Option(metavar="MS", min=1, help="DB milliseconds a second.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
UntilStdinCloses = Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)]


def capture(
    output: OutPath = None,
    duration: Duration = "",
    namespace: Namespaces = None,
    all_namespaces: Everywhere = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    db_url_file: DbUrlFile = None,
    db_secret: DbSecret = "",
    db_via: DbVia = "",
    broker_url_file: BrokerUrlFile = None,
    kube: Kube = True,
    db: Db = True,
    logs: Logs = True,
    raw_logs: RawLogs = False,
    broker: Broker = True,
    retain: Retain = "",
    max_bytes: MaxBytes = "2GiB",
    max_memory: MaxMemory = "512MiB",
    max_rps: MaxRps = 20.0,
    max_db_ms: MaxDbMs = 50.0,
    quiet: Quiet = False,
    until_stdin_closes: UntilStdinCloses = False,
) -> None:
    """Records an incident while it happens; Ctrl-C or SIGTERM ends it whole. Prints the capture's path."""
    check(output, namespace, all_namespaces, db_url_file, broker_url_file)
    ring_s, memory = seconds("--retain", retain), size("--max-memory", max_memory)
    ring = None if ring_s is None else round(ring_s * 1e6), size("--max-bytes", max_bytes)

    from afscope.capture.agent import Plan
    from afscope.capture.budget import Budget
    from afscope.store.options import WriterOptions

    plan = Plan(
        namespaces=tuple(namespace or ()), all_namespaces=all_namespaces, kubeconfig=kubeconfig or None,
        context=context or None, db_url_file=db_url_file, db_secret=db_secret, db_via=db_via,
        broker_url_file=broker_url_file, kube=kube, db=db, logs=logs, raw_logs=raw_logs, broker=broker,
        budget=Budget(memory_bytes=memory or 0, requests_per_s=max_rps, db_ms_per_s=max_db_ms),
        ring=WriterOptions(retain_us=ring[0], max_bytes=ring[1], seal_apart=True),
    )  # fmt: skip
    _record(plan, output, seconds("--duration", duration), ProgressLine(quiet=quiet), orphan_ok=until_stdin_closes)


def check(output: Path | None, namespace: list[str] | None, everywhere: bool, *files: Path | None) -> None:
    """What is wrong before anything is connected."""
    if output is not None and (output.exists() or output.is_symlink()):
        raise CaptureExists(f"{output} exists", "captures are never overwritten; choose another path")
    if namespace and everywhere:
        raise UsageError("--namespace and --all-namespaces exclude each other")
    for path in files:
        if path is not None and not path.is_file():
            raise UsageError(f"{plain(path)}: no such file")


def _record(plan: "Plan", output: Path | None, length_s: float | None, line: ProgressLine, *, orphan_ok: bool) -> None:
    from afscope.capture.agent import reach, record

    with ended_by_signals() as stop, reach(plan, line.say) as reached:
        out = output or free_name(default_folder(Path.cwd()), f"{reached.name}-{reached.stamp}")
        emit(str(out))
        line.say(f"recording {reached.about} into {plain(out)}; Ctrl-C ends it whole")
        if orphan_ok:
            _outlive_parent(stop)
        summary = record(plan, reached, out, stop, length_s, say=line.say, on_tick=line.show)
    line.end(summary)


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one has its usual effect."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _outlive_parent(stop: threading.Event) -> None:
    """When stdin closes the UI is gone without a word: go on for a while, then end whole."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            continue
        message(f"the parent is gone; recording goes on for {_ORPHANED / 60:.0f} minutes")
        stop.wait(_ORPHANED)
        stop.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(rich_help_panel=RECORD)(capture)
