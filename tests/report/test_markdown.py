"""The Markdown for a ticket: the same content, and names that cannot mention or format."""

from afscope.engine.investigation import Investigation
from afscope.report.content import content
from afscope.report.markdown import escape, markdown
from tests.report.conftest import LOOK


def test_it_begins_with_the_verdict(ordinary: Investigation) -> None:
    text = markdown(content(ordinary, LOOK))
    assert text.startswith("# Not healthy\n\nPool tiny has no open slots")
    assert "## Root cause: Pool tiny has no open slots" in text
    assert "| limits and pools |" in text


def test_hostile_names_stay_text(hostile: Investigation) -> None:
    text = markdown(content(hostile, LOOK))
    assert "<img" not in text.replace("\\<img", "")
    assert "\x1b" not in text
    assert "\u202e" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|"), "a name cannot end a row"


def test_names_cannot_mention_or_format() -> None:
    assert escape("@team #12 *x* [a](b) |") == r"\@team \#12 \*x\* \[a\](b) \|"
