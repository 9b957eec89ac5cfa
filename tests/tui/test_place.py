"""Place, memory, themes, preview: what all screens share, and what outlives them."""

from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color

from afscope.engine.investigation import Investigation
from afscope.model.browse import Answer, Line
from afscope.model.clock import SECOND
from afscope.model.stop import Stop
from afscope.tui import memory, palette, themes
from afscope.tui.app import AfscopeApp
from afscope.tui.case import CaseScreen
from afscope.tui.lanes import GUTTER
from afscope.tui.place import Place
from afscope.tui.rows import Fixed
from tests.tui.case import CHART, END, QUIET, START, Case, NoLook, at
from tests.tui.conftest import Driver, Start, analyzing
from tests.tui.test_harmless import BAD


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_panning_stops_at_the_ends_and_keeps_the_length() -> None:
    place = Place([CHART])
    place.zoom(0.25, at(100))
    span = place.axis.span
    for _ in range(20):
        place.pan(0.5)
    assert (place.axis.right, place.axis.span) == (END, span)
    assert START <= place.cursor <= END
    for _ in range(20):
        place.pan(-0.5)
    assert (place.axis.left, place.axis.span) == (START, span)


def test_a_range_follows_the_cursor_until_it_is_ended() -> None:
    heard = []
    place = Place([CHART, QUIET])
    place.hear(lambda: None, lambda: heard.append(place.range))
    place.go(at(50))
    place.begin_or_end_range()
    place.go(at(40))
    assert place.range == (at(40), at(50))
    place.begin_or_end_range()
    assert place.span == (at(40), at(50))
    assert heard[-1] == (at(40), at(50))
    place.begin_or_end_range()
    place.begin_or_end_range()
    assert place.span == (START, END)  # both ends at one instant: no range
    place.choose_named(QUIET.target)
    assert place.chart is QUIET


def test_rows_in_memory_search_and_filter() -> None:
    lines = [Line(n, (f"row {n}", "even" if n % 2 == 0 else "odd"), "") for n in range(10)]
    rows = Fixed(("a", "b"), lines)
    assert rows.next_hit("ODD", 0, 1) == 1
    assert rows.next_hit("odd", 1, -1) == 9
    assert rows.next_hit("nothing", 0, 1) is None
    assert [line.at for line in Fixed(("a", "b"), lines, only="even").lines(1, 2)] == [2, 4]
    assert Fixed((), ()).next_hit("x", 0, 1) is None
    assert rows.row_at(5) == 5
    assert rows.row_at(99) == 9


# --- memory


async def look(case: Investigation, *keys: str) -> CaseScreen:
    """Opens, presses, leaves: what is remembered is on disk."""
    app = AfscopeApp(case, "pool.afscope", remember=True)
    async with app.run_test(size=(120, 40)) as pilot:
        while not isinstance(app.screen, CaseScreen):
            await pilot.pause(0.01)
        driver = Driver(pilot, case)
        await driver.settle()
        await driver.press(*keys)
        return driver.screen


async def test_the_place_is_where_it_was_left(incident: Investigation) -> None:
    before = await look(incident, "8", "b", "plus", "right", "m", "ctrl+t")
    after = await look(incident)
    assert after.current == "logs"
    assert after.place.cursor == before.place.cursor
    assert after.place.axis.left == pytest.approx(before.place.axis.left, abs=SECOND)
    assert after.place.marks == before.place.marks == [before.place.cursor]
    assert after.body.state()["stream"] == "polls"
    assert memory.theme() == "light"


@pytest.mark.parametrize("damage", [b"", b"{", b'{"cursor": "noon"}', b"\xff\xfe"])
def test_memory_that_is_no_good_is_no_memory(damage: bytes) -> None:
    memory.remember("x", memory.Remembered(screen="logs"))
    memory._file("x").write_bytes(damage)
    assert memory.recall("x") == memory.Remembered()


def test_names_of_captures_cannot_leave_the_folder() -> None:
    memory.remember("../../etc/passwd", memory.Remembered(screen="sql"))
    assert memory.recall("../../etc/passwd").screen == "sql"
    assert memory._file("../../etc/passwd").parent == memory._folder()


def test_a_place_out_of_the_capture_is_clamped() -> None:
    place = Place([CHART])
    place.go(END + 1000 * SECOND)
    assert place.cursor == END


# --- themes


def test_each_theme_exchanges_the_palette_and_keeps_the_text() -> None:
    segments = [Segment("x", Style(color=palette.YELLOW, bgcolor=palette.CURSOR_GROUND)), Segment("y")]
    ground = Color(0, 0, 0)
    light = themes.Exchange("light").apply(segments, ground)
    assert [segment.text for segment in light] == ["x", "y"]
    assert light[0].style is not None
    assert light[0].style.color is not None
    assert light[0].style.color.name == "#8a7a00"
    safe = themes.Exchange("colour-blind").apply(segments, ground)
    assert safe[0].style == segments[0].style
    mono = themes.Exchange("mono").apply(segments, ground)[0].style
    assert mono is not None
    assert mono.color is not None
    assert len(set(mono.color.get_truecolor())) == 1


