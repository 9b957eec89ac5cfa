"""Causes between replicas and ready workers: memory, probes, ordered StatefulSets."""

import json
from pathlib import Path
from typing import Any

import pytest

from afscope.model.finding import Role, Ruling
from afscope.model.row import Row
from tests.engine.incident import TARGET, Incident, at, finding, roots, ruling, seconds
from tests.engine.test_workers import queued, served


def worker(incident: Incident, second: float, name: str = "w0", **values: Any) -> None:
    """A look at a running worker pod; `values` are what has changed since it came up."""
    row = {
        "uid": name, "namespace": "air", "name": name, "owner_kind": "Deployment", "owner_name": "worker",
        "owner_uid": "deploy", "created_at": at(12), "phase": "Running", "worker_concurrency": 4, "node": "n1",
        "scheduled_status": "True", "scheduled_at": at(12), "started_at": at(14), "main_container": "worker",
        "restart_count": 0, "ready": True, "ready_at": at(17),
    }  # fmt: skip
    incident._add("pods", second, **{**row, **values})


def exited(second: float, reason: str, code: int, restarts: int = 1) -> dict[str, Any]:
    """The columns of a pod whose worker container ended and restarts."""
    return {
        "last_terminated_reason": reason, "last_terminated_exit_code": code, "last_terminated_at": at(second),
        "restart_count": restarts, "ready": False,
    }  # fmt: skip


def died(incident: Incident, n: int, *, host: str = "w0", running: float = 20, ended: float | None = None) -> None:
    """`n` tasks that ran on `host` when it died; without an end their rows still say running."""
    incident.run("r0", 10, 10.2)
    for number in range(n):
        incident.task(
            f"d{number}",
            "r0",
            none=10,
            scheduled=10.5,
            queued=11,
            running=running,
            ended=ended,
            state="failed",
            host=host,
        )


def retried(incident: Incident, n: int, second: float, running: float | None) -> None:
    """`n` tasks queued at `second` that w0 takes at `running`."""
    incident.run("r5", second - 1, second - 0.8)
    for number in range(n):
        incident.task(
            f"q{number}", "r5", none=second - 1, scheduled=second - 0.5, queued=second, running=running, host="w0"
        )


