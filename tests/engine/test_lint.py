"""Settings against each other: an observation where both sides were recorded, never part of the verdict."""

import json
from pathlib import Path

import pytest

from afscope.engine.investigation import Investigation
from afscope.model.finding import Finding, Kind, Role, Ruling
from afscope.model.row import Row
from tests.engine.incident import Incident, finding, roots


def lint(case: Investigation) -> dict[str, Finding]:
    found = {f.cause: f for f in case.analysis.findings if f.kind is Kind.LINT}
    assert all(f.role is Role.OBSERVATION and f.evidence for f in found.values())
    return found


def amended(incident: Incident, table: str, **values: object) -> Incident:
    """Opens with these columns in every row of a table, those of the background too."""
    background = incident._background

    def with_values() -> None:
        background()
        incident.rows = [Row(r.table, {**r.values, **values}) if r.table == table else r for r in incident.rows]

    incident._background = with_values  # type: ignore[method-assign]
    return incident


def busy(*, until: float = 60, **more: object) -> Incident:
    """One worker with one task."""
    incident = Incident(end=until + 60, **more)  # type: ignore[arg-type]
    incident.workers()
    incident.run("r1", 10, 10.2)
    incident.task("t", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=until, host="w0")
    return incident


def test_the_defaults_of_the_chart_say_only_what_they_are(tmp_path: Path) -> None:
    case = busy().open(tmp_path)
    assert set(lint(case)) == {"cooldown_before_window"}
    assert case.analysis.verdict.healthy is True


@pytest.mark.parametrize(
    ("constant", "what"), [(16, "remains that nobody is asked for"), (2, "than the tasks can fill")]
)
def test_a_divisor_that_is_not_the_slots(constant: int, what: str, tmp_path: Path) -> None:
    query = f"SELECT ceil(COUNT(*)::decimal / {constant}) FROM task_instance WHERE state IN ('running', 'queued')"
    case = busy(query=query).open(tmp_path)
    found = lint(case)["divisor_differs_from_slots"]
    assert what in found.detail
    assert roots(case) == []
    assert next(c.ruling for c in case.analysis.verdict.components if c.component == "trigger") is not Ruling.GUILTY


def test_a_grace_period_shorter_than_the_tasks(tmp_path: Path) -> None:
    assert "grace_shorter_than_tasks" in lint(busy(until=700).open(tmp_path))


def test_without_the_task_table_nothing_is_said_of_tasks(tmp_path: Path) -> None:
    incident = busy(until=700)
    incident.missing.add("task_instances")
    assert "grace_shorter_than_tasks" not in lint(incident.open(tmp_path))


def test_a_cooldown_that_never_counts(tmp_path: Path) -> None:
    case = amended(busy(), "scaledobjects", min_replica_count=1).open(tmp_path)
    assert set(lint(case)) == {"cooldown_without_effect"}


def test_a_manifest_with_replicas(tmp_path: Path) -> None:
    incident = busy()
    incident.replicas(50, 1, 1, "argocd-controller", replicas_operation="Apply")
    assert "replicas_in_manifest" in lint(incident.open(tmp_path))
    other = busy()
    other.replicas(5, 0, 0, "helm", replicas_operation="Update")
    (tmp_path / "other").mkdir()
    assert "replicas_in_manifest" not in lint(other.open(tmp_path / "other")), "made before KEDA wrote anything"


def test_two_autoscalers(tmp_path: Path) -> None:
    incident = amended(busy(), "hpas", target_kind="Deployment", target_name="worker")
    incident._add("hpas", 5, uid="other", namespace="air", name="worker-cpu", min_replicas=1, max_replicas=3)
    found = lint(incident.open(tmp_path))["two_autoscalers"]
    assert "keda-hpa-worker, worker-cpu" in found.title


def test_ordered_pods_with_a_long_grace(tmp_path: Path) -> None:
    incident = amended(busy(), "workloads", kind="StatefulSet")
    incident = amended(incident, "scaledobjects", target_kind="StatefulSet")
    assert "ordered_ready_with_long_grace" in lint(incident.open(tmp_path))


def test_a_parallel_statefulset_is_fine(tmp_path: Path) -> None:
    incident = amended(busy(), "workloads", kind="StatefulSet", pod_management_policy="Parallel")
    incident = amended(incident, "scaledobjects", target_kind="StatefulSet")
    assert "ordered_ready_with_long_grace" not in lint(incident.open(tmp_path))


