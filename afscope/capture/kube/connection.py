"""Requests to the Kubernetes API: urllib3 with the credentials that the kubernetes package loads.

Objects are never decoded into the official models: they cost forty times the CPU and refuse objects that real servers
send. Bytes come out of here as the server sent them.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import IncompleteRead
from typing import Any

import urllib3
from urllib3.util import Timeout, make_headers

from afscope import __version__
from afscope.capture.kube import chunked
from afscope.capture.kube.credentials import Credentials
from afscope.capture.kube.errors import ApiError, Silent, Unreachable, api_error
from afscope.capture.kube.meter import RequestBudget, ServerClock
from afscope.capture.kube.transport import Sockets, manager
from afscope.model.clock import Micros, SystemClock

_CONNECT_S = 10.0
_CHUNK = 256 * 1024
_UNAUTHORIZED = 401
_SYSTEM_NOW = SystemClock().now


class Stream:
    """A response that goes on. Iterating gives the bytes as they come; `stop` ends that from any thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.stopped = False
        """Whether we ended it; else the server did, or it broke off."""

    def __iter__(self) -> Iterator[bytes]:
        """Chunks as the server sent them. Raises Unreachable when it breaks off, Silent when it is for too long."""
        try:
            for chunk in self._chunks():
                if self.stopped:  # what is read from a socket that was shut down is not what was sent
                    return
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if not self.stopped:
                silent = isinstance(error, (urllib3.exceptions.ReadTimeoutError, TimeoutError))
                raise (Silent if silent else Unreachable)(_sentence(error)) from error

    def _chunks(self) -> Iterator[bytes]:
        """What has come, without waiting for more."""
        response = self._response
        if getattr(response, "chunked", False):
            yield from chunked.payload(response)
            return
        # A proxy that speaks HTTP/1.0 sends no chunks; `stream` would wait until one of ours is full.
        while piece := response.read1(_CHUNK, decode_content=False):
            yield piece

    def stop(self) -> None:
        """Ends the iteration soon."""
        self.stopped = True
        try:
            self._response.shutdown()
        except (ValueError, OSError, RuntimeError):
            return  # it has ended by itself


