"""Gaps for people: holes that have one reason and one end are told once, with since when of each source."""

from collections.abc import Callable, Iterator, Sequence

from afscope.model.clock import Micros
from afscope.model.finding import Gap


def gap_lines(gaps: Sequence[Gap], told: Callable[[Micros], str]) -> Iterator[tuple[str, str, str]]:
    """Span, sources and reason of each line, in the order of the gaps; `told` says a time.

    Sources that were lost at another time than the first of their line carry their own.
    """
    together: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps:
        together.setdefault((told(gap.to_ts), gap.reason), []).append(gap)
    for (end, reason), group in together.items():
        since = told(min(gap.from_ts for gap in group))
        starts = [(gap.source, told(gap.from_ts)) for gap in group]
        sources = dict.fromkeys(source if start == since else f"{source} ({start})" for source, start in starts)
        yield f"{since}–{end}", ", ".join(sources), reason
