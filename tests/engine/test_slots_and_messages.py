"""Ready workers, and tasks that still wait: slots that waiters hold, messages held by the wrong worker or by nobody."""

from pathlib import Path

import pytest

from afscope.model.finding import Role, Ruling
from afscope.model.row import Row
from tests.engine.incident import Incident, finding, roots, ruling, seconds


def of_kind(incident: Incident, prefix: str, operator: str) -> None:
    """Says which operator the tasks with this prefix are."""
    incident.rows = [
        Row(r.table, {**r.values, "operator": operator})
        if r.table == "task_instances" and r.values["task_id"].startswith(prefix)
        else r
        for r in incident.rows
    ]


def received(incident: Incident, second: float, pod: str, message: str, *, begun: float | None = None) -> None:
    """What a worker says of a message."""
    incident.log(
        second, "worker.received", pod=pod, text=f"Task execute_command[{message}] received", celery_id=message
    )
    if begun is not None:
        incident.log(begun, "worker.executing2", pod=pod, text=f"[{message}] Executing command", celery_id=message)


class TestWorkerSlotsSaturated:
    def full(
        self, sensors: int, *, operator: str = "FileSensor", most: int = 2, sensor_ends: float | None = None
    ) -> Incident:
        """Two workers of 4 slots at maxReplicaCount: `sensors` of the 8 slots are held from 20 on; 4 tasks wait."""
        incident = Incident(end=240, max_replicas=most)
        incident.workers(names=["w0", "w1"])
        incident.run("r1", 10, 10.2)
        for n in range(8):
            kind = "s" if n < sensors else "p"
            over = sensor_ends if kind == "s" else None
            incident.task(
                f"{kind}{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=over, host=f"w{n // 4}"
            )
        for n in range(4):
            incident.task(f"q{n}", "r1", none=40, scheduled=40.5, queued=41)
        of_kind(incident, "s", operator)
        of_kind(incident, "p", "PythonOperator")
        of_kind(incident, "q", "PythonOperator")
        return incident

    def test_sensors_hold_the_slots(self, tmp_path: Path) -> None:
        case = self.full(6).open(tmp_path)
        assert roots(case) == ["worker_slots_saturated"]
        found = finding(case, "worker_slots_saturated")
        assert found is not None
        assert "6 of 8" in found.title
        assert "FileSensor" in found.title
        assert found.subject == "air/worker"
        assert {e.table for e in found.evidence} == {"task_instances", "workloads"}
        assert ruling(case, "dag") is Ruling.GUILTY
        assert ruling(case, "autoscaler-settings") is not Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_tasks_that_work_make_it_the_ceiling(self, tmp_path: Path) -> None:
        case = self.full(0).open(tmp_path)
        assert roots(case) == ["max_replicas_ceiling"]
        assert finding(case, "worker_slots_saturated") is None

    def test_a_few_sensors_are_not_what_is_missing(self, tmp_path: Path) -> None:
        assert roots(self.full(2).open(tmp_path)) == ["max_replicas_ceiling"]

    def test_sensors_that_come_and_go_hold_nothing(self, tmp_path: Path) -> None:
        case = self.full(6, sensor_ends=50).open(tmp_path)
        assert finding(case, "worker_slots_saturated") is None

    def test_where_more_workers_may_come_it_is_not_the_sensors(self, tmp_path: Path) -> None:
        assert finding(self.full(6, most=5).open(tmp_path), "worker_slots_saturated") is None

    def test_pod_operators_wait_as_well(self, tmp_path: Path) -> None:
        assert roots(self.full(8, operator="KubernetesPodOperator").open(tmp_path)) == ["worker_slots_saturated"]


class TestPrefetchHoarding:
    def hoarding(self, *, begun: float | None = 100, beside: bool = True, full: bool = True) -> Incident:
        """w0 is full and received three more at 30; w1 came at 13 and has nothing to do."""
        incident = Incident(end=180)
        incident.workers(names=["w0", "w1"] if beside else ["w0"])
        incident.run("r1", 10, 10.2)
        for n in range(4 if full else 1):
            incident.task(
                f"a{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=95, host="w0", celery=f"a{n}"
            )
        for n in range(3):
            incident.task(f"b{n}", "r1", none=25, scheduled=25.5, queued=26, running=begun, host="w0", celery=f"b{n}")
            received(incident, 30, "w0", f"b{n}", begun=begun)
        return incident

    def test_a_full_worker_holds_what_a_free_one_could_run(self, tmp_path: Path) -> None:
        case = self.hoarding().open(tmp_path)
        assert roots(case) == ["prefetch_hoarding"]
        found = finding(case, "prefetch_hoarding")
        assert found is not None
        assert found.title.startswith("w0 held 3 message(s)")
        assert "w1 had free slots" in found.title
        assert seconds(case, "prefetch_hoarding", "consume") > 3 * 60
        assert ruling(case, "airflow-config") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_a_worker_begins_at_once(self, tmp_path: Path) -> None:
        assert finding(self.hoarding(begun=33).open(tmp_path), "prefetch_hoarding") is None

    def test_without_a_free_worker_nobody_could_have_run_it(self, tmp_path: Path) -> None:
        assert finding(self.hoarding(beside=False).open(tmp_path), "prefetch_hoarding") is None

    def test_a_worker_with_free_slots_that_does_not_begin_is_stuck_not_hoarding(self, tmp_path: Path) -> None:
        assert finding(self.hoarding(full=False).open(tmp_path), "prefetch_hoarding") is None


class TestMessageLost:
    def lost(self, *, overtaken: bool = True, again: bool = False, gone: float = 40, empty: bool = False) -> Incident:
        """w0 received x0 and x1 at 30 and went away at 40 without having begun; w1 is ready and free."""
        incident = Incident(end=240)
        incident.workers(names=["w0", "w1"])
        incident.rows = [r for r in incident.rows if not (r.table == "pods" and r.values["name"] == "w0")]
        incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=gone, gone=gone + 2)
        incident.run("r1", 20, 20.2)
        for n in range(2):
            incident.task(f"x{n}", "r1", none=20, scheduled=20.5, queued=21, celery=f"x{n}",
                          running=60 if again else None, host="w1" if again else "")  # fmt: skip
            received(incident, 30, "w0", f"x{n}")
            if again:
                received(incident, 58, "w1", f"x{n}", begun=59)
        if overtaken:
            incident.run("r2", 50, 50.2)
            incident.task("y", "r2", none=50, scheduled=50.5, queued=51, running=53, ended=70, host="w1", celery="y")
        if empty:
            for second, depth in ((22, 2), (31, 0)):
                incident._add("broker_queues", second, broker="redis", queue="default", depth=depth)
        return incident

    def test_the_holder_went_away_and_later_ones_started(self, tmp_path: Path) -> None:
        case = self.lost().open(tmp_path)
        assert roots(case) == ["message_lost"]
        found = finding(case, "message_lost")
        assert found is not None
        assert "w0, which had received them, went away" in found.title
        assert "queued in default after them" in found.detail
        assert ruling(case, "worker") is Ruling.GUILTY
        assert ruling(case, "broker") is not Ruling.GUILTY

    def test_the_queue_was_empty(self, tmp_path: Path) -> None:
        found = finding(self.lost(overtaken=False, empty=True).open(tmp_path), "message_lost")
        assert found is not None
        assert found.confidence >= 0.95
        assert "broker_queues" in {e.table for e in found.evidence}

    def test_a_message_that_may_still_be_in_the_queue_is_not_lost(self, tmp_path: Path) -> None:
        assert finding(self.lost(overtaken=False).open(tmp_path), "message_lost") is None

    def test_a_message_that_came_back_is_not_lost(self, tmp_path: Path) -> None:
        assert finding(self.lost(again=True).open(tmp_path), "message_lost") is None

    def test_a_holder_that_lives_has_not_lost_it(self, tmp_path: Path) -> None:
        assert finding(self.lost(gone=230).open(tmp_path), "message_lost") is None

    def test_a_broker_that_began_anew(self, tmp_path: Path) -> None:
        incident = self.lost(gone=230)
        incident.rows = [r for r in incident.rows if r.table != "log_lines"]
        incident._add("pods", 40, uid="redis", namespace="air", name="air-redis-0", labels='{"component": "redis"}',
                      started_at=incident.rows[0].values["ts"] + 40_000_000, phase="Running")  # fmt: skip
        case = incident.open(tmp_path)
        assert roots(case) == ["message_lost"]
        assert ruling(case, "broker") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def dropped(self, *, reset: bool = True, fresh: bool = True, given: bool = False) -> Incident:
        """Four tasks sent at 21; the only worker loses the broker at 30; w9 comes up at 50 and may be given one."""
        incident = Incident(end=200)
        incident.workers()
        incident.run("r1", 20, 20.2)
        for n in range(4):
            taken = given and n == 0
            incident.task(
                f"x{n}",
                "r1",
                none=20,
                scheduled=20.5,
                queued=21,
                running=55 if taken else None,
                host="w9" if taken else "",
            )
        if reset:
            incident.log(30, "worker.broker_lost", pod="w0", text="consumer: Connection to broker lost.")
            incident.log(34, "worker.connected", pod="w0", text="Connected to redis://broker:6379/0")
        if fresh:
            incident.pod("w9", 45, scheduled=45, started=47, ready=50)
            incident.log(50, "worker.ready", pod="w9", text="celery@w9 ready.", host="w9")
        return incident

    def test_a_worker_that_came_later_receives_nothing_of_what_was_sent_before(self, tmp_path: Path) -> None:
        case = self.dropped().open(tmp_path)
        assert roots(case) == ["message_lost"]
        assert ruling(case, "broker") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY
        assert "w9 came up after that" in case.analysis.findings[0].detail

    @pytest.mark.parametrize("changed", [{"reset": False}, {"fresh": False}, {"given": True}])
    def test_otherwise_the_message_may_still_be_there(self, tmp_path: Path, changed: dict[str, bool]) -> None:
        case = self.dropped(**changed).open(tmp_path)
        assert finding(case, "message_lost") is None
        # what was sent before the loss does not show that the worker came back deaf
        assert finding(case, "worker_disconnected") is None