class Cluster:
    """One cluster, as one user. Safe to use from several threads."""

    def __init__(
        self, credentials: Credentials, budget: RequestBudget, *, now: Callable[[], Micros] = _SYSTEM_NOW
    ) -> None:
        """`now` is the recorder's clock, against which the server's is measured."""
        self.credentials = credentials
        self.budget = budget
        self.clock = ServerClock()
        self._now = now
        self._lock = threading.Lock()
        self._pool: tuple[int, bool, urllib3.PoolManager] | None = None
        self._sockets = Sockets()
        self._last_sockets = Sockets()
        self._streams: set[Stream] = set()

    @classmethod
    def connect(
        cls,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        max_rps: float = 20.0,
        now: Callable[[], Micros] = _SYSTEM_NOW,
    ) -> "Cluster":
        """Loads credentials; nothing is sent yet. Raises CannotConnect."""
        return cls(Credentials(kubeconfig, context), RequestBudget(max_rps), now=now)

    @property
    def name(self) -> str:
        """The context's name."""
        return self.credentials.name

    @property
    def namespace(self) -> str:
        """The context's default namespace."""
        return self.credentials.namespace

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self.credentials.configuration.host)

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, *, timeout_s: float = 30.0, last: bool = False
    ) -> bytes:
        """The body of a GET; a `last` one is still made after `interrupt`. Raises ApiError and Unreachable."""
        with self._answered("GET", path, query, None, timeout_s, stream=False, last=last) as response:
            return self._read(response)

    def post(self, path: str, body: bytes, *, timeout_s: float = 30.0) -> bytes:
        """The body of a POST; reviews of one's own rights are all that is ever posted."""
        with self._answered("POST", path, None, body, timeout_s, stream=False) as response:
            return self._read(response)

    @contextmanager
    def stream(
        self, path: str, query: Mapping[str, Any] | None = None, *, idle_s: float = 90.0, last: bool = False
    ) -> Iterator[Stream]:
        """A GET that goes on: a watch, a followed log. `idle_s` without a byte end it with Silent.

        A `last` one may be opened after `interrupt`; only `close` ends it.
        """
        with self._answered("GET", path, query, None, idle_s, stream=True, last=last) as response:
            stream = Stream(response)
            with self._lock:
                self._streams.add(stream)
                if self._of(last).closed:
                    stream.stop()
            try:
                yield stream
            finally:
                with self._lock:
                    self._streams.discard(stream)

    def interrupt(self) -> None:
        """Ends all waiting for the server: streams end, other requests fail, and so do all that are not a `last`."""
        with self._lock:
            open_now = list(self._streams)
        for stream in open_now:
            stream.stop()
        self._sockets.shutdown()

    def close(self) -> None:
        """Ends the last requests too, and those that come after this."""
        self.interrupt()
        self._last_sockets.shutdown()

    def _of(self, last: bool) -> Sockets:
        return self._last_sockets if last else self._sockets

    @contextmanager
    def _answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: bytes | None,
        read_s: float,
        *,
        stream: bool,
        last: bool = False,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """A successful response, given back afterwards; a 401 gets one try with renewed credentials."""
        generation = self.credentials.generation
        try:
            response = self._send(method, path, query, body, read_s, stream=stream, last=last)
        except ApiError as error:
            if error.status != _UNAUTHORIZED:
                raise
            self.credentials.renew(generation)
            response = self._send(method, path, query, body, read_s, stream=stream, last=last)
        try:
            yield response
        finally:
            # What was not read to its end cannot be reused for another request.
            response.close() if stream else response.release_conn()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: bytes | None,
        read_s: float,
        *,
        stream: bool,
        last: bool,
    ) -> urllib3.BaseHTTPResponse:
        if self._of(last).closed:
            raise Unreachable(f"{self.server}: the connection was closed")
        self.budget.take(wait=not last)  # the end of a recording waits for nobody
        headers = {"User-Agent": f"afscope/{__version__}", "Accept": "application/json"}
        if not stream:
            headers |= make_headers(accept_encoding="gzip")
        if body is not None:
            headers["Content-Type"] = "application/json"
        if (authorization := self.credentials.authorization()) is not None:
            headers["Authorization"] = authorization
        asked = self._now()
        try:
            response = self._manager(last).request(
                method, self.server.rstrip("/") + path, fields=None if query is None else dict(query), body=body,
                headers=headers, timeout=Timeout(connect=min(_CONNECT_S, read_s), read=read_s), retries=False,
                preload_content=False, redirect=False,
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"{self.server}: {_sentence(error)}") from error
        self.clock.heard(response.headers.get("Date"), asked, self._now())
        if response.status >= 300:
            text = self._read(response)
            response.release_conn()
            raise api_error(response.status, text, response.headers.get("Retry-After"))
        return response

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        try:
            return response.read(decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"{self.server}: {_sentence(error)}") from error

    def _manager(self, last: bool) -> urllib3.PoolManager:
        """The connections of the present generation of credentials; last requests share none with those before."""
        with self._lock:
            if self._pool is None or self._pool[:2] != (self.credentials.generation, last):
                made = manager(self.credentials.configuration, self._of(last))
                self._pool = self.credentials.generation, last, made
            return self._pool[2]


def _sentence(error: BaseException) -> str:
    """The innermost reason: urllib3 wraps it in object addresses and repetition."""
    if any(isinstance(cause, IncompleteRead) for cause in error.args):
        return "the connection was cut in the middle of an answer"
    reason = getattr(error, "reason", None) or error
    cause = reason.__cause__ if isinstance(reason, BaseException) and isinstance(reason.__cause__, OSError) else reason
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).rpartition(">: ")[2].splitlines()[0]
