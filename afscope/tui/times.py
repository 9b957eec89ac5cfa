"""Times as people read and type them. All are UTC and none knows the wall clock."""

import re
from collections.abc import Callable

from afscope.model.clock import SECOND, Micros, parse_time, to_datetime

DAY: Micros = 86_400 * SECOND
_UNITS = {"ms": SECOND // 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY}
_PART = r"\d+(?:\.\d+)?(?:ms|[smhd])"
_DURATION = re.compile(rf"(?:{_PART}\s*)+")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?")


def clock(at: Micros) -> str:
    """HH:MM:SS."""
    return to_datetime(at).strftime("%H:%M:%S")


def precise(at: Micros) -> str:
    """HH:MM:SS.mmm."""
    return f"{clock(at)}.{at % SECOND // 1000:03d}"


def date(at: Micros) -> str:
    """YYYY-MM-DD."""
    return to_datetime(at).strftime("%Y-%m-%d")


def moment(at: Micros, start: Micros, end: Micros, form: Callable[[Micros], str] = clock) -> str:
    """`at` in a form; with month and day in front unless it lies on the one day of the capture [start, end]."""
    return form(at) if date(start) == date(end) == date(at) else f"{date(at)[5:]} {form(at)}"


def between(start: Micros, end: Micros) -> str:
    """A range with its zone; the second date only when it differs."""
    until = clock(end) if date(start) == date(end) else f"{date(end)} {clock(end)}"
    return f"{date(start)} {clock(start)}–{until} UTC"


def duration(span: Micros, *, whole: bool = False) -> str:
    """A length of time: 40ms, 4.2s, 1m53s, 2h05m, 3d04h; `whole` seconds for what changes as one looks."""
    seconds = span / SECOND
    if whole and seconds < 60:
        return f"{seconds:.0f}s"
    if seconds < 1:
        return f"{span // 1000}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours < 48 else f"{hours // 24}d{hours % 24:02d}h"


def _length(text: str) -> Micros:
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"not a length of time: {text!r}")
    parts = re.findall(r"([\d.]+)(ms|[smhd])", text)
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def jump(text: str, *, cursor: Micros, start: Micros, end: Micros) -> Micros:
    """The instant that a person means, within the capture [start, end].

    RFC 3339; "3m ago" counts back from the capture's end; "+5m" and "-30s" count from the cursor; "20:10:39" is the
    day of the capture on which that time lies in it. Raises ValueError for anything else and for what lies outside.
    """
    wanted = text.strip()
    if wanted.lower().endswith("ago"):
        return max(start, end - _length(wanted[:-3].strip()))
    if wanted[:1] in ("+", "-"):
        length = _length(wanted[1:].strip())
        return min(end, max(start, cursor + (length if wanted[0] == "+" else -length)))
    match = _CLOCK.fullmatch(wanted)
    at = _on_its_day(match, start, end) if match else parse_time(wanted)
    if not start <= at <= end:
        raise ValueError(f"outside the capture: {wanted!r}")
    return at


def _on_its_day(match: re.Match[str], start: Micros, end: Micros) -> Micros:
    hours, minutes, seconds, fraction = match.groups()
    of_day = (int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)) * SECOND + int((fraction or "0").ljust(6, "0"))
    at = start // DAY * DAY + of_day
    while at < start and at + DAY <= end:
        at += DAY
    # A person types whole seconds: 20:09:39 means the capture that began at 20:09:39.9.
    return start if start // SECOND == at // SECOND else at
