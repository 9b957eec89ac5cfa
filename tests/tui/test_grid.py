"""The long table: it paints only what changed, and reads the page that comes next before the cursor is there."""

from collections.abc import Sequence

from textual.app import App, ComposeResult

from afscope.engine.investigation import Investigation
from afscope.model.browse import Line
from afscope.model.stop import Stop
from afscope.tui.grid import AHEAD, PAGE, Grid, widths_of
from afscope.tui.still import Still
from tests.tui.conftest import Start

TOTAL = 10 * PAGE


class Counted:
    """Rows of a slow source; `asked` are the first rows of the pages that were read."""

    instant, columns, total = False, ("text",), TOTAL

    def __init__(self) -> None:
        self.asked: list[int] = []

    def lines(self, first: int, count: int, stop: Stop | None = None) -> Sequence[Line]:
        self.asked.append(first)
        return [Line(1 + n, (f"row {n}",), "") for n in range(first, min(first + count, TOTAL))]

    def row_at(self, at: int, stop: Stop | None = None) -> int:
        return at

    def next_hit(self, text: str, row: int, step: int, stop: Stop | None = None) -> int | None:
        return None


class Alone(App[None]):
    """A grid, and a text as high as it needs to be."""

    def compose(self) -> ComposeResult:
        self.grid = Grid("en", "grid")
        self.text = Still("one", id="text", markup=False)
        self.text.styles.height = "auto"
        yield self.grid
        yield self.text


async def test_the_next_page_is_read_before_the_cursor_is_there() -> None:
    app, rows = Alone(), Counted()
    async with app.run_test(size=(60, 20)) as pilot:
        app.grid.show(rows)
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert rows.asked == [0]
        for row, asked in ((PAGE - AHEAD - 1, [0]), (PAGE - AHEAD, [0, PAGE]), (PAGE + 5, [0, PAGE])):
            app.grid.move(row)
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert rows.asked == asked
        app.grid.move(5 * PAGE + PAGE // 2)  # far away: what is seen first, then nothing but what may come
        await app.workers.wait_for_complete()
        await pilot.pause()
        app.grid.by(-(PAGE // 2 - AHEAD + 1))
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert rows.asked == [0, PAGE, 5 * PAGE, 4 * PAGE]


async def test_what_is_painted_in_part_is_what_would_be_painted_as_a_whole(
    start: Start, incident: Investigation
) -> None:
    async with start(incident, size=(80, 24)) as app:
        for screen in ("7", "3", "5", "C"):
            await app.press(screen, "g")
            for keys in (["j"], ["j", "j", "k"], ["ctrl+d"], ["k"], ["G"], ["k", "k"], ["g"]):
                await app.press(*keys)
                painted = app.frame()
                app.grid().refresh()
                await app.settle()
                assert app.frame() == painted


async def test_a_text_is_laid_out_anew_only_when_its_height_changes() -> None:
    app = Alone()
    async with app.run_test(size=(60, 20)) as pilot:
        layouts = 0
        before = app.screen._refresh_layout

        def counted(*args: object, **kwargs: object) -> None:
            nonlocal layouts
            layouts += 1
            before(*args, **kwargs)  # type: ignore[arg-type]

        app.screen._refresh_layout = counted  # type: ignore[method-assign]
        await pilot.pause()
        layouts = 0
        app.text.update("two")
        await pilot.pause()
        assert layouts == 0
        app.text.update("two\nlines")
        await pilot.pause()
        assert layouts > 0
        assert app.text.size.height == 2


def test_widths_are_those_of_the_widest_cells() -> None:
    lines = [Line(0, ("a", "中文"), ""), Line(0, ("abc", ""), "")]
    assert widths_of(lines) == [3, 4]
    assert widths_of([]) == []
