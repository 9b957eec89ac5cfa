"""Lines of plain and gzipped files, as long as they can be read."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast


def lines(path: Path, unread: list[str]) -> Iterator[bytes]:
    """The lines with their ends; when the file breaks off, `unread` is told where and the rest is missing."""
    number = 0
    try:
        with _open(path) as handle:
            for line in handle:
                number += 1
                yield line
    except (OSError, EOFError, zlib.error) as error:
        unread.append(f"{path}:{number + 1}: {error}")


def _open(path: Path) -> IO[bytes]:
    """A file for reading, unpacked if it is gzip, whatever its name says."""
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", io.BufferedReader(gzip.GzipFile(path))) if packed else path.open("rb")