def contrast(one: Color, other: Color) -> float:
    """As WCAG 2 defines it."""

    def luminance(color: Color) -> float:
        parts = [n / 12.92 if n <= 0.03928 else ((n + 0.055) / 1.055) ** 2.4 for n in color.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", themes.NAMES)
def test_every_colour_can_be_read_on_its_ground(name: str) -> None:
    theme = themes.ALL[name]
    exchange = themes.Exchange(name)
    ground = Color.parse(theme.background or "")
    for colour in (*palette.CAUSES, palette.GREY):
        (segment,) = exchange.apply([Segment("x", Style(color=colour))], ground)
        assert segment.style is not None
        assert segment.style.color is not None
        assert contrast(Color.from_rich_color(segment.style.color), ground) >= 4, colour
    assert contrast(Color.parse(theme.foreground or ""), ground) >= 7


def test_without_colour_a_ground_is_reverse_video_and_nothing_is_coloured() -> None:
    def bare(**style: Any) -> Style:
        (segment,) = themes.Bare().apply([Segment("x", Style(**style))], Color(0, 0, 0))
        assert segment.style is not None
        assert segment.style.color is None
        assert segment.style.bgcolor is None
        return segment.style

    assert bare(color=palette.GREEN, bold=True) == Style(bold=True)
    assert not bare(color="#e0e0e0", bgcolor=themes.DARK.background).reverse
    assert bare(bgcolor=palette.CHOSEN_GROUND).reverse
    assert bare(bgcolor=palette.CURSOR_GROUND).reverse
    assert bare(bgcolor=palette.RANGE_GROUND).underline
    assert not bare(bgcolor=palette.RANGE_GROUND).reverse
    assert bare(color=palette.VERMILLION, bgcolor=themes.DARK.background, reverse=True).reverse


@pytest.mark.parametrize("name", themes.NAMES)
async def test_every_theme_shows_the_same_text(start: Start, name: str) -> None:
    async with start() as app:
        before = app.frame()
        app.screen.choose_theme(name)
        app.pilot.app.clear_notifications()
        await app.settle()
        assert app.frame() == before


# --- preview, mouse


async def test_the_capture_can_be_read_while_it_is_analyzed(incident: Investigation, capture: Path) -> None:
    async with analyzing(incident, capture, (120, 40)) as (driver, analyzed):
        assert "The analysis is under way" in driver.frame()
        await driver.press("8")
        assert driver.grid().rows.total > 0
        await driver.press("1")
        await analyzed()
        assert incident.analysis.findings[0].title.split()[0] in driver.frame()
        assert driver.screen.place.marked is not None  # the cursor went where the trouble starts


async def test_lanes_that_a_longer_verdict_leaves_less_room_are_laid_out_anew() -> None:
    hung = Path(__file__).parents[2] / "captures" / "samples" / "metrics-apiserver-hung.afscope.zip"
    incident = Investigation.open(hung)
    async with analyzing(incident, hung, (80, 24)) as (driver, analyzed):
        await analyzed()
        await driver.pilot.pause(0.1)
        assert "wait for" in driver.frame()
        assert "HPA asks" in driver.frame()
    incident.close()


async def test_dragging_scrubs_and_shift_selects(start: Start) -> None:
    async with start() as app:
        lanes = app.screen.overview.timeline.lanes
        axis = app.screen.place.axis
        await app.pilot.mouse_down(lanes, offset=(GUTTER + 10, 4))
        await app.pilot.hover(lanes, offset=(GUTTER + 30, 4))
        await app.pilot.mouse_up(lanes, offset=(GUTTER + 30, 4))
        await app.settle()
        assert app.cursor == axis.edge(30)
        assert app.screen.place.range is None
        place = app.screen.place
        for kind, column in ((events.MouseDown, 40), (events.MouseMove, 50), (events.MouseUp, 50)):
            x = GUTTER + column
            lanes.post_message(kind(lanes, x, 4, 0, 0, 1, True, False, False, x, 4))
        await app.settle()
        assert place.range == (axis.edge(40), axis.edge(50))


async def test_a_click_on_a_tab_opens_its_screen(start: Start) -> None:
    async with start() as app:
        await app.pilot.click(app.screen.tabs, offset=(16, 0))
        await app.settle()
        assert app.screen.current == "findings"


async def test_hostile_rows_stay_text_on_every_screen(start: Start) -> None:
    class Hostile(NoLook):
        def query(self, sql: str, span: tuple[int, int] | None = None, stop: Stop | None = None) -> Answer:
            return Answer((BAD,), ((BAD,),), cut=False)

    case = Case()
    case.look = Hostile()
    async with start(case) as app:
        await app.press("9", "f5")
        shown = app.frame()
        assert "\\x1b[2J" in shown
        assert "\x1b" not in shown
        assert "[bold red]x[/]" in shown
