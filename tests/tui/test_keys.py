"""Every key of the registry does what the help says."""

import os
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import DataTable, Input

from afscope.model.clock import SECOND
from afscope.tui.case import CaseScreen
from afscope.tui.keys import KEYS, SCREENS, bindings, complete, footer, page, says
from afscope.tui.overlays import Help, Jump, help_text
from tests.tui.case import CEILING, CHART, END, EVENT, QUIET, START, TIMEOUT, Case, at
from tests.tui.conftest import Start


async def test_left_and_right_move_by_one_column(start: Start) -> None:
    async with start() as app:
        await app.press("0", "g")
        step = app.screen.place.axis.step
        await app.press("right", "l", "right")
        assert abs(app.cursor - (START + 3 * step)) < 3
        await app.press("left", "h")
        assert abs(app.cursor - (START + step)) < 3


async def test_the_cursor_stops_at_the_ends(start: Start) -> None:
    async with start() as app:
        await app.press("g", "left")
        assert app.cursor == START
        await app.press("G", "right")
        assert app.cursor == END


async def test_brackets_step_through_changes(start: Start) -> None:
    async with start() as app:
        await app.press("g", "right_square_bracket")
        assert app.cursor == at(1.8)  # the metric becomes a hole
        await app.press("right_square_bracket")
        assert app.cursor == at(16.6)
        await app.press("left_square_bracket", "left_square_bracket")
        assert app.cursor == START
        await app.press("left_square_bracket")
        assert app.cursor == START


async def test_braces_step_through_findings_and_move_the_cursor(start: Start) -> None:
    async with start() as app:
        assert app.cursor == TIMEOUT.started_at
        await app.press("right_curly_bracket")
        assert app.cursor == CEILING.started_at
        assert app.screen.overview.list.entry is not None
        assert app.screen.overview.list.entry.opens == CEILING
        await app.press("left_curly_bracket")
        assert app.cursor == TIMEOUT.started_at
        await app.press("left_curly_bracket")
        assert app.screen.overview.list.highlighted == 0


async def test_braces_keep_a_finding_open(start: Start) -> None:
    async with start() as app:
        await app.press("enter", "right_curly_bracket")
        assert app.screen.overview.list.depth == 1
        assert app.screen.overview.list.page.title == "max replicas ceiling"


async def test_zoom_keeps_the_cursor_in_its_place(start: Start) -> None:
    async with start() as app:
        before = app.screen.place.axis
        column = before.column(app.cursor)
        await app.press("plus", "plus")
        after = app.screen.place.axis
        assert after.span * 4 == pytest.approx(before.span, rel=1e-6)
        assert abs(after.column(app.cursor) - column) <= 1
        await app.press("minus")
        assert app.screen.place.axis.span * 2 == pytest.approx(before.span, rel=1e-6)
        await app.press("equals_sign", "0")
        assert (app.screen.place.axis.left, app.screen.place.axis.right) == (START, END)


async def test_moving_out_of_the_view_takes_the_view_along(start: Start) -> None:
    async with start() as app:
        await app.press("plus", "plus", "plus", "G")
        axis = app.screen.place.axis
        assert app.cursor == END
        assert axis.right == END
        assert axis.left > START


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("20:10:39", at(59.103632)),
        ("2026-11-22T20:11:00Z", at(80.103632)),
        ("1m ago", END - 60 * SECOND),
        ("+5s", TIMEOUT.started_at + 5 * SECOND),
        ("-5s", TIMEOUT.started_at - 5 * SECOND),
    ],
)
async def test_t_jumps_to_a_time(start: Start, typed: str, expected: int) -> None:
    async with start() as app:
        await app.press("t")
        assert isinstance(app.top(), Jump)
        app.top().query_one(Input).value = typed
        await app.press("enter")
        assert app.top() is app.screen
        assert app.cursor == expected


