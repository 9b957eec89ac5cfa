"""Every screen on a real incident: what it shows, what its keys do, and that time and range are shared."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow.csv
import pyarrow.parquet
import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Static

from afscope.engine.investigation import Investigation
from afscope.model.browse import Scaling
from afscope.model.clock import SECOND
from afscope.model.timeline import Span
from afscope.store.reader import Capture
from afscope.tui.keys import SCREEN_KEYS, SCREENS
from afscope.tui.overlays import Proof
from afscope.tui.screens.autoscaler import Autoscaler
from afscope.tui.screens.findings import Findings
from afscope.tui.screens.sql import Sql
from afscope.tui.screens.streams import Events
from afscope.tui.screens.tasks import Tasks, stage_bar
from afscope.tui.screens.whatif import WhatIf
from afscope.tui.screens.workers import Workers
from afscope.tui.time_keys import SPEEDS
from tests.tui.case import CHART, Case, at
from tests.tui.conftest import Driver, Start

SameFrame = Callable[[Pilot[int], str], None]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_every_screen_as_text(
    start: Start, incident: Investigation, same_frame: SameFrame, size: tuple[int, int]
) -> None:
    async with start(incident, size=size, name="pool.afscope") as app:
        for name in SCREENS:
            await app.screen.action_screen(name)
            await app.settle()
            same_frame(app.pilot, f"pool_{name}_{size[0]}x{size[1]}")


async def test_every_screen_has_its_key(start: Start) -> None:
    async with start() as app:
        for name in SCREENS:
            await app.pilot.press(SCREEN_KEYS[name])
            await app.pilot.pause()
            assert app.screen.current == name
            if name == "sql":
                await app.pilot.press("escape")  # the editor takes letters


async def test_every_screen_stays_in_its_width_in_chinese(start: Start, incident: Investigation) -> None:
    async with start(incident, size=(80, 24), lang="zh") as app:
        for name in SCREENS:
            await app.screen.action_screen(name)
            await app.settle()
            assert all(cell_len(row) <= 80 for row in app.frame().splitlines())


# --- events and logs


async def test_the_row_sets_the_time_and_the_time_sets_the_row(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("7", "g")
        grid = app.grid()
        first = grid.current
        assert first is not None
        assert app.cursor == max(first.at, app.screen.place.axis.start)
        await app.press("j", "j", "j")
        line = grid.current
        assert line is not None
        assert (grid.row, app.cursor) == (3, line.at)
        await app.press("8", "7")
        app.screen.place.go(first.at + 30 * SECOND)
        for _ in range(40):  # the row follows a moment after the cursor stands still
            await app.pilot.pause(0.1)
            await app.settle()
            after = grid.current
            if after is not None and (after.at >= app.cursor or grid.row == grid.rows.total - 1):
                break
        else:
            pytest.fail("the row did not follow the cursor")
        assert app.cursor == first.at + 30 * SECOND


async def test_search_goes_around_and_filter_narrows(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("7", "g", "slash")
        await app.type("pod/")
        grid = app.grid()
        rows = []
        for _ in range(3):
            line = grid.current
            assert line is not None
            assert "pod/" in " ".join(line.cells).lower()
            rows.append(grid.row)
            await app.press("n")
        assert rows == sorted(set(rows))
        await app.press("N")
        assert grid.row == rows[-1]
        total = grid.rows.total
        await app.press("ampersand")
        await app.type("scheduled")
        assert 0 < grid.rows.total < total
        assert "& scheduled" in app.frame()
        await app.press("ampersand")
        await app.type("")
        assert grid.rows.total == total


async def test_what_is_not_there_is_said(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("8", "slash")
        await app.type("no such' text%")
        assert [note.message for note in app.pilot.app._notifications] == ["not found: no such' text%"]


async def test_streams_change_over_and_lead_to_their_rows(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("7", "b")
        assert "task changes" in app.frame()
        await app.press("g", "enter")
        top = app.top()
        assert isinstance(top, Proof)
        assert "task_instances: row" in app.frame()
        await app.press("j", "k", "y")
        assert "dag_id" in app.pilot.app.clipboard
        await app.press("escape")
        assert app.top() is app.screen


# --- tasks, workers, autoscaler, limits


async def test_waits_by_everything_add_up_to_the_same(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("3")
        body = app.screen.body
        assert isinstance(body, Tasks)
        sums = {}
        for _ in range(6):
            sums[body.by] = sum(group.seconds for group in body._groups)
            await app.press("b")
        assert len(sums) == 6
        assert all(abs(total - incident.total_waiting) < 0.1 for total in sums.values())


async def test_from_group_to_attempt_to_its_rows(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("3", "enter", "j", "enter")
        assert isinstance(app.top(), Proof)
        await app.press("escape", "escape", "y")
        assert app.pilot.app.clipboard.split("\t")[0] == "narrow_pool"


def test_stage_bars_are_as_long_as_asked() -> None:
    from afscope.model.timeline import StageWait

    waits = (StageWait("limits", 30, "x"), StageWait("run", 10, "y"), StageWait("limits", 20, "z"))
    assert stage_bar(waits, 12) == "rr" + "l" * 10
    assert stage_bar((), 12) == ""


async def test_pods_show_what_they_hold(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("4", "g")
        body = app.screen.body
        assert isinstance(body, Workers)
        pod = body.pod
        assert pod is not None
        assert pod.held
        app.screen.place.go(pod.held[0].start + SECOND)
        await app.settle()
        assert pod.held[0].key in app.frame()
        await app.press("enter")
        assert "pods: row" in app.frame()


async def test_decisions_are_explained(start: Start, incident: Investigation) -> None:
    async with start(incident, size=(160, 45)) as app:
        await app.press("5", "b", "g")
        body = app.screen.body
        assert isinstance(body, Autoscaler)
        assert all(s.kind == "write" for s in (body._every[int(line.key)] for line in app.grid().rows.lines(0, 50)))
        assert "0 → 1 replicas, written by keda" in app.frame()
        seen = Scaling("look", 0, None, None, "hpa", "", None, 9.0, 2.25, 3.6, 4.4, 9, "ScaleUpLimit", True, "")
        assert "outside of 3.6–4.4" in body.explain(seen).plain
        assert "keeps its size" in body.explain(msgspec.structs.replace(seen, metric=4.3)).plain
        assert "no answer" in body.explain(msgspec.structs.replace(seen, metric=None, answered=False)).plain
        await app.press("enter")
        assert "workloads: row" in app.frame()


async def test_limits_are_those_of_the_cursor(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        pool = next(f for f in incident.analysis.findings if f.cause == "pool_exhausted")
        await app.press("6")
        app.screen.place.go(pool.started_at + (pool.ended_at - pool.started_at) // 2)
        await app.pilot.pause(0.2)
        await app.settle()
        assert "FULL" in app.frame()
        app.screen.place.go(app.screen.place.axis.start)
        await app.pilot.pause(0.2)
        await app.settle()
        assert "FULL" not in app.frame()


# --- findings, SQL, capture, what-if


async def test_findings_lead_to_their_proof(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("2", "o")
        assert isinstance(app.top(), Proof)
        await app.press("escape", "enter", "enter")
        assert isinstance(app.top(), Proof)
        await app.press("escape", "escape", "j")
        body = app.screen.body
        assert isinstance(body, Findings)
        assert body.finding == incident.analysis.findings[1]
        await app.press("left_curly_bracket", "y")
        assert incident.analysis.findings[0].title in app.pilot.app.clipboard


async def ask(app: Driver, sql: str) -> Sql:
    body = app.screen.body
    assert isinstance(body, Sql)
    body._editor.text = sql
    await app.press("f5")
    return body


async def test_sql_runs_fails_remembers_and_keeps(start: Start, incident: Investigation, tmp_path: Path) -> None:
    async with start(incident) as app:
        await app.press("9")
        body = await ask(app, "SELECT 1 AS one, 'x' AS cause")
        assert body._answer.rows == (("1", "x"),)
        assert "one cause" in app.frame()  # names stand as they are
        await app.press("y")
        assert app.pilot.app.clipboard == "one\tcause\n1\tx"
        await app.press("tab")
        await ask(app, "SELEC nothing")
        assert "syntax error" in str(body.query_one(".about", Static).render())
        await app.press("ctrl+up", "ctrl+up")
        assert body._editor.text == "SELECT 1 AS one, 'x' AS cause"
        await app.press("f5", "ctrl+s")
        await app.type(str(tmp_path / "out.csv"))
        assert pyarrow.csv.read_csv(tmp_path / "out.csv").to_pylist() == [{"one": 1, "cause": "x"}]
        await app.press("ctrl+s")
        await app.type(str(tmp_path / "out.parquet"))
        assert pyarrow.parquet.read_table(tmp_path / "out.parquet").num_rows == 1
        for name, why in (("out.csv", "exists"), ("out.xlsx", "go to .csv or .parquet")):
            await app.press("ctrl+s")
            await app.type(str(tmp_path / name))
            assert why in str(body.query_one(".about", Static).render())


async def test_a_second_run_calls_off_the_first(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("9")
        body = app.screen.body
        assert isinstance(body, Sql)
        body._editor.text = "SELECT count(*) FROM range(1000000000000) a"
        await app.pilot.press("f5")
        await app.pilot.pause(0.05)
        await ask(app, "SELECT 42 AS answer")
        assert body._answer.rows == (("42",),)


async def test_letters_are_text_in_the_editor(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("9")
        body = app.screen.body
        assert isinstance(body, Sql)
        body._editor.text = ""
        await app.press("q", "slash", "1", "left", "h")
        assert body._editor.text == "q/h1"
        assert app.screen.current == "sql"


async def test_what_if_stands_beside_what_was(start: Start, incident: Investigation) -> None:
    async with start(incident, size=(140, 45)) as app:
        await app.press("W", "enter")
        await app.type("9")
        body = app.screen.body
        assert isinstance(body, WhatIf)
        assert body.variants == [{"maxReplicaCount": "9"}]
        await app.press("b", "f5")
        shown = app.frame()
        assert "as recorded" in shown
        assert "#1 maxReplicaCount=9" in shown
        assert "baseline" in shown
        await app.press("enter")
        await app.type("many")
        await app.press("f5")
        assert "maxReplicaCount" in str(body.query_one(".about", Static).render())


# --- range, play, marks, palette


async def test_a_range_is_what_every_screen_answers_for(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("8")
        total = app.grid().rows.total
        place = app.screen.place
        place.go(place.axis.start + 20 * SECOND)
        await app.press("v")
        place.go(place.axis.start + 40 * SECOND)
        await app.press("v")
        assert place.range == (place.axis.start + 20 * SECOND, place.axis.start + 40 * SECOND)
        assert 0 < app.grid().rows.total < total
        await app.press("z")
        assert place.axis.span == 20 * SECOND
        await app.press("escape")
        assert place.span == (place.axis.start, place.axis.end)
        assert app.grid().rows.total == total


async def test_play_runs_to_the_end_at_the_chosen_speed(start: Start) -> None:
    async with start() as app:
        await app.pilot.press("g", "space")
        await app.pilot.pause()
        assert "▶ 10x" in app.frame()
        await app.pilot.press(*["full_stop"] * 9)
        assert SPEEDS[app.screen._speed] == 1000
        while app.cursor < app.screen.place.axis.end:
            await app.pilot.pause(0.05)
        assert not app.screen.plays
        await app.pilot.press(*["comma"] * 9, "space", "space")
        assert app.cursor < app.screen.place.axis.end
        assert not app.screen.plays


async def test_marks_come_and_go_and_lead_back(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("m")
        marked = app.cursor
        await app.press("G", "apostrophe")
        assert app.cursor == marked
        await app.press("m")
        assert app.screen.place.marks == []


async def test_decisions_warnings_and_gaps_are_stepped_through(start: Start) -> None:
    gaps = (Span(at(40), at(60), "hpas", "watch expired"), Span(at(80), at(90), "events", "403"))
    async with start(Case(charts=[msgspec.structs.replace(CHART, gaps=gaps)])) as app:
        await app.press("g", "right_parenthesis", "right_parenthesis")
        assert app.cursor == at(110.704283)
        await app.press("left_parenthesis")
        assert app.cursor == at(16.87258)
        await app.press("e", "e")
        assert app.cursor == at(65.1)
        await app.press("E")
        assert app.cursor == at(59.103632)
        await app.press("greater_than_sign")
        assert app.cursor == at(80)
        await app.press("less_than_sign")
        assert app.cursor == at(40)


async def test_the_palette_runs_commands_by_name(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("colon")
        await app.press(*"screen: tasks")
        await app.pilot.pause(0.5)
        await app.press("enter")
        await app.pilot.pause(0.3)
        await app.settle()
        assert app.screen.current == "tasks"


async def test_an_incident_is_cut_out(start: Start, incident: Investigation, tmp_path: Path) -> None:
    async with start(incident) as app:
        place = app.screen.place
        place.select((place.axis.start + 20 * SECOND, place.axis.start + 60 * SECOND))
        await app.press("x")
        await app.type(str(tmp_path / "cut.afscope"))
        cut = Capture.open(tmp_path / "cut.afscope")
        assert place.range is not None
        assert (cut.started_at, cut.ended_at) == (place.range[0], place.range[1] + 1)
        assert cut.has("task_instances")
        await app.press("x")
        await app.type(str(tmp_path / "cut.afscope"))
        assert any("exists" in note.message for note in app.pilot.app._notifications)


async def test_a_hidden_screen_knows_of_the_target_when_it_comes_back(start: Start) -> None:
    async with start() as app:
        await app.press("7", "1", "T", "7")
        assert isinstance(app.screen.body, Events)
        assert not app.screen.body._stale


async def test_a_capture_that_grows_keeps_every_screen_where_it_is(start: Start, incident: Investigation) -> None:
    class Again:
        """The same incident as another reading of it."""

        analysis, charts, look = incident.analysis, incident.charts, incident.look
        rows, cause_title = incident.rows, incident.cause_title

    async with start(Again()) as app:
        for name in SCREENS:
            await app.screen.action_screen(name)
            await app.settle()
            await app.pilot.pause(0.3)  # rows follow a cursor that stands still
            await app.settle()
            grid = app.screen.body.grid
            before = (app.cursor, grid and (grid.row, grid.rows.total, grid.current), app.focused())
            app.screen.renew(Again())
            await app.settle()
            assert (app.cursor, grid and (grid.row, grid.rows.total, grid.current), app.focused()) == before, name
        fewer = Again()
        fewer.analysis = msgspec.structs.replace(incident.analysis, findings=incident.analysis.findings[:1])
        app.screen.renew(fewer)
        await app.screen.action_screen("findings")
        await app.settle()
        assert app.grid().rows.total == 1
