"""Ages as kubectl prints them, and the moment from which they count.

`kubectl` writes ages, not times, and nowhere when it ran. That moment is estimated from what has both: the name of an
event ends with the nanoseconds of its first occurrence in hexadecimal (client-go tools/record), a description of a pod
has the start time of its containers. Where nothing has, it is the date of the file.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from afscope.model.clock import SECOND, Micros

_AGE = re.compile(r"(?:(\d+)y)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNITS = (365 * 86_400, 86_400, 3600, 60, 1)
_SPAN = re.compile(r"(?P<last>\S+)(?: \(x(?P<count>\d+) over (?P<first>\S+)\))?")
_NANOS = re.compile(r"\.([0-9a-f]{16})$")
# Between the years 2015 and 2100: other writers of events end their names with other numbers.
_PLAUSIBLE = (1_420_070_400 * SECOND, 4_102_444_800 * SECOND)
# When the file is all there is, its date is when it was saved: soon after kubectl wrote it, if nobody copied it.
_FILE_UNCERTAINTY: Micros = 60 * SECOND


class Age(NamedTuple):
    """An age in microseconds; it was cut to `unit` (kubectl shows at most two units, and rounds down)."""

    us: Micros
    unit: Micros


class Seen(NamedTuple):
    """When something was last and first seen, and how often."""

    last: Age
    first: Age
    times: int


class Anchor(NamedTuple):
    """Something whose time and whose age are both known."""

    at: Micros
    age: Age


class Taken(NamedTuple):
    """When kubectl ran, and how sure that is (microseconds); `by` says what told it."""

    at: Micros
    uncertainty: Micros
    by: str


def age(text: str) -> Age | None:
    """An age such as 58s, 3m7s, 2d4h; None for <unknown> and whatever else."""
    match = _AGE.fullmatch(text)
    if match is None or not text:
        return None
    parts = [(int(number), unit) for number, unit in zip(match.groups(), _UNITS, strict=True) if number is not None]
    return Age(sum(n * unit for n, unit in parts) * SECOND, parts[-1][1] * SECOND)


def seen(text: str) -> Seen | None:
    """`58s`, or `58s (x4 over 10m)`."""
    match = _SPAN.fullmatch(text.strip())
    last = age(match["last"]) if match else None
    if match is None or last is None:
        return None
    return Seen(last, (age(match["first"]) if match["first"] else None) or last, int(match["count"] or 1))


def time_in_name(name: str) -> Micros | None:
    """When the event of this name first happened; None for names that do not tell."""
    match = _NANOS.search(name)
    at = int(match[1], 16) // 1000 if match else 0
    return at if _PLAUSIBLE[0] <= at <= _PLAUSIBLE[1] else None


def taken(anchors: Sequence[Anchor], file_date: Micros, stated: Micros | None = None) -> Taken:
    """When kubectl ran: the moment that most anchors agree on; `stated` is what the user says."""
    if stated is not None:
        return Taken(stated, SECOND, "given by hand")
    bounds = [(a.at + a.age.us, a.at + a.age.us + a.age.unit) for a in anchors]
    if not bounds:
        return Taken(file_date, _FILE_UNCERTAINTY, "the date of the file")
    edges = sorted({low for low, _ in bounds})
    best = max(edges, key=lambda at: (sum(low <= at <= high for low, high in bounds), -at))
    agreeing = [(low, high) for low, high in bounds if low <= best <= high]
    low, high = max(low for low, _ in agreeing), min(high for _, high in agreeing)
    middle = (low + high) // 2
    return Taken(middle, max(high - middle, SECOND), f"{len(agreeing)} of {len(bounds)} times beside ages")
