"""Causes before the queue: the DAG, its caps, pools, parallelism, the scheduler."""

from pathlib import Path

import pytest

from afscope.model.finding import Role, Ruling
from tests.engine.incident import Incident, at, finding, roots, ruling, seconds


def capped(
    incident: Incident, *, running: int, waiting: int, holders_run: bool = True, pool: str = "default_pool"
) -> Incident:
    """`running` tasks hold the places, `waiting` more are scheduled; the holders run, or wait for workers."""
    incident.run("r1", 10, 10.2)
    workers = -(-running // 4)
    if holders_run:
        incident.workers(names=[f"w{n}" for n in range(workers)])
    for n in range(running):
        host = f"w{n // 4}"
        when = 20.0 if holders_run else None
        incident.task(f"h{n}", "r1", none=10, scheduled=10.5, queued=11, running=when, host=host, pool=pool)
    for n in range(waiting):
        incident.task(f"t{n}", "r1", none=10, scheduled=10.5, pool=pool)
    return incident


class TestDagPaused:
    def test_a_run_of_a_paused_dag_waits_for_the_dag(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.dag("etl", paused=True)
        incident.run("r1", 10, None)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10)
        case = incident.open(tmp_path)
        assert roots(case) == ["dag_paused"]
        assert seconds(case, "dag_paused", "run") == pytest.approx(4 * 110)
        assert ruling(case, "keda-operator") is Ruling.NOT_GUILTY  # it saw 0 because there was 0
        assert ruling(case, "dag") is Ruling.GUILTY

    def test_airflow_paused_it_after_too_many_failures(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.dag("etl", 8, paused=True)
        text = "Pausing DAG etl because last 3 DAG runs failed."
        incident.log(7, "sched.auto_pause", pod="scheduler-0", text=text, dag_id="etl")
        incident.run("r1", 10, None)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10)
        found = finding(incident.open(tmp_path), "dag_paused")
        assert found is not None
        assert text in [evidence.text for evidence in found.evidence]

    def test_a_dag_that_was_unpaused_before_anything_waited_is_innocent(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.dag("etl", paused=True)
        incident.dag("etl", second=5)
        incident.workers()
        incident.run("r1", 10, 10.2)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.4, queued=10.6, running=20, ended=40, host="w0")
        case = incident.open(tmp_path)
        assert roots(case) == []
        assert ruling(case, "dag") is Ruling.NOT_GUILTY

    def test_the_scheduler_is_down_and_no_dag_is_paused(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.scheduler_dead = (8, 110)
        incident.run("r1", 10, None)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10)
        case = incident.open(tmp_path)
        assert roots(case) == ["scheduler_down"]
        assert finding(case, "dag_paused") is None


class TestMaxActiveRuns:
    def runs(self, running: bool, cap: int = 1) -> Incident:
        incident = Incident()
        incident.dag("etl", runs=cap)
        incident.run("r1", 10, 10.2)
        if running:
            incident.workers()
        incident.task("t", "r1", none=10, scheduled=10.3, queued=10.5, running=20 if running else None, host="w0")
        for n in range(3):
            incident.run(f"q{n}", 11, None)
            incident.task("t", f"q{n}", none=11)
        return incident

    def test_queued_runs_wait_for_the_cap(self, tmp_path: Path) -> None:
        case = self.runs(running=True).open(tmp_path)
        assert roots(case) == ["dag_max_active_runs"]
        found = finding(case, "dag_max_active_runs")
        assert found is not None
        assert found.subject == "etl"
        assert found.evidence

    def test_below_the_cap_it_is_silent(self, tmp_path: Path) -> None:
        assert finding(self.runs(running=True, cap=2).open(tmp_path), "dag_max_active_runs") is None

    def test_a_cap_whose_holder_waits_for_workers_is_not_the_cause(self, tmp_path: Path) -> None:
        case = self.runs(running=False).open(tmp_path)
        assert "dag_max_active_runs" not in roots(case)


class TestMaxActiveTasks:
    def test_the_cap_holds_what_is_scheduled(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.dag("etl", tasks=4)
        case = capped(incident, running=4, waiting=6).open(tmp_path)
        assert roots(case) == ["dag_max_active_tasks"]
        assert ruling(case, "pool") is Ruling.NOT_GUILTY

    def test_airflow_3_counts_per_run(self, tmp_path: Path) -> None:
        incident = Incident(airflow3=True)
        incident.dag("etl", tasks=4)
        incident.run("r2", 10, 10.2)
        incident.task("other", "r2", none=10, scheduled=10.5)  # its own run holds nothing
        case = capped(incident, running=4, waiting=6).open(tmp_path)
        found = finding(case, "dag_max_active_tasks")
        assert found is not None
        assert found.role is Role.ROOT_CAUSE
        waits = {w.task_id: {s.cause for s in w.stages} for w in case.waits()}
        assert "dag_max_active_tasks" in waits["t0"]
        assert "dag_max_active_tasks" not in waits["other"]

    def test_one_place_left_is_no_cap(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.dag("etl", tasks=5)
        assert finding(capped(incident, running=4, waiting=6).open(tmp_path), "dag_max_active_tasks") is None

    def test_holders_that_wait_for_a_worker_pass_the_blame_on(self, tmp_path: Path) -> None:
        incident = Incident(max_replicas=1)
        incident.dag("etl", tasks=8)
        incident.workers()
        incident.hpa(20, metric=2, replicas=1, desired=1, limited="TooManyReplicas")
        incident.run("r1", 10, 10.2)
        for n in range(8):
            running = 18.0 if n < 4 else None
            incident.task(f"h{n}", "r1", none=10, scheduled=10.5, queued=11, running=running, host="w0")
        for n in range(6):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.5)
        case = incident.open(tmp_path)
        assert roots(case) == ["max_replicas_ceiling"]
        capped_dag = finding(case, "dag_max_active_tasks")
        assert capped_dag is not None
        assert capped_dag.role is Role.OBSERVATION
        assert ruling(case, "dag") is not Ruling.GUILTY


class TestPool:
    def test_a_full_pool_holds_what_is_scheduled(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.pool("tiny", 2)
        case = capped(incident, running=2, waiting=6, pool="tiny").open(tmp_path)
        assert roots(case) == ["pool_exhausted"]
        found = finding(case, "pool_exhausted")
        assert found is not None
        assert found.subject == "tiny"
        assert ruling(case, "keda-operator") is Ruling.NOT_GUILTY

    def test_room_for_the_smallest_is_no_full_pool(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.pool("tiny", 3)
        assert finding(capped(incident, running=2, waiting=6, pool="tiny").open(tmp_path), "pool_exhausted") is None

    def test_infinite_pools_are_never_full(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.pool("tiny", -1)
        assert finding(capped(incident, running=2, waiting=6, pool="tiny").open(tmp_path), "pool_exhausted") is None

    def test_slots_count_not_tasks(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.pool("big", 8)
        incident.workers()
        incident.run("r1", 10, 10.2)
        for n in range(2):
            incident.task(f"h{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, host="w0", pool="big", slots=4)
        incident.task("t", "r1", none=10, scheduled=10.5, pool="big", slots=4)
        assert roots(incident.open(tmp_path)) == ["pool_exhausted"]

    def test_a_pool_held_by_tasks_without_workers_is_innocent(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.pool("tiny", 2)
        case = capped(incident, running=2, waiting=6, pool="tiny", holders_run=False).open(tmp_path)
        assert "pool_exhausted" not in roots(case)
        assert ruling(case, "pool") is not Ruling.GUILTY


class TestParallelism:
    def crowd(self, held: int) -> Incident:
        incident = Incident(max_replicas=10)
        return capped(incident, running=held, waiting=6)

    def test_all_executor_slots_taken(self, tmp_path: Path) -> None:
        case = self.crowd(32).open(tmp_path)
        assert roots(case) == ["parallelism_limit"]

    def test_one_free_slot_is_no_limit(self, tmp_path: Path) -> None:
        assert finding(self.crowd(31).open(tmp_path), "parallelism_limit") is None

    def test_a_dag_cap_of_the_same_size_stands_before_it(self, tmp_path: Path) -> None:
        incident = self.crowd(32)
        incident.dag("etl", tasks=32)
        assert roots(incident.open(tmp_path)) == ["dag_max_active_tasks"]


class TestScheduler:
    def stuck(self, dead: tuple[float, float]) -> Incident:
        incident = Incident()
        incident.scheduler_dead = dead
        incident.run("r1", 12, None)
        for n in range(5):
            incident.task(f"t{n}", "r1", none=12)
        return incident

    def test_silence_beyond_airflows_threshold(self, tmp_path: Path) -> None:
        case = self.stuck((11, 100)).open(tmp_path)
        assert roots(case) == ["scheduler_down"]
        assert ruling(case, "metadata-db") is Ruling.NOT_GUILTY
        assert ruling(case, "keda-operator") is Ruling.NOT_GUILTY

    def test_silence_within_the_threshold_is_ordinary(self, tmp_path: Path) -> None:
        assert finding(self.stuck((11, 35)).open(tmp_path), "scheduler_down") is None

    def test_a_database_that_does_not_answer_acquits_the_scheduler(self, tmp_path: Path) -> None:
        incident = self.stuck((11, 100))
        incident.db_dead = (11, 100)
        case = incident.open(tmp_path)
        assert roots(case) == ["db_slow"]
        assert ruling(case, "scheduler") is not Ruling.GUILTY


class TestDeferred:
    def sensors(self, include_deferred: bool) -> Incident:
        """Two tasks of pool `tiny` (2 slots) are deferred from second 30 on, and give their places back."""
        incident = Incident()
        incident.pool("tiny", 2)
        if include_deferred:
            incident.rows = [r for r in incident.rows if r.values.get("pool") != "tiny"]
            incident._add("pools", 0, pool="tiny", slots=2, include_deferred=True)
        incident.workers()
        incident.run("r1", 10, 10.2)
        for n in range(2):
            incident.task(f"h{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, host="w0", pool="tiny")
            incident._add("task_instances", 30, dag_id="etl", run_id="r1", task_id=f"h{n}", map_index=-1, attempt=1,
                          state="deferred", pool="tiny", pool_slots=1, queue="default", hostname="w0", start_date=at(20))  # fmt: skip
        incident.task("t", "r1", none=10, scheduled=10.5, pool="tiny")
        return incident

    def test_deferred_tasks_hold_no_slot_of_an_ordinary_pool(self, tmp_path: Path) -> None:
        case = self.sensors(include_deferred=False).open(tmp_path)
        assert seconds(case, "pool_exhausted") < 30
        assert [lane.at(at(60)) for lane in case.charts[0].lanes if lane.name == "slots_used"] == [0]

    def test_they_do_where_the_pool_includes_them(self, tmp_path: Path) -> None:
        case = self.sensors(include_deferred=True).open(tmp_path)
        assert roots(case) == ["pool_exhausted"]