class TestDagMissingOnWorker:
    LINE = "Dag 'etl' could not be found; either it does not exist or it failed to parse"

    def missing(self, *, elsewhere: bool = True, before: bool = False, said: bool = True) -> Incident:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        incident.run("r1", 10, 10.2)
        if elsewhere:
            incident.task("ok", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=30, host="w0")
        if before:
            incident.task("old", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=30, host="w1")
        for n in range(3):
            incident.task(f"t{n}", "r1", none=35, scheduled=35.5, queued=40, ended=45, state="failed")
            if said:
                incident.log(44, "worker.dag_missing2", pod="w1", text=self.LINE, dag_id="etl")
        return incident

    def test_a_new_worker_has_no_such_file(self, tmp_path: Path) -> None:
        case = self.missing().open(tmp_path)
        assert roots(case) == ["dag_missing_on_worker"]
        found = finding(case, "dag_missing_on_worker")
        assert found is not None
        assert "1 worker(s): 3 task(s)" in found.title
        assert "Other workers ran tasks of the same DAG" in found.detail
        assert found.cost.lost_task_seconds == 15.0
        assert ruling(case, "worker") is Ruling.GUILTY

    def test_airflow3_says_it_in_the_log_of_the_task(self, tmp_path: Path) -> None:
        incident = self.missing(said=False)
        for n in range(3):
            incident.log(44, "worker.dag_missing3", source=f"task.etl.r1.t{n}.attempt=1.log", text="DAG not found during start up",
                         dag_id="etl", task_id=f"t{n}", run_id="r1")  # fmt: skip
        assert roots(incident.open(tmp_path)) == ["dag_missing_on_worker"]

    def test_a_worker_that_ran_the_dag_has_it(self, tmp_path: Path) -> None:
        assert finding(self.missing(before=True).open(tmp_path), "dag_missing_on_worker") is None

    def test_tasks_that_fail_without_a_word_are_not_explained(self, tmp_path: Path) -> None:
        case = self.missing(said=False).open(tmp_path)
        assert roots(case) == []
        assert case.analysis.verdict.healthy is None


