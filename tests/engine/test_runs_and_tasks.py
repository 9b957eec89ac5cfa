"""Causes that keep runs and tasks out of the table although nobody is down: order, dependencies, per-task caps."""

from pathlib import Path

import pytest

from afscope.model.finding import Role, Ruling
from tests.engine.incident import Incident, finding, roots, ruling, seconds

END = 300.0


def looks(start: float, end: float = END, step: float = 5) -> list[float]:
    """The scheduler's decisions on a run that it looks at in each loop."""
    return [start + step * n for n in range(int((end - start) / step))]


def noise(incident: Incident, start: float = 0, end: float = END) -> None:
    """A run of another DAG at which the scheduler looks all the time: its loop goes on."""
    incident.dag("noise")
    incident.run("n1", start, start + 0.2, dag="noise", looks=looks(start + 1, end))
    incident.task("busy", "n1", none=start, scheduled=start + 0.3, queued=start + 0.4, running=start + 1, dag="noise")


class TestTaskCap:
    """max_active_tis_per_dag and per_dagrun: a plateau of one task id, or the scheduler's word."""

    def extracts(self, *, capped: bool = True, cap: int = 2, n: int = 8, dag_tasks: int = 100) -> Incident:
        """`n` mapped instances of one task, of which `cap` run at a time for 30 s each."""
        incident = Incident(END)
        incident.dag("etl", capped=capped, tasks=dag_tasks)
        incident.workers(names=["w0", "w1"])
        incident.run("r1", 10, 10.2, looks=looks(11))
        for number in range(n):
            begin = 20 + 32 * (number // cap)
            incident.task("extract", "r1", none=10, scheduled=10.5, queued=begin, running=begin + 1, ended=begin + 31,
                          host="w0", index=number)  # fmt: skip
        return incident

    def test_siblings_of_a_capped_task_wait_for_it(self, tmp_path: Path) -> None:
        case = self.extracts().open(tmp_path)
        assert roots(case) == ["task_concurrency_limit"]
        found = finding(case, "task_concurrency_limit")
        assert found is not None
        assert found.title.startswith("etl.extract may run 2 at a time")
        assert found.subject == "etl.extract"
        assert seconds(case, "task_concurrency_limit", "limits") > 2 * (30 + 60 + 90)
        assert ruling(case, "dag") is Ruling.GUILTY
        assert ruling(case, "scheduler") is Ruling.NOT_GUILTY

    def test_the_scheduler_says_it_per_run(self, tmp_path: Path) -> None:
        incident = self.extracts(capped=False)
        text = "Not executing <TaskInstance: etl.extract r1 [scheduled]> since the task concurrency per DAG run for this task has been reached."
        for second in range(25, 110, 5):
            incident.log(second, "limit.task_concurrency_dagrun", pod="scheduler-0", text=text)
        case = incident.open(tmp_path, lang="zh")
        assert roots(case) == ["task_concurrency_limit"]
        found = finding(case, "task_concurrency_limit")
        assert found is not None
        assert "max_active_tis_per_dagrun" in found.remedy
        assert any(e.table == "log_lines" for e in found.evidence)

    def test_a_plateau_of_a_dag_without_such_caps_is_not_called_one(self, tmp_path: Path) -> None:
        assert finding(self.extracts(capped=False).open(tmp_path), "task_concurrency_limit") is None

    def test_the_cap_of_the_dag_is_guilty_not_that_of_the_task(self, tmp_path: Path) -> None:
        case = self.extracts(dag_tasks=2).open(tmp_path)
        assert finding(case, "task_concurrency_limit") is None
        assert roots(case) == ["dag_max_active_tasks"]

    def test_other_tasks_of_the_dag_do_not_wait_for_the_cap(self, tmp_path: Path) -> None:
        incident = self.extracts()
        incident.pool("narrow", 0)
        incident.task("load", "r1", none=10, scheduled=10.5, pool="narrow")
        case = incident.open(tmp_path)
        assert {s.cause for w in case.waits() if w.task_id == "load" for s in w.stages if s.stage == "limits"} != {
            "task_concurrency_limit"
        }


class TestInFuture:
    def test_a_run_of_tomorrow_waits_for_its_date_and_nobody_is_guilty(self, tmp_path: Path) -> None:
        incident = Incident(END)
        noise(incident)
        incident.run("manual", 10, None, date=86400)
        for number in range(4):
            incident.task(f"t{number}", "manual", none=10)
        case = incident.open(tmp_path)
        assert roots(case) == []
        found = finding(case, "run_in_future")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert seconds(case, "run_in_future", "run") == pytest.approx(4 * (END - 10), abs=1)
        assert case.analysis.verdict.healthy is True

    def test_airflow_3_does_not_even_wait(self, tmp_path: Path) -> None:
        incident = Incident(END, airflow3=True)
        incident.run("manual", 10, None, date=86400)
        incident.task("t", "manual", none=10)
        case = incident.open(tmp_path)
        assert roots(case) == []
        assert finding(case, "run_in_future") is not None

    def test_a_run_whose_date_is_past_is_none(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.scheduler_dead = (5, END)
        incident.run("manual", 10, None, date=-3600)
        incident.task("t", "manual", none=10)
        case = incident.open(tmp_path)
        assert finding(case, "run_in_future") is None
        assert roots(case) == ["scheduler_down"]

    def test_a_run_without_tasks_is_told(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.run("empty", 10, 11, 12)
        case = incident.open(tmp_path)
        found = finding(case, "run_in_future")
        assert found is not None
        assert "without a single task" in found.title

    def test_but_not_where_tasks_were_not_read(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.missing = {"task_instances"}
        incident.run("empty", 10, 11, 12)
        case = incident.open(tmp_path)
        assert finding(case, "run_in_future") is None
        assert case.analysis.verdict.healthy is None


class TestHungRuns:
    """The scheduler looks at a run again and again and schedules nothing."""

    def after_yesterday(self, state: str | None, *, watched: bool = True) -> Incident:
        """Run r2 whose tasks depend on those of r1; `state` is how r1's task ended, None: it still runs."""
        incident = Incident(END)
        incident.workers(names=["w0"])
        over = None if state is None else 40
        incident.run(
            "r1", 5, 5.2, over, looks=looks(6, over or END), state="failed" if state == "failed" else "success"
        )
        incident.task(
            "extract",
            "r1",
            none=5,
            scheduled=5.5,
            queued=6,
            running=20,
            ended=over,
            state=state or "success",
            host="w0",
        )
        incident.run("r2", 10, 10.2, date=10, looks=looks(11) if watched else [11])
        for task in ("extract", "load"):
            incident.task(task, "r2", none=10)
        return incident

    def test_a_run_behind_one_that_works_waits_for_it(self, tmp_path: Path) -> None:
        case = self.after_yesterday(None).open(tmp_path)
        assert roots(case) == []
        found = finding(case, "dependency_wait")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert "r1/extract" in found.title
        assert seconds(case, "dependency_wait", "schedule") > 200
        assert case.analysis.verdict.healthy is True

    def test_a_run_behind_a_failed_task_hangs_for_ever(self, tmp_path: Path) -> None:
        case = self.after_yesterday("failed").open(tmp_path)
        assert roots(case) == ["deadlocked_run"]
        found = finding(case, "deadlocked_run")
        assert found is not None
        assert "behind the failed task extract" in found.title
        assert ruling(case, "dag") is Ruling.GUILTY
        assert ruling(case, "scheduler") is Ruling.NOT_GUILTY

    def test_a_run_behind_one_that_succeeded_hangs_for_a_reason_of_its_own(self, tmp_path: Path) -> None:
        case = self.after_yesterday("success").open(tmp_path, lang="zh")
        assert roots(case) == ["deadlocked_run"]
        found = finding(case, "deadlocked_run")
        assert found is not None
        assert "永远无法变为可运行" in found.title

    def test_a_run_that_nobody_looks_at_is_no_deadlock(self, tmp_path: Path) -> None:
        incident = self.after_yesterday("success", watched=False)
        incident.scheduler_dead = (12, END)
        case = incident.open(tmp_path)
        assert finding(case, "deadlocked_run") is None
        assert "scheduler_down" in roots(case)

    def test_a_retry_is_awaited(self, tmp_path: Path) -> None:
        """A task between two attempts holds those after it: no time of theirs is anybody's."""
        incident = Incident(END)
        incident.workers(names=["w0"])
        incident.run("r1", 5, 5.2, looks=looks(6))
        incident.task(
            "extract", "r1", none=5, scheduled=5.5, queued=6, running=20, ended=40, state="up_for_retry", host="w0"
        )
        incident.task("load", "r1", none=5)
        case = incident.open(tmp_path)
        assert finding(case, "deadlocked_run") is None
        assert [w for w in case.waits() if w.task_id == "load"] == []

    def test_the_scheduler_failed_it(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.workers(names=["w0"])
        incident.run("r1", 5, 5.2, 60, looks=looks(6, 60), state="failed")
        incident.task("extract", "r1", none=5, scheduled=5.5, queued=6, running=20, ended=59, host="w0")
        incident.task("load", "r1", none=5)
        text = "Task deadlock (no runnable tasks); marking run <DagRun etl @ 2026: r1, state:running> failed"
        incident.log(60, "sched.deadlock", pod="scheduler-0", text=text)
        found = finding(incident.open(tmp_path), "deadlocked_run")
        assert found is not None
        assert "was failed as deadlocked" in found.title

    def test_tasks_behind_a_long_one_are_told_with_the_long_one(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.workers(names=["w0"])
        incident.run("r1", 5, 5.2, looks=looks(6))
        incident.task("extract", "r1", none=5, scheduled=5.5, queued=6, running=20, host="w0")
        incident.task("load", "r1", none=5)
        case = incident.open(tmp_path)
        found = finding(case, "dependency_wait")
        assert found is not None
        assert found.title == "1 task(s) of etl wait for extract of their own run, running for 280 s"
        assert roots(case) == []


class TestStarvation:
    def backlog(self, ahead: int, *, queued: float = 5) -> Incident:
        """`ahead` queued runs of a DAG that does not start any, and one of another DAG behind them."""
        incident = Incident(END)
        noise(incident)
        incident.dag("broken", runs=100)
        for number in range(ahead):
            incident.run(f"b{number:02}", queued, None, dag="broken", date=-1000 + number)
            incident.task("t", f"b{number:02}", none=queued, dag="broken")
        incident.run("r1", queued + 1, None, date=-10)
        for number in range(30):
            incident.task(f"t{number}", "r1", none=queued + 1)
        return incident

    def test_runs_behind_twenty_that_never_start(self, tmp_path: Path) -> None:
        case = self.backlog(20).open(tmp_path)
        assert "run_starvation" in roots(case)
        found = finding(case, "run_starvation")
        assert found is not None
        assert found.subject == "etl"
        assert "20 queued runs that do not start stand before each" in found.title
        assert "broken" in found.remedy
        assert ruling(case, "scheduler") is Ruling.GUILTY

    def test_nineteen_leave_a_place(self, tmp_path: Path) -> None:
        assert finding(self.backlog(19).open(tmp_path), "run_starvation") is None

    def test_a_configured_loop_takes_more(self, tmp_path: Path) -> None:
        incident = self.backlog(20)
        incident.setting("scheduler.max_dagruns_per_loop_to_schedule", "50")
        assert finding(incident.open(tmp_path), "run_starvation") is None

    def test_a_dead_scheduler_starves_nobody(self, tmp_path: Path) -> None:
        incident = self.backlog(20)
        incident.rows = [r for r in incident.rows if r.values.get("dag_id") != "noise"]
        incident.scheduler_dead = (5, END)
        case = incident.open(tmp_path)
        assert roots(case) == ["scheduler_down"]

    def test_paused_runs_take_no_place(self, tmp_path: Path) -> None:
        incident = self.backlog(20)
        incident.dag("broken", paused=True)
        assert finding(incident.open(tmp_path), "run_starvation") is None

    def backfill(self, others: int, *, airflow3: bool = True) -> Incident:
        incident = Incident(END, airflow3=airflow3)
        incident.dag("many", runs=100)
        for number in range(others):
            incident.run(f"m{number:02}", 1, 2, dag="many", looks=looks(3, step=20))
            incident.task("t", f"m{number:02}", none=1, scheduled=2.5, queued=3, running=4, dag="many")
        incident.run("backfill__1", 5, 6, backfill=1, looks=[6.1])
        for number in range(30):
            incident.task(f"t{number}", "backfill__1", none=5)
        return incident

    def test_backfill_runs_of_airflow_3_come_last(self, tmp_path: Path) -> None:
        case = self.backfill(21).open(tmp_path)
        assert roots(case) == ["run_starvation"]
        found = finding(case, "run_starvation")
        assert found is not None
        assert found.title == "Backfill run backfill__1 of etl is not looked at: 21 other runs come first in each loop"

    def test_but_not_with_room_in_the_loop(self, tmp_path: Path) -> None:
        assert finding(self.backfill(12).open(tmp_path), "run_starvation") is None

    def full_run_ahead(self, head: str) -> Incident:
        """Airflow 3: run a is at its cap with 20 more scheduled, run b of the same DAG is below it."""
        incident = Incident(END, airflow3=True)
        incident.release(head)
        incident.dag("etl", tasks=2)
        incident.workers(names=["w0"])
        for run in ("a", "b"):
            incident.run(run, 5, 6, looks=looks(7))
        for number in range(22):
            queued, running = (20, 21) if number < 2 else (None, None)
            incident.task(f"t{number:02}", "a", none=5, scheduled=7, queued=queued, running=running, host="w0")
        for number in range(2):
            incident.task(f"t{number:02}", "b", none=5, scheduled=7)
        return incident

    def test_a_full_run_keeps_its_siblings_out_in_3_1(self, tmp_path: Path) -> None:
        case = self.full_run_ahead("cc92b33c6709").open(tmp_path)
        waits = {s.cause for w in case.waits() if w.run_id == "b" for s in w.stages if s.stage == "limits"}
        assert "run_starvation" in waits
        assert "dag_max_active_tasks" in roots(case)

    def test_in_3_3_it_does_not(self, tmp_path: Path) -> None:
        assert finding(self.full_run_ahead("d2f4e1b3c5a7").open(tmp_path), "run_starvation") is None
