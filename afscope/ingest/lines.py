"""Lines of plain and gzipped files, as long as they can be read; what breaks off is reported, not raised."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

# No API object is larger (etcd refuses 1.5 MiB); anything beyond is cut here and reported as unread.
MAX_LINE = 64 << 20
# Logs shrink to a tenth, repetitive JSON to a hundredth; what unpacks to more than this is a bomb.
MAX_RATIO, SMALL = 400, 1 << 30
Unread = Callable[[str], None]


def open_bytes(path: Path) -> IO[bytes]:
    """A file for reading, unpacked if it is gzip, whatever its name says."""
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", io.BufferedReader(_Unpacked(path))) if packed else path.open("rb")


class _Unpacked(gzip.GzipFile):
    """Gives up, with an OSError, where a file unpacks to more than any dump or log does."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._left = max(SMALL, path.stat().st_size * MAX_RATIO)

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes. Raises OSError beyond the bound."""
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise OSError("it unpacks to more than any dump or log does")
        return data


def lines(path: Path, unread: Unread, *, exact: bool = False) -> Iterator[tuple[int, bytes]]:
    """(line number, line without its end) of all lines that are not blank. `unread` hears why reading ended early.

    `exact` keeps blank lines and blanks at the ends of lines, where they are data.
    """
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
                kept = line.rstrip(b"\r\n") if exact else line.strip()
                if kept or exact:
                    yield number, kept
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
