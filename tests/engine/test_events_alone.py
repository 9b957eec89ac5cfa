"""A dump of kubectl without the Airflow database: what its events prove by their own words, and no more."""

from pathlib import Path

import pytest

from afscope.engine.investigation import Investigation
from afscope.model.finding import Kind, Role
from afscope.store.schema import TABLES
from tests.engine.incident import Incident, roots

KUBERNETES = {"events", "pods", "workloads", "hpas", "scaledobjects", "objects", "gaps", "samples"}
NAME = "worker"
QUOTA = 'pods "worker-1-x" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4'


def no_database() -> Incident:
    incident = Incident()
    incident.missing |= TABLES.keys() - KUBERNETES
    return incident


def causes(case: Investigation) -> set[str]:
    return {f.cause for f in case.analysis.findings if f.kind is Kind.LOG}


def test_a_refusing_quota_is_told_and_blamed_for_no_waiting(tmp_path: Path) -> None:
    incident = no_database()
    incident.event(20, "FailedCreate", "ReplicaSet", f"{NAME}-1", f"Error creating: {QUOTA}")
    case = incident.open(tmp_path)
    assert case.analysis.verdict.healthy is None
    assert roots(case) == []
    (found,) = [f for f in case.analysis.findings if f.cause == "quota_exceeded"]
    assert (found.role, found.component, found.cost.waiting_task_seconds) == (Role.CONTRIBUTING, "quota", 0)
    assert [e.table for e in found.evidence] == ["events"]
    assert "A quota refuses pods" in case.analysis.verdict.summary


@pytest.mark.parametrize(
    ("reason", "text", "cause"),
    [
        ("FailedGetExternalMetric", "the server is currently unable to handle the request", "external_metric_timeout"),
        ("FailedGetExternalMetric", "could not find the requested resource", "external_metrics_api_missing"),
        ("FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu.", "pods_unschedulable"),
    ],
)
def test_the_words_decide(reason: str, text: str, cause: str, tmp_path: Path) -> None:
    incident = no_database()
    incident.event(20, reason, "Pod", f"{NAME}-1-x", text)
    assert causes(incident.open(tmp_path)) == {cause}


def test_another_workload_and_other_words_say_nothing(tmp_path: Path) -> None:
    incident = no_database()
    incident.event(20, "FailedCreate", "ReplicaSet", "shop-1", f"Error creating: {QUOTA}")
    incident.event(21, "FailedCreate", "ReplicaSet", f"{NAME}-1", "Error creating: admission webhook denied it")
    assert causes(incident.open(tmp_path)) == set()


def test_with_the_task_table_the_tables_speak(tmp_path: Path) -> None:
    incident = Incident()
    incident.event(20, "FailedCreate", "ReplicaSet", f"{NAME}-1", f"Error creating: {QUOTA}")
    assert causes(incident.open(tmp_path)) == set()


def test_in_chinese(tmp_path: Path) -> None:
    incident = no_database()
    incident.event(20, "FailedCreate", "ReplicaSet", f"{NAME}-1", f"Error creating: {QUOTA}")
    titles = [f.title for f in incident.open(tmp_path, lang="zh").analysis.findings]
    assert any("配额拒绝创建 Pod" in title for title in titles)
