"""Each attempt that failed has its fate: a decision took it, an outage did, it failed by itself, or nobody can tell."""

from pathlib import Path
from typing import Any

import pytest

from afscope.engine.investigation import Investigation
from afscope.model.finding import Role, Ruling
from afscope.model.row import Row
from tests.engine.incident import Incident, at, finding, roots, ruling
from tests.engine.test_killed_work import BLIND, scale_in, task, two_workers, worker


def fates(case: Investigation) -> dict[str, tuple[str, Any]]:
    """Fate and who took it, by task."""
    return {name: (fate, by) for name, fate, by in case.sql("SELECT task_id, fate, taken_by FROM failures").rows}


def one_of(incident: Incident, *failed: str, ended: float = 60, **values: Any) -> None:
    """Tasks on w0 that fail at a moment; one on w1 works on."""
    for name in failed:
        incident.task(
            name, "r", none=10, scheduled=10.4, queued=11, running=20, ended=ended, state="failed", host="w0", **values
        )
    task(incident, "fine", "w1", 120)


class TestOwnFailures:
    def case(self, **values: Any) -> Incident:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1")
        one_of(incident, "broken", **values)
        return incident

    def test_a_task_that_fails_on_a_worker_that_lives_on_says_nothing_against_the_chain(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        assert fates(case) == {"broken": ("own", None)}
        assert case.sql("SELECT worker_lived_on_s FROM failures").rows == [(140.0,)]
        verdict = case.analysis.verdict
        assert verdict.healthy is True
        assert "1 attempt(s) failed by themselves" in verdict.summary

    def test_one_that_had_long_been_silent_did_not_fail_by_itself(self, tmp_path: Path) -> None:
        case = self.case(ended=190, beat=40).open(tmp_path)
        assert fates(case) == {"broken": ("unclear", None)}
        assert case.analysis.verdict.healthy is None

    def test_one_that_no_worker_started_is_not_its_own(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.task("never", "r", none=10, scheduled=10.4, queued=11, ended=80, state="failed")
        case = incident.open(tmp_path)
        assert fates(case)["never"] == ("never_started", None)
        assert case.analysis.verdict.healthy is None

    def test_without_pods_nobody_vouches(self, tmp_path: Path) -> None:
        incident = self.case()
        incident.missing.add("pods")
        assert incident.open(tmp_path).analysis.verdict.healthy is None

    def test_a_worker_told_to_stop_right_then_leaves_it_unclear(self, tmp_path: Path) -> None:
        incident = two_workers()
        worker(incident, "w0", stopped=62, gone=100)
        worker(incident, "w1")
        one_of(incident, "broken")
        assert fates(incident.open(tmp_path))["broken"][0] == "unclear"


class TestTaken:
    def test_a_scale_in_with_the_decision_and_the_ideal_victim(self, tmp_path: Path) -> None:
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80)
        scale_in(incident)
        task(incident, "kept", "w0", 120)
        for n in range(3):
            task(incident, f"t{n}", "w1", 81, "failed")
        case = incident.open(tmp_path)
        rows = case.sql(
            "SELECT fate, taken_by, author, before, after, pod, tasks, ideal_pod, ideal_tasks, lost_seconds FROM failures"
        ).rows
        assert rows == [("taken", "scale_in", "hpa", 2, 1, "w1", 3, "w0", 1, 60.0)] * 3


class TestOutage:
    def crashed(self, end: float = 200, **values: Any) -> Incident:
        incident = two_workers(end)
        worker(incident, "w0", restart_count=1, last_terminated_reason="Error", last_terminated_exit_code=137,
               last_terminated_at=at(70), **values)  # fmt: skip
        worker(incident, "w1")
        task(incident, "fine", "w1", 120)
        return incident

    def test_what_ran_in_a_container_that_ended_is_its_price(self, tmp_path: Path) -> None:
        incident = self.crashed(500)
        one_of(incident, "t0", "t1", ended=390)
        case = incident.open(tmp_path)
        assert fates(case) == {"t0": ("outage", "restart"), "t1": ("outage", "restart")}
        assert roots(case) == ["worker_crash_loop"]
        found = finding(case, "worker_crash_loop")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(100)
        assert "2 running task(s) went with it" in found.detail
        assert ruling(case, "worker") is Ruling.GUILTY

    def test_the_table_may_still_say_running(self, tmp_path: Path) -> None:
        incident = self.crashed()
        incident.task("left", "r", none=10, scheduled=10.4, queued=11, running=20, host="w0")
        case = incident.open(tmp_path)
        assert fates(case) == {"left": ("outage", "restart")}
        assert roots(case) == ["worker_crash_loop"]

    def test_a_restart_that_took_nothing_is_no_cause(self, tmp_path: Path) -> None:
        incident = self.crashed()
        task(incident, "early", "w0", 60)
        case = incident.open(tmp_path)
        assert fates(case) == {}
        assert roots(case) == []

    def test_want_of_memory_is_told_as_that(self, tmp_path: Path) -> None:
        incident = two_workers(500)
        worker(incident, "w0", restart_count=1, last_terminated_reason="OOMKilled", last_terminated_exit_code=137,
               last_terminated_at=at(70))  # fmt: skip
        worker(incident, "w1")
        one_of(incident, "t0", ended=390)
        assert roots(incident.open(tmp_path)) == ["worker_oom"]


class TestClocks:
    def test_a_watch_that_tells_of_a_scale_in_late_does_not_hide_the_query(self, tmp_path: Path) -> None:
        """What the scale-in killed was dead before the recorder saw the new size."""
        incident = two_workers(query=BLIND)
        for name in ("w0", "w1"):
            worker(incident, name, stopped=80)
            for n in range(2):
                task(incident, f"t-{name}-{n}", name, 80.5, "failed")
        scale_in(incident, 82, after=0, by="keda")
        case = incident.open(tmp_path)
        assert roots(case) == ["query_ignores_running"]

    def test_a_cluster_whose_clock_is_ahead_still_kills(self, tmp_path: Path) -> None:
        """deletionTimestamp says 84, but the recorder saw it at 80: what failed at 80.5 was killed."""
        incident = two_workers()
        worker(incident, "w0")
        worker(incident, "w1", stopped=80)
        incident.rows = [
            Row(row.table, {**row.values, "deletion_at": row.values["deletion_at"] + at(4) - at(0)})
            if row.values.get("name") == "w1" and row.values.get("deletion_at")
            else row
            for row in incident.rows
        ]
        scale_in(incident)
        task(incident, "kept", "w0", 120)
        for n in range(3):
            task(incident, f"t{n}", "w1", 80.5, "failed")
        case = incident.open(tmp_path)
        assert {fate for fate, _ in fates(case).values()} == {"taken"}
        found = finding(case, "scale_down_kills_tasks")
        assert found is not None
        assert found.role is Role.ROOT_CAUSE