class TestUnreachableMaxReplicas:
    def capped(self, *, parallelism: int = 8, most: int = 5, waiting: int = 4) -> Incident:
        incident = Incident(max_replicas=most)
        incident.setting("core.parallelism", str(parallelism))
        incident.workers(names=["w0", "w1"])
        incident.run("r1", 10, 10.2)
        for n in range(8):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, host=f"w{n // 4}")
        for n in range(waiting):
            incident.task(f"u{n}", "r1", none=10, scheduled=12)
        return incident

    def test_the_limit_is_to_blame_and_the_maximum_is_out_of_reach(self, tmp_path: Path) -> None:
        case = self.capped().open(tmp_path)
        assert roots(case) == ["parallelism_limit"]
        found = finding(case, "unreachable_max_replicas")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert found.title == "Airflow's own limits never let air/worker ask for more than 2 of its 5 workers"
        assert "[core] parallelism" in found.detail

    def test_a_maximum_that_the_limits_allow(self, tmp_path: Path) -> None:
        assert finding(self.capped(most=2).open(tmp_path), "unreachable_max_replicas") is None

    def test_demand_that_never_came_to_the_limit(self, tmp_path: Path) -> None:
        assert finding(self.capped(parallelism=12, waiting=0).open(tmp_path), "unreachable_max_replicas") is None

    def test_the_stricter_limit_is_named(self, tmp_path: Path) -> None:
        incident = self.capped(parallelism=100)
        incident.dag("etl", tasks=8)
        case = incident.open(tmp_path)
        assert roots(case) == ["dag_max_active_tasks"]
        found = finding(case, "unreachable_max_replicas")
        assert found is not None
        assert "max_active_tasks of the DAGs" in found.detail
