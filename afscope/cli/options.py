"""Options that several commands share, and how their text becomes values."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Annotated

import typer

from afscope.errors import UsageError
from afscope.model.clock import Micros, parse_time, to_datetime

RECORD, LOOK, EXPLAIN, SHARE, MAINTAIN = GROUPS = ("Record", "Look", "Explain", "Share", "Maintain")
"""The groups of `afscope --help`, in order."""

CapturePath = Annotated[
    Path, typer.Argument(metavar="CAPTURE", help="A NAME.afscope folder or its packed NAME.afscope.zip.")
]
Lang = Annotated[
    str, typer.Option("--lang", metavar="en|zh", help="Language of texts; default from AFSCOPE_LANG, LC_ALL, LANG.")
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="NS/NAME", help="Only this namespace/scaledobject; repeatable. Default: all."),
]
Analyzers = Annotated[
    list[Path] | None,
    typer.Option("--analyzers", metavar="DIR", help="A folder with analyzers of your own; repeatable."),
]
Zone = Annotated[
    str, typer.Option("--tz", metavar="ZONE", help="Time zone for people, e.g. Europe/Berlin. JSON and CSV stay UTC.")
]
Since = Annotated[str, typer.Option("--since", metavar="TIME", help="Ignore what happened before (RFC 3339).")]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="Ignore what happened after (RFC 3339).")]


def choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """`value` if it is allowed; else UsageError that names the flag and the choices."""
    if value not in allowed:
        raise UsageError(f"{name} {value!r} is not one of {', '.join(allowed)}")
    return value


def language(value: str) -> str:
    """`--lang`, else the environment; everything that is not Chinese is English. Raises UsageError."""
    if value:
        return choice("--lang", value, ("en", "zh"))
    env = (os.environ.get(name, "") for name in ("AFSCOPE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, env), "").lower().startswith("zh") else "en"


def moment(name: str, value: str) -> Micros | None:
    """An RFC 3339 option as microseconds; None when it is not given. Raises UsageError."""
    if not value:
        return None
    try:
        return parse_time(value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|[KMGT]i?B?)", re.IGNORECASE)


def seconds(name: str, value: str) -> float | None:
    """A duration option such as 30m, 1h30m, 90s or 90 as seconds; None when it is not given. Raises UsageError."""
    if not value:
        return None
    match = _DURATION.fullmatch(value.strip().lower())
    if match is None or not any(match.groups()):
        raise UsageError(f"{name}: {value!r} is no duration", "write 90s, 30m, 1h30m or 2d")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if total <= 0:
        raise UsageError(f"{name}: {value!r} is no time at all")
    return total


def size(name: str, value: str) -> int | None:
    """A size option such as 2GiB, 500MB or 1048576 as bytes; None when it is not given. Raises UsageError."""
    if not value:
        return None
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise UsageError(f"{name}: {value!r} is no size", "write 500MB, 2GiB or a number of bytes")
    number, unit = float(match[1]), match[2].lower().removesuffix("b")
    base = 1024.0 if unit.endswith("i") else 1000.0
    total = round(number * base ** " kmgt".index(unit[:1] or " "))
    if total <= 0:
        raise UsageError(f"{name}: {value!r} is nothing")
    return total


def zone(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises UsageError."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # not found, "../x", a folder such as "Europe"
        raise UsageError(f"--tz: no time zone {name!r}", "take an IANA name such as UTC or Asia/Shanghai") from error


@dataclass(frozen=True, slots=True)
class People:
    """How times and words are shown to people."""

    zone: tzinfo
    lang: str

    def clock(self, at: Micros) -> str:
        """HH:MM:SS in the zone."""
        return to_datetime(at).astimezone(self.zone).strftime("%H:%M:%S")

    def full(self, at: Micros) -> str:
        """Date, time and zone."""
        return to_datetime(at).astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def people(tz: str, lang: str) -> People:
    """From the values of `--tz` and `--lang`. Raises UsageError."""
    return People(zone(tz), language(lang))


def duration(seconds: float) -> str:
    """Seconds for people: 4.2s, 1m53s, 2h05m."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"
