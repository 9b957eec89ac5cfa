"""The HTML: one file that says the verdict first, fetches nothing, and lets no text out of a capture do anything."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pytest

from afscope.engine.investigation import Investigation
from afscope.model.clock import SECOND
from afscope.model.timeline import Chart, Lane, Span, Step, Tick
from afscope.report.content import Look, content
from afscope.report.html import html
from tests.engine.incident import Incident
from tests.report.conftest import LOOK, UTC

FETCHING = {"src", "srcset", "href", "data", "action", "poster", "background", "xlink:href"}


class Page(HTMLParser):
    """Everything that a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.policy = ""
        self.words = ""
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = tag
        if tag == "script":
            self.scripts.append("")
        for name, value in attrs:
            if name in FETCHING:
                self.fetched.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts[-1] += data
        elif self._open != "style":
            self.words += data


def page(opened: Investigation, look: Look = LOOK) -> Page:
    return Page(html(content(opened, look)))


def test_the_reader_knows_at_once_what_was_wrong(ordinary: Investigation) -> None:
    words = page(ordinary).words
    head = words[: words.index("Timeline")]
    assert "Not healthy" in head
    assert "Pool tiny has no open slots" in head
    assert "Raise the slots of tiny from 2" in head
    assert head.index("Not healthy") < head.index("Root cause") < head.index("Raise the slots")


def test_sections_of_a_post_mortem_are_there(ordinary: Investigation) -> None:
    words = page(ordinary).words
    for title in ("Timeline", "Where the waiting went", "Decisions", "Killed work", "Findings and evidence",
                  "Who was looked at", "three conditions", "What this report cannot know"):  # fmt: skip
        assert title in words
    assert "What if" not in words, "without a simulation the section is left out"


def test_nothing_is_fetched(hostile: Investigation) -> None:
    text = html(content(hostile, LOOK))
    told = Page(text)
    assert told.fetched == ["data:,"], "only the icon, which is empty"
    assert "default-src 'none'" in told.policy
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_names_stay_text(hostile: Investigation) -> None:
    text = html(content(hostile, LOOK))
    told = Page(text)
    assert len(told.scripts) == 1
    assert "img" not in told.tags
    assert told.handlers == []
    assert "onerror=alert(2)" in told.words, "it is shown, as the text that it is"
    assert "49" not in re.findall(r"'\"(\d+)", told.words), "templates are not filled from names"
    assert "{{7*7}}" in told.words
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u200b]", text)
    assert r"\u202e" in told.words, "what was hidden is visible"


def test_the_policy_allows_this_script_and_no_other(ordinary: Investigation) -> None:
    told = page(ordinary)
    digest = base64.b64encode(hashlib.sha256(told.scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in told.policy


@pytest.mark.parametrize(("lang", "word"), [("en", "Root cause"), ("zh", "根本原因")])
def test_both_languages(tmp_path: Path, lang: str, word: str) -> None:
    case = Incident(60)
    case.run("r", 0, 1)
    opened = case.open(tmp_path, lang=lang)
    text = html(content(opened, Look(lang, UTC)))
    opened.close()
    assert word not in text, "nothing was wrong"
    assert ("健康" if lang == "zh" else "Healthy") in text or ("无法判断" if lang == "zh" else "Cannot tell") in text
    assert f'<html lang="{"zh-Hans" if lang == "zh" else "en"}">' in text


def test_both_themes_are_in_the_file(ordinary: Investigation) -> None:
    text = html(content(ordinary, LOOK))
    assert "prefers-color-scheme: dark" in text
    assert ':root[data-theme="dark"]' in text
    assert "@media print" in text


def test_a_day_of_many_targets_weighs_less_than_two_megabytes(ordinary: Investigation) -> None:
    told = content(ordinary, LOOK)
    told.charts = tuple(_busy_day(f"ns/target-{number}", Random(number)) for number in range(6))
    assert 200_000 < len(html(told).encode()) < 2_000_000


def _busy_day(name: str, random: Random) -> Chart:
    start = 1_795_000_000 * SECOND
    end = start + 86_400 * SECOND

    def lane(kind: str) -> Lane:
        return Lane(kind, tuple(Step(start + 4 * k * SECOND, random.randint(0, 300)) for k in range(21_600)))

    def spans(kinds: list[str], step: int) -> tuple[Span, ...]:
        times = range(start, end, step * SECOND)
        return tuple(Span(at, at + step * SECOND, kinds[i % len(kinds)], "") for i, at in enumerate(times))

    lanes = ("waiting", "queued", "running", "metric", "desired", "current", "ready", "slots", "slots_used")
    return Chart(
        name, start, end, tuple(map(lane, lanes)), spans(["ok", "failing", "silent"], 20),
        spans([f"cause_{n}" for n in range(11)], 7), spans(["events", "pods"], 60)[::2],
        tuple(Tick(start + 9 * k * SECOND, ("decision", "warning")[k % 2], "message " * 60) for k in range(9000)),
    )  # fmt: skip


def test_what_was_not_recorded_is_said(tmp_path: Path) -> None:
    case = Incident(60)
    case.missing = {"pods", "task_instances"}
    opened = case.open(tmp_path)
    words = page(opened).words
    opened.close()
    assert "Cannot tell" in words
    assert "Could not be assessed: no task or pod tables." in words
    assert "No running task was killed" not in words
    assert "No task waited" not in words
    assert "Nobody can tell: no task table was recorded." in words
    assert re.search(r"tasks waited\s*not recorded", words)
