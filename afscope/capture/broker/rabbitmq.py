"""RabbitMQ, without its management API: a passive declare of a queue tells its length and its consumers."""

import logging
import ssl
import time
from collections.abc import Collection

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, ProbableAuthenticationError

from afscope.capture.broker.address import Address
from afscope.capture.broker.depths import Depth
from afscope.errors import CannotConnect

_TIMEOUT_S = 3.0
# A server that vanished without a word is noticed after two of them.
_HEARTBEAT_S = 15
# Each question for a queue that is not there is an error in the server's log.
_ASK_AGAIN_S = 60.0
# Not found; not ours to see; exclusive to another connection.
_NOT_FOR_US = (404, 403, 405)


class RabbitBroker:
    """Connects at once. Raises CannotConnect."""

    def __init__(self, address: Address) -> None:
        # pika logs every refusal with a traceback; they are told in our own words.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self._address = address
        self._absent: dict[str, float] = {}
        try:
            self._connection = pika.BlockingConnection(_parameters(address))
            self._channel: BlockingChannel | None = None
        except (AMQPError, OSError, ValueError) as error:
            raise CannotConnect(f"{address}: {_sentence(error)}") from None

    def depths(self, queues: Collection[str]) -> list[Depth]:
        """Those of `queues` that exist: messages that wait, and consumers."""
        now = time.monotonic()
        asked = [queue for queue in sorted(queues) if now - self._absent.get(queue, now - _ASK_AGAIN_S) >= _ASK_AGAIN_S]
        try:
            self._opened().basic_qos()  # shows that the server is there, even when no queue is asked for
            return [found for queue in asked if (found := self._depth(queue)) is not None]
        except (AMQPError, OSError) as error:
            raise CannotConnect(f"{self._address}: {_sentence(error)}") from None

    def close(self) -> None:
        """Ends the connection; one that is broken is ended already."""
        try:
            self._connection.close()
        except (AMQPError, OSError):
            return

    def _opened(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self._channel = self._connection.channel()
        return self._channel

    def _depth(self, queue: str) -> Depth | None:
        try:
            told = self._opened().queue_declare(queue, passive=True).method
        except ChannelClosedByBroker as error:
            if error.reply_code not in _NOT_FOR_US:
                raise
            self._absent[queue] = time.monotonic()
            return None
        self._absent.pop(queue, None)
        return Depth(queue, told.message_count, consumers=told.consumer_count)


def _parameters(address: Address) -> pika.ConnectionParameters:
    context = None
    if address.tls:
        context = ssl.create_default_context(cafile=address.options.get("ssl_ca_certs"))
        if address.options.get("ssl_cert_reqs", "").endswith(("CERT_NONE", "none")):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.path or "/",
        credentials=pika.PlainCredentials(address.user or "guest", address.password or "guest"),
        ssl_options=None if context is None else pika.SSLOptions(context, address.host),
        heartbeat=_HEARTBEAT_S,
        blocked_connection_timeout=_HEARTBEAT_S,
        socket_timeout=_TIMEOUT_S,
        stack_timeout=3 * _TIMEOUT_S,
        connection_attempts=1,
        client_properties={"connection_name": "afscope"},
    )


def _sentence(error: Exception) -> str:
    """pika puts the reason into attributes, or into the error that another one wraps."""
    if isinstance(error, ProbableAuthenticationError):
        return "the login is refused"
    inner = next((arg for arg in error.args if isinstance(arg, Exception)), None)
    reason = getattr(inner, "exception", None) or inner or error
    text = getattr(reason, "reply_text", None) or getattr(reason, "strerror", None) or str(reason)
    return (str(text).strip() or type(reason).__name__).splitlines()[0]
