"""Every analyzer has its pages and its texts in English and Chinese."""

import re

import pytest

from afscope.engine.catalog import Catalog
from afscope.engine.header import AnalyzerFile
from tests.house.conftest import ROOT

ANALYZERS = [file for file in Catalog.load().analyzers if file.shipped]
BOTTLENECKS = [file for file in ANALYZERS if file.header.group == "bottleneck"]
HAN = re.compile("[\u4e00-\u9fff]")


def test_there_is_a_catalog() -> None:
    assert len(BOTTLENECKS) >= 20


@pytest.mark.parametrize("file", BOTTLENECKS, ids=lambda file: file.header.id)
def test_a_cause_is_documented_in_both_languages(file: AnalyzerFile) -> None:
    for tail in (".md", ".zh.md"):
        page = ROOT / "docs" / "causes" / f"{file.header.id}{tail}"
        assert page.is_file(), f"no {page.relative_to(ROOT)}"
        assert file.header.id in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", BOTTLENECKS, ids=lambda file: file.header.id)
def test_a_cause_speaks_both_languages(file: AnalyzerFile) -> None:
    english, chinese = file.header.text["en"], file.header.text["zh"]
    # a title may be one of its variants
    assert HAN.search(" ".join((chinese.title, *chinese.variants.values())))
    assert not HAN.search(" ".join((english.title, english.detail, english.remedy, *english.variants.values())))
    assert english.variants.keys() == chinese.variants.keys()
    filled = [field for field in ("title", "detail", "remedy") if getattr(english, field)]
    assert filled == [field for field in ("title", "detail", "remedy") if getattr(chinese, field)]
    assert "remedy" in filled, "a finding says what to change"


SHARED = {"symptom": "symptoms", "lint": "lint"}
OTHERS = [file for file in ANALYZERS if file.header.group in SHARED]


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: file.header.id)
def test_a_symptom_or_lint_rule_has_its_section_in_both_languages(file: AnalyzerFile) -> None:
    for tail in (".md", ".zh.md"):
        page = (ROOT / "docs" / f"{SHARED[file.header.group]}{tail}").read_text(encoding="utf-8")
        assert f"## {file.header.id}\n" in page
    english, chinese = file.header.text["en"], file.header.text["zh"]
    assert HAN.search(chinese.title)
    assert not HAN.search(english.title + english.detail + english.remedy)
    assert all((english.detail, english.remedy, chinese.detail, chinese.remedy, chinese.name))
    assert english.variants.keys() == chinese.variants.keys()


@pytest.mark.parametrize("file", BOTTLENECKS, ids=lambda file: file.header.id)
def test_what_is_explained_is_known(file: AnalyzerFile) -> None:
    """Causes of the catalogue that have no analyzer yet are in the chain, or end in the same words."""
    symptoms = {other.header.id for other in ANALYZERS if other.header.group == "symptom"}
    told = {
        word
        for word in file.header.explains
        if word.startswith(("tasks_", "workers_", "metric_", "replicas_below", "pods_not"))
    }
    assert told - symptoms <= {"metric_path_tls", "metrics_apiserver_overloaded"}
