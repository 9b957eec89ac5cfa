"""The command that gives a recording back as the cluster and the database that it was made of: serve."""

import math
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afscope.cli.options import RECORD, moment
from afscope.cli.output import emit, message, plain, to_json
from afscope.cli.record_commands import ended_by_signals
from afscope.errors import UsageError
from afscope.model.clock import Micros, SystemClock, rfc3339

if TYPE_CHECKING:
    from afscope.replay.serving import Halves, Served

# How often it is looked whether the database can still be written, in seconds.
_LOOK = 0.5
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A recording folder or a capture.")],
    host: Annotated[str, typer.Option(metavar="HOST", help="Where the Kubernetes API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes a free one.")] = 0,
    db_url: Annotated[
        str, typer.Option(metavar="URL", help="An empty PostgreSQL or MariaDB database; default: an SQLite file.")
    ] = "",
    db_url_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds that URL, which is the way for one with a password.")
    ] = None,
    kubeconfig_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the kubeconfig goes; default: a temporary file.")
    ] = None,
    at: Annotated[str, typer.Option(metavar="T", help="Where the clock starts: RFC 3339, 20:10:39 or +90s.")] = "",
    speed: Annotated[float, typer.Option(metavar="N", help="Seconds of the recording per second.")] = 1.0,
    rebase: Annotated[
        str, typer.Option(metavar="now|TIME", help="Move all times, so that the clock starts at this time.")
    ] = "",
    paused: Annotated[bool, typer.Option("--paused", help="The clock stands until it is turned.")] = False,
    tls: Annotated[bool, typer.Option("--tls", help="HTTPS with a token, both made for this run.")] = False,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Bearer tokens to let in, `TOKEN [EXPIRES]` a line, read anew.")
    ] = None,
    forward: Annotated[
        list[str] | None,
        typer.Option(
            metavar="svc/NAME[.NS]:PORT=HOST:PORT", help="A service whose ports can be forwarded, to there; repeatable."
        ),
    ] = None,
    db: Annotated[bool, typer.Option("--db/--no-db", help="Serve the Airflow DB.")] = True,
    kube: Annotated[bool, typer.Option("--kube/--no-kube", help="Serve the Kubernetes API.")] = True,
) -> None:
    """Serves a recording or a capture as a Kubernetes API and an Airflow DB; Ctrl-C or SIGTERM ends it."""
    if not 0 < speed < math.inf:
        raise UsageError(f"--speed: {speed:g} is no speed, it must be above 0")
    if not (db or kube):
        raise UsageError("--no-db and --no-kube leave nothing to serve")
    _check_writable(kubeconfig_out)
    if token_file is not None and not token_file.is_file():
        raise UsageError(f"--token-file: {plain(token_file)}: no such file")
    url = _database_url(db_url, db_url_file)
    now = SystemClock().now() if rebase == "now" else moment("--rebase", rebase)

    from afscope.replay.kube.forward import Forward
    from afscope.replay.serving import Settings, halves, served

    forwards = tuple(Forward.parse(text) for text in forward or ())
    found = halves(source, cluster=kube, database=db)
    for reason in found.missing:
        message(f"afscope: {plain(reason)}")
    settings = Settings(
        start=_start(at, found), speed=speed, paused=paused, now=now, host=host, port=port, tls=tls, database_url=url,
        forwards=forwards, token_file=token_file,
    )  # fmt: skip
    with ended_by_signals() as stop, served(found, settings) as running, _files(running, kubeconfig_out) as files:
        if kube and not (tls or token_file) and host not in _LOOPBACK:
            message(f"note: whoever can reach {plain(host)} can read all of it; --tls asks for a token")
        _tell(running, password_in_flag=bool(db_url))
        emit(to_json(_ready(running, files), indent=None))
        _hold(running, stop)


def _database_url(text: str, file: Path | None) -> str | None:
    if text and file is not None:
        raise UsageError("--db-url and --db-url-file exclude each other")
    if file is None:
        return text or None
    try:
        url = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--db-url-file: {file} cannot be read: {getattr(error, 'strerror', error)}") from error
    if not url:
        raise UsageError(f"--db-url-file: {file} is empty")
    return url


def _start(at: str, found: "Halves") -> Micros:
    """Where the clock starts, in the recording's time."""
    if not at:
        return found.begins
    from afscope.tui.times import jump

    try:
        return jump(at, cursor=found.begins, start=found.begins, end=found.ends)
    except ValueError as error:
        raise UsageError(
            f"--at: {error}", f"it is from {rfc3339(found.begins)} to {rfc3339(found.ends)}, or +90s from its beginning"
        ) from error


def _check_writable(kubeconfig: Path | None) -> None:
    if kubeconfig is not None and (kubeconfig.exists() or kubeconfig.is_symlink()):
        raise UsageError(f"--kubeconfig-out: {kubeconfig} exists", "no kubeconfig is ever overwritten")


@contextmanager
def _files(running: "Served", kubeconfig_out: Path | None) -> Iterator[dict[str, str]]:
    """The files that clients need, by their names in the JSON line; they are gone with the replay."""
    from afscope.replay.kube.kubeconfig import kubeconfig

    files: dict[str, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="afscope-serve-")))
        if (cluster := running.cluster) is not None:
            path = kubeconfig_out or folder / "kubeconfig"
            _write_private(path, kubeconfig(cluster.url, token=cluster.token, ca_pem=cluster.ca_pem))
            stack.callback(path.unlink, missing_ok=True)
            files["kubeconfig"] = str(path)
        if running.database is not None:
            path = folder / "db-url"
            _write_private(path, f"{running.database.url}\n")
            files["db_url_file"] = str(path)
        yield files


def _write_private(path: Path, text: str) -> None:
    """A new file that only its owner can read: it holds a token or a password."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _ready(running: "Served", files: dict[str, str]) -> dict[str, Any]:
    cluster, database = running.cluster, running.database
    return {
        "url": None if cluster is None else cluster.url,
        "kubeconfig": files.get("kubeconfig"),
        "token": (cluster.token if cluster is not None else "") or None,
        "db_url": None if database is None else database.shown_url,
        "db_url_file": files.get("db_url_file"),
        "begins": rfc3339(running.begins),
        "ends": rfc3339(running.ends),
        "now": rfc3339(running.pace.now()),
        "speed": running.pace.speed,
        "paused": running.pace.paused,
    }


def _tell(running: "Served", *, password_in_flag: bool) -> None:
    """What a person should know before it begins."""
    database = running.database
    if password_in_flag and database is not None and database.url != database.shown_url:
        message("note: everybody on this machine can see the password in --db-url; --db-url-file keeps it")
    for half in (running.cluster, database):
        for line in () if half is None else half.history.unread:
            message(f"left out: {plain(line)}")


def _hold(running: "Served", stop: threading.Event) -> None:
    """Until a signal comes, or the database cannot be written any more."""
    while not stop.wait(_LOOK):
        if running.database is not None:
            running.database.settled()


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(rich_help_panel=RECORD)(serve)
