"""One forwarded connection: a websocket to the kubelet, by way of the API server.

The protocol (kubelet/pkg/cri/streaming/portforward/websocket.go, v4.channel.k8s.io): binary messages begin with the
number of a channel, 0 for data and 1 for an error in words. The first message on each is the port as two bytes.
"""

import selectors
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import websocket

from afscope import __version__
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.endpoint import Backend
from afscope.capture.kube.errors import ApiError, Unreachable, api_error
from afscope.capture.kube.transport import bypasses

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_CONNECT_S = 10.0
# Longest wait for one frame that has begun to come, or for the server to take one.
_STALLED_S = 30.0
_PIECE = 64 * 1024
_LOOK_S = 0.5
_UNAUTHORIZED = 401


class Forward:
    """Opens at once. Raises ApiError (403: not allowed) and Unreachable."""

    def __init__(self, cluster: Cluster, to: Backend) -> None:
        self._to = to
        self._greeted: set[int] = set()
        self._ended = False
        generation = cluster.credentials.generation
        try:
            self._ws = _opened(cluster, to)
        except ApiError as error:
            if error.status != _UNAUTHORIZED:
                raise
            cluster.credentials.renew(generation)
            self._ws = _opened(cluster, to)

    def copy(self, local: socket.socket) -> str:
        """Copies both ways until either side ends. Returns why the far side failed, "" when it did not.

        One thread does both: a TLS connection must not be read and written by two at once.
        """
        far: Any = self._ws.sock
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(far, selectors.EVENT_READ)
                selector.register(local, selectors.EVENT_READ)
                return self._copy(local, selector)
        except websocket.WebSocketConnectionClosedException:
            return ""  # the far side is done, or its pod is
        except (websocket.WebSocketException, OSError) as error:
            return f"the connection broke off: {error}"

    def stop(self) -> None:
        """Ends the copying soon, from any thread."""
        self._ended = True

    def close(self) -> None:
        """Ends the connection."""
        self._ws.shutdown()  # type: ignore[no-untyped-call]

    def _copy(self, local: socket.socket, selector: selectors.BaseSelector) -> str:
        while not self._ended:
            far, near = self._readable(local, selector)
            if near:
                data = local.recv(_PIECE)
                if not data:
                    return ""
                self._ws.send_binary(bytes((_DATA,)) + data)
            if far and (trouble := self._receive(local)):
                return trouble
        return ""

    def _readable(self, local: socket.socket, selector: selectors.BaseSelector) -> tuple[bool, bool]:
        """Whether the far and the near side have something; a TLS record that was read may hold several frames."""
        far: Any = self._ws.sock
        pending = isinstance(far, ssl.SSLSocket) and far.pending() > 0
        ready = {key.fileobj for key, _ in selector.select(0 if pending else _LOOK_S)}
        return pending or far in ready, local in ready

    def _receive(self, local: socket.socket) -> str:
        """One frame; returns the error that it tells, "" for data."""
        opcode, data = self._ws.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self._ended = True
        if opcode != websocket.ABNF.OPCODE_BINARY or not data:
            return ""  # a ping was answered already
        channel, payload = data[0], data[1:]
        if channel not in self._greeted:
            self._greeted.add(channel)
            payload = payload[2:]
        if channel == _DATA:
            local.sendall(payload)
        elif channel == _ERROR and payload:
            return str(payload.decode("utf-8", "replace").strip())
        return ""


def _opened(cluster: Cluster, to: Backend) -> websocket.WebSocket:
    cluster.budget.take()
    url = urlsplit(cluster.server.rstrip("/"))
    scheme = "wss" if url.scheme == "https" else "ws"
    path = f"{url.path}/api/v1/namespaces/{to.namespace}/pods/{to.pod}/portforward?ports={to.port}"
    headers = {"User-Agent": f"afscope/{__version__}"}
    if (authorization := cluster.credentials.authorization()) is not None:
        headers["Authorization"] = authorization
    try:
        ws = websocket.create_connection(
            f"{scheme}://{url.netloc}{path}",
            timeout=_CONNECT_S,
            header=headers,
            subprotocols=[_PROTOCOL],
            suppress_origin=True,
            sslopt=_tls(cluster.credentials.configuration),
            **_proxy(cluster.credentials.configuration),
        )
    except websocket.WebSocketBadStatusException as error:
        body = error.resp_body or b""
        raise api_error(error.status_code, body if isinstance(body, bytes) else body.encode()) from None
    except (websocket.WebSocketException, OSError) as error:
        raise Unreachable(f"{cluster.server}: {getattr(error, 'strerror', None) or error}") from None
    ws.settimeout(_STALLED_S)
    return ws


def _tls(configuration: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "cert_reqs": ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE,
        "check_hostname": bool(configuration.verify_ssl),
    }
    files = {
        "ca_certs": configuration.ssl_ca_cert,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
    }
    return options | {name: value for name, value in files.items() if value}


def _proxy(configuration: Any) -> dict[str, Any]:
    """The proxy of the kubeconfig or the environment: the one that other requests take, or none."""
    if not configuration.proxy or bypasses(configuration.host, configuration.no_proxy or ""):
        return {"http_no_proxy": ["*"]}
    proxy = urlsplit(configuration.proxy)
    return {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port or 3128, "proxy_type": "http"}
