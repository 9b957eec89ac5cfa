"""Causes of components that live and do too little: the scheduler's loop, its executor, dag-processor, triggerer."""

from pathlib import Path

import pytest

from afscope.model.finding import Role, Ruling
from tests.engine.incident import Incident, finding, roots, ruling, seconds
from tests.engine.test_runs_and_tasks import looks, noise

END = 300.0
FULL = "Executor parallelism limit reached. 0 open slots."


class TestSlotLeak:
    def leaky(self, *, held: int = 4, parallelism: int | None = 16, until: float = 280) -> Incident:
        """`held` tasks run, the executor says from second 30 that it is full, 20 more are scheduled."""
        incident = Incident(END)
        if parallelism is not None:
            incident.setting("core.parallelism", str(parallelism))
        incident.workers(names=["w0", "w1", "w2", "w3"])
        incident.run("r1", 10, 10.2, looks=looks(11))
        for n in range(held):
            incident.task(f"h{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, host=f"w{n // 4}")
        for n in range(20):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.5)
        for second in range(30, int(until), 5):
            incident.log(second, "limit.parallelism", pod="scheduler-0", text=FULL)
        return incident

    def test_an_executor_that_counts_what_the_table_does_not_show(self, tmp_path: Path) -> None:
        case = self.leaky().open(tmp_path)
        assert roots(case) == ["executor_slot_leak"]
        found = finding(case, "executor_slot_leak")
        assert found is not None
        assert found.title == (
            "The executor of scheduler-0 believes that all 16 slots are taken, the table shows 4 queued or running"
        )
        assert ruling(case, "scheduler") is Ruling.GUILTY
        assert seconds(case, "executor_slot_leak", "limits") > 20 * 200

    def test_slots_that_are_really_taken_are_the_limit_s(self, tmp_path: Path) -> None:
        case = self.leaky(held=16).open(tmp_path)
        assert finding(case, "executor_slot_leak") is None
        assert roots(case) == ["parallelism_limit"]

    def test_a_moment_is_no_leak(self, tmp_path: Path) -> None:
        assert finding(self.leaky(until=90).open(tmp_path), "executor_slot_leak") is None

    def test_without_a_known_size_nothing_is_said_against_it(self, tmp_path: Path) -> None:
        assert finding(self.leaky(parallelism=None).open(tmp_path), "executor_slot_leak") is None

    def test_without_logs_it_is_not_assessed(self, tmp_path: Path) -> None:
        incident = self.leaky()
        incident.missing = {"log_lines"}
        case = incident.open(tmp_path)
        assert "executor_slot_leak" in {item.cause for item in case.analysis.not_assessed}


class TestSlowLoop:
    def batches(self, size: int, *, every: float = 10, loops: int = 20) -> Incident:
        """Each loop queues `size` of the tasks that are all ready at once; workers take them at once."""
        incident = Incident(END, max_replicas=100)
        incident.setting("core.parallelism", "1000")
        incident.dag("etl", tasks=1000)
        incident.pool("default_pool", 1000)
        incident.workers(names=[f"w{n}" for n in range(40)])
        incident.run("r1", 5, 5.2, looks=looks(6))
        for n in range(size * loops):
            when = 20 + every * (n // size)
            incident.task(
                f"t{n}", "r1", none=5, scheduled=6, queued=when, running=when + 0.5, ended=when + 8, host=f"w{n % 40}"
            )
        return incident

    def test_batch_after_batch_is_full(self, tmp_path: Path) -> None:
        case = self.batches(16).open(tmp_path)
        assert roots(case) == ["scheduler_slow"]
        found = finding(case, "scheduler_slow")
        assert found is not None
        assert "20 loops in a row queued all the 16 tasks that one may" in found.title
        assert "MAX_TIS_PER_QUERY" in found.remedy
        assert ruling(case, "scheduler") is Ruling.GUILTY

    def test_batches_below_the_limit_are_held_by_something_else(self, tmp_path: Path) -> None:
        assert finding(self.batches(12).open(tmp_path), "scheduler_slow") is None

    def test_one_minute_is_ordinary(self, tmp_path: Path) -> None:
        case = self.batches(16, every=2).open(tmp_path)
        assert roots(case) == []
        assert case.analysis.verdict.healthy is True

    def test_a_full_pool_is_guilty_not_the_loop(self, tmp_path: Path) -> None:
        incident = self.batches(16)
        incident.rows = [r for r in incident.rows if r.table != "pools"]
        incident.pool("default_pool", 16)
        case = incident.open(tmp_path)
        assert roots(case)[0] == "pool_exhausted"

    def slow(self, step: float, *, dead: tuple[float, float] | None = None) -> Incident:
        """The loop comes round every `step` seconds; chains of tasks wait for it at each link."""
        incident = Incident(END)
        incident.scheduler_dead = dead
        incident.workers(names=["w0"])
        incident.run("r1", 5, 5.2, looks=looks(6, step=step))
        for n in range(4):
            for link in range(5):
                ready = 6 + step * 2 * link
                incident.task(f"t{n}_{link}", "r1", none=5, scheduled=ready + step, queued=ready + step + 0.1,
                              running=ready + step + 0.6, ended=ready + 2 * step - 5, host="w0")  # fmt: skip
        return incident

    def test_loops_that_take_twenty_seconds(self, tmp_path: Path) -> None:
        case = self.slow(20).open(tmp_path, lang="zh")
        assert roots(case) == ["scheduler_slow"]
        found = finding(case, "scheduler_slow")
        assert found is not None
        assert "各耗时 20 秒" in found.title

    def test_loops_of_five_seconds_are_none_of_its_business(self, tmp_path: Path) -> None:
        assert finding(self.slow(8).open(tmp_path), "scheduler_slow") is None

    def test_a_database_that_does_not_answer_is_not_the_scheduler(self, tmp_path: Path) -> None:
        incident = self.slow(20)
        incident.db_dead = (10, 250)
        assert finding(incident.open(tmp_path), "scheduler_slow") is None

    def many_runs(self, n: int) -> Incident:
        """`n` running runs, of which a loop looks at twenty; a task of each is ready 20 s after the look."""
        incident = Incident(END)
        incident.dag("etl", tasks=1000, runs=1000)
        incident.pool("default_pool", 1000)
        incident.setting("core.parallelism", "1000")
        incident.workers(names=["w0"])
        for number in range(n):
            first = 6 + 4 * (number // 20)
            again = 4 * -(-n // 20)
            incident.run(f"r{number:03}", 1, 2, looks=looks(first, step=again))
            incident.task(
                "a",
                f"r{number:03}",
                none=1,
                scheduled=first,
                queued=first + 0.1,
                running=first + 0.2,
                ended=first + 10,
                host="w0",
            )
            incident.task("b", f"r{number:03}", none=1, scheduled=first + again if first + again < END else None)
        return incident

    def test_runs_that_are_looked_at_every_two_minutes(self, tmp_path: Path) -> None:
        case = self.many_runs(700).open(tmp_path)
        assert roots(case) == ["scheduler_slow"]
        found = finding(case, "scheduler_slow")
        assert found is not None
        assert "running runs were looked at every" in found.title

    def test_forty_runs_are_looked_at_often_enough(self, tmp_path: Path) -> None:
        assert finding(self.many_runs(40).open(tmp_path), "scheduler_slow") is None


class TestStaleDag:
    def queued(self, **state: object) -> Incident:
        incident = Incident(END)
        noise(incident)
        incident.dag("noise", parsed=END - 20)
        incident.dag("etl", active=False, parsed=-3000)
        incident.run("r1", 10, None)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10)
        return incident

    def test_a_dag_whose_file_is_gone(self, tmp_path: Path) -> None:
        case = self.queued().open(tmp_path)
        assert roots(case) == ["dag_processor_stale"]
        found = finding(case, "dag_processor_stale")
        assert found is not None
        assert found.title == "DAG etl is inactive: its file was not parsed any more, and 4 task(s) of it wait"
        assert found.component == "dag"
        assert ruling(case, "dag-processor") is not Ruling.GUILTY

    def test_all_dags_at_once_are_the_processor_s(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.rows = [r for r in incident.rows if r.table != "dags"]
        for name in ("etl", "other"):
            incident.dag(name, active=False, parsed=-900)
            incident.run("r1", 10, None, dag=name)
            for n in range(4):
                incident.task(f"t{n}", "r1", none=10, dag=name)
        case = incident.open(tmp_path)
        assert roots(case) == ["dag_processor_stale"]
        assert ruling(case, "dag-processor") is Ruling.GUILTY
        found = finding(case, "dag_processor_stale")
        assert found is not None
        assert found.title.startswith("2 DAGs became inactive together")

    def test_a_dag_that_is_not_serialized(self, tmp_path: Path) -> None:
        incident = Incident(END)
        noise(incident)
        incident.run("r1", 10, None)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10)
        for second in range(11, 290, 5):
            text = "DAG 'etl' not found in serialized_dag table"
            incident.log(second, "sched.dag_missing", pod="scheduler-0", text=text, dag_id="etl")
        case = incident.open(tmp_path)
        assert roots(case) == ["dag_processor_stale"]

    def test_runs_that_overtake_it_prove_it_too(self, tmp_path: Path) -> None:
        incident = Incident(END)
        noise(incident)
        for second in (60, 90, 120):
            incident.run(f"n{second}", second, second + 1, second + 9, dag="noise")
        incident.run("r1", 10, None)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10)
        case = incident.open(tmp_path, lang="zh")
        assert roots(case) == ["dag_processor_stale"]

    def test_a_paused_dag_is_paused(self, tmp_path: Path) -> None:
        incident = self.queued()
        incident.dag("etl", paused=True)
        case = incident.open(tmp_path)
        assert roots(case) == ["dag_paused"]

    def test_a_run_at_the_cap_waits_for_the_cap(self, tmp_path: Path) -> None:
        incident = Incident(END)
        noise(incident)
        incident.dag("etl", runs=1)
        incident.workers(names=["w0"])
        incident.run("r0", 5, 5.2, looks=looks(6))
        incident.task("long", "r0", none=5, scheduled=6, queued=7, running=20, host="w0")
        for second in (60, 90, 120):
            incident.run(f"n{second}", second, second + 1, second + 9, dag="noise")
        incident.run("r1", 10, None)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=10)
        case = incident.open(tmp_path)
        assert roots(case) == ["dag_max_active_runs"]
        assert finding(case, "dag_processor_stale") is None

    def test_a_dead_processor_keeps_nothing_serialized_from_running(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.job("DagProcessorJob", range(0, 100, 5))
        incident.workers(names=["w0"])
        incident.run("r1", 10, 10.2, looks=looks(11))
        incident.task("t", "r1", none=10, scheduled=11, queued=12, running=20, ended=60, host="w0")
        case = incident.open(tmp_path)
        found = finding(case, "dag_processor_stale")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert case.analysis.verdict.healthy is True


class TestDagProcessorAlibi:
    def ordinary(self) -> Incident:
        incident = Incident(END)
        incident.workers(names=["w0"])
        incident.run("r1", 10, 10.2, looks=looks(11))
        incident.task("t", "r1", none=10, scheduled=11, queued=12, running=20, ended=60, host="w0")
        return incident

    def test_heartbeats(self, tmp_path: Path) -> None:
        incident = self.ordinary()
        incident.job("DagProcessorJob", range(0, 300, 5))
        assert ruling(incident.open(tmp_path), "dag-processor") is Ruling.NOT_GUILTY

    def test_parse_times_where_the_scheduler_parses(self, tmp_path: Path) -> None:
        incident = self.ordinary()
        for second in range(0, 300, 30):
            incident.dag("etl", second, parsed=second - 3)
        assert ruling(incident.open(tmp_path), "dag-processor") is Ruling.NOT_GUILTY

    def test_neither(self, tmp_path: Path) -> None:
        assert ruling(self.ordinary().open(tmp_path), "dag-processor") is Ruling.NOT_ASSESSED


class TestTriggerer:
    def sensors(self, *, resumed: float | None, n: int = 10) -> Incident:
        incident = Incident(END)
        incident.workers(names=["w0"])
        incident.run("r1", 10, 10.2, looks=looks(11))
        for number in range(n):
            over = None if resumed is None else resumed + 20
            incident.deferral(f"wait{number}", "r1", running=20, deferred=25, resumed=resumed, ended=over)
        return incident

    def test_nobody_listens(self, tmp_path: Path) -> None:
        incident = self.sensors(resumed=210)
        incident.triggerer_dead = (40, 200)
        case = incident.open(tmp_path)
        assert roots(case) == ["deferred_backlog"]
        found = finding(case, "deferred_backlog")
        assert found is not None
        assert found.cost.waiting_task_seconds == pytest.approx(10 * 165, abs=20)
        assert "10 deferred task(s) were held up" in found.detail
        assert ruling(case, "triggerer") is Ruling.GUILTY
        assert "100 %" not in case.analysis.verdict.summary or "(1" not in case.analysis.verdict.summary

    def test_tasks_that_wait_for_tomorrow_are_not_counted(self, tmp_path: Path) -> None:
        """They were deferred long after the triggerer came back: it did not hold them up."""
        incident = self.sensors(resumed=290)
        incident.triggerer_dead = (40, 110)
        case = incident.open(tmp_path)
        assert finding(case, "deferred_backlog") is None

    def test_a_triggerer_that_beats_is_innocent(self, tmp_path: Path) -> None:
        case = self.sensors(resumed=None).open(tmp_path)
        assert finding(case, "deferred_backlog") is None
        assert ruling(case, "triggerer") is Ruling.NOT_GUILTY
        assert case.analysis.verdict.healthy is True

    def test_a_database_that_is_down_is_not_the_triggerer(self, tmp_path: Path) -> None:
        incident = self.sensors(resumed=210)
        incident.triggerer_dead = (40, 200)
        incident.db_dead = (40, 200)
        assert finding(incident.open(tmp_path), "deferred_backlog") is None

    def test_one_trigger_blocks_all(self, tmp_path: Path) -> None:
        incident = self.sensors(resumed=182)
        text = "Triggerer's async thread was blocked for 60.00 seconds, likely by a badly-written trigger."
        incident.log(180, "trig.blocked", pod="triggerer-0", text=text, s="60.00")
        case = incident.open(tmp_path, lang="zh")
        assert roots(case) == ["deferred_backlog"]
        found = finding(case, "deferred_backlog")
        assert found is not None
        assert found.cost.waiting_task_seconds == pytest.approx(600)
        assert ruling(case, "triggerer") is Ruling.GUILTY

    def test_more_triggers_than_it_takes(self, tmp_path: Path) -> None:
        incident = self.sensors(resumed=None)
        for second in range(30, 290, 10):
            text = "Triggerer 2 has reached the maximum capacity triggers assigned (4). Not assigning any more triggers"
            incident.log(second, "trig.capacity", pod="triggerer-0", text=text, id="2", n="4")
        case = incident.open(tmp_path)
        found = finding(case, "deferred_backlog")
        assert found is not None
        assert found.title == "The triggerer triggerer-0 is full: it takes no more than 4 triggers"
        assert found.cost.waiting_task_seconds == pytest.approx(6 * 250, abs=20)

    def test_nothing_deferred_clears_it(self, tmp_path: Path) -> None:
        assert ruling(TestDagProcessorAlibi().ordinary().open(tmp_path), "triggerer") is Ruling.NOT_GUILTY
