"""Values as drivers and dumps give them: times as ISO text or datetime, booleans as 0 and 1, numbers as text."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from afscope.model.clock import Micros, from_datetime, parse_time

Values = Mapping[str, Any]
_INT64 = (-(2**63), 2**63 - 1)


def time_of(value: Any) -> Micros | None:
    """A time; without a zone it is UTC, as MariaDB and old columns keep it. None for what is no time."""
    if isinstance(value, datetime):
        return from_datetime(value)
    if not isinstance(value, str) or not value:
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None


def truth(value: Any) -> bool | None:
    """A boolean; MySQL has 0 and 1, dumps have t and f."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.lower() in ("t", "true", "1", "y", "yes")
    return bool(value)


def integer(value: Any) -> int | None:
    """A whole number, None for null, for what is none and for what no column of a database holds."""
    try:
        number = None if value is None else int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is None or _INT64[0] <= number <= _INT64[1] else None


def real(value: Any) -> float | None:
    """A number, None for null and what is none."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def words(value: Any) -> str | None:
    """A text; ids of Airflow 3 may come as UUID objects."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if isinstance(value, str) else str(value)
