"""How far the DB server's clock runs ahead of the recorder's."""

import sqlalchemy as sa

from afscope.capture.airflow.session import Reader
from afscope.model.capture import ClockOffset
from afscope.model.clock import Clock, Micros, from_datetime

# Smaller changes are noise of the round trip.
_NOTABLE: Micros = 10_000
_NOW = {"postgresql": sa.select(sa.func.clock_timestamp()), "mysql": sa.select(sa.func.utc_timestamp(6))}


def clock_offset(reader: Reader, clock: Clock) -> ClockOffset | None:
    """The server's now against the middle of the round trip, give or take half of it; None for SQLite."""
    statement = _NOW.get(reader.backend)
    if statement is None:
        return None
    asked = clock.now()
    said = reader.one(statement)
    answered = clock.now()
    half = (answered - asked + 1) // 2
    return ClockOffset(from_datetime(said) - asked - half, half)


def differs(new: ClockOffset, old: ClockOffset | None) -> bool:
    """Whether an offset says more than the one before: it moved by more than both are sure of, or is much surer."""
    if old is None:
        return True
    moved = abs(new.offset_us - old.offset_us) > _NOTABLE + new.uncertainty_us + old.uncertainty_us
    return moved or new.uncertainty_us < old.uncertainty_us // 4
