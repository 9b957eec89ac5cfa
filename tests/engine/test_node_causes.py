"""Causes of nodes and volumes, and worker groups that share their names."""

from pathlib import Path
from typing import Any

import pytest

from afscope.model.finding import Role, Ruling
from afscope.model.row import Row
from tests.engine import test_pod_causes as pods
from tests.engine.incident import TARGET, Incident, at, finding, roots, ruling, seconds
from tests.engine.test_pod_causes import died, worker
from tests.engine.test_workers import queued, served


class TestNodeLost:
    def lost(self, *, ready: str = "Unknown", second: float = 100) -> Incident:
        """n1 carries w0 with four tasks; the node is lost, the pod deleted 300 s later and replaced on n2."""
        incident = Incident(600)
        incident.workers()
        self.node(incident, 0, "True")
        self.node(incident, second, ready)
        died(incident, 4, running=20, ended=380)
        incident.run("r2", 119, 119.2)
        for n in range(4):
            incident.task(f"n{n}", "r2", none=119, scheduled=119.5, queued=120, running=412, host="w1")
        incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=400)
        incident.rows = [r for r in incident.rows if not (r.table == "pods" and r.values["change"] == "DELETED")]
        incident.pod("w1", 400, scheduled=400, started=404, ready=410)
        return incident

    def node(self, incident: Incident, second: float, ready: str, name: str = "n1", change: str = "MODIFIED") -> None:
        reason = "NodeStatusUnknown" if ready == "Unknown" else "KubeletReady"
        incident._add(
            "nodes",
            second,
            uid=name,
            name=name,
            ready=ready,
            ready_reason=reason,
            ready_since=at(second),
            change=change,
        )

    def test_tasks_are_lost_and_others_wait_for_a_replacement(self, tmp_path: Path) -> None:
        case = self.lost().open(tmp_path)
        assert roots(case) == ["node_lost"]
        found = finding(case, "node_lost")
        assert found is not None
        assert found.subject == "n1"
        assert found.cost.lost_task_seconds == pytest.approx(4 * 40)
        assert seconds(case, "node_lost") == pytest.approx(4 * 280)
        assert ruling(case, "nodes") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_a_node_that_was_deleted_under_its_pods(self, tmp_path: Path) -> None:
        incident = self.lost(ready="True")
        self.node(incident, 100, "True", change="DELETED")
        case = incident.open(tmp_path)
        assert roots(case) == ["node_lost"]

    def test_without_nodes_on_record_the_pods_event_tells(self, tmp_path: Path) -> None:
        incident = self.lost()
        incident.missing = {"nodes"}
        incident.event(100, "NodeNotReady", "Pod", "w0", "Node is not ready")
        assert roots(incident.open(tmp_path)) == ["node_lost"]

    def test_a_cut_off_kubelet_whose_worker_goes_on_is_no_loss(self, tmp_path: Path) -> None:
        incident = Incident(200)
        incident.workers()
        self.node(incident, 0, "True")
        self.node(incident, 60, "Unknown")
        self.node(incident, 150, "True")
        served(incident, 4, 1, end=100)
        assert finding(incident.open(tmp_path), "node_lost") is None

    def test_another_node_is_nobodys_loss(self, tmp_path: Path) -> None:
        incident = Incident(200)
        incident.workers()
        self.node(incident, 60, "Unknown", name="n2")
        served(incident, 4, 1, end=100)
        queued(incident, 4, second=120)
        assert finding(incident.open(tmp_path), "node_lost") is None

    def test_a_drained_pod_left_before_its_node(self, tmp_path: Path) -> None:
        incident = Incident(200)
        incident.workers()
        self.node(incident, 0, "True")
        incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=50)
        self.node(incident, 100, "True", change="DELETED")
        served(incident, 4, 1, end=48)
        assert finding(incident.open(tmp_path), "node_lost") is None


