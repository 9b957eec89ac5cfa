"""The pages of the causes: complete in both languages, and their queries run."""

import re
from pathlib import Path

import pytest

from afscope.engine.catalog import Catalog
from afscope.engine.investigation import Investigation
from tests.engine.incident import Incident

PAGES = Path(__file__).parents[2] / "docs" / "causes"
IDS = [file.header.id for file in Catalog.load().group("bottleneck")]
HEADINGS = {
    ".md": [
        "What it is",
        "How to recognise it",
        "Not to be confused with",
        "What it costs",
        "What to change",
        "Holds for",
    ],
    ".zh.md": ["是什么", "如何识别", "不要混淆", "代价", "如何处理", "适用范围"],
}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Investigation:
    return Incident().open(tmp_path_factory.mktemp("capture"))


@pytest.mark.parametrize("tail", HEADINGS)
@pytest.mark.parametrize("cause", IDS)
def test_a_page_is_complete_and_its_queries_run(case: Investigation, cause: str, tail: str) -> None:
    text = (PAGES / f"{cause}{tail}").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.M) == HEADINGS[tail]
    queries = re.findall(r"```sql\n(.*?)```", text, re.S)
    assert queries
    for query in queries:
        case.sql(query)


@pytest.mark.parametrize("tail", HEADINGS)
def test_the_index_lists_all(tail: str) -> None:
    text = (PAGES / f"index{tail}").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(\w+)\]", text, re.M)) == set(IDS)


def test_the_facts_are_listed() -> None:
    text = (PAGES.parent / "analyzers.md").read_text(encoding="utf-8")
    for file in Catalog.load().group("timeline"):
        assert f"| `{file.header.id}` |" in text
