"""A client as raw as possible: the server's bytes, not what a library makes of them."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

DEADLINE = 30.0
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition, for a generous while."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.005)


class Reply(NamedTuple):
    """A whole answer."""

    code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def names(self) -> list[str]:
        """Names of the items of a list."""
        return [item["metadata"]["name"] for item in self.json["items"]]


class Client:
    """Asks one server, a connection per request."""

    def __init__(self, url: str, *, token: str = "", accept: str = "application/json") -> None:
        self._address = urlsplit(url)
        self._headers = {"Accept": accept}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **headers: str) -> Reply:
        """GET."""
        return self.send("GET", path, None, **headers)

    def post(self, path: str, body: Any) -> Reply:
        """POST of a JSON document."""
        return self.send("POST", path, json.dumps(body).encode())

    def send(self, method: str, path: str, body: bytes | None, **headers: str) -> Reply:
        """Any method."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {**self._headers, **headers})
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.headers.items()), answer.read())
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """A connection, for who wants to see it break."""
        return http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=DEADLINE)

    def request(self, path: str) -> http.client.HTTPConnection:
        """A connection on which a GET has been sent and not been answered yet."""
        connection = self.connect()
        connection.request("GET", path, None, self._headers)
        return connection

    def watch(self, path: str) -> "Following":
        """An open watch (or followed log) that is read in the background."""
        return Following(self.request(path))


class Following:
    """Reads the lines of a stream as they come."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self.lines: list[bytes] = []
        self.broken: Exception | None = None
        """How the stream broke, if it did not end properly."""
        self.ended = threading.Event()
        self._answer = connection.getresponse()
        self.code = self._answer.status
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while line := self._answer.readline():
                self.lines.append(line)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            self.broken = error
        self._answer.close()
        self._connection.close()
        self.ended.set()

    @property
    def frames(self) -> list[dict[str, Any]]:
        """All frames so far."""
        return [json.loads(line) for line in list(self.lines) if line.endswith(b"\n")]

    @property
    def told(self) -> list[tuple[str, str]]:
        """(type, name) of all frames about objects so far."""
        return [
            (f["type"], f["object"]["metadata"]["name"]) for f in self.frames if f["type"] not in ("BOOKMARK", "ERROR")
        ]

    def until(self, condition: Callable[[list[dict[str, Any]]], bool], what: str = "frames") -> list[dict[str, Any]]:
        """Waits for the frames to be as wanted, and returns them."""
        wait_until(lambda: condition(self.frames), f"{what}; there are {self.frames!r:.2000}")
        return self.frames

    def count(self, number: int) -> list[dict[str, Any]]:
        """Waits for this many frames."""
        return self.until(lambda frames: len(frames) >= number, f"{number} frames")

    def close(self) -> None:
        """Hangs up."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self.ended.wait(DEADLINE)
