"""The WAL: what was written comes back, and a torn frame never happened."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afscope.model.capture import FORMAT_VERSION
from afscope.store import wal

VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.booleans()


def build(count: int) -> tuple[bytes, list[int]]:
    """A WAL of `count` frames of growing size, and the offsets at which its frames end."""
    data, ends = wal.header(7), []
    for number in range(count):
        rows = [wal.encode_row([number, "x" * (number % 37), None, 0.5, True]) for _ in range(number % 5 + 1)]
        data += wal.encode_frame("events", ["a", "b", "c", "d", "e"], rows)
        ends.append(len(data))
    return data, ends


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_rows_come_back_as_they_were(rows: list[tuple[Any, Any]]) -> None:
    data = wal.header(1) + wal.encode_frame("pods", ["a", "b"], [wal.encode_row(list(row)) for row in rows])
    reader = wal.WalReader(data)
    frames = list(reader)
    assert frames == [("pods", ["a", "b"], rows)]
    assert [[type(v) for v in row] for row in frames[0].rows] == [[type(v) for v in row] for row in rows]
    assert reader.tail == wal.Tail(len(data), 0)


def test_ten_thousand_truncations_lose_only_what_is_behind_the_cut() -> None:
    data, ends = build(60)
    whole = list(wal.WalReader(data))
    chance = random.Random(20261123)
    for _ in range(10_000):
        cut = chance.randrange(len(data) + 1)
        reader = wal.WalReader(data[:cut])
        frames = list(reader)
        complete = sum(end <= cut for end in ends)
        assert frames == whole[:complete]
        good = ends[complete - 1] if complete else min(cut, wal.HEADER_SIZE)
        if cut >= wal.HEADER_SIZE:
            assert reader.tail[:2] == (good, cut - good)
            assert bool(reader.tail.reason) == (cut > good)


def test_every_flipped_bit_hides_its_frame_and_what_follows() -> None:
    data, ends = build(12)
    whole = list(wal.WalReader(data))
    for at in range(wal.HEADER_SIZE, len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << (at % 8)
        reader = wal.WalReader(bytes(flipped))
        assert list(reader) == whole[: sum(end <= at for end in ends)]
        assert reader.tail.cut > 0


def test_zeros_at_the_end_are_no_frames() -> None:
    data, ends = build(3)
    reader = wal.WalReader(data + bytes(4096))
    assert len(list(reader)) == 3
    assert reader.tail == wal.Tail(ends[-1], 4096, "a frame of length zero")


def test_a_reader_can_go_on_where_another_stopped() -> None:
    data, ends = build(8)
    first = wal.WalReader(data[: ends[4] + 3])
    early = list(first)
    second = wal.WalReader(data[first.tail.offset :], first.tail.offset)
    assert early + list(second) == list(wal.WalReader(data))
    assert second.tail == wal.Tail(len(data), 0)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "cut inside the file's head"),
        (b"PAR1" + bytes(40), "not a WAL"),
        (wal.MAGIC + (FORMAT_VERSION + 1).to_bytes(4, "little") + bytes(8), f"capture format {FORMAT_VERSION + 1}"),
    ],
)
def test_a_file_that_is_no_wal_has_no_frames(head: bytes, reason: str) -> None:
    reader = wal.WalReader(head)
    assert list(reader) == []
    assert reason in reader.tail.reason
    assert reader.tail.cut == len(head)
