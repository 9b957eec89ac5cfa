"""Text out of a capture can neither drive the terminal nor pose as something else."""

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from afscope.model.finding import ComponentRuling, Condition, Evidence, Gap, NotAssessed
from afscope.model.timeline import RowPage, Tick
from afscope.tui.harmless import cut, fit, harmless, label
from tests.tui.case import ANALYSIS, CHART, TARGET, TIMEOUT, VERDICT, Case
from tests.tui.conftest import Start

BAD = "\x1b[2J\x1b]52;c;ZXZpbA==\x07\u202egnp.exe\n[bold red]x[/] [link=http://evil]y\r\x9b31m\u2066\x00\t\u200b\ud800"
HOSTILE_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "L", "N", "P"])))
def test_nothing_that_drives_a_terminal_or_hides_survives(text: str) -> None:
    left = {char for char in harmless(text) if unicodedata.category(char) in HOSTILE_CATEGORIES}
    # Egyptian and musical layout marks and a few prefixes have a visible or no effect of their own, and no direction.
    assert not {char for char in left if unicodedata.bidirectional(char) not in ("BN", "L", "AN", "ON", "NSM")}
    assert not {char for char in left if ord(char) < 0xA0}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\u202eabc", r"\u202eabc"),
        ("\x9b", r"\x9b"),
        ("\U000e0041", r"\U000e0041"),
        ("ordinary – text, 中文, é, 🚀", "ordinary – text, 中文, é, 🚀"),
    ],
)
def test_what_is_shown_instead(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_markup_is_text() -> None:
    assert label("[bold]x[/bold] [@click=app.quit]y[/]").plain == "[bold]x[/bold] [@click=app.quit]y[/]"


@given(st.text(st.sampled_from("ab中文🚀é ")), st.integers(0, 20))
def test_cells_are_counted_as_a_terminal_does(text: str, cells: int) -> None:
    assert cell_len(cut(text, cells)) <= cells
    assert cell_len(fit(text, cells)) == cells


def hostile() -> Case:
    """A case in which every text is hostile."""
    row = Evidence("events", TIMEOUT.evidence[0].ts, BAD, BAD)
    finding = msgspec.structs.replace(
        TIMEOUT, title=BAD, detail=BAD, remedy=BAD, subject=BAD, cause=BAD, component=BAD, docs=BAD, target=BAD,
        evidence=(row,), counter_evidence=(row,),
    )  # fmt: skip
    verdict = msgspec.structs.replace(
        VERDICT,
        summary=BAD,
        components=(ComponentRuling(BAD, TARGET, VERDICT.components[0].ruling, BAD, (row,)),),
        conditions=(Condition(BAD, False, BAD),),
    )
    chart = msgspec.structs.replace(
        CHART,
        target=BAD,
        lanes=(*CHART.lanes[:8], msgspec.structs.replace(CHART.lanes[8], name=BAD)),
        constraint=tuple(msgspec.structs.replace(span, kind=BAD) for span in CHART.constraint),
        health=tuple(msgspec.structs.replace(span, kind=BAD, text=BAD) for span in CHART.health),
        gaps=(msgspec.structs.replace(CHART.health[0], kind=BAD, text=BAD),),
        ticks=(Tick(TIMEOUT.started_at, BAD, BAD),),
    )
    analysis = msgspec.structs.replace(
        ANALYSIS,
        findings=(finding,),
        verdict=verdict,
        capture=msgspec.structs.replace(ANALYSIS.capture, cluster=BAD),
        not_assessed=(NotAssessed(BAD, (BAD,)),),
        gaps=(Gap(BAD, CHART.start, CHART.end, BAD),),
    )

    class Hostile(Case):
        def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
            return RowPage(BAD, (BAD, "b"), ((BAD, BAD), ("x", "y")), 0)

    return Hostile(analysis, [chart])


async def test_every_screen_of_a_hostile_capture_is_harmless(start: Start) -> None:
    case = hostile()
    async with start(case, size=(200, 50), name=BAD) as app:
        frames = [app.frame()]
        for keys in (["enter"], ["q", "tab", "G"], ["j", "enter"], ["q", "j", "enter"], ["y"]):
            await app.press(*keys)
            frames.append(app.frame())
        app.screen.overview.open_subject(case.analysis.findings[0].evidence[0])
        await app.settle()
        frames.append(app.frame())
        for shown in frames:
            assert not {char for char in shown if unicodedata.category(char) in HOSTILE_CATEGORIES} - {"\n"}
        assert all(r"\x1b[2J" in shown for shown in frames)
        assert any("[bold red]x[/]" in shown for shown in frames)
        await app.press("y")
        assert "\x1b" not in app.pilot.app.clipboard
