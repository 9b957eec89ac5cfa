"""Port forwarding to services that a replay is told of: something real behind a cluster that is only recorded.

Pods of a recording run no more, so nothing can be forwarded to them. For `svc/db:5432=127.0.0.1:5432` there is a
Service `db` with one ready pod `db-0` behind it. That pod is found by the service's selector alone (a list of all pods
does not have it, as nobody recorded it), and what is forwarded to it goes to the address given.

The protocol is the kubelet's on a websocket (pkg/kubelet/cri/streaming/portforward/websocket.go, v4.channel.k8s.io):
binary messages begin with the number of a channel, 0 for data and 1 for errors, and the first on each is the port.
"""

import re
import selectors
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from afscope.errors import UsageError
from afscope.replay.kube.exchange import Answer, Request, document
from afscope.replay.kube.status import ApiError, bad_request
from afscope.replay.kube.websocket import BINARY, CLOSE, NORMAL, PING, PONG, Frames, NoFrame, frame

PROTOCOL = "v4.channel.k8s.io"
_LABEL = "afscope.dev/forward"
_DATA, _ERROR = 0, 1
_FORM = re.compile(
    r"svc/(?P<name>[a-z0-9-]+)(?:\.(?P<namespace>[a-z0-9-]+))?:(?P<port>\d+)=(?P<host>[^\s:]+|\[[0-9a-f:]+\]):(?P<there>\d+)"
)
_NO_SPDY = (
    "this replay does not speak SPDY, and kubectl port-forward nothing else: connect to the address that was given to "
    f"`afscope serve --forward`, or forward by afscope's --db-via (a websocket with the protocol {PROTOCOL})"
)
_CONNECT_S = 10.0
_STALLED_S = 30.0
_PIECE = 64 * 1024


class Forward(NamedTuple):
    """A service of the replay, and the address that stands behind it."""

    namespace: str
    service: str
    port: int
    address: tuple[str, int]

    @property
    def pod(self) -> str:
        """The pod behind the service."""
        return f"{self.service}-0"

    @classmethod
    def parse(cls, text: str) -> "Forward":
        """From svc/NAME[.NAMESPACE]:PORT=HOST:PORT; without a namespace it is `default`. Raises UsageError."""
        found = _FORM.fullmatch(text)
        port, there = (int(found["port"]), int(found["there"])) if found else (0, 0)
        if found is None or not (0 < port < 65536 and 0 < there < 65536):
            raise UsageError(f"--forward {text!r}: not of the form svc/NAME[.NAMESPACE]:PORT=HOST:PORT")
        return cls(found["namespace"] or "default", found["name"], port, (found["host"].strip("[]"), there))


class Forwards:
    """Answers for the services and pods that are not recorded but told of."""

    def __init__(self, told: Iterable[Forward] = ()) -> None:
        self._told = tuple(told)

    def answer(self, request: Request) -> Answer | None:
        """A service, its pod, or the list of pods that its selector finds; None for everything else."""
        if request.method != "GET":
            return None
        for one in self._told:
            match request.segments:
                case ("api", "v1", "namespaces", one.namespace, "services", one.service):
                    return document(_service(one))
                case ("api", "v1", "namespaces", one.namespace, "pods", one.pod):
                    return document(_pod(one))
                case ("api", "v1", "namespaces", one.namespace, "pods") if _selected(request, one):
                    return document({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [_pod(one)]})
        return None

    def wanted(self, request: Request) -> tuple[Forward, int] | None:
        """Where a connection to a pod is to go, and the port it named; None when it is about something else.

        Raises ApiError for a pod without a forward, several ports, and a protocol that is not spoken here.
        """
        match request.segments:
            case ("api", "v1", "namespaces", namespace, "pods", pod, "portforward"):
                pass
            case _:
                return None
        protocols = [part.strip() for part in request.headers.get("sec-websocket-protocol", "").split(",")]
        if request.headers.get("upgrade", "").lower() != "websocket" or PROTOCOL not in protocols:
            raise bad_request(_NO_SPDY)
        ports = request.query.get("ports", "")
        if not ports.isdigit():
            raise bad_request(f"ports must be one number, not {ports!r}")
        for one in self._told:
            if (one.namespace, one.pod) == (namespace, pod):
                return one, int(ports)
        raise ApiError(404, "NotFound", f"nothing runs in pod {namespace}/{pod} of this replay; see serve --forward")


def _selected(request: Request, one: Forward) -> bool:
    return request.query.get("labelSelector") == f"{_LABEL}={one.service}"


def _meta(one: Forward, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": one.namespace, "labels": {_LABEL: one.service}}


def _service(one: Forward) -> dict[str, Any]:
    spec = {"selector": {_LABEL: one.service}, "ports": [{"port": one.port, "targetPort": one.port}]}
    return {"kind": "Service", "apiVersion": "v1", "metadata": _meta(one, one.service), "spec": spec}


def _pod(one: Forward) -> dict[str, Any]:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    spec = {"containers": [{"name": one.service, "ports": [{"containerPort": one.port}]}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": _meta(one, one.pod), "spec": spec, "status": status}


def copy(client: socket.socket, to: Forward, port: int) -> None:
    """Copies both ways, after the handshake, until either side ends.

    One thread does both: a TLS connection must not be read and written by two at once.
    """
    greeting = struct.pack("<H", port)
    client.sendall(frame(BINARY, bytes((_DATA,)) + greeting) + frame(BINARY, bytes((_ERROR,)) + greeting))
    try:
        if port != to.port:
            raise ConnectionRefusedError(f"nothing listens on {port}")
        there = socket.create_connection(to.address, timeout=_CONNECT_S)
    except OSError as error:
        words = f"error forwarding port {port} to pod {to.pod}: {error}"
        client.sendall(frame(BINARY, bytes((_ERROR,)) + words.encode()))
        return
    with there, selectors.DefaultSelector() as selector:
        for one in (client, there):
            one.settimeout(_STALLED_S)
            selector.register(one, selectors.EVENT_READ)
        _copy(client, there, selector)


def _copy(client: socket.socket, there: socket.socket, selector: selectors.BaseSelector) -> None:
    frames = Frames()
    while True:
        pending = isinstance(client, ssl.SSLSocket) and client.pending() > 0
        ready = {key.fileobj for key, _ in selector.select(0 if pending else None)}
        if pending or client in ready:
            data = client.recv(_PIECE)
            if not data or not _deliver(frames, data, there.sendall, client.sendall):
                return
        if there in ready:
            data = there.recv(_PIECE)
            if not data:
                client.sendall(frame(CLOSE, NORMAL))
                return
            client.sendall(frame(BINARY, bytes((_DATA,)) + data))


def _deliver(frames: Frames, data: bytes, there: Callable[[bytes], None], back: Callable[[bytes], None]) -> bool:
    """Hands on what a client sent; False when it was its last word."""
    try:
        for opcode, payload in frames.feed(data):
            if opcode == CLOSE:
                return False
            if opcode == PING:
                back(frame(PONG, payload))
            elif opcode == BINARY and payload[:1] == bytes((_DATA,)):
                there(payload[1:])
    except NoFrame:
        return False
    return True
