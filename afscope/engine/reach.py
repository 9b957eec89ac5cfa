"""Up to when sources vouch: a hole that reaches to the end of an analysis bounds what is said without an accusation.

Rows that are there accuse at once. That none are there clears somebody only up to when it is proved that none were
missed: in a capture that grows, that was cut off, or whose source was lost before the end.
"""

from collections.abc import Iterable, Sequence

from afscope.engine.words import say
from afscope.model.clock import Micros, to_datetime
from afscope.model.finding import Gap
from afscope.store.proven import CUT_OFF, FRESH, SILENT


class Reach:
    """Of one analysis with these gaps. Up to `FRESH` before the end counts as the end: no proof is fresher."""

    def __init__(self, gaps: Sequence[Gap], bounds: tuple[Micros, Micros], lang: str) -> None:
        self._gaps = sorted(gaps, key=lambda gap: gap.to_ts, reverse=True)
        self._start, self._end = bounds
        self._lang = lang

    def until(self, source: str) -> Micros:
        """Where the hole begins that reaches to the end, or the end."""
        at = self._end
        for gap in self._gaps:
            if gap.source in (source, "*") and gap.to_ts >= at - FRESH:
                at = min(at, gap.from_ts)
        return at if self._end - at > FRESH else self._end

    def nothing(self, sources: Iterable[str]) -> bool:
        """Whether one of the sources vouches for no time at all."""
        return any(self.until(source) <= self._start < self._end for source in sources)

    def long_silent(self, sources: Iterable[str]) -> bool:
        """Whether one of the sources was not heard for longer than one that works is silent."""
        return any(self._end - self.until(source) > SILENT for source in sources)

    def bounded(self, text: str, sources: Iterable[str]) -> str:
        """A text that rests on these sources, with from when on nothing is proved, unless all reach to the end."""
        ends = {source: until for source in sources if (until := self.until(source)) < self._end}
        if not ends:
            return text
        first = to_datetime(min(ends.values()))
        return say(self._lang, "bounded", text=text, until=f"{first:%H:%M:%S}", sources=", ".join(sorted(ends)))

    def cut_off(self) -> str:
        """A sentence about a recorder that did not end by itself; empty if it did."""
        if not any(gap.reason == CUT_OFF and gap.to_ts >= self._end - FRESH for gap in self._gaps):
            return ""
        return say(self._lang, "cut_off", at=f"{to_datetime(self._end):%H:%M:%S}")
