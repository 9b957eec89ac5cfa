"""HTTP/1.1 over real sockets: requests in, answers and chunked streams out, and the faults that live on the wire."""

import logging
import threading
from collections.abc import Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from afscope.model.clock import SECOND
from afscope.replay.kube import control, websocket
from afscope.replay.kube.api import verb_of
from afscope.replay.kube.exchange import JSON, Answer, Request, Stream
from afscope.replay.kube.faults import REFUSALS, TRANSPORT, Fault, piece, refusal
from afscope.replay.kube.forward import PROTOCOL, Forward, copy
from afscope.replay.kube.rebase import moved
from afscope.replay.kube.status import ApiError, unauthorized
from afscope.replay.kube.watch import Frame

if TYPE_CHECKING:
    from afscope.replay.kube.server import Backend

_MAX_BODY = 1 << 20
_LOG = logging.getLogger(__name__)


class _Cut(Exception):  # noqa: N818  (not an error: the connection ends here on purpose)
    """The connection is to be closed as it is."""


class Handler(BaseHTTPRequestHandler):
    """One connection. `backend` is set on a subclass per server."""

    backend: "Backend"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = None
    _skew_s = 0.0

    def handle_one_request(self) -> None:
        """Reads one request and answers it; a connection that breaks meanwhile is nobody's mistake."""
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError, OSError, _Cut):
            self.close_connection = True

    def do_GET(self) -> None:
        """Answers any method: what is allowed is the API's business."""
        self._skew_s = 0.0
        length = self.headers.get("Content-Length") or "0"
        size = int(length) if length.isdigit() else -1
        if not 0 <= size <= _MAX_BODY:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request.of(self.command, self.path, headers, self.rfile.read(size))
        try:
            self._reply(request)
        except ApiError as error:
            self._refuse(error)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815  (http.server's names)

    def _reply(self, request: Request) -> None:
        known = self.backend.tokens.admit(request.headers.get("authorization", ""))
        if request.segments[:1] == (control.ROOT,):
            # Whoever may watch the replay may read its clock; recorders ask without a token.
            if not known and request.method != "GET":
                raise unauthorized()
            self._send(request, self.backend.control.answer(request), faulty=False)
            return
        verb = verb_of(request)
        if fault := self.backend.faults.take(verb, request.target, "skew"):
            self._skew_s = fault.seconds
        if fault := self.backend.faults.take(verb, request.target, *REFUSALS):
            if fault.fault == "hang":
                self._hang()
            raise refusal(fault)
        if not known:
            raise unauthorized()
        if (wanted := self.backend.forwards.wanted(request)) is not None:
            self._forward(request, *wanted)
            return
        answer = self.backend.forwards.answer(request) or self.backend.api.answer(request)
        if isinstance(answer, Answer):
            self._send(request, answer)
        else:
            self._stream(request, answer)

    def _forward(self, request: Request, to: Forward, port: int) -> None:
        """The connection is no HTTP any more."""
        self.close_connection = True
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", websocket.accept(request.headers.get("sec-websocket-key", "")))
        self.send_header("Sec-WebSocket-Protocol", PROTOCOL)
        self.end_headers()
        copy(self.connection, to, port)

    def _refuse(self, error: ApiError) -> None:
        answer = Answer(error.body, error.code)
        if error.retry_after is not None:
            answer.headers["Retry-After"] = str(error.retry_after)
        self._send(None, answer, faulty=False)

    def _send(self, request: Request | None, answer: Answer, *, faulty: bool = True) -> None:
        """An answer of known length; only its body can be cut, dripped or held back, so that the head is whole."""
        body = self._skewed(answer.body, answer.content_type)
        self.send_response(answer.code)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        fault = self._wire_fault(request) if faulty else None
        with self.backend.delivering(answer.objects, surely=fault is None):
            self._write(body, fault)

    def _stream(self, request: Request, stream: Stream) -> None:
        try:
            with self.backend.attendance.of(self.connection, stream.end):
                self.send_response(200)
                self.send_header("Content-Type", stream.content_type)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for batch in stream.frames:
                    self._chunks(request, stream, batch)
                self.wfile.write(b"0\r\n\r\n")
        finally:
            stream.end()

    def _chunks(self, request: Request, stream: Stream, batch: Sequence[Frame]) -> None:
        """A chunk for each frame, as API servers do; one after the other as soon as faults are about."""
        if not self._skew_s and not self.backend.faults.armed():
            with self.backend.delivering(sum(frame.objects for frame in batch)):
                self.wfile.write(b"".join([b"%x\r\n%s\r\n" % (len(frame.data), frame.data) for frame in batch]))
            return
        for frame in batch:
            if fault := self.backend.faults.take(verb_of(request), request.target, "skew"):
                self._skew_s = fault.seconds
            fault = self._wire_fault(request)
            with self.backend.delivering(frame.objects, surely=fault is None):
                self._chunk(self._skewed(frame.data, stream.content_type), fault)

    def _chunk(self, data: bytes, fault: Fault | None) -> None:
        if fault is None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            return
        self.wfile.write(b"%x\r\n" % len(data))
        self._write(data, fault)
        self.wfile.write(b"\r\n")

    def _write(self, data: bytes, fault: Fault | None) -> None:
        if fault is None:
            self.wfile.write(data)
        elif fault.fault == "drip":
            step = piece(fault)
            for start in range(0, len(data), step):
                self.wfile.write(data[start : start + step])
                if self.backend.stopping.wait(fault.seconds):
                    raise _Cut
        else:
            self.wfile.write(data[: len(data) // 2])
            if fault.fault == "half_open":
                self._hang()
            raise _Cut

    def _hang(self) -> None:
        """Sends nothing until the client hangs up or the server stops."""
        gone = threading.Event()
        with self.backend.attendance.of(self.connection, gone.set):
            gone.wait()
        raise _Cut

    def _wire_fault(self, request: Request | None) -> Fault | None:
        return None if request is None else self.backend.faults.take(verb_of(request), request.target, *TRANSPORT)

    def _skewed(self, body: bytes, content_type: str) -> bytes:
        return moved(body, round(self._skew_s) * SECOND) if self._skew_s and content_type.startswith(JSON) else body

    def version_string(self) -> str:
        """The Server header."""
        return "afscope-replay"

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002
        """The Date header: the replay's time, not this machine's."""
        return formatdate(self.backend.pace.now() / SECOND + self._skew_s, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are only of interest to who debugs a client."""
        _LOG.debug(format, *args)
