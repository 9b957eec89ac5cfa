"""Causes that show once workers are asked for: their images, the api-server, sidecars, and a size that comes and goes."""

from pathlib import Path

import pytest

from afscope.model.finding import Role, Ruling
from tests.engine.incident import Incident, finding, roots, ruling


class TestXcomSidecar:
    def case(self, *, end: float = 120, **values: str) -> Incident:
        incident = Incident(end)
        incident.workers()
        incident.run("r", 10, 10.2)
        incident.sidecar("kpo", 25, **values)
        return incident

    def task(self, incident: Incident, ended: float | None, state: str = "success", task_id: str = "kpo") -> None:
        incident.task(task_id, "r", none=10, scheduled=10.5, queued=11, running=20, ended=ended, state=state, host="w0")

    def test_the_task_fails_although_its_base_is_fine(self, tmp_path: Path) -> None:
        incident = self.case()
        self.task(incident, 100, "failed")
        case = incident.open(tmp_path)
        assert roots(case) == ["xcom_sidecar_image_pull"]
        found = finding(case, "xcom_sidecar_image_pull")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(80)
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_it_is_told_before_the_operator_gives_up(self, tmp_path: Path) -> None:
        incident = self.case()
        self.task(incident, None)
        case = incident.open(tmp_path)
        assert roots(case) == ["xcom_sidecar_image_pull"]
        found = finding(case, "xcom_sidecar_image_pull")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(95)

    def test_a_pull_that_just_failed_may_still_recover(self, tmp_path: Path) -> None:
        incident = self.case(end=40)
        self.task(incident, None)
        case = incident.open(tmp_path)
        found = finding(case, "xcom_sidecar_image_pull")
        assert found is not None
        assert found.role is Role.OBSERVATION

    def test_the_base_that_waits_too_is_another_cause(self, tmp_path: Path) -> None:
        incident = self.case(base="waiting")
        self.task(incident, 100, "failed")
        assert finding(incident.open(tmp_path), "xcom_sidecar_image_pull") is None

    def test_a_sidecar_that_is_being_created_is_none(self, tmp_path: Path) -> None:
        incident = self.case(reason="ContainerCreating")
        self.task(incident, 100, "failed")
        assert finding(incident.open(tmp_path), "xcom_sidecar_image_pull") is None

    def test_the_failure_of_a_neighbour_is_not_charged_to_it(self, tmp_path: Path) -> None:
        incident = self.case()
        self.task(incident, 60)
        self.task(incident, 100, "failed", task_id="other")
        case = incident.open(tmp_path)
        found = finding(case, "xcom_sidecar_image_pull")
        assert found is not None
        assert found.cost.lost_task_seconds == 0
        assert roots(case) == []


class TestExecutionApi:
    def case(self, *, airflow3: bool = True, failed_at: float = 50, down: tuple[float, float] = (40, 80)) -> Incident:
        incident = Incident(200, airflow3=airflow3)
        incident.workers()
        incident.run("r", 10, 10.2)
        incident.api_server(0, 1)
        incident.api_server(down[0], 0)
        incident.api_server(down[1], 1)
        for n in range(4):
            incident.task(
                f"t{n}", "r", none=10, scheduled=10.5, queued=11, running=20, ended=failed_at, state="failed", host="w0"
            )
        return incident

    def test_attempts_that_had_to_report_to_it_died(self, tmp_path: Path) -> None:
        case = self.case().open(tmp_path)
        assert roots(case) == ["execution_api_unavailable"]
        found = finding(case, "execution_api_unavailable")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(4 * 30)
        assert ruling(case, "api-server") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_before_airflow_3_workers_do_not_need_it(self, tmp_path: Path) -> None:
        assert finding(self.case(airflow3=False).open(tmp_path), "execution_api_unavailable") is None

    def test_failures_before_it_went_are_not_its_own(self, tmp_path: Path) -> None:
        case = self.case(failed_at=30).open(tmp_path)
        assert finding(case, "execution_api_unavailable") is None

    def test_failures_long_after_it_came_back_are_not_its_own(self, tmp_path: Path) -> None:
        case = self.case(failed_at=180).open(tmp_path)
        assert finding(case, "execution_api_unavailable") is None


