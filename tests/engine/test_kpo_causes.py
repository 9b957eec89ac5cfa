"""Causes in pods of the KubernetesPodOperator: each task that failed or waits in its slot is explained by its own pod."""

import json
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from afscope.model.finding import Role, Ruling
from tests.engine.incident import Incident, finding, roots, ruling

NO_NODE = "0/3 nodes are available: 3 Insufficient memory."


class Pods(Incident):
    """A cluster with one worker, whose tasks make pods."""

    def __init__(self, end: float = 200) -> None:
        super().__init__(end)
        self.workers()
        self.run("r", 10, 10.2)

    def work(
        self, ended: float | None, state: str = "failed", *, task_id: str = "kpo", attempt: int = 1, running: float = 20
    ) -> None:
        self.task(
            task_id, "r", none=running - 10, scheduled=running - 9.5, queued=running - 9, running=running, ended=ended,
            state=state, host="w0", attempt=attempt,
        )  # fmt: skip

    def made(
        self,
        second: float,
        *,
        task_id: str = "kpo",
        attempt: int = 1,
        base: str = "waiting",
        more: str = "",
        **values: Any,
    ) -> None:
        """A moment of a task's pod; `base` is the state of its container, `more` that of its sidecar."""
        labels = {
            "dag_id": "etl", "task_id": task_id, "run_id": "r", "try_number": str(attempt),
            "kubernetes_pod_operator": "True",
        }  # fmt: skip
        containers = [{"name": "base", "state": base}] + (
            [{"name": "airflow-xcom-sidecar", "state": more}] if more else []
        )
        row = {"phase": "Pending", "labels": json.dumps(labels), "containers": json.dumps(containers)}
        name = f"{task_id}-{attempt}"
        self._add("pods", second, uid=name, namespace="air", name=name, **(row | values))

    def unplaced(self, second: float, **values: Any) -> None:
        values = {
            "scheduled_status": "False",
            "scheduled_reason": "Unschedulable",
            "scheduled_message": NO_NODE,
            **values,
        }
        self.made(second, **values)

    def unpulled(self, second: float, container: str = "base", reason: str = "ImagePullBackOff", **values: Any) -> None:
        self.made(second, waiting_container=container, waiting_reason=reason, waiting_message="not found",
                  scheduled_status="True", **values)  # fmt: skip


