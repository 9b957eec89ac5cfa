"""Nobody recorded: what people have the day after names the cause, or says that it cannot; it never blames another."""

from pathlib import Path
from typing import Any

import pytest

from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.finding import Ruling
from benchmarks.day_after import LEFT, judged, reduce
from benchmarks.recorded import Recording
from tests.incidents.test_recordings import OURS

NAMES = sorted(path.parent.name for path in OURS.glob("*/label.json"))


@pytest.mark.parametrize("kind", LEFT)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_blames_nobody_else(name: str, kind: str, tmp_path: Path) -> None:
    score = judged(Recording.load(OURS / name), kind, tmp_path / "left")
    assert score.problems == ()


def said(name: str, kind: str, tmp_path: Path) -> Any:
    reduce(Recording.load(OURS / name), kind, tmp_path / "left")
    import_sources([tmp_path / "left"], tmp_path / "left.afscope")
    investigation = Investigation.open(tmp_path / "left.afscope")
    try:
        return investigation.analysis
    finally:
        investigation.close()


def test_lists_metrics_and_the_database_together_still_name_a_ceiling(tmp_path: Path) -> None:
    analysis = said("max_replicas_mariadb", "db_lists_prometheus", tmp_path)
    assert analysis.verdict.root_causes == ("max_replicas_ceiling",)


def test_the_database_alone_neither_acquits_nor_blames_the_autoscaler(tmp_path: Path) -> None:
    analysis = said("max_replicas_mariadb", "db_logs", tmp_path)
    rulings = {item.component: item.ruling for item in analysis.verdict.components}
    silent = ("keda-operator", "keda-metrics-apiserver", "hpa", "autoscaler-settings", "quota", "nodes", "image")
    assert {rulings[name] for name in silent} == {Ruling.NOT_ASSESSED}
    assert analysis.verdict.healthy is None


def test_each_missing_source_says_what_it_would_settle_and_how_to_get_it(tmp_path: Path) -> None:
    missing = {item.source: item for item in said("max_replicas_mariadb", "db_logs", tmp_path).missing}
    assert "max_replicas_ceiling" in missing["scaledobjects"].causes
    assert "kubectl get scaledobjects" in missing["scaledobjects"].how
    assert "autoscaler-settings" in missing["hpas"].components
    assert (missing["task_instances"].status, missing["task_instances"].causes) == ("partial", ())
    assert "log_lines" not in missing


def test_before_airflow_3_a_limit_cannot_be_told_from_the_scheduler_so_no_dag_is_acquitted(tmp_path: Path) -> None:
    analysis = said("pool", "db_events", tmp_path)
    ruling = next(item for item in analysis.verdict.components if item.component == "dag")
    assert ruling.ruling is Ruling.NOT_ASSESSED
