"""An API server that knows some objects and forwards ports, as the kubelet does: v4.channel.k8s.io on a websocket."""

import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from afscope.replay.kube.kubeconfig import kubeconfig

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TOKEN = "token-of-the-test"


@dataclass
class Pods:
    """What is behind the server: JSON per path, where each pod's port really is, and what happened."""

    objects: dict[str, Any] = field(default_factory=dict)
    real: dict[tuple[str, int], int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Status code per path."""
    forwarded: list[str] = field(default_factory=list)
    pings: bool = False
    open: list[socket.socket] = field(default_factory=list)
    token: str = TOKEN

    def pod(self, name: str, port: int, *, real: int = 0, ready: bool = True, **labels: str) -> None:
        meta = {"name": name, "namespace": "air", "labels": labels}
        spec = {"containers": [{"name": "db", "ports": [{"name": "tcp-db", "containerPort": port}]}]}
        status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
        self.objects[f"/api/v1/namespaces/air/pods/{name}"] = {"metadata": meta, "spec": spec, "status": status}
        if real:
            self.real[name, port] = real

    def service(self, name: str, port: int, target: int | str, **selector: str) -> None:
        spec = {"ports": [{"name": "db", "port": port, "targetPort": target}], "selector": selector}
        self.objects[f"/api/v1/namespaces/air/services/{name}"] = {"metadata": {"name": name}, "spec": spec}


def _exactly(stream: Any, n: int) -> bytes:
    data: bytes = stream.read(n)
    if len(data) < n:
        raise ConnectionError
    return data


def read_frame(stream: Any) -> tuple[int, bytes]:
    """One frame of a client: opcode and unmasked payload."""
    first, second = _exactly(stream, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", _exactly(stream, 2))
    elif length == 127:
        (length,) = struct.unpack(">Q", _exactly(stream, 8))
    mask = _exactly(stream, 4)
    data = _exactly(stream, length)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def frame(opcode: int, data: bytes) -> bytes:
    """One frame of a server."""
    size = len(data)
    head = (
        bytes((size,))
        if size < 126
        else b"\x7e" + struct.pack(">H", size)
        if size < 65536
        else b"\x7f" + struct.pack(">Q", size)
    )
    return bytes((0x80 | opcode,)) + head + data


class Server(ThreadingHTTPServer):
    """Answers for `pods`; with a certificate in HTTPS."""

    daemon_threads = True

    def __init__(self, pods: Pods, folder: Path, *, tls: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pods, ca = pods, b""
        if tls:
            from afscope.replay.kube.tls import self_signed

            certificate = self_signed("127.0.0.1")
            ca = certificate.pem
            self.socket = certificate.context().wrap_socket(self.socket, server_side=True)
        self.kubeconfig = folder / "kubeconfig"
        scheme = "https" if tls else "http"
        document = yaml.safe_load(kubeconfig(f"{scheme}://127.0.0.1:{self.server_port}", token=TOKEN, ca_pem=ca))
        del document["clusters"][0]["cluster"]["extensions"]  # this server has no clock of its own
        self.kubeconfig.write_text(yaml.safe_dump(document))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go when they like."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal of the tests."""

    def do_GET(self) -> None:
        url, pods = urlsplit(self.path), self.server.pods
        if self.headers["Authorization"] != f"Bearer {pods.token}":
            self._answer(401, {"kind": "Status", "message": "Unauthorized", "code": 401})
        elif url.path in pods.refused:
            code = pods.refused[url.path]
            self._answer(code, {"kind": "Status", "message": f"{url.path} is forbidden", "code": code})
        elif found := re.fullmatch(r"/api/v1/namespaces/air/pods/([^/]+)/portforward", url.path):
            self._forward(found[1], int(parse_qs(url.query)["ports"][0]))
        elif url.path == "/api/v1/namespaces/air/pods":
            wanted = dict(part.split("=") for part in parse_qs(url.query)["labelSelector"][0].split(","))
            items = [o for path, o in pods.objects.items() if path.startswith(url.path + "/")]
            self._answer(200, {"items": [o for o in items if wanted.items() <= o["metadata"]["labels"].items()]})
        elif url.path in pods.objects:
            self._answer(200, pods.objects[url.path])
        else:
            self._answer(404, {"kind": "Status", "message": f"{url.path} not found", "code": 404})

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _forward(self, pod: str, port: int) -> None:
        pods = self.server.pods
        if f"/api/v1/namespaces/air/pods/{pod}" not in pods.objects:
            self._answer(404, {"kind": "Status", "message": f'pods "{pod}" not found', "code": 404})
            return
        assert "v4.channel.k8s.io" in self.headers["Sec-WebSocket-Protocol"]
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + _GUID).encode()).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept),
                            ("Sec-WebSocket-Protocol", "v4.channel.k8s.io")):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        pods.forwarded.append(pod)
        pods.open.append(self.connection)
        greeting = struct.pack("<H", port)
        self.wfile.write(frame(2, b"\x00" + greeting) + frame(2, b"\x01" + greeting))
        try:
            there = socket.create_connection(("127.0.0.1", pods.real.get((pod, port), 1)))
        except OSError as error:
            self.wfile.write(frame(2, b"\x01" + f"error forwarding port {port} to pod {pod}: {error}".encode()))
            return
        with there:
            back = threading.Thread(target=self._back, args=(there,), daemon=True)
            back.start()
            try:
                while True:
                    opcode, data = read_frame(self.rfile)
                    if opcode == 8:
                        break
                    if opcode == 2:
                        assert data[0] == 0
                        there.sendall(data[1:])
            except (ConnectionError, OSError, ssl.SSLError, ValueError):
                pass  # the client went
            there.shutdown(socket.SHUT_RDWR)
            back.join(10)

    def _back(self, there: socket.socket) -> None:
        try:
            while data := there.recv(65536):
                if self.server.pods.pings:
                    self.wfile.write(frame(9, b"alive"))
                for at in range(0, len(data), 20_000):
                    self.wfile.write(frame(2, b"\x00" + data[at : at + 20_000]))
            self.wfile.write(frame(8, struct.pack(">H", 1000)))
        except (OSError, ValueError):
            return