class TestNodeScaleUp:
    REFUSED = "pod didn't trigger scale-up: 1 max node group size reached, 2 node(s) had untolerated taint(s)"
    ORDERED = "pod triggered scale-up: [{workers 2->3 (max: 5)}]"

    def unplaced(self, *, placed: float | None = None) -> Incident:
        """Two workers fit on no node; at `placed` they get one."""
        incident = Incident(300)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(13, 2, 2)
        incident.hpa(14, metric=2, replicas=2, desired=2)
        queued(incident, 8)
        for name in ("w0", "w1"):
            stuck: dict[str, Any] = {
                "scheduled_status": "False", "scheduled_reason": "Unschedulable",
                "scheduled_message": "0/2 nodes are available: 2 Insufficient cpu.",
            }  # fmt: skip
            born = {"uid": name, "namespace": "air", "name": name, "owner_uid": "deploy", "created_at": at(13)}
            incident._add("pods", 13, **born, **stuck)
            if placed is not None:
                ready = placed + 4
                incident._add("pods", placed, **born, scheduled_status="True", scheduled_at=at(placed), node="n3")
                incident._add(
                    "pods", ready, **born, scheduled_status="True", scheduled_at=at(placed), node="n3", ready=True,
                    started_at=at(placed + 1), ready_at=at(ready), restart_count=0, worker_concurrency=4,
                )  # fmt: skip
        return incident

    def say(self, incident: Incident, second: float, reason: str, message: str, **values: Any) -> None:
        for name in ("w0", "w1"):
            incident.event(second, reason, "Pod", name, message, object_uid=name, **values)

    def test_a_node_group_at_its_maximum(self, tmp_path: Path) -> None:
        incident = self.unplaced()
        self.say(incident, 25, "NotTriggerScaleUp", self.REFUSED, type="Normal", component="cluster-autoscaler")
        case = incident.open(tmp_path)
        assert roots(case) == ["node_scale_up_blocked"]
        found = finding(case, "node_scale_up_blocked")
        assert found is not None
        assert "max node group size reached" in found.title
        assert ruling(case, "nodes") is Ruling.GUILTY

    def test_wishes_that_no_node_could_fulfil_are_the_pods_own(self, tmp_path: Path) -> None:
        incident = self.unplaced()
        message = "pod didn't trigger scale-up: 3 node(s) didn't match Pod's node affinity/selector"
        self.say(incident, 25, "NotTriggerScaleUp", message, type="Normal", component="cluster-autoscaler")
        case = incident.open(tmp_path)
        assert roots(case) == ["pods_unschedulable"]
        assert finding(case, "node_scale_up_blocked") is None

    def test_a_full_group_does_not_hold_up_a_pod_that_would_not_fit_there(self, tmp_path: Path) -> None:
        incident = self.unplaced()
        selector = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
        for number, row in enumerate(incident.rows):
            if row.values.get("scheduled_message"):
                incident.rows[number] = Row(row.table, {**row.values, "scheduled_message": selector})
        self.say(incident, 25, "NotTriggerScaleUp", self.REFUSED, type="Normal", component="cluster-autoscaler")
        assert roots(incident.open(tmp_path)) == ["pods_unschedulable"]

    def test_karpenter_at_the_limits_of_its_pool(self, tmp_path: Path) -> None:
        incident = self.unplaced()
        message = 'Failed to schedule pod, all available instance types exceed limits for nodepool: "workers"'
        self.say(incident, 20, "FailedScheduling", message, component="karpenter")
        assert roots(incident.open(tmp_path)) == ["node_scale_up_blocked"]

    def test_capacity_that_comes_late(self, tmp_path: Path) -> None:
        incident = self.unplaced(placed=150)
        self.say(incident, 25, "TriggeredScaleUp", self.ORDERED, type="Normal", component="cluster-autoscaler")
        case = incident.open(tmp_path)
        assert "node_scale_up_slow" in roots(case)
        assert finding(case, "node_scale_up_blocked") is None
        assert seconds(case, "node_scale_up_slow") == pytest.approx(8 * 137)
        unschedulable = finding(case, "pods_unschedulable")
        assert unschedulable is not None
        assert unschedulable.role is not Role.ROOT_CAUSE

    def test_a_refusal_that_ends_with_an_order_is_both_in_turn(self, tmp_path: Path) -> None:
        incident = self.unplaced(placed=200)
        self.say(incident, 25, "NotTriggerScaleUp", self.REFUSED, type="Normal", component="cluster-autoscaler")
        self.say(incident, 100, "TriggeredScaleUp", self.ORDERED, type="Normal", component="cluster-autoscaler")
        case = incident.open(tmp_path)
        assert seconds(case, "node_scale_up_blocked") == pytest.approx(8 * 87)
        assert seconds(case, "node_scale_up_slow") == pytest.approx(8 * 100)

    def test_without_a_word_of_an_autoscaler_only_the_scheduler_speaks(self, tmp_path: Path) -> None:
        case = self.unplaced().open(tmp_path)
        assert roots(case) == ["pods_unschedulable"]

    def test_a_node_within_seconds_is_ordinary(self, tmp_path: Path) -> None:
        incident = self.unplaced(placed=30)
        self.say(incident, 15, "TriggeredScaleUp", self.ORDERED, type="Normal", component="cluster-autoscaler")
        assert finding(incident.open(tmp_path), "node_scale_up_slow") is None


