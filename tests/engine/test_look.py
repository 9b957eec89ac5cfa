"""What screens ask: pages agree with the whole, at any position, filter and search; questions can be called off."""

import threading
import time
from pathlib import Path

import pytest

from afscope.engine.browse import STREAMS
from afscope.engine.investigation import Investigation
from afscope.engine.preview import Preview
from afscope.errors import QueryError
from afscope.ingest import import_sources
from afscope.model.browse import Ask
from afscope.model.stop import Stop

POOL = Path(__file__).parents[1] / "data" / "recordings" / "pool"


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("captures") / "pool.afscope"
    import_sources([POOL], out)
    return out


@pytest.fixture(scope="module")
def case(capture: Path) -> Investigation:
    return Investigation.open(capture)


@pytest.mark.parametrize("view", STREAMS)
def test_pages_are_the_whole_in_order(case: Investigation, view: str) -> None:
    listing = case.look.listing(Ask(view, case.start, case.end))
    whole = case.look.lines(listing, 0, listing.total + 10)
    assert len(whole) == listing.total
    assert [line.at for line in whole] == sorted(line.at for line in whole)
    assert all(len(line.cells) == len(listing.columns) for line in whole)
    pages = [line for first in range(0, listing.total, 37) for line in case.look.lines(listing, first, 37)]
    assert pages == whole
    assert case.look.lines(listing, listing.total, 5) == []


def test_an_instant_leads_to_its_first_row(case: Investigation) -> None:
    listing = case.look.listing(Ask("logs", case.start, case.end))
    whole = case.look.lines(listing, 0, listing.total)
    for row in (0, 1, listing.total // 3, listing.total - 1):
        expected = next(n for n, line in enumerate(whole) if line.at >= whole[row].at)
        assert case.look.row_at(listing, whole[row].at) == expected
    assert case.look.row_at(listing, case.start - 1) == 0
    assert case.look.row_at(listing, case.end + 1) == listing.total - 1


def test_a_range_and_a_filter_narrow(case: Investigation) -> None:
    middle = case.start + (case.end - case.start) // 10
    every = case.look.listing(Ask("events", case.start, case.end))
    half = case.look.listing(Ask("events", case.start, middle))
    assert 0 < half.total < every.total
    assert all(line.at <= middle for line in case.look.lines(half, 0, half.total))
    pulled = case.look.listing(Ask("events", case.start, case.end, "PULLED"))
    lines = case.look.lines(pulled, 0, pulled.total)
    assert 0 < len(lines) < every.total
    assert all("pulled" in " ".join((*line.cells, line.key)).lower() for line in lines)
    assert case.look.listing(Ask("events", case.start, case.end, "it's 100% \\ $only")).total == 0


def test_search_steps_through_all_hits_and_around(case: Investigation) -> None:
    look = case.look
    listing = look.listing(Ask("events", case.start, case.end))
    whole = look.lines(listing, 0, listing.total)
    expected = [n for n, line in enumerate(whole) if "worker" in " ".join((*line.cells, line.key)).lower()]
    assert len(expected) > 2
    hits = look.hits(listing, "Worker")
    row, found = -1, []
    for _ in expected:
        row = look.next_hit(listing, hits, "Worker", row, 1) or 0
        found.append(row)
    assert found == expected
    assert look.next_hit(listing, hits, "Worker", expected[-1], 1) == expected[0]
    assert look.next_hit(listing, hits, "Worker", expected[0], -1) == expected[-1]
    assert look.next_hit(listing, look.hits(listing, "nowhere"), "nowhere", 0, 1) is None


def test_a_question_that_is_called_off_ends_and_others_go_on(case: Investigation) -> None:
    stop = Stop()
    threading.Timer(0.1, stop.now).start()
    begun = time.monotonic()
    with pytest.raises(QueryError, match=r"(?i)interrupt"):
        case.look.query("SELECT count(*) FROM range(1000000000000)", stop=stop)
    assert time.monotonic() - begun < 30
    assert case.look.query("SELECT 1").rows == (("1",),)


def test_what_was_called_off_before_it_began_does_not_run(case: Investigation) -> None:
    stop = Stop()
    stop.now()
    interrupted = []
    with stop.by(lambda: interrupted.append(True)):
        assert interrupted == [True]


def test_waits_add_up_and_shrink_with_the_range(case: Investigation) -> None:
    target = case.charts[0].target
    groups = case.look.wait_groups("dag", target, case.start, case.end)
    assert sum(group.seconds for group in groups) == pytest.approx(case.total_waiting, abs=0.1)
    for group in groups:
        assert sum(wait.seconds for wait in group.stages) == pytest.approx(group.seconds)
        attempts = case.look.wait_attempts("dag", group.name, target, case.start, case.end)
        assert len(attempts) == group.attempts
        for attempt in attempts:
            waited = (attempt.wait_ended_at - attempt.runnable_at) / 1e6
            assert sum(wait.seconds for wait in attempt.stages) == pytest.approx(waited, abs=0.01)
    assert case.look.wait_groups("dag", target, case.start, case.start + 1) == []


def test_pods_held_what_ran_on_them(case: Investigation) -> None:
    pods = case.look.pods("")
    assert pods
    held = sum(len(pod.held) for pod in pods)
    ((ran,),) = case.session.run("SELECT count(*) FROM running_spans WHERE host <> ''").rows
    assert held == ran
    for pod in pods:
        known = [at for at in (pod.created_at, pod.scheduled_at, pod.started_at, pod.consuming_at) if at is not None]
        assert known == sorted(known)


def test_a_full_pool_is_full(case: Investigation) -> None:
    finding = next(f for f in case.analysis.findings if f.cause == "pool_exhausted")
    limits = case.look.limits((finding.started_at + finding.ended_at) // 2)
    full = [limit for limit in limits if limit.kind == "pool" and limit.cap and (limit.used or 0) >= limit.cap]
    assert [limit.name for limit in full] == [finding.subject]
    assert full[0].waiting


def test_a_write_of_the_hpa_is_told_by_the_status_of_its_own_sync(case: Investigation) -> None:
    for target in (chart.target for chart in case.charts if chart.target):
        for scaling in case.look.scaling(target):
            if scaling.kind == "write" and scaling.author == "hpa" and scaling.metric is not None:
                assert scaling.desired is not None
                assert scaling.ratio is None or scaling.low is not None


def test_a_preview_has_the_rows_and_no_verdict(capture: Path, case: Investigation) -> None:
    preview = Preview.open(capture)
    assert preview.analysis.verdict.healthy is None
    assert preview.analysis.findings == ()
    ask = Ask("events", case.start, case.end)
    assert preview.look.listing(ask).total == case.look.listing(ask).total
    assert preview.look.pods("") == []
    assert preview.look.limits(case.start) == []
    (chart,) = preview.charts
    assert {lane.name for lane in chart.lanes} <= {"queued", "running"}
    assert max(step.value or 0 for lane in chart.lanes for step in lane.steps) > 0
    preview.close()


def test_a_preview_opens_tables_when_they_are_mentioned(case: Investigation) -> None:
    preview = Preview(case.capture)
    assert preview.charts
    assert preview.session._unopened >= {"events", "pods"}
    ask = Ask("events", case.start, case.end)
    assert preview.look.listing(ask) == case.look.listing(ask)
    assert "events" not in preview.session._unopened
    assert preview.look.query("FROM pods").rows == case.look.query("FROM pods").rows
    assert not preview.session._unopened
    preview.close()