class TestImagePull:
    def test_the_task_fails_at_its_startup_timeout(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(142)
        incident.made(21)
        incident.unpulled(25)
        case = incident.open(tmp_path)
        assert roots(case) == ["kpo_image_pull"]
        found = finding(case, "kpo_image_pull")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(122)
        assert ruling(case, "kubernetes-pod-operator") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_a_task_that_still_waits_holds_its_slot(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(None)
        incident.unpulled(25)
        found = finding(incident.open(tmp_path), "kpo_image_pull")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(175)

    def test_a_pull_that_came_right_is_none(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(142)
        incident.unpulled(25)
        incident.made(40, base="running", phase="Running")
        assert roots(incident.open(tmp_path)) == []

    def test_the_sidecar_has_a_cause_of_its_own(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(142)
        incident.unpulled(25, "airflow-xcom-sidecar", base="terminated", more="waiting")
        assert roots(incident.open(tmp_path)) == ["xcom_sidecar_image_pull"]

    def test_a_long_id_is_found_by_its_hash(self, tmp_path: Path) -> None:
        incident = Pods()
        name = "a_task_" + "with_a_name_" * 6
        incident.work(142, task_id=name)
        incident.unpulled(25, task_id=f"{name.rstrip('_')[:53]}-{md5(name.encode()).hexdigest()[:9]}")
        assert roots(incident.open(tmp_path)) == ["kpo_image_pull"]

    def test_a_pod_of_the_kubernetes_executor_is_a_worker(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(142)
        labels = {"dag_id": "etl", "task_id": "kpo", "run_id": "r", "kubernetes_executor": "True"}
        incident.unpulled(25, labels=json.dumps(labels))
        assert finding(incident.open(tmp_path), "kpo_image_pull") is None


class TestUnschedulable:
    def test_no_node_takes_the_pod(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(142)
        incident.unplaced(21)
        case = incident.open(tmp_path)
        assert roots(case) == ["kpo_unschedulable"]
        found = finding(case, "kpo_unschedulable")
        assert found is not None
        assert "3 Insufficient memory" in found.detail
        assert found.cost.lost_task_seconds == pytest.approx(122)

    def test_one_that_was_placed_and_ran_failed_by_itself(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(142)
        incident.unplaced(21)
        incident.made(60, base="running", phase="Running", scheduled_status="True")
        incident.made(141, base="terminated", phase="Failed", scheduled_status="True")
        assert roots(incident.open(tmp_path)) == []

    def test_a_moment_without_a_node_is_ordinary(self, tmp_path: Path) -> None:
        incident = Pods(60)
        incident.work(None)
        incident.unplaced(21)
        assert roots(incident.open(tmp_path)) == []


class TestStartupTimeout:
    def case(self) -> Pods:
        incident = Pods()
        incident.work(142)
        incident.unplaced(21)
        incident.made(100, scheduled_status="True", waiting_container="base", waiting_reason="ContainerCreating")
        return incident

    def test_what_used_it_up_is_told(self, tmp_path: Path) -> None:
        incident = self.case()
        said = "Pod took longer than 120 seconds to start."
        incident.log(141, "kpo.timeout_old", source="task.etl.r.kpo.attempt=1.log", text=said, s="120")
        case = incident.open(tmp_path)
        assert roots(case) == ["kpo_startup_timeout"]
        found = finding(case, "kpo_startup_timeout")
        assert found is not None
        assert "79 s until it was placed on a node, then 42 s" in found.detail
        assert found.confidence > 0.9

    def test_it_shows_without_the_log(self, tmp_path: Path) -> None:
        found = finding(self.case().open(tmp_path), "kpo_startup_timeout")
        assert found is not None
        assert found.confidence < 0.9

    def test_a_task_that_fails_before_any_timeout_has_another_reason(self, tmp_path: Path) -> None:
        incident = Pods()
        incident.work(30)
        incident.made(
            21, scheduled_status="True", waiting_container="base", waiting_reason="CreateContainerConfigError"
        )
        assert finding(incident.open(tmp_path), "kpo_startup_timeout") is None


class TestStartupTimeoutTooLong:
    def test_a_stuck_pod_holds_a_slot_for_ages(self, tmp_path: Path) -> None:
        incident = Pods(1000)
        incident.work(None)
        incident.unpulled(21)
        case = incident.open(tmp_path)
        assert set(roots(case)) == {"kpo_image_pull", "kpo_startup_timeout_too_long"}
        pull, long = finding(case, "kpo_image_pull"), finding(case, "kpo_startup_timeout_too_long")
        assert pull is not None
        assert long is not None
        # what any startup timeout would have cost, and what this one costs beyond
        assert pull.cost.lost_task_seconds == pytest.approx(600)
        assert long.cost.lost_task_seconds == pytest.approx(379)

    def test_a_pod_that_works_for_long_is_no_trouble(self, tmp_path: Path) -> None:
        incident = Pods(1000)
        incident.work(None)
        incident.made(21, base="running", phase="Running")
        assert roots(incident.open(tmp_path)) == []

    def test_a_timeout_of_some_minutes_is_ordinary(self, tmp_path: Path) -> None:
        incident = Pods(1000)
        incident.work(320)
        incident.unpulled(21)
        assert roots(incident.open(tmp_path)) == ["kpo_image_pull"]


class TestOrphanPods:
    def case(self, *, checked: bool = False) -> Pods:
        incident = Pods(400)
        incident.work(100, "up_for_retry")
        incident.made(21, base="running", phase="Running")
        if checked:
            labels = {"dag_id": "etl", "task_id": "kpo", "run_id": "r", "try_number": "1", "already_checked": "True"}
            incident.made(101, base="running", phase="Running", labels=json.dumps(labels))
        return incident

    def test_it_works_on_beside_the_next_attempt(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.work(None, attempt=2, running=150)
        incident.made(151, attempt=2, base="running", phase="Running")
        found = finding(incident.open(tmp_path), "kpo_orphan_pods")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert found.cost.idle_pod_seconds == pytest.approx(300)
        assert "1 of them beside the pod of a later attempt" in found.detail

    def test_one_that_the_next_attempt_takes_over_is_none(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.work(None, attempt=2, running=120)
        assert finding(incident.open(tmp_path), "kpo_orphan_pods") is None

    def test_one_that_the_operator_is_done_with_is_none(self, tmp_path: Path) -> None:
        assert finding(self.case(checked=True).open(tmp_path), "kpo_orphan_pods") is None
