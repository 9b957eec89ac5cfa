"""Ring mode: which segments of a long recording may go.

Whole epochs only. A kept epoch begins with its keyframe, so nothing that did not change is lost with the older ones.
"""

from collections.abc import Sequence
from typing import NamedTuple

from afscope.model.capture import Segment
from afscope.model.clock import Micros


class EpochStart(NamedTuple):
    """The first WAL sequence number of an epoch and its time; the keyframe stands at its beginning."""

    seq: int
    at: Micros


def first_kept(
    starts: Sequence[EpochStart],
    segments: Sequence[Segment],
    now: Micros,
    retain_us: Micros | None,
    max_bytes: int | None,
) -> EpochStart | None:
    """The oldest epoch that stays, None when all do. The newest epoch always stays, even above `max_bytes`."""
    if not starts:
        return None
    keep = 0
    ends = [start.at for start in starts[1:]]
    if retain_us is not None:
        keep = sum(end <= now - retain_us for end in ends)
    if max_bytes is not None:
        sizes = [_size(segments, start.seq) for start in starts]
        keep = max(keep, sum(size > max_bytes for size in sizes[:-1]))
    return starts[keep] if keep else None


def _size(segments: Sequence[Segment], from_seq: int) -> int:
    return sum(segment.bytes for segment in segments if segment.seq >= from_seq)
