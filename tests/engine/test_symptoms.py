"""Symptoms are reported whether or not a cause could be proven, and never take part in the blame."""

from pathlib import Path

import pytest

from afscope.engine.investigation import Investigation
from afscope.model.finding import Finding, Kind, Role
from tests.engine.incident import Incident, finding, roots


def symptoms(case: Investigation) -> dict[str, Finding]:
    return {f.cause: f for f in case.analysis.findings if f.kind is Kind.SYMPTOM}


def waiting(incident: Incident, n: int = 4, queued: float | None = 11, **more: float) -> Incident:
    incident.run("r1", 10, 10.2)
    for number in range(n):
        incident.task(f"t{number}", "r1", none=10, scheduled=10.5, queued=queued, **more)  # type: ignore[arg-type]
    return incident


def test_an_ordinary_start_shows_none(tmp_path: Path) -> None:
    incident = Incident()
    incident.workers()
    case = waiting(incident, running=20, ended=60, host="w0").open(tmp_path)  # type: ignore[arg-type]
    assert symptoms(case) == {}
    assert case.analysis.verdict.healthy is True


def test_a_paused_dag_explains_the_waiting_and_the_zero(tmp_path: Path) -> None:
    incident = Incident(end=180)
    incident.dag("etl", paused=True)
    incident.run("r1", 10, None)
    for number in range(4):
        incident.task(f"t{number}", "r1", none=10)
    case = incident.open(tmp_path)
    assert roots(case) == ["dag_paused"]
    found = symptoms(case)
    assert found["tasks_waiting"].explained_by == (finding(case, "dag_paused").id,)  # type: ignore[union-attr]
    zero = found["metric_zero_with_demand"]
    assert zero.role is Role.SYMPTOM
    assert zero.cost.waiting_task_seconds == 0, "the cost is the cause's"


def test_what_the_query_gave_is_said_with_the_zero(tmp_path: Path) -> None:
    case = waiting(Incident(end=180)).open(tmp_path)
    found = symptoms(case)["metric_zero_with_demand"]
    assert "gives 1.0: the work was there" in found.detail
    assert found.explained_by == ()
    assert case.analysis.verdict.healthy is not True


def test_a_symptom_without_a_proven_cause_is_no_root_cause(tmp_path: Path) -> None:
    incident = Incident(end=240)
    incident.workers()
    case = waiting(incident, n=2).open(tmp_path)
    assert roots(case) == []
    found = symptoms(case)
    assert found["workers_idle"].explained_by == ()
    assert found["tasks_waiting"].explained_by == ()
    assert all(c.ruling.value != "guilty" for c in case.analysis.verdict.components)


def test_full_workers_are_not_idle(tmp_path: Path) -> None:
    incident = Incident(end=240, max_replicas=1)
    incident.workers()
    incident.run("r0", 5, 5.2)
    for number in range(4):
        incident.task(f"b{number}", "r0", none=5, scheduled=5.5, queued=6, running=18, host="w0")
    case = waiting(incident).open(tmp_path)
    found = symptoms(case)
    assert "workers_idle" not in found
    assert found["replicas_below_demand"].explained_by
    assert roots(case) == ["max_replicas_ceiling"]


def test_a_metric_that_fails(tmp_path: Path) -> None:
    incident = Incident(end=180)
    incident.workers()
    for second in range(30, 160, 15):
        incident.hpa(second, active="FailedGetExternalMetric", message="context deadline exceeded")
    found = symptoms(incident.open(tmp_path))["metric_unavailable"]
    assert "context deadline exceeded" in found.detail


def test_pods_that_never_get_ready(tmp_path: Path) -> None:
    incident = Incident(end=240)
    incident.active_from = 12
    incident.replicas(12, 1, 0, "keda")
    incident.pod("w0", 12)
    assert "pods_not_ready" in symptoms(incident.open(tmp_path))


@pytest.mark.parametrize("source", ["db_log", "log_lines", "task_instances"])
def test_each_source_tells_that_tasks_are_stuck(source: str, tmp_path: Path) -> None:
    incident = Incident(end=900)
    waiting(incident, n=1)
    if source == "db_log":
        incident._add("db_log", 700, dag_id="etl", run_id="r1", task_id="t0", event="stuck in queued reschedule")
    elif source == "log_lines":
        incident.log(700, "stuck.requeue", pod="scheduler-0", text="Task stuck in queued; will be requeued")
    else:
        incident.task("t0", "r1", none=10, scheduled=700)
    found = symptoms(incident.open(tmp_path))["tasks_stuck_in_queued"]
    assert {e.table for e in found.evidence} == {source}
    assert "took 1 back" in found.title


def test_killed_tasks_are_explained_by_who_took_the_worker(tmp_path: Path) -> None:
    incident = Incident(end=180, query="SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE state='queued'")
    incident.workers()
    incident.rows = [r for r in incident.rows if not (r.table == "pods" and r.values["name"] == "w0")]
    incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=60, gone=62, exit_code=143)
    incident.replicas(59.5, 0, 1, "keda")
    waiting(incident, running=20, ended=61, host="w0", state="failed")  # type: ignore[arg-type]
    case = incident.open(tmp_path)
    assert "query_ignores_running" in roots(case)
    assert symptoms(case)["tasks_killed"].explained_by
