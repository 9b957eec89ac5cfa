"""Redis as kombu uses it.

kombu/transport/redis.py: a queue is a list of its name; messages with a priority are in lists of their own, named
queue, separator, step (0, which has the plain name, 3, 6, 9). `_kombu.binding.<exchange>` is a set of what is bound
there: routing key, pattern and queue, divided by the same separator. Messages that a worker holds are in one hash for
all queues, `unacked`. Only lengths are asked for; the hash's values hold the messages.
"""

import ssl
from collections.abc import Collection
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from afscope.capture.broker.address import Address
from afscope.capture.broker.depths import WHOLE, Depth
from afscope.errors import CannotConnect

_SEPARATOR = "\x06\x16"
_STEPS = (0, 3, 6, 9)
_BINDINGS = "_kombu.binding.*"
_UNACKED = "unacked"
_TIMEOUT_S = 3.0
# Bindings are looked for with SCAN, which blocks nobody, each so many polls; a Redis that is also a cache of millions
# of keys is not searched to its end.
_LOOK_EVERY = 60
_SCANS, _KEYS_PER_SCAN = 100, 1000
_CERTS = {"CERT_NONE": "none", "CERT_OPTIONAL": "optional", "CERT_REQUIRED": "required"}


class RedisBroker:
    """Connects at once. Raises CannotConnect."""

    def __init__(self, address: Address, prefix: str = "") -> None:
        self._address, self._prefix = address, prefix
        self._bound: set[str] = set()
        self._polls = 0
        self._seen: set[str] = set()
        try:
            self._client = redis.Redis(connection_pool=_pool(address))
            self._client.ping()
        except (redis.RedisError, OSError, ValueError) as error:
            raise CannotConnect(f"{address}: {_sentence(error)}") from None

    def depths(self, queues: Collection[str]) -> list[Depth]:
        """Bound queues, and those of `queues` that ever held a message; last, the unacknowledged ones of all."""
        try:
            if self._polls % _LOOK_EVERY == 0:
                self._bound = self._bindings()
            self._polls += 1
            return self._lengths(sorted(self._bound | set(queues)))
        except (redis.RedisError, OSError) as error:
            raise CannotConnect(f"{self._address}: {_sentence(error)}") from None

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()
        self._client.connection_pool.disconnect()

    def _lengths(self, queues: list[str]) -> list[Depth]:
        pipeline = self._client.pipeline(transaction=False)
        for queue in queues:
            for step in _STEPS:
                pipeline.llen(self._prefix + (f"{queue}{_SEPARATOR}{step}" if step else queue))
        pipeline.hlen(self._prefix + _UNACKED)
        *lengths, unacked = pipeline.execute(raise_on_error=False)
        if isinstance(unacked, NoPermissionError):
            raise unacked
        found = []
        for at, queue in enumerate(queues):
            # A key of that name that is no list (WRONGTYPE) is no queue.
            waiting = [n for n in lengths[at * len(_STEPS) : (at + 1) * len(_STEPS)] if isinstance(n, int)]
            if sum(waiting):
                self._seen.add(queue)
            if waiting and (queue in self._bound or queue in self._seen):
                found.append(Depth(queue, sum(waiting)))
        if isinstance(unacked, int):
            found.append(Depth(WHOLE, None, unacked))
        return found

    def _bindings(self) -> set[str]:
        """Queues that some worker or producer declared, without those of remote control and of events."""
        queues: set[str] = set()
        cursor: Any = 0
        for _ in range(_SCANS):
            cursor, keys = self._client.scan(cursor, match=self._prefix + _BINDINGS, count=_KEYS_PER_SCAN, _type="SET")
            for key in keys:
                queues |= {_text(member).rpartition(_SEPARATOR)[2] for member in self._client.smembers(key)}
            if cursor == 0:
                break
        return {queue for queue in queues if queue and not _internal(queue)}


def _text(member: bytes | str) -> str:
    return member if isinstance(member, str) else member.decode("utf-8", "replace")


def _internal(queue: str) -> bool:
    """celery/app/control.py and celery/events: mailboxes and event streams come and go with each worker."""
    return queue.endswith(".pidbox") or queue.startswith("celeryev")


def _pool(address: Address) -> Any:
    options: dict[str, Any] = {
        "username": address.user or None, "password": address.password or None, "socket_timeout": _TIMEOUT_S,
        "client_name": "afscope",
    }  # fmt: skip
    if address.socket:
        database = address.options.get("virtual_host", "0")
        return redis.ConnectionPool(
            redis.UnixDomainSocketConnection, path=address.path, db=_database(database), **options
        )
    options |= {"host": address.host, "port": address.port, "db": _database(address.path)}
    options["socket_connect_timeout"] = _TIMEOUT_S
    if not address.tls:
        return redis.ConnectionPool(redis.Connection, **options)
    asked = {name: value for name, value in address.options.items() if name.startswith("ssl_")}
    certs = asked.get("ssl_cert_reqs", "required")
    asked["ssl_cert_reqs"] = _CERTS.get(certs.removeprefix("ssl."), certs)
    known = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    options |= {name: value for name, value in asked.items() if name in known}
    options["ssl_check_hostname"] = asked["ssl_cert_reqs"] == "required" and ssl.HAS_SNI
    return redis.ConnectionPool(redis.SSLConnection, **options)


def _database(text: str) -> int:
    """kombu takes the path of the URL as the database, 0 without one."""
    if text and not text.isdigit():
        raise CannotConnect("the URL of the broker names no Redis database", "expected redis://host:port/NUMBER")
    return int(text or 0)


def _sentence(error: Exception) -> str:
    if isinstance(error, redis.AuthenticationError):
        return "the login is refused"
    return (str(error).strip() or type(error).__name__).splitlines()[0]
