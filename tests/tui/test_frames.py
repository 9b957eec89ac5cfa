"""What a person sees, kept as text: a review reads the difference. AFSCOPE_UPDATE_FRAMES=1 writes the frames anew."""

from collections.abc import Callable

import msgspec
import pytest
from textual.pilot import Pilot

from afscope.model.finding import Gap
from afscope.model.timeline import Span
from tests.tui.case import ANALYSIS, CHART, EVENT, Case, at
from tests.tui.conftest import Start

SameFrame = Callable[[Pilot[int], str], None]
SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_first_screen(start: Start, same_frame: SameFrame, size: tuple[int, int]) -> None:
    async with start(size=size) as app:
        same_frame(app.pilot, f"first_{size[0]}x{size[1]}")


async def test_list_in_a_small_terminal(start: Start, same_frame: SameFrame) -> None:
    async with start(size=(80, 24)) as app:
        await app.press("tab")
        same_frame(app.pilot, "list_80x24")


@pytest.mark.parametrize("size", SIZES)
async def test_finding(start: Start, same_frame: SameFrame, size: tuple[int, int]) -> None:
    async with start(size=size) as app:
        await app.press("enter")
        same_frame(app.pilot, f"finding_{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_rows(start: Start, same_frame: SameFrame, size: tuple[int, int]) -> None:
    async with start(size=size) as app:
        app.screen.overview.open_subject(EVENT)
        await app.settle()
        same_frame(app.pilot, f"rows_{size[0]}x{size[1]}")


async def test_zoomed(start: Start, same_frame: SameFrame) -> None:
    async with start(size=(120, 40)) as app:
        await app.press("plus", "plus", "plus")
        same_frame(app.pilot, "zoomed_120x40")


async def test_chinese(start: Start, same_frame: SameFrame) -> None:
    async with start(size=(80, 24), lang="zh") as app:
        same_frame(app.pilot, "first_zh_80x24")


async def test_gaps_are_hatched_where_their_source_is_drawn(start: Start, same_frame: SameFrame) -> None:
    gaps = (
        Span(at(40), at(60), "hpas", "watch expired"),
        Span(at(80), at(90), "task_instances", "the database did not answer"),
        Span(at(50), at(70), "events", "403"),
    )
    chart = msgspec.structs.replace(CHART, gaps=gaps)
    holes = tuple(Gap(gap.kind, gap.start, gap.end, gap.text) for gap in gaps)
    async with start(Case(msgspec.structs.replace(ANALYSIS, gaps=holes), [chart]), size=(120, 40)) as app:
        app.screen.place.go(at(55))
        await app.settle()
        same_frame(app.pilot, "gaps_120x40")


async def test_a_capture_without_targets_or_findings(start: Start, same_frame: SameFrame) -> None:
    verdict = msgspec.structs.replace(ANALYSIS.verdict, healthy=None, summary="Nobody can tell.", components=())
    empty = msgspec.structs.replace(ANALYSIS, findings=(), verdict=verdict)
    async with start(Case(empty, []), size=(80, 24)) as app:
        await app.press("right", "plus", "right_square_bracket", "right_curly_bracket", "T", "enter")
        same_frame(app.pilot, "empty_80x24")
