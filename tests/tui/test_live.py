"""The screen on a capture that still grows: what is new comes in, and the user stays where he is."""

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from afscope.errors import NotACapture
from afscope.model.browse import SourceLine
from afscope.model.clock import SECOND
from afscope.tui.app import AfscopeApp
from afscope.tui.case import CaseScreen
from afscope.tui.live import Live
from afscope.tui.source import News
from afscope.tui.times import clock
from tests.tui.case import Case
from tests.tui.conftest import Driver


class Growing(Case):
    """The case of `case.py` as it was some seconds before its end, with fewer findings."""

    def __init__(self, seconds_missing: int = 0, findings: int | None = None) -> None:
        super().__init__()
        whole = self.analysis
        self._end = whole.capture.ended_at - seconds_missing * SECOND
        self.analysis = msgspec.structs.replace(
            whole,
            capture=msgspec.structs.replace(whole.capture, ended_at=self._end),
            findings=whole.findings if findings is None else whole.findings[:findings],
        )
        self.charts = tuple(msgspec.structs.replace(chart, end=self._end) for chart in self.charts)
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Feed:
    """Gives one case after the other, each when the test asks for it; the last one again and again."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases, self.given = list(cases), 0
        self._ready = threading.Semaphore(1)
        self.why: str | None = None

    def load(self) -> Case:
        self._ready.acquire(timeout=30)
        case = self._cases[min(self.given, len(self._cases) - 1)]
        self.given += 1
        return case

    def more(self) -> None:
        self._ready.release()


@asynccontextmanager
async def watching(feed: Feed, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Driver]:
    live = Live(lambda: feed.why, every_s=0.01)
    app = AfscopeApp(feed.load, "live.afscope", live=live)
    async with app.run_test(size=size) as pilot:
        while not isinstance(app.screen, CaseScreen):
            await pilot.pause(0.01)
        driver = Driver(pilot, Growing())
        await driver.settle()
        try:
            yield driver
        finally:
            live.left.set()
            feed.more()


async def again(driver: Driver, feed: Feed, given: int) -> None:
    """Until the next case was read and is on the screen."""
    feed.more()
    while feed.given < given:
        await driver.pilot.pause(0.02)
    await driver.pilot.pause(0.1)
    await driver.settle()


async def test_the_end_is_followed_until_the_user_goes_elsewhere() -> None:
    feed = Feed([Growing(60), Growing(30), Growing(0)])
    async with watching(feed) as driver:
        assert driver.cursor == driver.screen.place.axis.end == Growing(60)._end
        assert "● LIVE" in driver.frame()
        await again(driver, feed, 2)
        assert driver.cursor == driver.screen.place.axis.end == Growing(30)._end
        await driver.press("left", "left")
        before = driver.cursor
        await again(driver, feed, 3)
        assert driver.screen.place.axis.end == Growing(0)._end
        assert driver.cursor == before
        await driver.press("G")
        assert driver.cursor == Growing(0)._end


async def test_a_zoomed_view_keeps_its_length_and_its_place() -> None:
    feed = Feed([Growing(60), Growing(0)])
    async with watching(feed) as driver:
        await driver.press("plus", "plus")
        axis = driver.screen.place.axis
        await again(driver, feed, 2)
        grown = driver.screen.place.axis
        assert grown.span == axis.span
        assert grown.right == Growing(0)._end, "at the end it stays at the end"
        await driver.press("g")
        left = driver.screen.place.axis.left
        await again(driver, feed, 3)
        assert driver.screen.place.axis.left == left


async def test_a_page_stays_open_and_is_told_anew() -> None:
    feed = Feed([Growing(60), Growing(0)])
    async with watching(feed) as driver:
        await driver.press("tab", "enter")
        trail = driver.screen.overview.list.trail
        assert len(trail) == 2
        await again(driver, feed, 2)
        assert driver.screen.overview.list.trail == trail
        assert driver.focused() is driver.screen.overview.list


async def test_what_is_no_longer_found_is_said_and_left() -> None:
    feed = Feed([Growing(60), Growing(0, findings=0)])
    async with watching(feed) as driver:
        await driver.press("tab", "enter")
        await again(driver, feed, 2)
        assert len(driver.screen.overview.list.trail) == 1
        assert [note.message for note in driver.pilot.app._notifications] == ["what was open here is no longer found"]


async def test_the_highlight_stays_on_its_finding() -> None:
    feed = Feed([Growing(60), Growing(0)])
    async with watching(feed) as driver:
        await driver.press("tab", "j")
        entry = driver.screen.overview.list.entry
        assert entry is not None
        assert entry.opens is not None
        await again(driver, feed, 2)
        after = driver.screen.overview.list.entry
        assert after is not None
        assert getattr(after.opens, "cause", None) == getattr(entry.opens, "cause", None)


async def test_old_cases_are_closed() -> None:
    first = Growing(60)
    feed = Feed([first, Growing(0)])
    async with watching(feed) as driver:
        assert not first.closed
        await again(driver, feed, 2)
        assert first.closed


async def test_the_sources_tell_how_fresh_they_are() -> None:
    case = Growing()
    heard = case.analysis.capture.ended_at - 48 * SECOND
    lines = [SourceLine("pods", "ok", 3, 0, "", heard), SourceLine("nodes", "forbidden", 0, 0, "no right", heard)]
    case.look.sources = lambda: lines  # type: ignore[method-assign]
    feed = Feed([case])
    async with watching(feed) as driver:
        await driver.press("C")
        await driver.settle()
        pods = next(line for line in driver.frame().splitlines() if "pods" in line)
        assert f"proven until {clock(heard)}" in pods
        assert "48s ago" in pods
        assert "proven" not in next(line for line in driver.frame().splitlines() if "no right" in line)


async def test_space_holds_the_screen_still() -> None:
    feed = Feed([Growing(60), Growing(0)])
    async with watching(feed) as driver:
        await driver.press("space")
        assert "‖ PAUSED" in driver.frame()
        await driver.press("space")
        assert "● LIVE" in driver.frame()


async def test_a_recorder_that_ended_is_said_and_the_screen_stays() -> None:
    feed = Feed([Growing(60), Growing(0)])
    async with watching(feed) as driver:
        feed.why = "its time is over"
        await again(driver, feed, 2)
        while driver.screen.live is not None and driver.screen.live.why_ended is None:
            feed.more()
            await driver.pilot.pause(0.02)
        await driver.pilot.pause(0.1)
        await driver.settle()
        assert "■ recorder ended: its time is over" in driver.frame()
        await driver.press("tab", "j")
        assert driver.screen.overview.list.entry is not None


async def test_a_capture_without_rows_yet_is_waited_for() -> None:
    calls = 0

    def load() -> Case:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise NotACapture("nothing yet")
        return Growing(60)

    live = Live(lambda: None, every_s=1000)
    app = AfscopeApp(load, "live.afscope", live=live)
    async with app.run_test(size=(120, 40)) as pilot:
        driver = Driver(pilot, Growing())
        while "waiting for the first rows" not in driver.frame() and not isinstance(app.screen, CaseScreen):
            await pilot.pause(0.01)
        assert not isinstance(app.screen, CaseScreen), "it never said that it waits"
        while not isinstance(app.screen, CaseScreen):
            await pilot.pause(0.05)
    assert calls == 3


async def test_a_capture_that_never_comes_ends_the_program() -> None:
    def load() -> Case:
        raise NotACapture("nothing at all")

    app = AfscopeApp(load, "live.afscope", live=Live(lambda: "exit code 2"))
    async with app.run_test(size=(120, 40)) as pilot:
        while app.failure is None:
            await pilot.pause(0.02)
    assert isinstance(app.failure, NotACapture)
    assert app.return_code == 2


def test_a_bug_is_not_waited_for() -> None:
    failures: list[Exception] = []

    def load() -> Case:
        raise ZeroDivisionError

    Live(lambda: None).follow(load, lambda _: None, failures.append)
    assert isinstance(failures[0], ZeroDivisionError)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_header_fits(size: tuple[int, int]) -> None:
    feed = Feed([Growing(60)])
    async with watching(feed, size) as driver:
        first = driver.frame().splitlines()[0]
        assert "● LIVE" in first
        assert "20:1" in first
        assert len(first) <= size[0]


class Rows:
    """Rows that come in when the test says so; the case is always the same one, a little longer."""

    def __init__(self) -> None:
        self.seconds, self.polled, self.news = 0, 0, False

    def poll(self) -> bool:
        self.polled += 1
        new, self.news = self.news, False
        return new

    def more(self, seconds: int) -> None:
        self.seconds, self.news = self.seconds + seconds, True

    def case(self, analyzed: object = None) -> "Fresh":
        return Fresh(self)


class Fresh(Growing):
    """A case of `Rows`."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(60)
        self._rows = rows

    def refreshed(self) -> News:
        later = Growing(60 - self._rows.seconds)
        return later.analysis, later.charts

    def take(self, news: News) -> None:
        self.analysis, charts = news
        self.charts = tuple(charts)


