"""Layout, mouse, colour, reading and failing."""

import threading
import time
from typing import NoReturn

import msgspec
import pytest
from rich.cells import cell_len
from textual import events
from textual.color import Color
from textual.widgets import Static

from afscope.errors import NotACapture
from afscope.model.finding import Evidence
from afscope.model.timeline import RowPage, Span
from afscope.tui import app as app_module
from afscope.tui import palette
from afscope.tui.app import AfscopeApp, Reading
from afscope.tui.case import CaseScreen
from afscope.tui.columns import Column
from afscope.tui.lanes import GUTTER, MARGIN, number
from afscope.tui.layout import lines, scale
from afscope.tui.painting import lane_row, spread
from afscope.tui.source import CaseFile
from tests.tui.case import ANALYSIS, CHART, EVENT, TIMEOUT, Case, at, lane
from tests.tui.conftest import Start


def drawn(value: Column, level: int = 0, full: float = 8) -> str:
    return lane_row([value], level, full, "")[0].glyph


def test_blocks_are_as_high_as_the_value() -> None:
    assert [drawn(Column(n, n, False)) for n in range(9)] == list(palette.BLOCKS)
    assert drawn(Column(12, 12, False), level=1) == "▄"
    assert drawn(Column(0.01, 0.01, False)) == "▁"  # something is not nothing


def test_ranges_and_holes_have_glyphs_of_their_own() -> None:
    assert drawn(Column(0, 8, False)) == palette.RANGE
    assert drawn(Column(None, None, True)) == palette.HOLE
    assert drawn(Column(None, None, True), level=1) == " "


def test_wide_characters_take_two_cells() -> None:
    assert [cell.glyph for cell in spread("a中b")] == ["a", "中", "", "b"]


@pytest.mark.parametrize("value", [None, 0, 0.25, 7, 9999, 12_345, 9_999_999, 123_456_789])
def test_values_fit_the_gutter(value: float | None) -> None:
    assert 0 < len(number(value)) <= 5


@pytest.mark.parametrize("height", range(1, 80))
def test_rows_fill_the_height_and_never_more(height: int) -> None:
    rows = lines(CHART, height)
    assert len(rows) <= height
    if height >= 14:
        shown = {row.lane for row in rows if row.kind == "lane"}
        assert shown == {lane.name for lane in CHART.lanes}
        assert {"axis", "ticks", "health", "constraint"} <= {row.kind for row in rows}


def test_replicas_keep_their_shape_beside_a_metric_out_of_all_proportion() -> None:
    def peaks(metric: float) -> dict[str, float]:
        lanes = [lane("metric", (0, None), (9, metric)), lane("desired", (0, 5)), lane("ready", (0, 0), (9, 4))]
        chart = msgspec.structs.replace(CHART, lanes=tuple(lanes))
        return {name: scale(chart, name) for name in ("metric", "desired", "ready")}

    assert peaks(20) == {"metric": 20, "desired": 20, "ready": 20}
    assert peaks(48) == {"metric": 48, "desired": 5, "ready": 5}


