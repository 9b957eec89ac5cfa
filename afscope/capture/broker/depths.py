"""What a broker tells of a queue, and how it is asked."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from afscope.capture.broker.address import Address
from afscope.errors import CannotConnect

WHOLE = "*"
"""Instead of a queue's name, what holds for all queues of a broker together."""


class Depth(NamedTuple):
    """One queue at one moment; None is what this broker does not tell."""

    queue: str
    depth: int | None
    """Messages that wait."""
    unacked: int | None = None
    """Messages that were given to a worker and not yet acknowledged."""
    consumers: int | None = None


class Broker(Protocol):
    """One connection to a broker."""

    def depths(self, queues: Collection[str]) -> list[Depth]:
        """Those of `queues` that exist, and others that the broker tells of. Raises CannotConnect."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...


def connect(choices: list[Address], *, prefix: str = "") -> Broker:
    """The first broker that answers; `prefix` is kombu's global_keyprefix (Redis). Raises CannotConnect."""
    for last, address in enumerate(choices, 1):
        try:
            return _connected(address, prefix)
        except CannotConnect:
            if last == len(choices):
                raise
    raise CannotConnect("no broker is known")


def _connected(address: Address, prefix: str) -> Broker:
    # Neither client is imported by those who have the other broker, or none.
    if address.kind == "redis":
        from afscope.capture.broker.redis import RedisBroker

        return RedisBroker(address, prefix)
    from afscope.capture.broker.rabbitmq import RabbitBroker

    return RabbitBroker(address)
