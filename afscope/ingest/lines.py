"""Lines of plain and gzipped files, as long as they can be read; what breaks off is reported, not raised."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

# No API object is larger (etcd refuses 1.5 MiB); anything beyond is cut here and reported as unread.
MAX_LINE = 64 << 20
Unread = Callable[[str], None]


def open_bytes(path: Path) -> IO[bytes]:
    """A file for reading, unpacked if it is gzip, whatever its name says."""
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", io.BufferedReader(gzip.GzipFile(path))) if packed else path.open("rb")


def lines(path: Path, unread: Unread) -> Iterator[tuple[int, bytes]]:
    """(line number, line without its end) of all lines that are not blank. `unread` hears why reading ended early."""
    number = 0
    try:
        with open_bytes(path) as handle:
            while line := handle.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE and not line.endswith(b"\n"):
                    unread(f"{path}:{number}: line longer than {MAX_LINE >> 20} MiB")
                    while (rest := handle.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                        pass
                    continue
                if stripped := line.strip():
                    yield number, stripped
    except (OSError, EOFError, zlib.error) as error:
        unread(f"{path}:{number + 1}: {_why(error)}")


def texts(path: Path, unread: Unread, most: int) -> Iterator[bytes]:
    """Every line of a log, blank ones too: counting them numbers them. Of a long line its first `most` bytes."""
    number = 0
    try:
        with open_bytes(path) as handle:
            while line := handle.readline(most):
                number += 1
                yield line.rstrip(b"\r\n")
                while line and not line.endswith(b"\n"):
                    line = handle.readline(MAX_LINE)
    except (OSError, EOFError, zlib.error) as error:
        unread(f"{path}:{number + 1}: {_why(error)}")


def _why(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip file ends in the middle: everything before is kept"
    return f"cannot be read further: {error}"
