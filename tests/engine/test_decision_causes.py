"""Causes of the decision: who writes spec.replicas, and what keeps the HPA from asking for enough."""

from pathlib import Path
from typing import Any

import pytest

from afscope.model.finding import Role, Ruling
from tests.engine.incident import TARGET, Incident, at, finding, roots, ruling, seconds
from tests.engine.test_workers import queued, served

REFUSED = "unable to fetch metrics from external metrics API: the server is currently unable to handle the request"


class TestReplicasOverwritten:
    def lowered(self, by: str, *, again: float | None = 115, end: float = 120) -> Incident:
        """Three idle workers; `by` leaves one of them, then twelve tasks come and the size returns at `again`."""
        incident = Incident(end)
        incident.workers(names=["w0", "w1", "w2"])
        served(incident, 12, 3, end=50)
        incident.replicas(60, 1, 3, by)
        incident.replicas(61, 1, 1, by)
        for name in ("w1", "w2"):
            incident.pod(name, 13, scheduled=13, started=15, ready=18, stopped=60)
        self.work(incident)
        incident.hpa(14, metric=3, replicas=3, desired=3)
        if again is not None:
            incident.hpa(again, metric=3, replicas=1, desired=3)
            incident.replicas(again, 3, 1)
        return incident

    def work(self, incident: Incident) -> None:
        incident.run("r2", 64, 64.2)
        for n in range(12):
            running = 66 if n < 4 else None
            incident.task(f"b{n}", "r2", none=64, scheduled=64.5, queued=65, running=running, host="w0")

    @pytest.mark.parametrize("writer", ["helm", "kubectl", "argocd-controller", "flux-kustomize"])
    def test_whoever_lowers_it_against_the_autoscaler_is_named(self, tmp_path: Path, writer: str) -> None:
        case = self.lowered(writer).open(tmp_path)
        assert roots(case) == ["replicas_overwritten"]
        found = finding(case, "replicas_overwritten")
        assert found is not None
        assert found.subject == writer
        assert found.target == TARGET
        assert "from 3 to 1" in found.title
        assert seconds(case, "replicas_overwritten") == pytest.approx(8 * 50)
        assert ruling(case, "deployer") is Ruling.GUILTY
        assert ruling(case, "hpa") is not Ruling.GUILTY

    def test_a_tool_that_does_it_again_and_again_is_one_finding(self, tmp_path: Path) -> None:
        incident = self.lowered("argocd-controller", again=80)
        incident.replicas(81, 1, 3, "argocd-controller")
        incident.hpa(96, metric=3, replicas=1, desired=3)
        incident.replicas(96, 3, 1)
        incident.replicas(97, 1, 1, "argocd-controller")
        case = incident.open(tmp_path)
        found = [f for f in case.analysis.findings if f.cause == "replicas_overwritten"]
        assert len(found) == 1
        assert "3 time(s)" in found[0].title
        assert seconds(case, "replicas_overwritten") == pytest.approx(8 * (15 + 15 + 23))

    def test_a_scale_in_by_the_hpa_is_its_own_decision(self, tmp_path: Path) -> None:
        case = self.lowered("hpa").open(tmp_path)
        assert finding(case, "replicas_overwritten") is None
        assert ruling(case, "deployer") is not Ruling.GUILTY

    def test_a_controller_under_another_name_told_of_its_write(self, tmp_path: Path) -> None:
        incident = self.lowered("k3s")
        message = "New size: 1; reason: All metrics below target"
        incident.event(60, "SuccessfulRescale", "HorizontalPodAutoscaler", "keda-hpa-worker", message, type="Normal")
        assert finding(incident.open(tmp_path), "replicas_overwritten") is None

    def test_a_size_that_nobody_missed_is_silent(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        served(incident, 4, 1)
        incident.replicas(60, 1, 2, "kubectl")
        incident.pod("w1", 13, scheduled=13, started=15, ready=18, stopped=60)
        assert finding(incident.open(tmp_path), "replicas_overwritten") is None

    def test_more_workers_than_asked_for_hold_nobody_up(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        served(incident, 4, 1, end=None)
        incident.replicas(30, 3, 1, "kubectl")
        queued(incident, 4, second=40)
        assert finding(incident.open(tmp_path), "replicas_overwritten") is None

    def test_running_tasks_that_died_with_their_workers_are_lost_work(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        incident.run("r0", 10, 10.2)
        for n in range(8):
            ended, state = (61, "failed") if n >= 4 else (100, "success")
            incident.task(
                f"t{n}",
                "r0",
                none=10,
                scheduled=10.5,
                queued=11,
                running=20,
                ended=ended,
                state=state,
                host=f"w{n // 4}",
            )
        incident.replicas(60, 1, 2, "kubectl")
        incident.pod("w1", 13, scheduled=13, started=15, ready=18, stopped=60)
        case = incident.open(tmp_path)
        assert roots(case)[0] == "replicas_overwritten"
        found = finding(case, "replicas_overwritten")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(4 * 40)

    def test_a_write_to_zero_has_no_owner_but_keda_does_not_lower_while_active(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        served(incident, 4, 1, end=50)
        incident.replicas(60, 0, 1, "")
        incident.replicas(61, 0, 0, "")
        incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=60)
        queued(incident, 4, second=62)
        case = incident.open(tmp_path)
        assert roots(case) == ["replicas_overwritten"]

    def test_kedas_own_zero_after_its_cooldown_is_no_overwrite(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        served(incident, 4, 1, end=20.5)
        incident.keda_dead = (20, 200)
        incident.replicas(60, 0, 1, "")
        incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=60)
        queued(incident, 4, second=62)
        assert finding(incident.open(tmp_path), "replicas_overwritten") is None

    def test_a_pause_annotation_is_kedas_doing(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        served(incident, 4, 1, end=50)
        incident.replicas(60, 0, 1, "")
        incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=60)
        queued(incident, 4, second=62)
        case = paused(incident, 58).open(tmp_path)
        assert finding(case, "replicas_overwritten") is None


def paused(incident: Incident, second: float) -> Incident:
    """The ScaledObject gets a paused-replicas annotation."""
    incident._add(
        "scaledobjects", second, uid="so", namespace="air", name="worker", target_kind="Deployment",
        target_name="worker", trigger_type="postgresql", query=incident.query, min_replica_count=0,
        max_replica_count=incident.max_replicas, polling_interval_s=5, cooldown_period_s=30, active_status="True",
        hpa_name="keda-hpa-worker", last_active_time=at(second), paused_status="True",
        pause_annotations='{"autoscaling.keda.sh/paused-replicas": "0"}',
    )  # fmt: skip
    return incident


def look(incident: Incident, second: float, **values: Any) -> None:
    """A change of the HPA's status, with columns that `Incident.hpa` does not take."""
    standard = {"metric", "replicas", "desired", "limited", "active", "message"}
    incident.hpa(second, **{key: value for key, value in values.items() if key in standard})
    incident.amend(**{key: value for key, value in values.items() if key not in standard})


def rival(incident: Incident, second: float, *, target: str = "worker", **values: Any) -> None:
    """A look at a second HPA, made by hand."""
    incident._add(
        "hpas", second, uid="rival", namespace="air", name="by-cpu", min_replicas=1, max_replicas=5,
        target_kind="Deployment", target_name=target, **values,
    )  # fmt: skip


class TestCompetingHpas:
    AMBIGUOUS = (
        "pods by selector component=worker are controlled by multiple HPAs: [{by-cpu air} {keda-hpa-worker air}]"
    )

    def refused(self) -> Incident:
        incident = Incident()
        incident.workers()
        incident.hpa(20, active="AmbiguousSelector", message=self.AMBIGUOUS)
        queued(incident, 12)
        return incident

    def test_the_controller_refuses_to_scale_pods_of_two(self, tmp_path: Path) -> None:
        case = self.refused().open(tmp_path)
        assert roots(case) == ["competing_hpas"]
        found = finding(case, "competing_hpas")
        assert found is not None
        assert "by-cpu, keda-hpa-worker" in found.title
        assert seconds(case, "competing_hpas") == pytest.approx(8 * 100)
        assert ruling(case, "autoscaler-settings") is Ruling.GUILTY
        assert ruling(case, "keda-metrics-apiserver") is not Ruling.GUILTY

    def test_a_rival_that_lowers_what_keda_asked_for(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        served(incident, 4, 1, end=None)
        rival(incident, 30, desired_replicas=1, last_scale_time=at(30))
        incident.replicas(30, 1, 2)
        incident.pod("w1", 13, scheduled=13, started=15, ready=18, stopped=30)
        incident.replicas(110, 2, 1)
        queued(incident, 4, second=32)
        case = incident.open(tmp_path)
        assert roots(case) == ["competing_hpas"]
        assert "lowered spec.replicas from 2 to 1" in case.analysis.findings[0].detail
        assert ruling(case, "deployer") is not Ruling.GUILTY

    def test_an_hpa_of_another_workload_is_no_rival(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        served(incident, 4, 1)
        rival(incident, 30, target="web", desired_replicas=1, last_scale_time=at(30))
        incident.replicas(30, 1, 2)
        queued(incident, 4, second=32)
        assert finding(incident.open(tmp_path), "competing_hpas") is None

    def test_a_failing_metric_is_another_cause(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        incident.hpa(20, active="FailedGetExternalMetric", message="timed out")
        queued(incident, 12)
        assert finding(incident.open(tmp_path), "competing_hpas") is None


class TestToleranceDeadBand:
    NAMES = tuple(f"w{n}" for n in range(10))

    def crowded(self, workers: int, *, behavior: str | None = None, max_replicas: int = 20) -> Incident:
        """Ten full workers; the metric asks for `workers`, and the rest of their tasks waits."""
        incident = Incident(300, max_replicas=max_replicas)
        incident.workers(names=self.NAMES)
        served(incident, 40, 10, end=None)
        look(incident, 40, metric=workers, replicas=10, desired=10, behavior=behavior)
        queued(incident, 4 * (workers - 10), second=38)
        return incident

    def test_the_eleventh_worker_is_never_asked_for(self, tmp_path: Path) -> None:
        case = self.crowded(11).open(tmp_path)
        assert roots(case) == ["hpa_tolerance_dead_band"]
        found = finding(case, "hpa_tolerance_dead_band")
        assert found is not None
        assert "keeps 10 workers" in found.title
        assert "asks for 11" in found.title
        assert seconds(case, "hpa_tolerance_dead_band") == pytest.approx(4 * 260)
        assert ruling(case, "autoscaler-settings") is Ruling.GUILTY

    def test_beyond_the_band_the_hpa_is_not_excused_by_it(self, tmp_path: Path) -> None:
        assert finding(self.crowded(12).open(tmp_path), "hpa_tolerance_dead_band") is None

    def test_a_narrow_tolerance_has_no_such_band(self, tmp_path: Path) -> None:
        incident = self.crowded(11, behavior='{"scaleUp": {"tolerance": "50m"}}')
        assert finding(incident.open(tmp_path), "hpa_tolerance_dead_band") is None

    def test_at_the_maximum_the_ceiling_is_the_cause(self, tmp_path: Path) -> None:
        case = self.crowded(11, max_replicas=10).open(tmp_path)
        assert finding(case, "hpa_tolerance_dead_band") is None
        assert roots(case) == ["max_replicas_ceiling"]


class TestScaleUpRateLimited:
    SLOW = '{"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}], "selectPolicy": "Max"}}'

    def ramp(self, behavior: str | None, steps: list[tuple[float, int]], *, wanted: int = 5) -> Incident:
        """From one worker on, `steps` of (second, size); the HPA says ScaleUpLimit at each but the last."""
        incident = Incident(400, max_replicas=20)
        incident.workers()
        served(incident, 4, 1, end=None)
        queued(incident, 4 * (wanted - 1))
        for number, (second, size) in enumerate(steps):
            before = steps[number - 1][1] if number else 1
            last = size >= wanted
            limited = "DesiredWithinRange" if last else "ScaleUpLimit"
            look(incident, second, metric=wanted, replicas=before, desired=size, limited=limited, behavior=behavior)
            incident.replicas(second, size, size)
            for n in range(before, size):
                incident.pod(f"w{n}", second, scheduled=second, started=second + 2, ready=second + 5)
                for slot in range(4):
                    name = f"q{(n - 1) * 4 + slot}"
                    incident.rows = [r for r in incident.rows if r.values.get("task_id") != name]
                    incident.task(name, "r1", none=10, scheduled=10.5, queued=11, running=second + 6, host=f"w{n}")
        return incident

    def test_a_policy_of_one_pod_a_minute(self, tmp_path: Path) -> None:
        case = self.ramp(self.SLOW, [(20, 2), (80, 3), (140, 4), (200, 5)]).open(tmp_path)
        assert roots(case) == ["scale_up_rate_limited"]
        found = finding(case, "scale_up_rate_limited")
        assert found is not None
        assert "Pods 1 / 60 s" in found.detail
        assert seconds(case, "scale_up_rate_limited") == pytest.approx(12 * 60 + 8 * 60 + 4 * 60)
        assert ruling(case, "autoscaler-settings") is Ruling.GUILTY
        assert ruling(case, "hpa") is not Ruling.GUILTY

    def test_a_direction_that_is_disabled(self, tmp_path: Path) -> None:
        case = self.ramp('{"scaleUp": {"selectPolicy": "Disabled"}}', [(20, 1)]).open(tmp_path)
        assert roots(case) == ["scale_up_rate_limited"]
        assert "Disabled" in case.analysis.findings[0].detail

    def test_a_window_that_waits_before_each_step(self, tmp_path: Path) -> None:
        incident = Incident(300)
        incident.workers()
        served(incident, 4, 1, end=None)
        window = '{"scaleUp": {"stabilizationWindowSeconds": 180}}'
        look(incident, 20, metric=3, replicas=1, desired=1, behavior=window, able_reason="ScaleUpStabilized")
        look(incident, 200, metric=3, replicas=1, desired=3, behavior=window)
        incident.replicas(200, 3, 1)
        queued(incident, 8)
        case = incident.open(tmp_path)
        assert "scale_up_rate_limited" in roots(case)
        found = finding(case, "scale_up_rate_limited")
        assert found is not None
        assert "window of 180 s" in found.detail
        assert seconds(case, "scale_up_rate_limited") == pytest.approx(8 * 180)

    def test_an_ordinary_doubling_is_ordinary(self, tmp_path: Path) -> None:
        case = self.ramp(None, [(20, 4), (35, 8), (50, 10)], wanted=10).open(tmp_path)
        assert finding(case, "scale_up_rate_limited") is None
        assert case.analysis.verdict.healthy is True

    def test_a_stale_condition_of_a_failing_metric_does_not_count(self, tmp_path: Path) -> None:
        incident = Incident(200)
        incident.workers()
        look(
            incident,
            20,
            active="FailedGetExternalMetric",
            message=REFUSED,
            limited="ScaleUpLimit",
            behavior=self.SLOW,
        )
        incident.api_down = (18, 190)
        queued(incident, 12)
        case = incident.open(tmp_path)
        assert finding(case, "scale_up_rate_limited") is None
        assert "external_metric_timeout" in roots(case)


class TestHpaControllerStalled:
    def silent(self) -> Incident:
        """KEDA activates at 12 and goes on; the HPA's status keeps saying zero."""
        incident = Incident(400)
        incident.active_from = 12
        incident.hpa(1, active="ScalingDisabled", replicas=0, desired=0)
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.2, 1, 1, "keda")
        incident.pod("w0", 12, scheduled=12, started=14, ready=17)
        served(incident, 4, 1, end=None)
        queued(incident, 12)
        return incident

    def test_no_sync_ever_saw_the_new_size(self, tmp_path: Path) -> None:
        case = self.silent().open(tmp_path)
        assert roots(case) == ["hpa_controller_stalled"]
        assert seconds(case, "hpa_controller_stalled") == pytest.approx(12 * (400 - 27))
        assert ruling(case, "hpa") is Ruling.GUILTY
        assert ruling(case, "keda-metrics-apiserver") is not Ruling.GUILTY

    def test_a_hung_metric_makes_the_same_silence(self, tmp_path: Path) -> None:
        incident = self.silent()
        incident.hpa(130, active="FailedGetExternalMetric", message=REFUSED)
        incident.api_down = (30, 390)
        case = incident.open(tmp_path)
        assert finding(case, "hpa_controller_stalled") is None
        assert roots(case) == ["external_metric_timeout"]

    def test_a_status_that_follows_needs_no_further_words(self, tmp_path: Path) -> None:
        incident = self.silent()
        incident.hpa(25, metric=1, replicas=1, desired=1)
        assert finding(incident.open(tmp_path), "hpa_controller_stalled") is None

    def test_another_hpa_that_moves_shows_a_living_controller(self, tmp_path: Path) -> None:
        incident = self.silent()
        rival(incident, 1, target="web", current_replicas=1)
        rival(incident, 60, target="web", current_replicas=2)
        assert finding(incident.open(tmp_path), "hpa_controller_stalled") is None

    def test_a_paused_target_has_no_hpa_to_look_at_it(self, tmp_path: Path) -> None:
        incident = self.silent()
        incident._add("hpas", 5, uid="hpa", namespace="air", name="keda-hpa-worker", owner_uid="so", change="DELETED")
        assert finding(incident.open(tmp_path), "hpa_controller_stalled") is None

    def unchanged(self) -> Incident:
        """One full worker that the HPA knows of; twelve more tasks at 60, KEDA polls, the status stands still."""
        incident = Incident(300)
        incident.workers()
        served(incident, 4, 1, end=None)
        incident.hpa(30, metric=1, replicas=1, desired=1)
        queued(incident, 12, second=60)
        return incident

    def test_the_metric_that_a_sync_had_to_write(self, tmp_path: Path) -> None:
        case = self.unchanged().open(tmp_path)
        assert roots(case) == ["hpa_controller_stalled"]
        assert "asked for 4" in case.analysis.findings[0].detail
        assert seconds(case, "hpa_controller_stalled") == pytest.approx(12 * (300 - 75), abs=12)

    def test_a_metric_that_follows_shows_a_sync(self, tmp_path: Path) -> None:
        incident = self.unchanged()
        incident.hpa(75, metric=4, replicas=1, desired=4)
        assert finding(incident.open(tmp_path), "hpa_controller_stalled") is None

    def test_an_hpa_that_never_followed_may_read_something_else(self, tmp_path: Path) -> None:
        incident = self.unchanged()
        incident.rows = [row for row in incident.rows if row.table != "hpas"]
        incident.hpa(13, metric=3, replicas=1, desired=3)
        assert finding(incident.open(tmp_path), "hpa_controller_stalled") is None

    def test_a_query_that_fails_gives_no_number(self, tmp_path: Path) -> None:
        incident = self.unchanged()
        incident.event(70, "KEDAScalerFailed", "ScaledObject", "worker", "ERROR: syntax error (SQLSTATE 42601)")
        assert finding(incident.open(tmp_path), "hpa_controller_stalled") is None

    def test_without_polls_of_the_operator_nobody_knows(self, tmp_path: Path) -> None:
        incident = self.unchanged()
        incident.keda_dead = (62, 300)
        assert finding(incident.open(tmp_path), "hpa_controller_stalled") is None

    def test_a_lease_that_nobody_renews(self, tmp_path: Path) -> None:
        incident = Leased(400)
        incident.workers(names=["w0", "w1"])
        served(incident, 8, 2, end=None)
        for second in range(0, 400, 10):
            incident.lease(second, "keda-operator")
            if second <= 60:
                incident.lease(second, "kube-controller-manager")
        queued(incident, 8, second=62)
        case = incident.open(tmp_path)
        assert roots(case) == ["hpa_controller_stalled"]
        assert "lease" in case.analysis.findings[0].detail


class Leased(Incident):
    """An incident whose leases were recorded."""

    def lease(self, second: float, name: str) -> None:
        """A renewal."""
        self._add("leases", second, uid=name, namespace="kube-system", name=name, holder="cp-1", renew_time=at(second))


class TestPhantomScaleUp:
    def lifted(self, reason: str, *, tasks: int = 1) -> Incident:
        incident = Incident(200)
        incident.workers()
        served(incident, tasks, 1, end=None)
        incident.replicas(60, 4, 1)
        incident.amend(replicas_subresource="scale")
        incident.event(
            60, "SuccessfulRescale", "HorizontalPodAutoscaler", "keda-hpa-worker", f"New size: 4; reason: {reason}",
            type="Normal",
        )  # fmt: skip
        incident.hpa(61, metric=1, replicas=4, desired=4)
        for n in range(1, 4):
            incident.pod(f"w{n}", 60, scheduled=60, started=62, ready=65)
        return incident

    @pytest.mark.parametrize("reason", ["", "All metrics below target"])
    def test_replicas_that_no_metric_asked_for(self, tmp_path: Path, reason: str) -> None:
        case = self.lifted(reason).open(tmp_path)
        found = finding(case, "phantom_scale_up")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert found.cost.idle_pod_seconds == pytest.approx(3 * 140)
        assert roots(case) == []

    def test_a_metric_above_target_is_a_reason(self, tmp_path: Path) -> None:
        reason = "external metric s0-postgresql(&LabelSelector{MatchLabels:map[string]string{},}) above target"
        assert finding(self.lifted(reason).open(tmp_path), "phantom_scale_up") is None


class TestScaleDownDelayed:
    def idle(self, end: float) -> Incident:
        """Two workers that are done at 60 and stay until `end`."""
        incident = Incident(200)
        incident.workers(names=["w0", "w1"])
        served(incident, 8, 2, end=60)
        incident.replicas(end, 0, 2, "keda")
        return incident

    def test_workers_beyond_the_demand_are_an_observation_with_their_price(self, tmp_path: Path) -> None:
        case = self.idle(160).open(tmp_path)
        found = finding(case, "scale_down_delayed")
        assert found is not None
        assert found.role is Role.OBSERVATION
        assert found.cost.idle_pod_seconds == pytest.approx(2 * 100)
        assert found.cost.waiting_task_seconds == 0
        assert case.analysis.verdict.healthy is True

    def test_a_prompt_end_is_not_worth_a_word(self, tmp_path: Path) -> None:
        assert finding(self.idle(70).open(tmp_path), "scale_down_delayed") is None
