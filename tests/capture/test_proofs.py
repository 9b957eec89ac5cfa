"""What is proved to be in the record, told while it is recorded: for readers of a capture that nobody closed."""

from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.finding import Gap
from afscope.store import proven
from afscope.store.reader import Capture
from tests.capture.conftest import START, Deck


def told(deck: Deck) -> dict[str, float]:
    """By table the second up to which it was proved, as told last."""
    rows = [row for row in deck.rows("samples") if row["metric"].startswith(proven.METRIC)]
    return {
        row["metric"].removeprefix(proven.METRIC): row["ts"].timestamp() - row["value"] - START / SECOND for row in rows
    }


def test_a_table_is_as_proved_as_the_oldest_of_its_parts(deck: Deck) -> None:
    ends: dict[str, Micros | None] = {"air": START + SECOND, "keda": START, "away": None}
    for part in ends:
        deck.tape.vouch(("pods",), part, lambda part=part: ends[part])  # type: ignore[misc]
    deck.tape.tick()
    assert told(deck) == {"pods": 0}
    ends["keda"] = START + 2 * SECOND
    deck.pace.step(6)
    deck.tape.tick()
    assert told(deck) == {"pods": 1}


def test_it_is_told_every_few_seconds_and_only_when_it_moved(deck: Deck) -> None:
    ends = [START]
    deck.tape.vouch(("pods",), "air", lambda: ends[0])
    for _ in range(20):
        deck.tape.tick()
        deck.pace.step(1)
    assert len(deck.rows("samples")) == 1
    for second in range(20):
        ends[0] = START + (second + 1) * SECOND
        deck.tape.tick()
        deck.pace.step(1)
    assert len(deck.rows("samples")) == 5


def test_a_reader_of_a_growing_capture_learns_what_is_not_proved(deck: Deck) -> None:
    for table, at in (("pods", 5), ("hpas", 28), ("quotas", 0)):
        deck.tape.source(table, "air", SourceState.FORBIDDEN if table == "quotas" else SourceState.OK)
        deck.tape.vouch((table,), "air", lambda at=at: START + at * SECOND)  # type: ignore[misc]
    deck.pace.step(30)
    deck.tape.tick()
    deck.writer.flush()
    growing = Capture.open(deck.path)
    assert growing.proven["hpas"] == START + 28 * SECOND
    assert [gap for gap in growing.gaps() if gap.source in ("pods", "hpas", "quotas")] == [
        Gap("pods", START + 5 * SECOND, START + 30 * SECOND, proven.GROWING)
    ]
    assert not growing.cut_off


def test_whoever_ended_without_a_proof_leaves_a_gap_in_a_capture_that_is_closed(deck: Deck) -> None:
    deck.tape.vouch(("pods", "objects"), "pods in air", lambda: START + 5 * SECOND)
    deck.tape.vouch(("hpas",), "hpas in air", lambda: START + 55 * SECOND)
    deck.tape.vouch(("events",), "events in air", lambda: START)
    deck.tape.vouch(("events",), "events in air", None)  # it has declared its own
    deck.pace.step(60)
    deck.tape.end(START + 60 * SECOND)
    deck.writer.close()
    closed = Capture.open(deck.path)
    assert [(gap.source, gap.from_ts - START) for gap in closed.gaps()] == [
        ("pods", 5 * SECOND), ("objects", 5 * SECOND)
    ]  # fmt: skip
    assert "pods in air" in closed.gaps()[0].reason
    assert closed.proven == {}
