"""Brokers of one's own on the servers of this machine, filled as kombu fills them."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pytest
import redis

REDIS = os.environ.get("AFSCOPE_TEST_REDIS", "redis://127.0.0.1:6379/11")
RABBITMQ = os.environ.get("AFSCOPE_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")
SEPARATOR = "\x06\x16"


def name() -> str:
    """A queue nobody else has."""
    return f"afscope_{uuid.uuid4().hex[:10]}"


class Kombu:
    """The keys that kombu's Redis transport writes, under a prefix of their own."""

    def __init__(self, client: "redis.Redis", prefix: str) -> None:
        self.client, self.prefix = client, prefix

    def bind(self, queue: str, exchange: str = "") -> None:
        member = SEPARATOR.join((queue, "", queue))
        self.client.sadd(f"{self.prefix}_kombu.binding.{exchange or queue}", member)

    def publish(self, queue: str, n: int = 1, priority: int = 0) -> None:
        key = f"{self.prefix}{queue}" + (f"{SEPARATOR}{priority}" if priority else "")
        body = json.dumps({"body": "secret-body", "headers": {"task": "execute_command"}})
        self.client.lpush(key, *([body] * n))

    def take(self, queue: str) -> None:
        message = self.client.rpop(f"{self.prefix}{queue}")
        self.client.hset(f"{self.prefix}unacked", uuid.uuid4().hex, json.dumps([str(message), queue, queue]))


@contextmanager
def kombu() -> Iterator[Kombu]:
    """Skips when there is no Redis."""
    client = redis.Redis.from_url(REDIS, socket_connect_timeout=3)
    try:
        client.ping()
    except redis.RedisError as error:
        pytest.skip(f"no Redis at {REDIS}: {error}")
    prefix = name()
    try:
        yield Kombu(client, prefix)
    finally:
        for key in list(client.scan_iter(f"{prefix}*")):
            client.delete(key)
        client.close()


@contextmanager
def rabbit() -> Iterator[Any]:
    """A channel. Skips when there is no RabbitMQ."""
    try:
        connection = pika.BlockingConnection(pika.URLParameters(RABBITMQ.replace("5672//", "5672/%2F")))
    except (pika.exceptions.AMQPError, OSError) as error:
        pytest.skip(f"no RabbitMQ at 127.0.0.1:5672: {error!r}")
    try:
        yield connection.channel()
    finally:
        connection.close()
