"""A capture that is followed while it is written: every row once, whatever the writer does between two polls."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from afscope.engine.apart import Apart
from afscope.engine.growing import Growing, _continued
from afscope.engine.investigation import Investigation
from afscope.engine.session import KEPT_POLLS
from afscope.errors import AfscopeError, QueryError
from afscope.model.browse import Ask
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, parse_time
from afscope.model.finding import Gap
from afscope.model.row import Row
from afscope.model.stop import Stop
from afscope.model.timeline import Lane, Step
from afscope.store.options import WriterOptions
from afscope.store.proven import CUT_OFF, GROWING, METRIC
from afscope.store.writer import CaptureWriter

START = parse_time("2026-11-22T20:00:00Z")


def change(n: int, at: Micros, state: str = "queued") -> Row:
    values = {
        "ts": at, "seen_at": at, "change": "MODIFIED", "dag_id": "d", "run_id": "r", "task_id": f"t{n}",
        "map_index": -1, "attempt": 1, "try_number": 1, "state": state, "queue": "default", "scheduled_dttm": at,
        "queued_dttm": at, "updated_at": at,
    }  # fmt: skip
    return Row("task_instances", values)


def count(n: int, at: Micros, state: str = "running", queue: str = "default") -> Row:
    values = {"ts": at, "seen_at": at, "change": "MODIFIED", "state": state, "queue": queue, "pool": "p", "n": n}
    return Row("task_counts", values)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[CaptureWriter]:
    with CaptureWriter.create(
        tmp_path / "live.afscope", started_at=START, options=WriterOptions(seal_epochs=False)
    ) as writer:
        yield writer


def tasks(growing: Growing) -> list[str]:
    return [name for (name,) in growing.session.run("SELECT task_id FROM task_instances ORDER BY seen_at").rows]


def test_every_row_is_there_once_across_seals(writer: CaptureWriter) -> None:
    writer.append(change(0, START))
    writer.flush()
    growing = Growing(writer.path)
    assert tasks(growing) == ["t0"]
    wanted = ["t0"]
    for n in range(1, 13):
        writer.append(change(n, START + n * SECOND))
        wanted.append(f"t{n}")
        writer.flush()
        if n % 3 == 0:
            writer.seal()
        if n % 4 == 0:  # a WAL that came and went between two polls
            writer.append(change(100 + n, START + n * SECOND + 1))
            wanted.append(f"t{100 + n}")
            writer.seal()
        if n % 2:
            assert growing.poll()
            assert tasks(growing) == wanted
            assert growing.capture.rows("task_instances") == len(wanted)
    growing.poll()
    assert tasks(growing) == wanted
    assert not growing.poll(), "nothing came since"
    growing.close()


def test_pages_and_counts_agree_with_what_was_written(writer: CaptureWriter) -> None:
    growing_rows = 0
    writer.flush()
    growing = Growing(writer.path)
    case = growing.case()
    for turn in range(5):
        for n in range(50):
            writer.append(change(growing_rows + n, START + (turn * 50 + n) * SECOND))
        growing_rows += 50
        writer.seal() if turn % 2 else writer.flush()
        growing.poll()
        case.take(case.refreshed())
        assert case.analysis.capture.ended_at == START + (growing_rows - 1) * SECOND
        listing = case.look.listing(Ask("tasks", START, case.analysis.capture.ended_at, ""))
        assert listing.total == growing_rows
        last = case.look.lines(listing, growing_rows - 1, 1)[0]
        assert last.key == f"d/r/t{growing_rows - 1}"
        assert next(s.rows for s in case.look.sources() if s.name == "task_instances") == growing_rows
    growing.close()


def test_counting_on_gives_what_counting_anew_gives(writer: CaptureWriter) -> None:
    """Whatever is sealed meanwhile, comes late, came and went between two polls, or does not match."""
    writer.append(change(0, START))
    writer.flush()
    growing = Growing(writer.path)
    look = growing.case().look
    asks = [
        Ask("tasks", START, START + 10**12),
        Ask("tasks", START, START + 10**12, "t7"),
        Ask("runs", START, START + 10**12),
    ]
    asks.append(Ask("tasks", START + 3 * SECOND, START + 40 * SECOND))
    known = [look.listing(ask) for ask in asks]
    chance, number = random.Random(5), 1
    for turn in range(60):
        for _ in range(chance.randrange(20)):
            late = chance.randrange(turn + 1) if chance.random() < 0.3 else turn
            writer.append(change(number, START + late * SECOND + number))
            number += 1
            if chance.random() < 0.05:
                writer.seal()
        writer.seal() if turn % 5 == 4 else writer.flush()
        if chance.random() < 0.7:
            growing.poll()
        known = [look.longer(listing) for listing in known]
        for ask, listing in zip(asks, known, strict=True):
            fresh = look.listing(ask)
            assert listing.total == fresh.total
            every = [line for first in range(0, fresh.total, 64) for line in look.lines(listing, first, 64)]
            assert every == look.lines(fresh, 0, fresh.total)
    assert known[0].total > 300
    assert known[1].total > 5
    growing.close()


def test_whoever_counts_rarely_counts_anew(writer: CaptureWriter) -> None:
    writer.append(change(0, START))
    writer.flush()
    growing = Growing(writer.path)
    look = growing.case().look
    before = look.listing(Ask("tasks", START, START + 10**12))
    for number in range(1, 2 * KEPT_POLLS):
        writer.append(change(number, START + number))
        writer.seal()
        growing.poll()
    assert not growing.session.since("task_instances", before.grown)
    assert look.longer(before).total == 2 * KEPT_POLLS
    growing.close()


def test_counts_go_on_behind_the_analysis(writer: CaptureWriter) -> None:
    for second in range(10):
        writer.append(change(second, START + second * SECOND))
        writer.append(count(second, START + second * SECOND))
    writer.flush()
    growing = Growing(writer.path)
    analyzed = Apart(writer.path, "en", (), Stop())
    concluded = analyzed.analysis.capture.ended_at
    case = growing.case(analyzed)
    writer.append(count(70, concluded + 5 * SECOND))
    writer.flush()
    growing.poll()
    case.take(case.refreshed())
    (chart,) = case.charts
    assert chart.end == concluded + 5 * SECOND
    assert {lane.name: lane for lane in chart.lanes}["running"].at(chart.end) == 70
    assert case.analysis.verdict == analyzed.analysis.verdict
    assert case.look.query("SELECT count(*) FROM attempts").rows == (("10",),)
    with pytest.raises(QueryError, match="nowhere"):
        case.look.query("FROM nowhere")
    case.close()
    growing.close()


def test_a_lane_that_only_an_analysis_can_draw_ends_with_it() -> None:
    lane = Lane("waiting", (Step(START, 3.0),))
    later = _continued(lane, START + SECOND, START + 5 * SECOND, {"running": [Step(START + 2 * SECOND, 1.0)]})
    assert later.at(START + SECOND) == 3
    assert later.at(START + 5 * SECOND) is None, "nobody knows yet what waits"


def test_an_answer_comes_before_the_end(writer: CaptureWriter) -> None:
    """A newer analysis takes the place of one that is still being asked."""
    writer.append(change(0, START))
    writer.flush()
    apart = Apart(writer.path, "en", (), Stop())
    with apart._lock:  # as while an answer is waited for
        closing = threading.Thread(target=apart.close)
        closing.start()
        closing.join(0.3)
        assert apart._process.poll() is None
    closing.join(30)
    assert apart._process.poll() is not None
    with pytest.raises(QueryError, match="called off"):
        apart.query("SELECT 1")


def test_an_analysis_that_was_called_off_ends(writer: CaptureWriter) -> None:
    writer.append(change(0, START))
    writer.flush()
    stop = Stop()
    stop.now()
    with pytest.raises(AfscopeError, match="called off"):
        Investigation.open(writer.path, stop=stop)
    with pytest.raises(AfscopeError, match="called off"):
        Apart(writer.path, "en", (), stop)


def test_sources_that_are_silent_for_long_are_holes_and_all_that_is_not_proved_when_the_recorder_dies(
    writer: CaptureWriter,
) -> None:
    def told(table: str, until: float, at: float) -> Row:
        now = START + round(at * SECOND)
        values = {"ts": now, "seen_at": now, "change": "ADDED", "metric": METRIC + table, "value": at - until}
        return Row("samples", values)

    for table in ("pods", "hpas"):
        writer.set_source(table, SourceState.OK)
    writer.append(told("pods", 0, 1))
    writer.seal()
    growing = Growing(writer.path)
    writer.append(told("hpas", 160, 200))
    writer.flush()
    growing.poll()
    assert growing.proven == {"pods": START, "hpas": START + 160 * SECOND}
    assert growing.gaps() == (Gap("pods", START, START + 200 * SECOND, GROWING),)
    shown = {line.name: line.proven for line in growing.case().look.sources()}
    assert (shown["pods"], shown["hpas"], shown["events"]) == (START, START + 160 * SECOND, None)
    writer.abandon()
    assert {(gap.source, gap.from_ts, gap.reason) for gap in growing.gaps()} == {
        ("pods", START, CUT_OFF), ("hpas", START + 160 * SECOND, CUT_OFF)
    }  # fmt: skip
    growing.close()
