"""A replayed cluster: an API server on a port of this machine."""

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Self

from afscope.errors import CannotReplay
from afscope.model.pace import ScaledPace
from afscope.replay.kube.api import Api
from afscope.replay.kube.attendance import Attendance
from afscope.replay.kube.control import Control, StrikesDatabase
from afscope.replay.kube.faults import Faults
from afscope.replay.kube.forward import Forward, Forwards
from afscope.replay.kube.history import History
from afscope.replay.kube.tls import Certificate, self_signed
from afscope.replay.kube.tokens import Tokens
from afscope.replay.kube.transport import Handler

_LOG = logging.getLogger(__name__)
# How soon a client that hung up and a clock that was set back are noticed, in real seconds.
_LOOK = 0.1


class Backend:
    """What all connections of one server share."""

    def __init__(
        self, history: History, pace: ScaledPace, tokens: Tokens, logs: Path | None, forwards: Iterable[Forward] = ()
    ) -> None:
        self.pace, self.tokens = pace, tokens
        self.forwards = Forwards(forwards)
        self.faults = Faults()
        self.api = Api(history, pace, self.faults, logs=logs)
        self.faults.changed = self.api.watches.wake
        self.control = Control(pace, self.faults, self.expire, self.api.watches.look_at_clock)
        self.attendance = Attendance()
        self.stopping = threading.Event()
        self.sent = 0
        self._lock = threading.Lock()

    @contextmanager
    def delivering(self, objects: int, *, surely: bool = True) -> Iterator[None]:
        """Counts objects as sent while they are written, so that who has received them finds them counted.

        What does not go out whole is taken back; what a fault may keep from going out is counted afterwards.
        """
        self._count(objects if surely else 0)
        try:
            yield
        except BaseException:
            self._count(-objects if surely else 0)
            raise
        self._count(0 if surely else objects)

    def _count(self, objects: int) -> None:
        with self._lock:
            self.sent += objects

    def expire(self, watches: bool) -> None:
        """Makes all versions so far too old, and with `watches` ends the open ones."""
        self.api.freshness.expire()
        if watches:
            self.api.watches.expire()


class _Server(ThreadingHTTPServer):
    """Threads that die with the process, sockets that are known, and TLS shaken hands on in the client's thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[Handler], certificate: Certificate | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._context = None if certificate is None else certificate.context()
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Binds without asking a name server who we are, as HTTPServer would."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        connection, address = super().get_request()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Closes a connection."""
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Closes all connections."""
        with self._guard:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed already

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A connection that broke is none; anything else is a mistake of ours and is logged."""
        if not isinstance(sys.exc_info()[1], OSError):
            _LOG.exception("a request of %s failed", client_address)


class KubeReplay:
    """Serves a history as a Kubernetes API, HTTP or HTTPS, from `start` (or entering the context) to `stop`.

    `token` is asked for as a bearer token when it is not empty, or one of `token_file` (`Tokens`). `tls` makes a
    self-signed certificate; it needs the `cryptography` package. `logs` is the folder of logs of a recording.
    `forwards` are services that something real stands behind. Raises CannotReplay when the port is taken or no
    certificate can be made.
    """

    def __init__(
        self,
        history: History,
        pace: ScaledPace,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        token_file: Path | None = None,
        tls: bool = False,
        logs: Path | None = None,
        forwards: Iterable[Forward] = (),
    ) -> None:
        self.history, self.pace = history, pace
        self._backend = Backend(history, pace, Tokens(token, token_file), logs, forwards)
        self.faults = self._backend.faults
        """What goes wrong on demand."""
        self._certificate = self_signed(host) if tls else None
        handler = type("Handler", (Handler,), {"backend": self._backend})
        try:
            self._server = _Server((host, port), handler, self._certificate)
        except (OSError, ssl.SSLError) as error:
            raise CannotReplay(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        scheme, shown = ("https" if tls else "http"), (f"[{host}]" if ":" in host else host)
        self.url = f"{scheme}://{shown}:{self._server.server_address[1]}"
        """Where it is, without a trailing slash."""
        self._threads: list[threading.Thread] = []

    def strikes(self, database: StrikesDatabase) -> None:
        """Has faults of the database ordered over HTTP as well."""
        self._backend.control.database = database

    @property
    def sent(self) -> int:
        """Objects delivered so far in lists and watches; bookmarks and ERROR frames are none."""
        return self._backend.sent

    @property
    def token(self) -> str:
        """The bearer token that it asks for, "" for none; setting another one makes clients renew theirs."""
        return self._backend.tokens.token

    @token.setter
    def token(self, token: str) -> None:
        self._backend.tokens.token = token

    @property
    def ca_pem(self) -> bytes:
        """The certificate to trust, PEM; empty without TLS."""
        return b"" if self._certificate is None else self._certificate.pem

    def settled(self) -> bool:
        """Whether every open watch has been sent all versions up to now."""
        return self._backend.api.watches.settled()

    def expire(self, *, watches: bool = False) -> None:
        """Makes all resourceVersions so far too old; with `watches`, open watches end with 410 in an ERROR frame."""
        self._backend.expire(watches)

    def start(self) -> None:
        """Serves, in daemon threads."""
        targets = {"serve": lambda: self._server.serve_forever(poll_interval=0.05), "look": self._look}
        self._threads = [threading.Thread(target=t, name=f"kube replay {n}", daemon=True) for n, t in targets.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends all watches, closes all connections and frees the port. May be called more than once."""
        if self._backend.stopping.is_set():
            return
        self._backend.stopping.set()
        if self._threads:
            self._server.shutdown()
        self._backend.attendance.close()
        self._server.hang_up()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _look(self) -> None:
        while not self._backend.stopping.wait(_LOOK):
            self._backend.attendance.look()
            self._backend.api.watches.look_at_clock()
