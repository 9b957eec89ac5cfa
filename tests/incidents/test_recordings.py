"""Every recorded incident against its label; three ship with the tests, AFSCOPE_RECORDINGS names a folder of more."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.clock import SECOND
from afscope.model.finding import Role, Ruling

OURS = Path(__file__).parents[1] / "data" / "recordings"
MORE = os.environ.get("AFSCOPE_RECORDINGS", "")
ALIASES = {"keda": {"keda-operator", "keda-metrics-apiserver"}, "metrics": {"keda-metrics-apiserver"}}


def recordings() -> list[Path]:
    folders = [OURS, *([Path(MORE)] if MORE else [])]
    found = {path.parent.name: path.parent for folder in folders for path in sorted(folder.glob("*/label.json"))}
    return list(found.values())


@pytest.fixture(scope="module", params=recordings(), ids=lambda path: path.name)
def incident(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Investigation, dict[str, Any]]:
    folder: Path = request.param
    out = tmp_path_factory.mktemp("captures") / f"{folder.name}.afscope"
    import_sources([folder], out)
    label: dict[str, Any] = json.loads((folder / "label.json").read_text())
    return Investigation.open(out), label


def test_the_verdict_is_the_label(incident: tuple[Investigation, dict[str, Any]]) -> None:
    case, label = incident
    verdict = case.analysis.verdict
    wanted = label["root_causes"]
    assert [cause for cause in wanted if cause not in verdict.root_causes] == []
    assert [c for c in verdict.root_causes if c not in wanted and c not in label.get("acceptable", [])] == []
    if wanted:
        assert verdict.root_causes[0] in wanted
        assert verdict.healthy is False
    if label.get("healthy"):
        assert verdict.healthy is True


def test_the_innocent_are_not_guilty(incident: tuple[Investigation, dict[str, Any]]) -> None:
    case, label = incident
    guilty = {c.component for c in case.analysis.verdict.components if c.ruling is Ruling.GUILTY}
    for name in label.get("innocent", []):
        assert not guilty & ALIASES.get(name, {name})
    for component in case.analysis.verdict.components:
        assert component.because
        assert component.evidence or component.ruling is Ruling.NOT_ASSESSED


def test_subject_and_component_are_those_of_the_label(incident: tuple[Investigation, dict[str, Any]]) -> None:
    case, label = incident
    roots = [f for f in case.analysis.findings if f.role is Role.ROOT_CAUSE and f.cause in label["root_causes"]]
    if "subject" in label:
        assert label["subject"] in {finding.subject for finding in roots}
    if "component" in label:
        assert label["component"] in {finding.component for finding in roots}


def test_each_waiting_second_has_one_cause(incident: tuple[Investigation, dict[str, Any]]) -> None:
    case, _ = incident
    waiting = unknown = 0.0
    for wait in case.waits():
        total = sum(stage.seconds for stage in wait.stages)
        end = case.end if wait.running_at is None else wait.running_at
        assert total == pytest.approx(max(0, end - wait.runnable_at) / SECOND, abs=0.001)
        waiting += total
        unknown += sum(stage.seconds for stage in wait.stages if stage.stage == "unknown")
    assert unknown <= 0.05 * max(waiting, 1)


def test_every_evidence_row_can_be_looked_up(incident: tuple[Investigation, dict[str, Any]]) -> None:
    case, _ = incident
    for finding in case.analysis.findings:
        assert "{" not in finding.title
        assert "?" not in finding.title
        for item in finding.evidence:
            page = case.rows(item, 20)
            assert page.rows, f"{finding.cause}: no row for {item}"
            assert 0 <= page.focus < len(page.rows)
