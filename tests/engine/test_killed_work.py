"""Work that ended with its worker: each kill belongs to whoever took the worker away, or to nobody."""

from pathlib import Path
from typing import Any

import pytest

from afscope.engine.investigation import Investigation
from afscope.model.finding import Role, Ruling
from tests.engine.incident import QUERY, TARGET, Incident, at, finding, roots, ruling

BLIND = "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE state='queued' AND queue IN ('default')"


def two_workers(end: float = 200, *, query: str = QUERY) -> Incident:
    """Two workers that are there from 17 s on, and a run for their tasks."""
    incident = Incident(end, query=query)
    incident.active_from = 12
    incident.replicas(12, 2, 0, "keda")
    incident.replicas(12.2, 2, 2, "keda")
    incident.hpa(13, metric=2, replicas=2, desired=2)
    incident.node(0)
    incident.run("r", 10, 10.2)
    return incident


def worker(incident: Incident, name: str, **values: Any) -> None:
    incident.pod(name, 12, scheduled=12, started=14, ready=17, **values)


def task(incident: Incident, task_id: str, host: str, ended: float | None, state: str = "success") -> None:
    incident.task(task_id, "r", none=10, scheduled=10.4, queued=11, running=20, ended=ended, state=state, host=host)


def scale_in(incident: Incident, second: float = 80, after: int = 1, by: str = "hpa") -> None:
    incident.replicas(second, after, 2, by)
    incident.replicas(second + 0.5, after, after, by)


def taken_by(case: Investigation) -> set[str]:
    return {str(row[0]) for row in case.sql("SELECT taken_by FROM kills").rows}


