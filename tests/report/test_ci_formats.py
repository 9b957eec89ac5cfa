"""JUnit and SARIF against their schemas, and what they say of guilt, innocence and ignorance."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from afscope.engine.investigation import Investigation
from afscope.model.finding import Severity
from afscope.report.junit import Case, junit, suite
from afscope.report.sarif import sarif
from tests.engine.incident import Incident

XSD = Path(__file__).parents[1] / "data" / "schemas" / "junit-10.xsd"
ALL = list(Severity)[:4]


def causes(opened: Investigation) -> list[tuple[str, str]]:
    return [(file.header.id, file.header.stage) for file in opened.catalog.group("bottleneck")]


def xml(opened: Investigation, failing: list[Severity] = ALL) -> str:
    text = junit(opened.analysis, causes(opened), "x", failing)
    xmlschema = pytest.importorskip("xmlschema", reason="xmlschema comes with the test extra")
    xmlschema.XMLSchema(str(XSD)).validate(text)
    return text


def cases(text: str) -> dict[str, str]:
    """State of each test case."""
    found = {}
    for case in Xml.fromstring(text).iter("testcase"):
        child = next(iter(case), None)
        found[case.attrib["name"]] = "" if child is None else child.tag
    return found


def test_the_guilty_cause_fails_and_the_others_pass(ordinary: Investigation) -> None:
    states = cases(xml(ordinary))
    assert states["pool_exhausted"] == "failure"
    assert states["verdict"] == "failure"
    assert [name for name, state in states.items() if state == "failure"] == ["verdict", "pool_exhausted"]


def test_a_gate_that_looks_higher_lets_it_pass(ordinary: Investigation) -> None:
    assert "failure" not in cases(xml(ordinary, [Severity.CRITICAL])).values()


def test_what_could_not_be_assessed_is_skipped_and_not_green(tmp_path: Path) -> None:
    case = Incident(60)
    case.missing = {"pools", "task_instances"}
    opened = case.open(tmp_path)
    states = cases(xml(opened))
    opened.close()
    assert states["pool_exhausted"] == "skipped"
    assert states["verdict"] == "skipped"


def test_hostile_names_make_good_xml(hostile: Investigation) -> None:
    assert cases(xml(hostile))["pool_exhausted"] == "failure"


def test_an_empty_suite_is_a_suite() -> None:
    assert 'tests="0"' in suite("none", [])
    assert "<failure" in suite("one", [Case("g", "n", "failure", "m")])


def log(opened: Investigation) -> dict[str, Any]:
    document = json.loads(json.dumps(sarif(opened.analysis, "folder/x.afscope")))
    models = pytest.importorskip("sarif_pydantic", reason="sarif-pydantic comes with the test extra")
    assert list(_unknown(models.Sarif.model_validate(document))) == []
    return dict(document)


def _unknown(model: Any, path: str = "") -> Any:
    """Keys that SARIF 2.1.0 does not have; property bags may hold anything."""
    if isinstance(model, list):
        for item in model:
            yield from _unknown(item, path)
    if not hasattr(model, "model_fields_set"):
        return
    yield from (f"{path}.{key}" for key in (model.model_extra or {}) if key != "$schema")
    for name in model.model_fields_set - {"properties"}:
        yield from _unknown(getattr(model, name, None), f"{path}.{name}")


def test_sarif_tells_guilt_from_remarks(ordinary: Investigation) -> None:
    (run,) = log(ordinary)["runs"]
    results = {result["ruleId"]: result for result in run["results"]}
    assert (results["pool_exhausted"]["kind"], results["pool_exhausted"]["level"]) == ("fail", "error")
    informational = [r for r in run["results"] if r["kind"] == "informational"]
    assert all(result["level"] == "none" for result in informational)
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "folder/x.afscope"


def test_sarif_leaves_open_what_was_not_assessed(tmp_path: Path) -> None:
    case = Incident(60)
    case.missing = {"pools"}
    opened = case.open(tmp_path)
    (run,) = log(opened)["runs"]
    opened.close()
    found = next(result for result in run["results"] if result["ruleId"] == "pool_exhausted")
    assert (found["kind"], found["level"]) == ("open", "none")


def test_the_same_finding_has_the_same_fingerprint(ordinary: Investigation, tmp_path: Path) -> None:
    def prints(opened: Investigation) -> list[str]:
        return [r["partialFingerprints"]["afscopeFinding/v1"] for r in log(opened)["runs"][0]["results"]]

    first = prints(ordinary)
    assert first == prints(ordinary)
    assert len(set(first)) == len(first)
