"""Chunked framing, however the network cuts it."""

import random

import pytest

from afscope.capture.kube.chunked import Unchunker


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


@pytest.mark.parametrize("seed", range(30))
def test_the_payload_is_that_of_the_chunks(seed: int) -> None:
    dice = random.Random(seed)
    parts = [dice.randbytes(dice.choice((1, 2, 15, 16, 300, 5000))).replace(b"a", b"\r\n") for _ in range(40)]
    wire = b"".join(chunk(part, dice.choice((b"", b";a=b", b" "))) for part in parts) + b"0\r\n\r\n"
    unchunker, got, at = Unchunker(), b"", 0
    while at < len(wire):
        step = dice.choice((1, 2, 3, 700, 9000))
        assert not unchunker.ended or wire[at:] in (b"\r\n", b"\n")
        got += unchunker.feed(wire[at : at + step])
        at += step
    assert got == b"".join(parts)
    assert unchunker.ended


def test_part_of_a_chunk_is_there_at_once() -> None:
    unchunker = Unchunker()
    assert unchunker.feed(b"a\r\n0123") == b"0123"
    assert unchunker.feed(b"456789\r\n5\r\nab") == b"456789ab"
    assert not unchunker.ended


@pytest.mark.parametrize(
    "wire",
    [b"x\r\n", b"-1\r\n", b"\r\n", b"3\r\nabcd\r\n", b"1" * 5000],
    ids=["word", "negative", "none", "long", "head"],
)
def test_what_is_not_chunked_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Unchunker().feed(wire)