async def test_t_says_what_it_did_not_understand_and_escape_leaves(start: Start) -> None:
    async with start() as app:
        await app.press("t", *"noon", "enter")
        assert isinstance(app.top(), Jump)
        assert "not a time in 2026-11-22 20:09:39–20:12:23 UTC" in app.frame()
        await app.press("escape")
        assert app.top() is app.screen
        assert app.cursor == TIMEOUT.started_at


async def test_targets_by_letter(start: Start) -> None:
    async with start() as app:
        assert app.screen.place.chart is CHART
        await app.press("T")
        assert app.screen.place.chart is QUIET
        assert "Timeline 2/2 (T) · airflow/etl-worker" in app.frame()
        await app.press("T")
        assert app.screen.place.chart is CHART


async def test_tab_changes_the_pane(start: Start) -> None:
    async with start() as app:
        assert app.focused() is app.screen.overview.timeline.lanes
        await app.press("tab")
        assert app.focused() is app.screen.overview.list
        await app.press("shift+tab")
        assert app.focused() is app.screen.overview.timeline.lanes


async def test_small_terminals_show_one_pane_and_tab_the_other(start: Start) -> None:
    async with start(size=(80, 24)) as app:
        assert "HPA asks" in app.frame()
        assert "root cause, critical" not in app.frame()
        await app.press("tab")
        assert "HPA asks" not in app.frame()
        assert "root cause, critical" in app.frame()


async def test_j_and_k_move_in_lists_and_skip_headings(start: Start) -> None:
    async with start() as app:
        await app.press("tab", "j", "j")
        assert app.screen.overview.list.highlighted == 2
        await app.press("j")
        assert app.screen.overview.list.highlighted == 4  # 3 is the heading of the components
        await app.press("k", "k")
        assert app.screen.overview.list.highlighted == 1
        assert app.screen.place.marked == (CEILING.started_at, CEILING.ended_at)


async def test_arrows_move_the_cursor_from_the_list_too(start: Start) -> None:
    async with start() as app:
        await app.press("tab", "right")
        assert app.cursor > TIMEOUT.started_at
        assert app.focused() is app.screen.overview.list


async def test_enter_drills_from_finding_to_rows_and_escape_comes_back(start: Start) -> None:
    case = Case()
    async with start(case) as app:
        await app.press("tab", "enter")
        assert app.screen.overview.list.page.title == "external metric timeout"
        assert TIMEOUT.remedy in app.frame()
        while app.screen.overview.list.entry is None or app.screen.overview.list.entry.opens != EVENT:
            await app.press("j")
        await app.press("enter")
        assert case.asked == [EVENT]
        assert app.cursor == EVENT.ts
        table = app.screen.overview.rows.table
        assert app.focused() is table
        assert table.cursor_row == 38
        assert "events: row 39 of 40" in app.frame()
        assert "host" not in app.frame()  # empty in every row
        await app.press("escape")
        assert app.screen.overview.list.page.title == "external metric timeout"
        assert app.screen.overview.list.entry is not None
        assert app.screen.overview.list.entry.opens == EVENT
        await app.press("escape")
        assert app.screen.overview.list.depth == 0
        assert app.screen.overview.list.highlighted == 0
        await app.press("escape")
        assert app.focused() is app.screen.overview.timeline.lanes


async def test_enter_on_the_timeline_opens_the_chosen_finding(start: Start) -> None:
    async with start() as app:
        await app.press("right_curly_bracket", "enter")
        assert app.screen.overview.list.page.title == "max replicas ceiling"
        assert app.focused() is app.screen.overview.list


async def test_rows_scroll_with_keys_of_lists(start: Start) -> None:
    async with start(size=(100, 40)) as app:
        await app.press("enter")
        app.screen.overview.open_subject(EVENT)
        await app.settle()
        assert isinstance(app.focused(), DataTable)
        await app.press("k")
        assert app.screen.overview.rows.table.cursor_row == 37
        assert "row 37" in app.screen.overview.rows.record
        await app.press("j")
        assert app.screen.overview.rows.table.cursor_row == 38
        cursor = app.cursor
        await app.press("right", "left")
        assert app.cursor == cursor


