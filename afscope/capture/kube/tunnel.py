"""A tunnel through the Kubernetes API: a port of this machine that leads to a pod of the cluster."""

import contextlib
import socket
import threading
from types import TracebackType

from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.endpoint import Backend, Goal, backends
from afscope.capture.kube.errors import ApiError
from afscope.capture.kube.forward import Forward
from afscope.errors import CannotConnect

_FORBIDDEN = 403
_PATIENCE_S = 5.0
# A client that takes nothing for so long is none.
_STALLED_S = 30.0


class Tunnel:
    """Listens on 127.0.0.1 from the beginning; each connection is forwarded to a ready pod, looked up anew.

    Raises CannotConnect when nothing can be forwarded now. Use as a context manager, or `close` it.
    """

    host = "127.0.0.1"

    def __init__(self, cluster: Cluster, goal: Goal) -> None:
        self._cluster, self._goal = cluster, goal
        self.trouble = ""
        """Why the last connection could not be forwarded, or broke off; "" when all is well."""
        self._lock = threading.Lock()
        self._closed = False
        self._forwards: set[Forward] = set()
        self._threads: set[threading.Thread] = set()
        self._open().close()  # so that a missing right is told now, and in its own words
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name=f"tunnel to {goal}", daemon=True).start()

    def __enter__(self) -> "Tunnel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the port and every connection."""
        with self._lock:
            self._closed = True
            forwards, threads = list(self._forwards), list(self._threads)
        with contextlib.suppress(OSError):  # an accept that waits is only ended so
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for forward in forwards:
            forward.stop()
        for thread in threads:
            thread.join(_PATIENCE_S)

    def _accept(self) -> None:
        while True:
            try:
                local, _ = self._listener.accept()
            except OSError:
                return  # closed
            thread = threading.Thread(target=self._serve, args=(local,), name=f"through {self._goal}", daemon=True)
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def _serve(self, local: socket.socket) -> None:
        """One connection. A client sees a forward that fails as a server that hangs up."""
        with local:
            local.settimeout(_STALLED_S)
            try:
                forward = self._open()
            except CannotConnect as error:
                self.trouble = str(error)
            else:
                self._copy(forward, local)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _copy(self, forward: Forward, local: socket.socket) -> None:
        with self._lock:
            self._forwards.add(forward)
            closed = self._closed
        try:
            if not closed:
                self.trouble = forward.copy(local)
        finally:
            with self._lock:
                self._forwards.discard(forward)
            forward.close()

    def _open(self) -> Forward:
        """To the first pod that can be reached."""
        failed: CannotConnect | None = None
        for backend in backends(self._cluster, self._goal):
            try:
                return Forward(self._cluster, backend)
            except ApiError as error:
                if error.status == _FORBIDDEN:
                    raise _refused(backend) from None
                failed = error
            except CannotConnect as error:
                failed = error
        assert failed is not None  # noqa: S101  (there is at least one backend)
        raise CannotConnect(f"{self._goal}: {failed.what}", failed.hint) from None


def _refused(backend: Backend) -> CannotConnect:
    return CannotConnect(
        f"a tunnel to pod {backend.namespace}/{backend.pod} is not allowed",
        f"allow create (and get, which websockets are) on pods/portforward in {backend.namespace}",
    )
