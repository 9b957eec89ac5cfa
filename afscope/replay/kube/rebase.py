"""Moves an object in time: every JSON string that is wholly an RFC 3339 time, wherever it stands."""

import re
from datetime import datetime, timedelta

from afscope.model.clock import SECOND, Micros

# The quote that opens a JSON string never follows a backslash; one within a string always does.
_TIME = re.compile(rb'(?<!\\)"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)((?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")')


def whole_seconds(shift: Micros) -> Micros:
    """The shift nearest to this one that keeps times without a fraction exact."""
    return round(shift / SECOND) * SECOND


def moved(raw: bytes, shift: Micros) -> bytes:
    """The JSON document with its times moved by `shift` (whole seconds); fractions and zones stay as written.

    What leaves the calendar, or never was in it, stays where it is.
    """
    if not shift:
        return raw
    by = timedelta(microseconds=shift)

    def move(match: re.Match[bytes]) -> bytes:
        try:
            at = datetime.fromisoformat(match[1].decode()) + by
        except (ValueError, OverflowError):
            return match[0]
        return b'"' + at.isoformat(timespec="seconds").encode() + match[2]

    return _TIME.sub(move, raw)
