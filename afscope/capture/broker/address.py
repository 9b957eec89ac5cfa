"""Where the Celery broker is: Airflow's `[celery] broker_url`, as celery reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from afscope.capture.given import Source, source_of
from afscope.errors import CannotConnect

NAME = "AIRFLOW__CELERY__BROKER_URL"
_REDIS = {"redis": False, "rediss": True, "redis+socket": False, "unix": False}
_RABBITMQ = {"amqp": False, "amqps": True, "pyamqp": False}
_PORTS = {("redis", False): 6379, ("redis", True): 6379, ("rabbitmq", False): 5672, ("rabbitmq", True): 5671}


@dataclass(frozen=True, slots=True)
class Address:
    """One broker. `path` is the number of the Redis database, the virtual host of RabbitMQ, or the path of a socket."""

    kind: str
    """redis or rabbitmq."""
    tls: bool
    host: str
    port: int
    path: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    socket: bool = False
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What stood in the URL's query."""

    def __str__(self) -> str:
        """For people: without user and password."""
        return f"{self.kind} at {self.path if self.socket else f'{self.host}:{self.port}'}"


def broker_source(environ: Mapping[str, str] = os.environ, url_file: Path | None = None) -> Source | None:
    """Where the URL comes from; None when nobody tells. Raises CannotConnect for a secrets backend."""
    return source_of((NAME,), url_file, environ, flag="--broker-url-file")


def default_queues(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The queue of tasks that name none, where it was set: [operators] default_queue, in Airflow 1 [celery]."""
    names = ("AIRFLOW__OPERATORS__DEFAULT_QUEUE", "AIRFLOW__CELERY__DEFAULT_QUEUE")
    return tuple(environ[name] for name in names if environ.get(name))


def key_prefix(environ: Mapping[str, str] = os.environ) -> str:
    """[celery_broker_transport_options] global_keyprefix: what kombu puts before every key in Redis."""
    return environ.get("AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX", "")


def addresses(text: str) -> list[Address]:
    """The brokers of a URL: celery takes several, divided by `;`, to fail over to. Raises CannotConnect.

    No message holds more of the text than its scheme.
    """
    found = [_address(part.strip()) for part in text.split(";") if part.strip()]
    if not found:
        raise CannotConnect("the URL of the broker is empty", "expected redis://… or amqp://…")
    return found


def _address(text: str) -> Address:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise CannotConnect("the URL of the broker is none", "expected redis://… or amqp://…") from None
    scheme, socket = url.scheme.lower(), url.scheme.lower() in ("redis+socket", "unix")
    kind = "redis" if scheme in _REDIS else "rabbitmq" if scheme in _RABBITMQ else ""
    if not kind:
        raise _unsupported(scheme)
    tls = (_REDIS | _RABBITMQ)[scheme]
    path = unquote(url.path if socket else url.path.removeprefix("/"))
    return Address(
        kind, tls, url.hostname or "localhost", port or _PORTS[kind, tls], path, _text(url.username),
        _text(url.password), socket, dict(parse_qsl(url.query)),
    )  # fmt: skip


def _unsupported(scheme: str) -> CannotConnect:
    if not scheme:
        return CannotConnect("the URL of the broker is none", "expected redis://… or amqp://…")
    if scheme == "sentinel":
        return CannotConnect(
            "queue depths behind Redis Sentinel are not supported", "give the URL of the master with --broker-url-file"
        )
    return CannotConnect(f"queue depths of {scheme} brokers are not supported", "Redis and RabbitMQ are")


def _text(part: str | None) -> str | None:
    return None if part is None else unquote(part)
