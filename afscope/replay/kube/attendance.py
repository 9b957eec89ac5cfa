"""Notices clients that hang up while the server has nothing to send to them."""

import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

_Gone = Callable[[], None]


class Attendance:
    """Connections that wait for the server. Their clients send nothing meanwhile: whatever comes is the end."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[socket.socket, list[_Gone]] = {}
        self._selector = selectors.DefaultSelector()
        self._closed = False

    @contextmanager
    def of(self, connection: socket.socket, gone: _Gone) -> Iterator[None]:
        """While this lasts, `gone` is called as soon as the client of the connection has left. May be nested."""
        with self._lock:
            if not self._closed:
                self._add(connection, gone)
        if self._closed:
            gone()
        try:
            yield
        finally:
            with self._lock:
                self._remove(connection, gone)

    def look(self) -> None:
        """Calls `gone` for each client that left since the last look."""
        with self._lock:
            if self._closed:
                return
            ready = [key.fileobj for key, _ in self._selector.select(0)]
            left = [gone for it in ready if isinstance(it, socket.socket) for gone in self._forget(it)]
        for gone in left:
            gone()

    def close(self) -> None:
        """Calls `gone` for all: the server stops."""
        with self._lock:
            left = [gone for connection in list(self._waiting) for gone in self._forget(connection)]
            self._closed = True
            self._selector.close()
        for gone in left:
            gone()

    def _add(self, connection: socket.socket, gone: _Gone) -> None:
        if connection not in self._waiting:
            self._selector.register(connection, selectors.EVENT_READ)
        self._waiting.setdefault(connection, []).append(gone)

    def _remove(self, connection: socket.socket, gone: _Gone) -> None:
        waiting = self._waiting.get(connection)
        if waiting is not None:
            waiting.remove(gone)
            if not waiting:
                self._forget(connection)

    def _forget(self, connection: socket.socket) -> list[_Gone]:
        waiting = self._waiting.pop(connection, None)
        if waiting is None:
            return []
        self._selector.unregister(connection)
        return waiting