class TestFlapping:
    def bursts(self, pauses: list[float], *, end: float = 600) -> Incident:
        """One worker comes for each burst and goes; the next burst begins `pause` seconds after zero."""
        incident = Incident(end)
        incident.active_from = 12
        second = 10.0
        for number, pause in enumerate(pauses):
            incident.run(f"r{number}", second, second + 0.2)
            for n in range(4):
                incident.task(
                    f"t{n}", f"r{number}", none=second, scheduled=second + 0.5, queued=second + 1,
                    running=second + 28, ended=second + 40, host=f"w{number}",
                )  # fmt: skip
            incident.replicas(second + 2, 1, 0, "keda")
            incident.pod(
                f"w{number}", second + 2, scheduled=second + 2, started=second + 3, ready=second + 27,
                stopped=second + 70,
            )  # fmt: skip
            incident.hpa(second + 3, metric=1)
            incident.replicas(second + 70, 0, 0, "keda")
            second += 70 + pause
        return incident

    def test_three_quick_returns_are_a_pattern(self, tmp_path: Path) -> None:
        case = self.bursts([10, 10, 10, 10]).open(tmp_path)
        assert roots(case) == ["flapping"]
        found = finding(case, "flapping")
        assert found is not None
        assert len([e for e in found.evidence if e.table == "workloads"]) == 3
        assert ruling(case, "keda-operator") is not Ruling.GUILTY

    def test_two_are_chance(self, tmp_path: Path) -> None:
        assert finding(self.bursts([10, 10, 10]).open(tmp_path), "flapping") is None

    def test_bursts_far_apart_are_worth_scaling_to_zero(self, tmp_path: Path) -> None:
        assert finding(self.bursts([65, 65, 65, 65]).open(tmp_path), "flapping") is None


class TestSlowImagePull:
    def pulled(self, started: float, ready: float) -> Incident:
        incident = Incident(200)
        incident.active_from = 12
        incident.run("r", 10, 10.2)
        for n in range(4):
            incident.task(
                f"t{n}", "r", none=10, scheduled=10.5, queued=11, running=ready + 1, ended=ready + 30, host="w0"
            )
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.2, 1, 1, "keda")
        incident.hpa(13, metric=1)
        incident.pod("w0", 12, scheduled=12, started=started, ready=ready)
        return incident

    def test_most_of_the_boot_is_the_pull(self, tmp_path: Path) -> None:
        case = self.pulled(started=132, ready=137).open(tmp_path)
        found = finding(case, "slow_image_pull")
        assert found is not None
        assert "120 s" in found.title
        assert roots(case) == ["slow_image_pull"]
        assert ruling(case, "image") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_pull_and_boot_together_are_a_slow_start(self, tmp_path: Path) -> None:
        assert roots(self.pulled(started=72, ready=77).open(tmp_path)) == ["slow_worker_start"]

    def test_a_short_pull_before_a_late_container_is_not_the_images_fault(self, tmp_path: Path) -> None:
        incident = self.pulled(started=132, ready=137)
        said = 'Successfully pulled image "airflow" in 1.5s (1.5s including waiting).'
        incident.event(130, "Pulled", "Pod", "w0", said, type="Normal", object_uid="w0")
        assert roots(incident.open(tmp_path)) == ["slow_worker_start"]

    def test_an_ordinary_pull_is_no_news(self, tmp_path: Path) -> None:
        assert finding(self.pulled(started=36, ready=40).open(tmp_path), "slow_image_pull") is None

    def test_a_program_that_starts_slowly_is_not_the_images_fault(self, tmp_path: Path) -> None:
        case = self.pulled(started=45, ready=130).open(tmp_path)
        assert finding(case, "slow_image_pull") is None
        assert roots(case) == ["slow_worker_start"]
