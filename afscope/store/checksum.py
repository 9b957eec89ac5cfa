"""Whether a segment file still is what the manifest says. Needs no pyarrow."""

from pathlib import Path

import google_crc32c

from afscope.model.capture import Segment

LOST_ROWS = "rows were in a damaged segment"
"""How the reason of such a gap ends, behind the number of rows."""


def damage(root: Path, segment: Segment) -> str:
    """Empty when size and crc32c match, else what is wrong."""
    try:
        data = (root / segment.path).read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return error.strerror or type(error).__name__
    if len(data) != segment.bytes:
        return f"has {len(data)} bytes instead of {segment.bytes}"
    return "" if google_crc32c.value(data) == segment.crc32c else "checksum mismatch"
