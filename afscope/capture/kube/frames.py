"""Watch lines out of a stream of bytes, however the network cut it."""

from collections.abc import Iterable, Iterator

MAX_LINE = 64 * 1024 * 1024


class LineTooLong(ValueError):  # noqa: N818
    """A line above MAX_LINE: no object that etcd could hold."""


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The complete lines, without their ends; empty ones are left out.

    What follows the last newline when the stream ends was cut off and is no line. Linear in the bytes, whatever the
    chunks: parts of a long line are joined once.
    """
    parts: list[bytes] = []
    held = 0
    for chunk in chunks:
        if b"\n" not in chunk:
            parts.append(chunk)
            held += len(chunk)
            if held > MAX_LINE:
                raise LineTooLong(f"a watch line has more than {MAX_LINE} bytes")
            continue
        first, *rest = chunk.split(b"\n")
        parts.append(first)
        if line := b"".join(parts).strip():
            yield line
        for line in rest[:-1]:
            if line := line.strip():
                yield line
        parts, held = [rest[-1]], len(rest[-1])