class TestScaleDownKillsTasks:
    def case(self, by: str = "hpa") -> Incident:
        """Four tasks, one of them on w0; the HPA goes to one worker and the controller picks w1, which has three."""
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80)
        scale_in(incident, by=by)
        task(incident, "t0", "w0", 120)
        for n in range(1, 4):
            task(incident, f"t{n}", "w1", 81, "failed")
        return incident

    def test_an_ordinary_scale_in_ends_running_tasks(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        assert roots(case) == ["scale_down_kills_tasks"]
        found = finding(case, "scale_down_kills_tasks")
        assert found is not None
        assert found.target == TARGET
        assert found.cost.lost_task_seconds == pytest.approx(3 * 60)
        assert found.detail.startswith("The metric fell to what fewer workers can do")
        assert "w1 was told to stop with 3 running task(s), while w0 ran 1" in found.detail
        assert ruling(case, "autoscaler-settings") is Ruling.GUILTY
        for innocent in ("hpa", "keda-operator", "workload", "nodes", "trigger"):
            assert ruling(case, innocent) is not Ruling.GUILTY, innocent

    def unseen_end(self) -> Incident:
        """A worker goes at 80; of the task that ran on it no row came after 20, for the recorder was blind from 40 to 70."""
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80)
        scale_in(incident)
        task(incident, "t1", "w1", None)
        return incident

    def test_a_task_that_still_ran_by_all_accounts_was_killed(self, tmp_path: Path) -> None:
        assert roots(self.unseen_end().open(tmp_path)) == ["scale_down_kills_tasks"]

    def test_no_task_of_a_successful_run_was_killed(self, tmp_path: Path) -> None:
        incident = self.unseen_end()
        incident.run("r", 10, 10.2, 65)
        case = incident.open(tmp_path)
        assert finding(case, "scale_down_kills_tasks") is None
        assert ruling(case, "autoscaler-settings") is not Ruling.GUILTY

    @pytest.mark.parametrize(("left", "killed"), [(0, False), (1, True)])
    def test_counts_tell_what_the_rows_missed(self, tmp_path: Path, left: int, *, killed: bool) -> None:
        incident = self.unseen_end()
        incident._add("task_counts", 71, state="running", queue="default", pool="default_pool", n=left)
        assert (finding(incident.open(tmp_path), "scale_down_kills_tasks") is not None) is killed

    def test_keda_to_zero_is_a_scale_in_as_well(self, tmp_path: Path) -> None:
        incident = two_workers()
        for name in ("w0", "w1"):
            worker(incident, name, stopped=80)
            task(incident, f"t-{name}", name, 81, "up_for_retry")
        scale_in(incident, after=0, by="keda")
        found = finding(incident.open(tmp_path), "scale_down_kills_tasks")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(2 * 60)
        assert "by keda (2 -> 0)" in found.title
        assert found.detail.startswith("2 tasks ran when it was decided, more than 0 worker(s) have slots for")

    def test_workers_that_end_their_tasks_are_no_victims(self, tmp_path: Path) -> None:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80, gone=111, exit_code=0)
        scale_in(incident)
        task(incident, "t0", "w0", 120)
        task(incident, "t1", "w1", 110)
        case = incident.open(tmp_path)
        assert case.sql("FROM kills").rows == []
        assert case.analysis.verdict.healthy is True

    def test_what_fails_while_its_worker_waits_for_it_failed_by_itself(self, tmp_path: Path) -> None:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80, gone=151, exit_code=0)
        scale_in(incident)
        task(incident, "fails", "w1", 130, "failed")
        task(incident, "works", "w1", 150)
        assert roots(incident.open(tmp_path)) == []

    def test_one_that_fails_at_once_beside_one_that_goes_on_was_not_killed(self, tmp_path: Path) -> None:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80, gone=151, exit_code=0)
        scale_in(incident)
        task(incident, "fails", "w1", 82, "failed")
        task(incident, "works", "w1", 150)
        assert roots(incident.open(tmp_path)) == []

    def test_what_died_before_the_scale_in_is_not_its_doing(self, tmp_path: Path) -> None:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80, restart_count=1, last_terminated_at=at(40), last_terminated_exit_code=137)
        scale_in(incident)
        task(incident, "t0", "w1", 110, "failed")
        assert finding(incident.open(tmp_path), "scale_down_kills_tasks") is None

    def test_one_that_runs_out_of_memory_while_it_stops_dies_of_that(self, tmp_path: Path) -> None:
        incident = two_workers(500)
        worker(incident, "w0")
        dead = '[{"name": "worker", "state": "terminated", "reason": "OOMKilled"}]'
        worker(incident, "w1", stopped=80, gone=100, exit_code=137, containers=dead)
        scale_in(incident)
        task(incident, "t1", "w1", 400, "failed")
        assert finding(incident.open(tmp_path), "scale_down_kills_tasks") is None

    def test_a_query_that_ignores_running_tasks_is_to_blame(self, tmp_path: Path) -> None:
        incident = two_workers(query=BLIND)
        for name in ("w0", "w1"):
            worker(incident, name, stopped=80)
            task(incident, f"t-{name}", name, 81, "failed")
        scale_in(incident, after=0, by="keda")
        case = incident.open(tmp_path)
        assert roots(case) == ["query_ignores_running"]
        found = finding(case, "scale_down_kills_tasks")
        assert found is not None
        assert found.role is Role.SYMPTOM

    def test_a_person_who_scales_is_no_autoscaler(self, tmp_path: Path) -> None:
        assert finding(self.case(by="kubectl").open(tmp_path), "scale_down_kills_tasks") is None

    def test_a_scale_in_takes_no_more_pods_than_it_has_replicas(self, tmp_path: Path) -> None:
        """A rollout in the same minute: of three pods that stop, the scale-in explains one."""
        incident = two_workers()
        for n in range(3):
            worker(incident, f"w{n}", stopped=80 + 5 * n)
            task(incident, f"t{n}", f"w{n}", 80 + 5 * n + 1, "failed")
        scale_in(incident)
        found = finding(incident.open(tmp_path), "scale_down_kills_tasks")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(60)

    def test_without_pods_nobody_is_blamed(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.missing = {"pods"}
        assert roots(incident.open(tmp_path)) == []


class Ordinals(Incident):
    """The same workers as a StatefulSet."""

    def _add(self, table: str, second: float, **values: Any) -> None:
        key = {"workloads": "kind", "scaledobjects": "target_kind", "pods": "owner_kind"}.get(table)
        super()._add(table, second, **(values | ({key: "StatefulSet"} if key else {})))


class TestStatefulSet:
    def case(self, second_stop: float) -> Incident:
        """From three to one: the highest ordinal goes first, the next one when it is gone."""
        incident = Ordinals(400)
        incident.active_from = 12
        incident.replicas(12, 3, 0, "keda")
        incident.replicas(12.2, 3, 3, "keda")
        incident.replicas(80, 1, 3)
        incident.run("r", 10, 10.2)
        worker(incident, "worker-0")
        worker(incident, "worker-2", stopped=80, gone=200, grace=300, exit_code=0)
        task(incident, "t2", "worker-2", 199)
        worker(incident, "worker-1", stopped=second_stop)
        task(incident, "t1", "worker-1", second_stop + 1, "failed")
        return incident

    def test_the_second_pod_goes_minutes_after_the_decision(self, tmp_path: Path) -> None:
        case = self.case(201).open(tmp_path)
        assert roots(case) == ["scale_down_kills_tasks"]
        found = finding(case, "scale_down_kills_tasks")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(181)

    def test_a_pod_that_the_size_keeps_was_not_scaled_in(self, tmp_path: Path) -> None:
        incident = self.case(201)
        incident.replicas(150, 3, 3)
        assert roots(incident.open(tmp_path)) == []


class TestEvictionKillsTasks:
    def case(self) -> Incident:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80)
        task(incident, "t0", "w0", 120)
        for n in range(1, 4):
            task(incident, f"t{n}", "w1", 81, "failed")
        return incident

    def test_a_drain_shows_in_the_pod_and_in_its_node(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.node(78, cordoned=True)
        incident.disrupted("w1", 80, "EvictionByEvictionAPI", "Eviction API: evicting")
        case = incident.open(tmp_path)
        assert roots(case) == ["eviction_kills_tasks"]
        found = finding(case, "eviction_kills_tasks")
        assert found is not None
        assert found.title.startswith("A drain of its node took 1 worker pod(s)")
        assert found.cost.lost_task_seconds == pytest.approx(3 * 60)
        assert ruling(case, "nodes") is Ruling.GUILTY
        assert ruling(case, "autoscaler-settings") is not Ruling.GUILTY

    def test_a_cordoned_node_without_the_condition_is_a_drain(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.node(78, cordoned=True)
        assert roots(incident.open(tmp_path)) == ["eviction_kills_tasks"]

    @pytest.mark.parametrize(
        ("reason", "component", "message", "by"),
        [
            ("ScaleDown", "cluster-autoscaler", "deleting pod for node scale down", "cluster_autoscaler"),
            ("Evicted", "karpenter", "Evicted pod: Underutilized", "karpenter"),
            ("Preempted", "default-scheduler", "Preempted by pod 8f on node n1", "preemption"),
            ("TaintManagerEviction", "taint-eviction-controller", "Marking for deletion Pod air/w1", "taint"),
            ("Descheduled", "sigs.k8s.io/descheduler", "pod evicted from n1 node", "descheduler"),
            ("Evicted", "kubelet", "The node was low on resource: memory.", "kubelet"),
        ],
    )
    def test_the_evictor_is_named(self, tmp_path: Path, reason: str, component: str, message: str, by: str) -> None:
        incident = self.case()
        incident.event(80, reason, "Pod", "w1", message, component=component)
        case = incident.open(tmp_path)
        assert roots(case) == ["eviction_kills_tasks"]
        assert taken_by(case) == {by}

    def test_an_eviction_beats_a_scale_in_of_the_same_minute(self, tmp_path: Path) -> None:
        incident = self.case()
        scale_in(incident, 70)
        incident.disrupted("w1", 80, "PreemptionByScheduler")
        assert roots(incident.open(tmp_path)) == ["eviction_kills_tasks"]

    def test_a_cancelled_taint_took_nobody(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.event(60, "TaintManagerEviction", "Pod", "w1", "Cancelling deletion of Pod air/w1")
        scale_in(incident)
        assert roots(incident.open(tmp_path)) == ["scale_down_kills_tasks"]

    def test_on_a_node_that_was_lost_before_it_is_the_node(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.node(60, ready="Unknown")
        incident.event(80, "TaintManagerEviction", "Pod", "w1", "Marking for deletion Pod air/w1")
        case = incident.open(tmp_path)
        assert finding(case, "eviction_kills_tasks") is None
        assert taken_by(case) == {"node_lost"}

    def test_a_rollout_is_no_eviction(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        assert roots(case) == []
        assert case.analysis.verdict.healthy is None  # three failures that nobody explained


class TestGracePeriodTooShort:
    def case(self, *, died: float = 120, exit_code: int | None = 137, state: str = "failed") -> Incident:
        """w1 may end its tasks within 40 s; its task runs on until the sweep finds it 300 s after the last heartbeat."""
        incident = two_workers(500)
        worker(incident, "w0")
        worker(incident, "w1", stopped=80, gone=died, grace=40, exit_code=exit_code)
        scale_in(incident)
        task(incident, "long", "w1", 425, state)
        return incident

    def test_tasks_outlive_the_grace(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        # with a grace as long as the task the scale-in would have taken nothing
        assert roots(case) == ["grace_period_too_short"]
        assert finding(case, "scale_down_kills_tasks") is None
        grace = finding(case, "grace_period_too_short")
        assert grace is not None
        assert grace.cost.lost_task_seconds == pytest.approx(60 + 40)
        assert "exit code 137" in grace.detail

    def test_the_row_may_still_say_running(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.rows = [r for r in incident.rows if r.values.get("state") != "failed"]
        assert "grace_period_too_short" in roots(incident.open(tmp_path))

    def test_a_pod_that_left_in_time_is_no_proof(self, tmp_path: Path) -> None:
        case = self.case(died=100, exit_code=143).open(tmp_path)
        assert finding(case, "grace_period_too_short") is None
        assert roots(case) == ["scale_down_kills_tasks"]

    def test_a_task_that_ended_well_in_the_grace(self, tmp_path: Path) -> None:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80, gone=120, grace=40, exit_code=137)
        scale_in(incident)
        task(incident, "short", "w1", 110)
        assert roots(incident.open(tmp_path)) == []


class TestSigtermBroadcast:
    def case(self) -> Incident:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80)
        scale_in(incident)
        task(incident, "t1", "w1", 81, "failed")
        return incident

    def test_it_is_why_a_scale_in_kills_and_is_not_counted_again(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        found = finding(case, "sigterm_broadcast")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert found.cost.lost_task_seconds == 0
        assert "DUMB_INIT_SETSID=0" in found.remedy
        assert roots(case) == ["scale_down_kills_tasks"]

    def test_the_words_of_the_task_make_it_surer(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.log(80.5, "task.sigterm", source="task.etl.r.t1.attempt=1.log")
        found = finding(incident.open(tmp_path), "sigterm_broadcast")
        assert found is not None
        assert found.confidence > 0.9

    def test_a_cold_shutdown_ends_tasks_on_purpose(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.log(80.2, "worker.cold", pod="w1")
        assert finding(incident.open(tmp_path), "sigterm_broadcast") is None

    def test_the_end_of_the_grace_is_another_cause(self, tmp_path: Path) -> None:
        case = TestGracePeriodTooShort().case().open(tmp_path)
        assert finding(case, "sigterm_broadcast") is None


class TestZombieTasks:
    FIELDS = "{'DAG Id': 'etl', 'Task Id': 't1', 'Run Id': 'r', 'Hostname': 'w1', 'External Executor Id': 'c1'}"

    def case(self, *, state: str = "failed", ended: float | None = 400, finds: int = 1, every: float = 10) -> Incident:
        """The task on w1 stops beating at 95 s; the scheduler finds it 300 s later."""
        incident = two_workers(500)
        worker(incident, "w0")
        worker(incident, "w1")
        task(incident, "t1", "w1", ended, state)
        for n in range(finds):
            incident.log(398 - every * (finds - 1 - n), "zombie.detected", text=f"Detected zombie job: {self.FIELDS}")
        return incident

    def test_one_that_falls_silent_on_a_worker_that_lives(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        assert roots(case) == ["zombie_tasks"]
        found = finding(case, "zombie_tasks")
        assert found is not None
        assert found.component == "worker"
        assert found.cost.lost_task_seconds == pytest.approx(380)
        assert found.confidence < 0.8

    def test_the_last_heartbeat_tells_without_a_log(self, tmp_path: Path) -> None:
        incident = self.case(finds=0, ended=None)
        incident.task(
            "t2", "r", none=10, scheduled=10.4, queued=11, running=20, ended=400, state="failed", host="w1", beat=95
        )
        assert roots(incident.open(tmp_path)) == ["zombie_tasks"]

    def test_a_failure_that_beat_to_the_end_is_no_zombie(self, tmp_path: Path) -> None:
        incident = self.case(finds=0, ended=None)
        incident.task(
            "t2", "r", none=10, scheduled=10.4, queued=11, running=20, ended=400, state="failed", host="w1", beat=390
        )
        assert roots(incident.open(tmp_path)) == []

    def test_where_the_worker_was_taken_it_is_a_consequence(self, tmp_path: Path) -> None:
        incident = two_workers(500)
        worker(incident, "w0")
        worker(incident, "w1", stopped=80, gone=96, grace=600, exit_code=143)
        scale_in(incident)
        task(incident, "t1", "w1", 398, "failed")
        incident.log(397, "zombie.detected", text=f"Detected zombie job: {self.FIELDS}")
        case = incident.open(tmp_path)
        assert roots(case) == ["scale_down_kills_tasks"]
        found = finding(case, "zombie_tasks")
        assert found is not None
        assert found.role is Role.OBSERVATION

    def test_workers_that_fall_silent_together_are_not_to_blame(self, tmp_path: Path) -> None:
        incident = self.case()
        task(incident, "t0", "w0", 400, "failed")
        words = self.FIELDS.replace("t1", "t0").replace("w1", "w0")
        incident.log(398, "zombie.detected", text=f"Detected zombie job: {words}")
        assert roots(incident.open(tmp_path)) == []

    def test_a_database_that_was_away_is_a_reason(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.db_dead = (90, 100)
        found = finding(incident.open(tmp_path), "zombie_tasks")
        assert found is not None
        assert found.cost.lost_task_seconds == 0

    def test_one_that_is_found_for_ever_is_the_dag_processors(self, tmp_path: Path) -> None:
        case = self.case(state="success", ended=None, finds=9).open(tmp_path)
        assert roots(case) == ["zombie_tasks"]
        assert ruling(case, "dag-processor") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY


class TestExecutionTimeout:
    def case(self, ended: float = 80, **log: Any) -> Incident:
        incident = two_workers()
        worker(incident, "w0")
        task(incident, "slow", "w0", ended, "failed")
        if log:
            incident.log(ended - 0.5, "task.timeout", source="task.etl.r.slow.attempt=1.log", **log)
        return incident

    def test_the_log_tells(self, tmp_path: Path) -> None:
        case = self.case(text="Process timed out, PID: 42").open(tmp_path)
        assert roots(case) == ["execution_timeout"]
        found = finding(case, "execution_timeout")
        assert found is not None
        assert found.subject == "etl/slow"
        assert found.cost.lost_task_seconds == pytest.approx(60)
        assert ruling(case, "dag") is Ruling.GUILTY

    def test_the_general_limit_tells(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.setting("core.default_task_execution_timeout", "60")
        assert roots(incident.open(tmp_path)) == ["execution_timeout"]

    def test_another_duration_is_no_timeout(self, tmp_path: Path) -> None:
        incident = self.case(ended=90)
        incident.setting("core.default_task_execution_timeout", "60")
        assert roots(incident.open(tmp_path)) == []

    def test_a_failure_without_words_is_none(self, tmp_path: Path) -> None:
        assert roots(self.case().open(tmp_path)) == []

    def test_the_import_of_a_file_has_another_limit(self, tmp_path: Path) -> None:
        case = self.case(text="AirflowTaskTimeout: DagBag import timeout for /dags/etl.py after 30.0s").open(tmp_path)
        assert finding(case, "execution_timeout") is None


class TestRedeliveredTask:
    def case(self, *, again: float = 320, ended: float = 321, state: str = "failed") -> Incident:
        incident = two_workers(500)
        worker(incident, "w0")
        worker(incident, "w1")
        incident.task(
            "long",
            "r",
            none=10,
            scheduled=10.4,
            queued=11,
            running=20,
            ended=ended,
            state=state,
            host="w0",
            celery="c-1",
        )
        incident.log(19.9, "worker.received", pod="w0", celery_id="c-1")
        incident.log(again, "worker.received", pod="w1", celery_id="c-1")
        return incident

    def test_the_second_delivery_fails_the_first(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        assert roots(case) == ["redelivered_task"]
        found = finding(case, "redelivered_task")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(301)
        assert "300 s after the first" in found.title

    def test_one_that_was_ignored_is_worth_a_remark(self, tmp_path: Path) -> None:
        found = finding(self.case(ended=400, state="success").open(tmp_path), "redelivered_task")
        assert found is not None
        assert found.role is Role.OBSERVATION

    def test_a_message_that_comes_back_after_its_task_is_no_double(self, tmp_path: Path) -> None:
        case = self.case(ended=200, state="success").open(tmp_path)
        assert finding(case, "redelivered_task") is None