async def test_symptoms_lead_to_what_explains_them(start: Start) -> None:
    async with start() as app:
        await app.press("right_curly_bracket", "right_curly_bracket", "enter")
        assert "Explained by" in app.frame()
        while app.screen.overview.list.entry is None or app.screen.overview.list.entry.opens != TIMEOUT:
            await app.press("j")
        await app.press("enter")
        assert app.screen.overview.list.page.title == "external metric timeout"
        assert app.cursor == TIMEOUT.started_at


async def test_y_copies_findings_evidence_and_rows(start: Start) -> None:
    async with start() as app:
        await app.press("y")
        copied = app.pilot.app.clipboard
        assert copied.startswith(f"[root cause, critical] {TIMEOUT.title}\n")
        assert "2026-11-22T20:09:56.768948Z" in copied
        assert TIMEOUT.remedy in copied
        app.screen.overview.open_subject(EVENT)
        await app.settle()
        await app.press("y")
        assert app.pilot.app.clipboard.startswith("2026-11-22T20:10:39.000000Z events airflow/keda-hpa-analytics")
        assert "FailedGetExternalMetric" in app.pilot.app.clipboard.splitlines()[2]


async def test_question_mark_shows_every_key_of_the_screen_and_closes_again(start: Start) -> None:
    async with start(size=(120, 100)) as app:
        await app.press("question_mark")
        assert isinstance(app.top(), Help)
        shown = app.frame()
        for key in KEYS:
            if not key.where or "overview" in key.where:
                assert f"{key.shown} " in shown
        assert says("en", next(key for key in KEYS if key.action == "export")) not in shown
        await app.press("question_mark")
        assert app.top() is app.screen


async def test_help_fits_a_small_terminal_by_scrolling(start: Start) -> None:
    async with start(size=(80, 24)) as app:
        await app.press("question_mark")
        assert "wheel: zoom" not in app.frame()
        await app.press(*["j"] * 70)
        assert "wheel: zoom" in app.frame()
        await app.press("k", "escape")
        assert app.top() is app.screen


async def test_q_goes_up_and_quits_at_the_top(start: Start) -> None:
    async with start() as app:
        await app.press("enter")
        await app.press("q")
        assert app.screen.overview.list.depth == 0
        assert app.pilot.app.is_running
        await app.press("q")
        assert app.pilot.app.return_value == 0
        assert app.pilot.app._exit


@pytest.mark.parametrize("before", [[], ["enter"], ["t"], ["question_mark"]])
async def test_ctrl_c_quits_from_everywhere(start: Start, before: list[str]) -> None:
    async with start() as app:
        if before:
            await app.press(*before)
        await app.pilot.press("ctrl+c")
        assert app.pilot.app._exit
        assert app.pilot.app.return_value == 0


def test_every_key_is_bound_once_and_explained_in_both_languages() -> None:
    names = [binding.key for binding in bindings()]
    assert len(names) == len(set(names))
    assert complete() == []
    for lang in ("en", "zh"):
        text = help_text(lang).plain
        assert all(key.shown in text for key in KEYS)
    chinese = help_text("zh").plain
    for known in ("spec.replicas", "parquet"):
        chinese = chinese.replace(known, "")
    assert not re.search("[a-z]{6,}", chinese)


def test_every_key_has_an_action() -> None:
    for key in KEYS:
        name = key.action.split("(")[0]
        assert name == "app.quit" or callable(getattr(CaseScreen, f"action_{name}"))


def test_the_page_of_keys_is_the_registry() -> None:
    path = Path(__file__).parents[2] / "docs" / "keys.md"
    if os.environ.get("AFSCOPE_UPDATE_FRAMES") == "1":
        path.write_text(page(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("screen", SCREENS)
def test_the_footer_never_outgrows_the_terminal_and_always_has_the_help(lang: str, screen: str) -> None:
    for width in range(20, 200, 7):
        text = footer(lang, width, screen)
        assert cell_len(text) <= width
        assert text.startswith("? ")
