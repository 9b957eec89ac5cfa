"""Up to when the record of a table is proved, in a capture that nobody closed, and the gaps behind the proofs.

A recorder that ends proves each source up to its end, or declares a gap. One that was killed could not, and one that
is at work has not done so yet: there a watch whose other side is gone looks like a calm one. So recorders sample how
far their proofs reach, and who reads such a capture finds a gap from the last proof of each source to the end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from afscope.model.capture import Source, SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.finding import Gap
from afscope.model.row import ADDED

if TYPE_CHECKING:
    import pyarrow as pa

METRIC = "unproven_s."
"""How such a sample is named, before the table: its value is how many seconds before its `ts` the proof ends."""
FRESH: Micros = 10 * SECOND
"""Proofs of a source that is asked all the time are no further apart, and as old as that at most when they are told."""
SILENT: Micros = 90 * SECOND
"""A watch that is proved less often than that is in doubt: servers send a bookmark about each minute."""
CUT_OFF = "the recorder was cut off; nothing proves what came after its last look"
GROWING = "not proved yet: nothing was heard since"
_RECORDED = (SourceState.OK, SourceState.PARTIAL)
_OWN = frozenset({"gaps", "samples"})


def stamps(samples: "pa.Table") -> dict[str, Micros]:
    """The last proof of each table that rows of `samples` tell, in their order."""
    import pyarrow.compute as pc

    told = samples.filter(pc.starts_with(samples["metric"], METRIC))
    metrics, values, times = told["metric"], told["value"], told["ts"].cast("int64")
    rows = zip(metrics.to_pylist(), values.to_pylist(), times.to_pylist(), strict=True)
    return {metric.removeprefix(METRIC): at - round(value * SECOND) for metric, value, at in rows}


def tails(
    sources: Mapping[str, Source], proven: Callable[[str], Micros], ended: Micros, *, reason: str, least: Micros = 0
) -> Iterator[Gap]:
    """From the last proof of each recorded table to the end, where that is more than `least`."""
    for table, source in sources.items():
        if source.status in _RECORDED and table not in _OWN and ended - (until := proven(table)) > least:
            yield Gap(table, until, ended, reason)


def rows(gaps: Sequence[Gap], noticed: Micros) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of `gaps`, as a writer would have written them."""
    columns = ["ts", "seen_at", "change", "source", "from_ts", "to_ts", "reason"]
    return columns, [(noticed, noticed, ADDED, gap.source, gap.from_ts, gap.to_ts, gap.reason) for gap in gaps]