class TestVolumeAttachFailure:
    MULTI = 'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node'

    def waiting(self, reason: str, message: str, *, started: float | None = None, second: float = 15) -> Incident:
        """One worker with a node, whose container is created at `started`."""
        incident = Incident(300)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.2, 1, 1, "keda")
        incident.hpa(13, metric=1, replicas=1, desired=1)
        ready = None if started is None else started + 3
        incident.pod("w0", 12, scheduled=13, started=started, ready=ready)
        incident.event(second, reason, "Pod", "w0", message, object_uid="w0")
        queued(incident, 4)
        return incident

    def test_a_volume_that_another_node_still_holds(self, tmp_path: Path) -> None:
        case = self.waiting("FailedAttachVolume", self.MULTI).open(tmp_path)
        assert roots(case) == ["volume_attach_failure"]
        found = finding(case, "volume_attach_failure")
        assert found is not None
        assert "pvc-1" in found.title
        assert "ReadWriteMany" in found.remedy
        assert seconds(case, "volume_attach_failure") == pytest.approx(4 * 287)
        assert ruling(case, "nodes") is Ruling.GUILTY
        assert ruling(case, "image") is not Ruling.GUILTY

    def test_a_missing_secret_is_the_deployers(self, tmp_path: Path) -> None:
        message = 'MountVolume.SetUp failed for volume "git" : secret "git-ssh" not found'
        case = self.waiting("FailedMount", message).open(tmp_path)
        assert roots(case) == ["volume_attach_failure"]
        assert ruling(case, "deployer") is Ruling.GUILTY
        assert ruling(case, "nodes") is not Ruling.GUILTY

    def test_a_mount_that_works_at_the_next_try_is_everyday(self, tmp_path: Path) -> None:
        message = 'MountVolume.SetUp failed for volume "kube-api-access" : failed to sync configmap cache'
        incident = self.waiting("FailedMount", message, started=18)
        assert finding(incident.open(tmp_path), "volume_attach_failure") is None

    def test_a_pull_that_follows_is_no_matter_of_volumes(self, tmp_path: Path) -> None:
        incident = self.waiting("FailedMount", "MountVolume.SetUp failed: timed out", started=200)
        incident.event(18, "Pulling", "Pod", "w0", 'Pulling image "airflow"', type="Normal", object_uid="w0")
        case = incident.open(tmp_path)
        assert finding(case, "volume_attach_failure") is None
        assert roots(case) == ["slow_image_pull"]


class TestTwoTargets:
    """A second worker group in a namespace of its own, with the same names."""

    def group(self, incident: Incident, second: float = 0) -> None:
        """`other/worker` serves the queue `etl` and works without trouble."""
        query = "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE state IN ('queued', 'running') AND queue = 'etl'"
        incident._add(
            "scaledobjects", second, uid="so2", namespace="other", name="worker", target_kind="Deployment",
            target_name="worker", trigger_type="postgresql", query=query, min_replica_count=0, max_replica_count=5,
            polling_interval_s=5, cooldown_period_s=30, active_status="True", last_active_time=at(second),
        )  # fmt: skip
        for moment, size in ((0, 0), (12, 1)):
            incident._add(
                "workloads", moment, uid="deploy2", kind="Deployment", namespace="other", name="worker",
                spec_replicas=size, status_replicas=size, ready_replicas=size, replicas_manager="keda-operator",
                worker_concurrency=4,
            )  # fmt: skip
        worker(incident, 17, namespace="other", uid="w0@other", owner_uid="deploy2", node="n9")
        incident.run("e1", 10, 10.2)
        for n in range(3):
            incident.task(
                f"e{n}", "e1", none=10, scheduled=10.5, queued=11, running=18, ended=90, queue="etl", host="w0"
            )

    def test_only_the_group_that_lost_its_memory_is_blamed(self, tmp_path: Path) -> None:
        incident = pods.TestWorkerOom().killed()
        self.group(incident)
        case = incident.open(tmp_path)
        assert roots(case) == ["worker_oom"]
        found = finding(case, "worker_oom")
        assert found is not None
        assert found.target == TARGET
        assert found.cost.lost_task_seconds == pytest.approx(4 * 40)
        guilty = {c.target for c in case.analysis.verdict.components if c.ruling is Ruling.GUILTY}
        assert guilty == {TARGET}

    def test_a_node_that_carried_only_one_of_them(self, tmp_path: Path) -> None:
        incident = TestNodeLost().lost()
        self.group(incident)
        case = incident.open(tmp_path)
        assert roots(case) == ["node_lost"]
        assert {f.target for f in case.analysis.findings if f.cause == "node_lost"} == {TARGET}


@pytest.mark.parametrize("table", ["pods", "events", "workloads", "nodes", "hpas", "log_lines", "scaledobjects"])
def test_a_missing_source_makes_nobody_else_guilty(tmp_path: Path, table: str) -> None:
    incident = TestNodeLost().lost()
    incident.missing = {table}
    assert set(roots(incident.open(tmp_path))) <= {"node_lost"}