@pytest.mark.parametrize(("seconds", "said"), [(720000, True), (300, False)])
def test_a_startup_timeout_of_days(seconds: int, said: bool, tmp_path: Path) -> None:
    incident = busy()
    incident.log(50, "kpo.timeout_old", source="task.etl.r1.extract.attempt=1.log", s=seconds, task_id="extract",
                 text=f"Pod took longer than {seconds} seconds to start.")  # fmt: skip
    found = lint(incident.open(tmp_path))
    assert ("startup_timeout_of_hours" in found) is said
    if said:
        assert (
            "200.0 h" in found["startup_timeout_of_hours"].title or "200 h" in found["startup_timeout_of_hours"].title
        )


def pod_images(incident: Incident, sidecar: str, base: str, waiting: str | None = None) -> None:
    containers = [{"name": "base", "image": base}, {"name": "airflow-xcom-sidecar", "image": sidecar}]
    incident._add("pods", 40, uid="kpo", namespace="air", name="extract-1", phase="Pending", containers=json.dumps(containers),
                  labels=json.dumps({"dag_id": "etl", "task_id": "extract"}),
                  waiting_container="airflow-xcom-sidecar" if waiting else None, waiting_reason=waiting)  # fmt: skip


def test_a_sidecar_from_a_registry_that_nobody_else_uses(tmp_path: Path) -> None:
    incident = busy()
    pod_images(incident, "alpine", "registry.corp:5000/etl:7", "ImagePullBackOff")
    found = lint(incident.open(tmp_path))["xcom_sidecar_from_other_registry"]
    assert "docker.io" in found.title
    assert "ImagePullBackOff" in found.detail
    assert "xcom_sidecar_container_image" in found.remedy
    assert "airflow_local_settings" in found.remedy


def test_a_sidecar_from_where_all_come_from(tmp_path: Path) -> None:
    incident = busy()
    pod_images(incident, "alpine", "python:3.11-slim")
    assert "xcom_sidecar_from_other_registry" not in lint(incident.open(tmp_path))


def test_a_maximum_out_of_reach(tmp_path: Path) -> None:
    incident = busy()
    incident.setting("core.parallelism", "8")
    found = lint(incident.open(tmp_path))["max_replicas_out_of_reach"]
    assert "allows 2 worker(s)" in found.title


def test_a_parallelism_that_nobody_recorded_says_nothing(tmp_path: Path) -> None:
    assert "max_replicas_out_of_reach" not in lint(busy(max_replicas=100).open(tmp_path))


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("celery_broker_transport_options.visibility_timeout", "30", "visibility_timeout_shorter_than_tasks"),
        ("celery.worker_prefetch_multiplier", "4", "prefetch_with_scaling"),
        ("scheduler.task_queued_timeout", "3", "boot_longer_than_queued_timeout"),
    ],
)
def test_settings_of_airflow(key: str, value: str, rule: str, tmp_path: Path) -> None:
    incident = busy()
    incident.setting(key, value)
    assert rule in lint(incident.open(tmp_path))
    fine = busy()
    fine.setting(key, "1" if key.endswith("multiplier") else "86400")
    (tmp_path / "fine").mkdir()
    assert rule not in lint(fine.open(tmp_path / "fine"))


def test_execution_timeout_before_the_pod_started(tmp_path: Path) -> None:
    incident = Incident(end=240)
    incident.workers()
    incident.run("r1", 10, 10.2)
    incident.task("extract", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=200, state="failed", host="w0")
    incident.sidecar("extract", 25, base="waiting")
    incident.log(199, "task.timeout", source="task.etl.r1.extract.attempt=1.log", text="AirflowTaskTimeout: Timeout")
    assert "startup_timeout_beyond_execution_timeout" in lint(incident.open(tmp_path))


def test_it_is_no_gate_and_no_missing_cause(tmp_path: Path) -> None:
    incident = busy()
    incident.missing.add("airflow_config")
    case = incident.open(tmp_path)
    assert case.analysis.verdict.healthy is True
    assert finding(case, "cooldown_before_window") is not None
    assert "max_replicas_out_of_reach" in {item.cause for item in case.analysis.not_assessed}
