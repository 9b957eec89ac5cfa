"""What is said of a capture does not hang on the order in which its rows happen to lie."""

import random
from pathlib import Path

import pytest

from tests.engine.incident import Incident


def crowded() -> Incident:
    """Thirty tasks queued in one moment before two workers that began in one moment: everything ties."""
    incident = Incident(max_replicas=2)
    incident.workers(names=("w0", "w1"))
    incident.run("r", 10, 10.2)
    for number in range(30):
        begin = 25 + number // 8 * 20
        incident.task(f"t{number:02}", "r", none=10, scheduled=10.4, queued=11, running=begin, ended=begin + 19,
                      host=f"w{number % 2}")  # fmt: skip
    return incident


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_tie_are_named_by_their_keys(tmp_path: Path, seed: int) -> None:
    (tmp_path / "shuffled").mkdir()
    straight, shuffled = crowded(), crowded()
    random.Random(seed).shuffle(shuffled.rows)
    first, second = straight.open(tmp_path).analysis, shuffled.open(tmp_path / "shuffled").analysis
    assert len(first.findings) >= 3
    assert (first.findings, first.verdict) == (second.findings, second.verdict)