class TestWorkerOom:
    def killed(self, reason: str = "OOMKilled", end: float = 200) -> Incident:
        """w0 runs four tasks; its container ends at 60 and consumes again at 160."""
        incident = Incident(end)
        incident.workers()
        died(incident, 4, ended=100)
        worker(incident, 61, **exited(60, reason, 137))
        worker(incident, 160, **{**exited(60, reason, 137), "ready": True, "ready_at": at(160)})
        retried(incident, 4, 101, 161)
        return incident

    def test_lost_work_and_the_wait_for_the_restart(self, tmp_path: Path) -> None:
        case = self.killed().open(tmp_path)
        assert roots(case) == ["worker_oom"]
        found = finding(case, "worker_oom")
        assert found is not None
        assert found.target == TARGET
        assert found.cost.lost_task_seconds == pytest.approx(4 * 40)
        assert seconds(case, "worker_oom") == pytest.approx(4 * 59)
        assert ruling(case, "worker") is Ruling.GUILTY
        assert ruling(case, "nodes") is not Ruling.GUILTY

    def test_137_alone_is_a_kill_and_not_a_want_of_memory(self, tmp_path: Path) -> None:
        assert finding(self.killed("Error").open(tmp_path), "worker_oom") is None

    def test_a_pod_of_that_name_in_another_namespace_had_other_tasks(self, tmp_path: Path) -> None:
        incident = Incident(200)
        incident.workers()
        served(incident, 4, 1, end=None)
        other = {"namespace": "other", "uid": "other-w0", "owner_uid": "elsewhere"}
        worker(incident, 61, **{**exited(60, "OOMKilled", 137), **other})
        case = incident.open(tmp_path)
        assert finding(case, "worker_oom") is None

    def test_what_was_over_before_the_capture_is_history(self, tmp_path: Path) -> None:
        incident = Incident(200)
        incident.workers()
        incident.rows = [r for r in incident.rows if r.table != "pods"]
        worker(incident, 12, **{**exited(-500, "OOMKilled", 137, restarts=3), "ready": True, "started_at": at(-490)})
        served(incident, 4, 1, end=None, begin=100)
        case = incident.open(tmp_path)
        assert finding(case, "worker_oom") is None
        assert finding(case, "worker_crash_loop") is None

    def test_a_sidecar_out_of_memory_harms_no_task(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        served(incident, 4, 1)
        containers = [
            {"name": "worker", "state": "running"},
            {"name": "worker-log-groomer", "state": "terminated", "reason": "OOMKilled"},
        ]
        worker(incident, 60, containers=json.dumps(containers))
        case = incident.open(tmp_path)
        assert finding(case, "worker_oom") is None
        assert case.analysis.verdict.healthy is True

    def test_a_worker_that_never_gets_up_for_want_of_memory_is_no_crash_loop(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.2, 1, 1, "keda")
        incident.hpa(13, metric=1, replicas=1, desired=1)
        incident.pod("w0", 12, scheduled=12, started=14, waiting_reason="CrashLoopBackOff", **loop("OOMKilled", 137))
        queued(incident, 4)
        case = incident.open(tmp_path)
        assert roots(case) == ["worker_oom"]
        assert finding(case, "worker_crash_loop") is None

    def test_a_crash_loop_by_an_error_stays_one(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.2, 1, 1, "keda")
        incident.hpa(13, metric=1, replicas=1, desired=1)
        incident.pod("w0", 12, scheduled=12, started=14, waiting_reason="CrashLoopBackOff", **loop("Error", 1))
        queued(incident, 4)
        case = incident.open(tmp_path)
        assert roots(case) == ["worker_crash_loop"]
        assert finding(case, "worker_oom") is None

    def test_a_task_that_failed_before_is_not_lost_to_it(self, tmp_path: Path) -> None:
        incident = self.killed()
        incident.task(
            "early", "r0", none=10, scheduled=10.5, queued=11, running=20, ended=50, state="failed", host="w0"
        )
        found = finding(incident.open(tmp_path), "worker_oom")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(4 * 40)


def loop(reason: str, code: int) -> dict[str, Any]:
    """The columns of a pod whose worker ends again and again."""
    return {
        "restart_count": 4, "last_terminated_reason": reason, "last_terminated_exit_code": code,
        "last_terminated_at": at(15),
    }  # fmt: skip


class TestProbeFailures:
    def killed(self, probe: str = "liveness", output: str = 'command "celery inspect ping" timed out') -> Incident:
        """The kubelet stops w0 at 60, its container ends at 62 and consumes again at 160."""
        incident = Incident(200)
        incident.workers()
        died(incident, 4, ended=63)
        for second in (30, 45, 60):
            incident.event(second, "Unhealthy", "Pod", "w0", f"{probe.capitalize()} probe failed: {output}")
        message = f"Container worker failed {probe} probe, will be restarted"
        incident.event(60, "Killing", "Pod", "w0", message, type="Normal", object_uid="w0")
        worker(incident, 62, **exited(62, "Error", 137, restarts=2))
        worker(incident, 160, **{**exited(62, "Error", 137, restarts=2), "ready": True, "ready_at": at(160)})
        retried(incident, 4, 70, 161)
        return incident

    def test_a_liveness_probe_that_kills_a_busy_worker(self, tmp_path: Path) -> None:
        case = self.killed().open(tmp_path)
        assert roots(case) == ["probe_failures"]
        found = finding(case, "probe_failures")
        assert found is not None
        assert "liveness" in found.title
        assert "timed out" in found.detail
        assert found.cost.lost_task_seconds == pytest.approx(4 * 42)
        assert seconds(case, "probe_failures") == pytest.approx(4 * 90)
        assert ruling(case, "worker") is Ruling.GUILTY

    def test_a_startup_probe_that_never_lets_a_worker_up_is_no_crash_loop(self, tmp_path: Path) -> None:
        incident = Incident(300)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.2, 1, 1, "keda")
        incident.hpa(13, metric=1, replicas=1, desired=1)
        incident.pod("w0", 12, scheduled=12, started=14, waiting_reason="CrashLoopBackOff", **loop("Error", 137))
        message = "Container worker failed startup probe, will be restarted"
        incident.event(60, "Killing", "Pod", "w0", message, type="Normal", object_uid="w0")
        queued(incident, 4)
        case = incident.open(tmp_path)
        assert roots(case) == ["probe_failures"]
        assert finding(case, "worker_crash_loop") is None

    def test_a_readiness_probe_kills_nobody(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        served(incident, 4, 1)
        for second in range(20, 100, 10):
            incident.event(second, "Unhealthy", "Pod", "w0", "Readiness probe failed: no answer")
        assert finding(incident.open(tmp_path), "probe_failures") is None

    def test_a_probe_that_cannot_reach_the_broker_is_a_messenger(self, tmp_path: Path) -> None:
        incident = self.killed(output="kombu.exceptions.OperationalError: Error 111 connecting to redis:6379")
        assert finding(incident.open(tmp_path), "probe_failures") is None

    def test_a_restart_that_no_probe_made_is_another_cause(self, tmp_path: Path) -> None:
        incident = self.killed()
        incident.rows = [r for r in incident.rows if r.table != "events"]
        assert finding(incident.open(tmp_path), "probe_failures") is None


class Ordered(Incident):
    """The workers are a StatefulSet; pods are created in order unless `policy` says Parallel."""

    def __init__(self, end: float = 300, *, policy: str = "OrderedReady") -> None:
        super().__init__(end)
        self.policy = policy

    def replicas(self, second: float, desired: int, current: int, by: str = "hpa", **values: Any) -> None:
        super().replicas(second, desired, current, by, pod_management_policy=self.policy, **values)
        self.amend(kind="StatefulSet")

    def _scaledobject(self, second: float, active: float | None) -> None:
        super()._scaledobject(second, active)
        self.amend(target_kind="StatefulSet")

    def ordinal(self, number: int, created: float, **values: Any) -> None:
        """Pod worker-<number>; its uid tells its lives apart."""
        begin = len(self.rows)
        self.pod(f"worker-{number}", created, scheduled=created, **values)
        uid = f"worker-{number}@{created}"
        self.rows[begin:] = [Row(row.table, {**row.values, "uid": uid}) for row in self.rows[begin:]]


class TestStatefulsetBlocked:
    def returning(self, *, gone: float = 220, policy: str = "OrderedReady") -> Incident:
        """worker-1 ends a long task after a scale-in; at 60 demand returns, and its name is free only at `gone`."""
        incident = Ordered(policy=policy)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(13, 2, 1)
        incident.replicas(14, 2, 2)
        incident.hpa(14, metric=2, replicas=2, desired=2)
        incident.ordinal(0, 12, started=13, ready=15)
        incident.ordinal(1, 15, started=16, ready=18, stopped=40)
        incident.rows = [r for r in incident.rows if not (r.table == "pods" and r.values["change"] == "DELETED")]
        incident.run("r0", 10, 10.2)
        for n in range(4):
            incident.task(f"long{n}", "r0", none=10, scheduled=10.5, queued=11, running=20, host="worker-0")
        incident.replicas(40, 1, 2)
        incident.run("r2", 58, 58.2)
        for n in range(4):
            incident.task(f"n{n}", "r2", none=58, scheduled=58.5, queued=59, running=gone + 6, host="worker-1")
        incident.replicas(60, 2, 2)
        incident.hpa(60, metric=2, replicas=1, desired=2)
        gone_row = {"uid": "worker-1@15", "namespace": "air", "name": "worker-1", "owner_uid": "deploy"}
        incident._add("pods", gone, change="DELETED", **gone_row)
        incident.ordinal(1, gone, started=gone + 1, ready=gone + 4)
        return incident

    @pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
    def test_a_terminating_pod_keeps_its_name(self, tmp_path: Path, policy: str) -> None:
        case = self.returning(policy=policy).open(tmp_path)
        assert roots(case) == ["statefulset_blocked"]
        found = finding(case, "statefulset_blocked")
        assert found is not None
        assert "worker-1 is still terminating" in found.title
        assert seconds(case, "statefulset_blocked") == pytest.approx(4 * 160, abs=8)
        assert ruling(case, "workload") is Ruling.GUILTY
        assert ruling(case, "quota") is not Ruling.GUILTY

    def test_a_pod_that_leaves_at_once_blocks_nobody(self, tmp_path: Path) -> None:
        assert finding(self.returning(gone=66).open(tmp_path), "statefulset_blocked") is None

    def ramp(self, boot: float, policy: str = "OrderedReady") -> Incident:
        """Four workers asked for at 13, each of which boots for `boot` seconds."""
        incident = Ordered(policy=policy)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(13, 4, 1)
        incident.hpa(13, metric=4, replicas=1, desired=4)
        incident.run("r0", 10, 10.2)
        for n in range(4):
            born = 12 + n * boot
            incident.ordinal(n, born, started=born + 1, ready=born + boot)
            for slot in range(4):
                running = born + boot + 1
                incident.task(
                    f"t{n}{slot}", "r0", none=10, scheduled=10.5, queued=11, running=running, host=f"worker-{n}"
                )
        return incident

    def test_one_after_the_other_is_named_where_it_costs_more_than_a_boot(self, tmp_path: Path) -> None:
        case = self.ramp(40).open(tmp_path)
        assert roots(case) == ["statefulset_blocked"]
        found = finding(case, "statefulset_blocked")
        assert found is not None
        assert "OrderedReady" in found.detail

    def test_a_short_ramp_in_order_is_ordinary(self, tmp_path: Path) -> None:
        case = self.ramp(12).open(tmp_path)
        assert finding(case, "statefulset_blocked") is None
        assert case.analysis.verdict.healthy is True

    def test_the_fault_of_the_first_pod_explains_that_no_other_comes(self, tmp_path: Path) -> None:
        incident = Ordered()
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(13, 3, 1)
        incident.hpa(13, metric=3, replicas=1, desired=3)
        broken = {"waiting_container": "worker", "waiting_reason": "ImagePullBackOff", "waiting_message": "not found"}
        incident.ordinal(0, 12, **broken)
        queued(incident, 12)
        case = incident.open(tmp_path)
        assert roots(case) == ["image_pull_failure"]
        found = finding(case, "statefulset_blocked")
        assert found is not None
        assert found.role is Role.SYMPTOM

    def test_a_pod_that_keeps_crashing_holds_up_those_behind_it(self, tmp_path: Path) -> None:
        incident = Ordered(400)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.5, 1, 1, "keda")
        incident.hpa(14, metric=1, replicas=1, desired=1)
        incident.ordinal(0, 12, started=13, ready=15)
        incident.run("r0", 10, 10.2)
        for n in range(4):
            incident.task(
                f"t{n}", "r0", none=10, scheduled=10.5, queued=11, running=20, ended=90, state="failed", host="worker-0"
            )
        gone = {"uid": "worker-0@12", "name": "worker-0", "waiting_reason": "CrashLoopBackOff"}
        worker(incident, 61, **{**exited(60, "OOMKilled", 137, restarts=3), **gone})
        incident.replicas(80, 3, 1)
        incident.hpa(81, metric=3, replicas=1, desired=3)
        incident.hpa(95, metric=3, replicas=3, desired=3)
        queued(incident, 12, second=78)
        case = incident.open(tmp_path)
        assert roots(case) == ["worker_oom"]
        found = finding(case, "statefulset_blocked")
        assert found is not None
        assert found.role is Role.SYMPTOM

    def test_a_deployment_has_no_order(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"], boot=40)
        served(incident, 8, 2, begin=60)
        assert finding(incident.open(tmp_path), "statefulset_blocked") is None