async def test_what_tasks_wait_for_is_shown_through_gaps(start: Start) -> None:
    gap = Span(at(20), at(100), "task_instances", "the database did not answer")
    async with start(Case(charts=[msgspec.structs.replace(CHART, gaps=(gap,))])) as app:
        strips = {row.split("│")[0].strip(): row for row in app.frame().splitlines() if "│" in row}
        assert palette.GAP not in strips["wait for"]
        assert "A external metric timeout AAA" in strips["wait for"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_strips_say_at_the_cursor_what_the_words_below_say(start: Start, size: tuple[int, int]) -> None:
    """Whatever covers most of the cursor's column: both are about the cursor's own instant."""
    changes = {span.start for span in (*CHART.health, *CHART.constraint)}
    async with start(size=size) as app:
        lanes, place = app.screen.overview.timeline.lanes, app.screen.place
        for moment in sorted(changes | {change - 1 for change in changes}):
            place.go(moment)
            place.whole()
            await app.settle()
            strips = {row.split("│")[0].strip(): row for row in app.frame().splitlines() if "│" in row}
            column = GUTTER + lanes.axis.column(moment)
            shown = " ".join(app.frame().split())
            cause = next((s.kind for s in CHART.constraint if s.start <= moment < s.end), None)
            said = f"tasks wait for: {cause.replace('_', ' ')}" if cause else "nothing waits"
            assert said in shown
            assert strips["wait for"][column] in ((lanes.causes.letter(cause),) if cause else (palette.CURSOR,))
            state = next((s.kind for s in CHART.health if s.start <= moment < s.end), None)
            most = lanes._spans("health", lanes.axis)[lanes.axis.column(moment)]
            if state and (most is None or most.kind != state):  # else a letter of the state's name may stand there
                assert strips["HPA asks"][column] == palette.HEALTH[state][1]


@pytest.mark.parametrize(("size", "layout"), [((80, 24), "tabs"), ((120, 40), "stacked"), ((200, 50), "beside")])
async def test_the_layout_follows_the_size(start: Start, size: tuple[int, int], layout: str) -> None:
    async with start() as app:
        await app.pilot.resize_terminal(*size)
        await app.settle()
        assert app.screen.overview.has_class(layout)
        assert app.screen.place.axis.width == app.screen.overview.timeline.lanes.size.width - GUTTER - MARGIN
        assert all(cell_len(row) <= size[0] for row in app.frame().splitlines())


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("size", [(80, 24), (97, 30), (120, 40), (150, 24)])
async def test_verdict_lanes_and_footer_are_whole_at_any_size(start: Start, size: tuple[int, int], lang: str) -> None:
    async with start(size=size, lang=lang) as app:
        shown = app.frame()
        assert "task-seconds of waiting (83 %)" in " ".join(shown.split())  # the end of the verdict
        for lane in CHART.lanes:
            assert app.screen.overview.timeline.lanes._label(lane.name) in shown
        assert "20:09:56.768" in shown
        assert "UTC" in shown
        assert shown.splitlines()[-1].startswith(" ? ")


async def test_a_click_moves_the_cursor_and_the_wheel_zooms(start: Start) -> None:
    async with start() as app:
        lanes = app.screen.overview.timeline.lanes
        axis = app.screen.place.axis
        await app.pilot.click(lanes, offset=(GUTTER + 60, 5))
        await app.settle()
        assert app.cursor == axis.edge(60)
        for turn, factor in ((events.MouseScrollUp, 0.5), (events.MouseScrollDown, 1.0)):
            x = GUTTER + 30
            lanes.post_message(turn(lanes, x, 5, 0, 0, 0, False, False, False, x, 5))
            await app.settle()
            zoomed = app.screen.place.axis
            assert zoomed.span == pytest.approx(axis.span * factor)
            assert zoomed.column(axis.edge(30)) == pytest.approx(30, abs=1)  # what the mouse points at stays there


async def test_a_click_on_a_finding_opens_it(start: Start) -> None:
    async with start() as app:
        await app.pilot.click(app.screen.overview.list, offset=(5, 3))
        await app.settle()
        assert app.screen.overview.list.page.title == "max replicas ceiling"
        assert not app.screen.overview.on_timeline


async def test_the_readout_says_what_holds_and_what_happened(start: Start) -> None:
    async with start(size=(200, 50)) as app:
        assert "tasks wait for: external metric timeout" in app.frame()
        assert "◆ 0 -> 1 by keda" in app.frame()
        app.screen.place.go(at(59.103632))
        await app.settle()
        assert "! 2× FailedGetExternalMetric" in app.frame()
        app.screen.place.go(at(10))
        await app.settle()
        assert "nothing waits" in app.frame()


async def test_the_gutter_shows_the_values_at_the_cursor(start: Start) -> None:
    async with start() as app:
        app.screen.place.go(at(112))
        await app.settle()
        gutters = [row.split("│")[0].split() for row in app.frame().splitlines() if "│" in row]
        rows = {gutter[0]: gutter[-1] for gutter in gutters if gutter}
        assert {name: rows[name] for name in ("queued", "metric", "desired", "ready")} == {
            "queued": "28", "metric": "8", "desired": "4", "ready": "1",
        }  # fmt: skip


async def test_without_colour_everything_is_still_there(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start() as app:
        coloured = app.frame()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = AfscopeApp(Case(), "hung.afscope")
    assert plain.no_color
    async with plain.run_test(size=(120, 40)) as pilot:
        while not isinstance(plain.screen, CaseScreen):
            await pilot.pause(0.01)
        await pilot.pause(0.2)
        strips = plain.screen._compositor.render_strips()
        assert "\n".join(strip.text.rstrip() for strip in strips) + "\n" == coloured
        (only,) = plain.get_line_filters()
        drawn = [segment.style for strip in strips for segment in only.apply(list(strip), Color(0, 0, 0))]
        assert not any(style and (style.color or style.bgcolor) for style in drawn)
        assert any(style and style.reverse for style in drawn)


async def test_rows_that_cannot_be_read_leave_the_screen_alone(start: Start) -> None:
    class Broken(Case):
        def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
            raise OSError("the disk is gone")

    async with start(Broken()) as app:
        app.screen.overview.open_subject(EVENT)
        await app.settle()
        assert "could not read the rows: the disk is gone" in app.frame()


async def test_the_row_that_is_meant_stays_in_sight_when_the_terminal_shrinks(start: Start) -> None:
    async with start(size=(200, 60)) as app:
        app.screen.overview.open_subject(EVENT)
        for size in ((200, 60), (200, 30), (120, 36), (80, 24)):
            await app.pilot.resize_terminal(*size)
            await app.settle()
            assert "20:10:38  FailedGetExternalMetric" in app.frame()


async def test_the_chosen_finding_stays_in_sight_when_the_terminal_shrinks(start: Start) -> None:
    many = tuple(msgspec.structs.replace(TIMEOUT, id=f"f{n}", title=f"finding number {n}") for n in range(40))
    async with start(Case(msgspec.structs.replace(ANALYSIS, findings=many)), size=(200, 60)) as app:
        app.screen.overview.list.choose(25)
        await app.press("tab")
        for size in ((200, 60), (200, 30), (120, 36), (80, 24)):
            await app.pilot.resize_terminal(*size)
            await app.settle()
            assert "finding number 25" in app.frame()


async def test_rows_of_an_unknown_table_say_so(start: Start) -> None:
    class Empty(Case):
        def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
            return RowPage(evidence.table, (), (), 0)

    async with start(Empty()) as app:
        app.screen.overview.open_subject(EVENT)
        await app.settle()
        assert "no row of events on record" in app.frame()


async def test_a_finding_of_another_target_brings_its_chart(start: Start) -> None:
    other = msgspec.structs.replace(TIMEOUT, target="airflow/etl-worker")
    async with start(Case(msgspec.structs.replace(ANALYSIS, findings=(other,)))) as app:
        assert app.screen.place.chart.target == "airflow/etl-worker"


async def test_the_screen_stands_while_the_capture_is_read() -> None:
    go = threading.Event()
    threads = []

    def load() -> CaseFile:
        threads.append(threading.current_thread())
        go.wait(10)
        return Case()

    app = AfscopeApp(load, "big.afscope")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert isinstance(app.screen, Reading)
        assert "reading big.afscope" in str(app.screen.query_one(Static).render())
        go.set()
        while not isinstance(app.screen, CaseScreen):
            await pilot.pause(0.01)
    assert threads[0] is not threading.main_thread()


async def test_leaving_does_not_wait_for_the_reader() -> None:
    go = threading.Event()

    def load() -> NoReturn:
        go.wait(10)
        raise OSError("nobody is there to hear it")

    app = AfscopeApp(load, "big.afscope")
    began = time.monotonic()
    async with app.run_test() as pilot:
        await pilot.press("q")
    assert time.monotonic() - began < 5
    go.set()


@pytest.mark.parametrize("error", [NotACapture("nothing is there", "look elsewhere"), RuntimeError("a bug")])
def test_what_reading_raises_is_raised_after_the_screen_is_gone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> NoReturn:
        raise error

    class Headless(AfscopeApp):
        def run(self, **_: object) -> int | None:
            return super().run(headless=True)

    monkeypatch.setattr(app_module, "AfscopeApp", Headless)
    with pytest.raises(type(error)) as caught:
        app_module.run(load, name="x")
    assert caught.value is error


async def test_dates_that_all_rows_share_give_way_and_the_record_keeps_them(start: Start) -> None:
    async with start() as app:
        stamps = ("2026-11-22 20:10:38.5", "2026-11-22 20:10:39")
        app.screen.overview.rows.show(
            RowPage("events", ("ts", "seen"), ((stamps[0], stamps[0]), (stamps[1], "2026-11-23 00:00:01")), 0)
        )
        cells = [str(cell) for cell in app.screen.overview.rows.table.get_row_at(0)]
        assert cells == ["20:10:38.5", stamps[0]]
        assert f"ts    {stamps[0]}" in app.screen.overview.rows.record


async def test_bookkeeping_does_not_push_what_a_row_says_out_of_sight(start: Start) -> None:
    async with start() as app:
        columns = ("ts", "seen_at", "change", "uid", "resource_version", "reason", "host")
        app.screen.overview.rows.show(
            RowPage("events", columns, (("20:10:38", "20:10:39", "ADDED", "a4f9", "7", "Failed", ""),), 0)
        )
        shown = [str(column.label) for column in app.screen.overview.rows.table.ordered_columns]
        assert shown == ["ts", "reason", "seen_at", "change", "uid", "resource_version"]


async def test_an_open_finding_stays_marked_on_the_timeline(start: Start) -> None:
    async with start() as app:
        await app.press("enter")
        assert app.screen.overview.list.entry is not None
        assert app.screen.overview.list.entry.opens is None
        assert app.screen.place.marked == (TIMEOUT.started_at, TIMEOUT.ended_at)
