"""How long ago, as kubectl's tables say it.

Source: k8s.io/apimachinery pkg/util/duration HumanDuration; kubernetes pkg/printers/internalversion
translateTimestampSince.
"""

from typing import Any

from afscope.model.clock import SECOND, Micros, parse_time

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 31_536_000


def age(value: Any, now: Micros) -> str:
    """The age of an RFC 3339 time at `now`; `<unknown>` for none."""
    at = moment(value)
    return "<unknown>" if at is None else human(now - at)


def moment(value: Any) -> Micros | None:
    """An RFC 3339 time as microseconds; None for none, and for what is no time."""
    try:
        return parse_time(value) if isinstance(value, str) and value else None
    except ValueError:
        return None


def human(duration: Micros) -> str:
    """A duration with at most two units, the finer one only while it matters."""
    seconds = int(duration / SECOND)  # towards zero, as Go does
    if seconds < -1:
        return "<invalid>"
    if duration < 0:
        return "0s"
    days = seconds // _DAY
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 10 * _MINUTE:
        return _two(seconds // _MINUTE, "m", seconds % _MINUTE, "s")
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 8 * _HOUR:
        return _two(seconds // _HOUR, "h", seconds % _HOUR // _MINUTE, "m")
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    if seconds < 8 * _DAY:
        return _two(days, "d", seconds % _DAY // _HOUR, "h")
    if seconds < 2 * _YEAR:
        return f"{days}d"
    if seconds < 8 * _YEAR:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(coarse: int, coarse_unit: str, fine: int, fine_unit: str) -> str:
    return f"{coarse}{coarse_unit}{fine}{fine_unit}" if fine else f"{coarse}{coarse_unit}"
