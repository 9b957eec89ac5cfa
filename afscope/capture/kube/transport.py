"""Connections to the API server: TLS and proxy as the kubeconfig says, and a way to end all waiting on them."""

import contextlib
import ipaddress
import socket
import ssl
import threading
import weakref
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_CONNECTIONS = 64


class Sockets:
    """The open sockets of one cluster. `shutdown` wakes whoever waits for bytes on one, in whatever thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.closed = False

    def opened(self, connected: socket.socket) -> None:
        """Takes note of a socket; after `shutdown` it is of no use."""
        with self._lock:
            self._open.add(connected)
            closed = self.closed
        if closed:
            _shut(connected)

    def shutdown(self) -> None:
        """Ends all of them, and those that come later."""
        with self._lock:
            self.closed = True
            found = list(self._open)
        for one in found:
            _shut(one)


def manager(configuration: Any, sockets: Sockets) -> urllib3.PoolManager:
    """Pools of connections made as `configuration` (of the kubernetes package) says."""
    options: dict[str, Any] = {"maxsize": _CONNECTIONS}
    if configuration.host.startswith("https"):
        options["ssl_context"] = tls(configuration)
        if configuration.tls_server_name:
            options["server_hostname"] = options["assert_hostname"] = configuration.tls_server_name
    if configuration.proxy and not bypasses(configuration.host, configuration.no_proxy or ""):
        made: urllib3.PoolManager = urllib3.ProxyManager(
            configuration.proxy, proxy_headers=configuration.proxy_headers, **options
        )
    else:
        made = urllib3.PoolManager(**options)
    made.pool_classes_by_scheme = _pools(sockets)
    return made


def tls(configuration: Any) -> ssl.SSLContext:
    """What is trusted, and who we are. Raises OSError for files that are missing or no certificates.

    Certificates of clusters need not be RFC 5280's strictest: those of EKS and of older kubeadm have no Authority Key
    Identifier. Go's clients take them; Python since 3.13 refuses them unless it is told not to.
    """
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file or None)
    return context


def bypasses(url: str, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host of a URL, by the rules of Go's clients.

    Entries are separated by commas: `*`, a host or its domain (with or without a leading dot), an address or a network
    in CIDR form, each with an optional port.
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), str(parts.port or {"https": 443}.get(parts.scheme, 80))
    return any(_names(entry.strip().lower(), host, port) for entry in no_proxy.split(","))


def _names(entry: str, host: str, port: str) -> bool:
    if entry == "*":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, _, only = entry.rpartition(":")
    if name and only.isdigit():
        return only == port and _names(name, host, port)
    domain = entry.removeprefix("*").removeprefix(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _pools(sockets: Sockets) -> dict[str, type[HTTPConnectionPool]]:
    """Pools whose connections tell `sockets` of theirs."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            _tell(self.sock)

    class Encrypted(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            _tell(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    def _tell(connected: Any) -> None:
        if connected is not None:
            sockets.opened(connected)

    return {"http": PlainPool, "https": EncryptedPool}


def _shut(connected: socket.socket) -> None:
    # Not SSLSocket's own: that one forgets its keys first, and what is read next is taken for plain text.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
