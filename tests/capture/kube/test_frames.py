"""Lines out of a stream that the network cut anywhere."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.capture.kube import frames

LINES = st.lists(st.binary(min_size=1, max_size=40).filter(lambda b: b"\n" not in b and b.strip() == b), max_size=12)


@given(LINES, st.lists(st.integers(0, 600), max_size=20), st.binary(max_size=20).filter(lambda b: b"\n" not in b))
def test_any_chunking_gives_the_same_lines(wanted: list[bytes], cuts: list[int], torn: bytes) -> None:
    stream = b"".join(line + b"\n" for line in wanted) + torn
    places = [0, *sorted(cut for cut in cuts if cut <= len(stream)), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert list(frames.lines(chunks)) == wanted


def test_a_torn_last_line_is_none() -> None:
    assert list(frames.lines([b'{"a":1}\n{"b"', b":2"])) == [b'{"a":1}']


def test_keep_alive_newlines_are_none() -> None:
    assert list(frames.lines([b"\n\n", b"x\r\n", b"\n"])) == [b"x"]


def test_a_line_that_no_object_can_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_LINE", 100)
    assert list(frames.lines([b"x" * 100, b"\n"])) == [b"x" * 100]
    with pytest.raises(frames.LineTooLong):
        list(frames.lines([b"x" * 60, b"x" * 60, b"\n"]))