@asynccontextmanager
async def following(rows: Rows, feed: Feed) -> AsyncIterator[tuple[Driver, Live]]:
    live = Live(lambda: feed.why, lambda: rows, every_s=0.01, rows_every_s=0.01)
    app = AfscopeApp(feed.load, "live.afscope", live=live)
    async with app.run_test(size=(120, 40)) as pilot:
        while not isinstance(app.screen, CaseScreen) or feed.given < 1:
            await pilot.pause(0.01)
        driver = Driver(pilot, Growing())
        await driver.settle()
        try:
            yield driver, live
        finally:
            live.leave()
            feed.more()


async def until_polled(driver: Driver, rows: Rows) -> None:
    """Two polls later whatever came in is on its way to the screen."""
    seen = rows.polled
    while rows.polled < seen + 3:
        await driver.pilot.pause(0.02)
    await driver.pilot.pause(0.1)


async def test_rows_come_in_without_a_new_analysis() -> None:
    rows, feed = Rows(), Feed([Growing(60)])
    async with following(rows, feed) as (driver, _):
        assert driver.cursor == Growing(60)._end
        given = feed.given
        rows.more(20)
        await until_polled(driver, rows)
        assert driver.screen.place.axis.end == Growing(40)._end
        assert driver.cursor == Growing(40)._end, "who stands at the end stays there"
        assert feed.given == given
        assert "verdict" in driver.frame().splitlines()[0]


async def test_a_pause_freezes_all_and_loses_nothing() -> None:
    rows, feed = Rows(), Feed([Growing(60)])
    async with following(rows, feed) as (driver, live):
        await driver.press("space")
        rows.more(30)
        await driver.pilot.pause(0.3)
        assert driver.screen.place.axis.end == Growing(60)._end
        assert live.stop.asked, "the analysis was called off"
        await driver.press("space")
        while driver.screen.place.axis.end != Growing(30)._end:
            await driver.pilot.pause(0.02)
        assert "● LIVE" in driver.frame()
