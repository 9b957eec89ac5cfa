"""TCP between a client and a server, where things can go wrong."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from afscope.capture.airflow.login import Login, replace_address
from tests.capture.airflow.lab import Lab


class Line:
    """A TCP relay in front of a server: it can be cut, and it can fall silent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.silent = threading.Event()
        self._pairs: list[socket.socket] = []
        self._listening = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Nobody is connected any more."""
        for end in self._pairs:
            _shut(end)
            end.close()
        self._pairs.clear()

    def close(self) -> None:
        self._listening = False
        self._listener.close()
        self.cut()

    def passed(self, data: bytes, source: socket.socket) -> bytes:
        """What is sent on of what `source` sent."""
        return data

    def _accept(self) -> None:
        while self._listening:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._pairs += [near, far]
            threading.Thread(target=self._relay, args=(near, far), daemon=True).start()
            threading.Thread(target=self._relay, args=(far, near), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self.silent.is_set():
                    continue
                sink.sendall(self.passed(data, source))
        except OSError:
            return
        finally:
            _shut(sink)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@contextmanager
def line_to(lab: Lab, kind: type[Line] = Line) -> Iterator[tuple[Line, Login]]:
    login = lab.login()
    line = kind(login.url.host or "127.0.0.1", login.url.port or 0)
    try:
        yield line, replace_address(login, "127.0.0.1", line.port)
    finally:
        line.close()
