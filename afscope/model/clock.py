"""Time as the whole program keeps it: UTC microseconds since the epoch, as an int.

A capture carries its own clock; nothing that judges a capture may look at the wall clock.
"""

import re
import time
from datetime import UTC, datetime
from typing import Protocol

Micros = int
SECOND: Micros = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 3339 with any number of fractional digits: MicroTime has six, Go may print nine; ISO dumps have a space for T, and
# PostgreSQL writes zones of whole hours as +00.
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d(?::?\d\d)?)?")


class Clock(Protocol):
    """Where a recorder takes its time from, so that a replay at any speed records the replay's own time."""

    def now(self) -> Micros:
        """The current time."""
        ...


class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> Micros:
        """The current time."""
        return time.time_ns() // 1000


def parse_time(text: str) -> Micros:
    """RFC 3339 (or the ISO form of database dumps) to microseconds; a time without a zone is UTC.

    Raises ValueError with the offending text.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a time: {text!r} (expected RFC 3339 such as 2026-11-22T20:22:26Z)")
    date, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:] or '00'}"
    moment = datetime.fromisoformat(f"{date}T{clock}{zone}")
    return from_datetime(moment) + int((fraction or "0").ljust(6, "0")[:6])


def from_datetime(moment: datetime) -> Micros:
    """An aware datetime to microseconds; a naive one is taken as UTC. Exact, unlike `timestamp()`."""
    delta = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def from_seconds(seconds: float) -> Micros:
    """Epoch seconds (float) to microseconds, rounded."""
    return round(seconds * SECOND)


def to_datetime(at: Micros) -> datetime:
    """Microseconds to an aware UTC datetime."""
    return datetime.fromtimestamp(at // SECOND, tz=UTC).replace(microsecond=at % SECOND)


def rfc3339(at: Micros) -> str:
    """Microseconds to RFC 3339 UTC with six fractional digits: the form of every machine output."""
    return to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
