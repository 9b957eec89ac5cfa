"""Moves a log line in time: the time that stands at its head, in whatever form its writer has."""

import re
from datetime import UTC, datetime, timedelta

from afscope.model.clock import SECOND, Micros, to_datetime

# The envelopes put their time within the first characters; JSON lines name it, wherever it stands.
_HEAD = 48
_ISO = re.compile(rb"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)")
_KLOG = re.compile(rb"([IWEF])(\d\d)(\d\d) (\d\d:\d\d:\d\d)")
_JSON_ISO = re.compile(rb'("(?:timestamp|ts|time)"\s*:\s*")(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)')
_JSON_EPOCH = re.compile(rb'("(?:timestamp|ts|time)"\s*:\s*)(\d{9,10})(?=[.,}\s])')


def restamped(line: bytes, at: Micros, shift: Micros) -> bytes:
    """The line with its own time moved by `shift`, whole seconds; `at` is that time, which tells the year of klog."""
    if not shift:
        return line
    if line.startswith(b"{"):
        return _json(line, shift)
    if match := _KLOG.match(line):
        moved = to_datetime(at + shift)
        return b"%s%s%s" % (match[1], moved.strftime("%m%d %H:%M:%S").encode(), line[match.end() :])
    match = _ISO.search(line, 0, _HEAD)
    return (
        line
        if match is None
        else line[: match.start()] + _iso(match[1], match[2], match[3], shift) + line[match.end() :]
    )


def _json(line: bytes, shift: Micros) -> bytes:
    line = _JSON_ISO.sub(lambda match: match[1] + _iso(match[2], match[3], match[4], shift), line, count=1)
    return _JSON_EPOCH.sub(lambda match: b"%s%d" % (match[1], int(match[2]) + shift // SECOND), line, count=1)


def _iso(date: bytes, separator: bytes, clock: bytes, shift: Micros) -> bytes:
    try:
        at = datetime.fromisoformat(f"{date.decode()}T{clock.decode()}").replace(tzinfo=UTC)
        moved = at + timedelta(microseconds=shift)
    except (ValueError, OverflowError):
        return date + separator + clock
    return moved.strftime("%Y-%m-%d").encode() + separator + moved.strftime("%H:%M:%S").encode()
