"""KEDA itself and its ScaledObjects: gone, hung, paused, refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from afscope.model.finding import Ruling
from afscope.model.row import Row
from tests.engine.incident import Incident, at, finding, roots, ruling, seconds
from tests.engine.test_keda_causes import stuck

PREFIX = "autoscaling.keda.sh/"


def operator(incident: Incident, second: float, **values: Any) -> None:
    """The operator's pod at a moment."""
    row: dict[str, Any] = {
        "uid": "op", "namespace": "keda", "name": "keda-operator-5b9c-abcde", "phase": "Running", "restart_count": 0,
        "labels": json.dumps({"app": "keda-operator"}),
    }  # fmt: skip
    incident._add("pods", second, **{**row, **values})


def replace(row: Row, values: dict[str, Any]) -> Row:
    """The row with other values."""
    return Row(row.table, {**row.values, **values})


def condition(incident: Incident, second: float, **values: Any) -> None:
    """The ScaledObject of the incident changes."""
    incident._scaledobject(second, None)
    incident.rows.append(replace(incident.rows.pop(), values))


class TestOperatorDown:
    def test_a_pod_that_crashes_activates_nobody(self, tmp_path: Path) -> None:
        incident = Incident()
        operator(incident, 0)
        operator(incident, 8, waiting_reason="CrashLoopBackOff", restart_count=3)
        stuck(incident)
        case = incident.open(tmp_path)
        assert roots(case) == ["keda_operator_down"]
        assert seconds(case, "keda_operator_down") == pytest.approx(6 * 109, abs=10)
        assert ruling(case, "keda-operator") is Ruling.GUILTY
        assert ruling(case, "trigger") is not Ruling.GUILTY

    def test_a_deployment_scaled_to_nothing(self, tmp_path: Path) -> None:
        incident = Incident()
        incident._add(
            "workloads", 5, uid="kd", kind="Deployment", namespace="keda", name="keda-operator", spec_replicas=0,
            status_replicas=0, ready_replicas=0,
        )  # fmt: skip
        stuck(incident)
        assert roots(incident.open(tmp_path)) == ["keda_operator_down"]

    def test_a_lease_that_nobody_renews(self, tmp_path: Path) -> None:
        incident = Incident()
        for second in (0, 2, 4, 6):
            incident._add(
                "leases", second, uid="l", namespace="keda", name="operator.keda.sh", holder="a", duration_s=15,
                renew_time=at(second),
            )  # fmt: skip
        operator(incident, 0)
        stuck(incident, second=21)
        case = incident.open(tmp_path)
        assert roots(case) == ["keda_operator_down"]

    def test_an_operator_that_runs_is_not_down(self, tmp_path: Path) -> None:
        incident = Incident()
        operator(incident, 0, ready=False)
        stuck(incident)
        assert finding(incident.open(tmp_path), "keda_operator_down") is None

    def test_the_adapter_that_crashes_is_not_the_operator(self, tmp_path: Path) -> None:
        incident = Incident()
        adapter = {
            "uid": "ad",
            "name": "keda-operator-metrics-apiserver-7f-abcde",
            "waiting_reason": "CrashLoopBackOff",
        }
        operator(incident, 0, labels=json.dumps({"app": "keda-operator-metrics-apiserver"}), **adapter)
        stuck(incident)
        assert finding(incident.open(tmp_path), "keda_operator_down") is None

    def test_one_of_two_is_enough(self, tmp_path: Path) -> None:
        incident = Incident()
        operator(incident, 0)
        operator(incident, 0, uid="op2", name="keda-operator-5b9c-fghij")
        operator(incident, 8, waiting_reason="CrashLoopBackOff")
        stuck(incident)
        assert finding(incident.open(tmp_path), "keda_operator_down") is None

    def test_beats_while_the_pod_looks_gone_are_an_alibi(self, tmp_path: Path) -> None:
        incident = Incident()
        operator(incident, 0)
        operator(incident, 8, change="DELETED")
        incident.workers()
        stuck(incident)
        assert finding(incident.open(tmp_path), "keda_operator_down") is None


def woken(second: float, *, asked: float = 11, end: float = 200) -> Incident:
    """Eight tasks wait from `asked` on at zero workers, until KEDA activates; from then on its beats are in time."""
    incident = Incident(end=end)
    incident.run("r", asked - 1, asked - 0.8)
    for n in range(8):
        incident.task(
            f"t{n}",
            "r",
            none=asked - 1,
            scheduled=asked - 0.5,
            queued=asked,
            running=second + 9,
            ended=second + 40,
            host="w0",
        )
    incident.active_from = second
    incident.replicas(second, 1, 0, "keda")
    incident.replicas(second + 0.2, 1, 1, "keda")
    incident.pod("w0", second, scheduled=second, started=second + 2, ready=second + 8)
    return incident


class TestSilentAtZero:
    """At zero workers the HPA asks nothing: polls that had to activate and did not are the only sign."""

    def test_polls_that_never_came_are_the_operators(self, tmp_path: Path) -> None:
        case = woken(100).open(tmp_path)
        assert roots(case) == ["keda_operator_down"]
        assert ruling(case, "keda-operator") is Ruling.GUILTY
        assert ruling(case, "hpa") is not Ruling.GUILTY

    def test_an_activation_within_the_poll_is_ordinary(self, tmp_path: Path) -> None:
        assert finding(woken(18).open(tmp_path), "keda_operator_down") is None

    def test_until_it_activates_nobody_can_tell_why_not(self, tmp_path: Path) -> None:
        incident = Incident(end=200)
        incident.run("r", 10, 10.2)
        incident.task("t", "r", none=10, scheduled=10.5, queued=11)
        assert finding(incident.open(tmp_path), "keda_operator_down") is None

    def test_a_pause_explains_the_silence(self, tmp_path: Path) -> None:
        incident = woken(100)
        condition(incident, 5, paused_status="True", pause_annotations=json.dumps({PREFIX + "paused": "true"}))
        condition(incident, 95, paused_status="False")
        case = incident.open(tmp_path)
        assert roots(case) == ["scaledobject_paused"]
        assert finding(case, "keda_operator_down") is None

    def test_a_database_in_trouble_explains_it(self, tmp_path: Path) -> None:
        incident = woken(100)
        incident.db_dead = (20, 60)
        assert finding(incident.open(tmp_path), "keda_operator_down") is None

    def test_a_query_that_is_always_slow_beats_late(self, tmp_path: Path) -> None:
        incident = woken(60)
        incident.active_from = None
        for second in (60, 110, 160):
            incident._scaledobject(second, second)
        assert finding(incident.open(tmp_path), "keda_operator_down") is None


class TestPaused:
    @pytest.mark.parametrize(
        ("annotation", "value"),
        [("paused", "true"), ("paused", "yes"), ("paused-replicas", "0"), ("paused-scale-out", "true")],
    )
    def test_the_annotation_holds_the_size(self, tmp_path: Path, annotation: str, value: str) -> None:
        incident = Incident()
        condition(incident, 1, pause_annotations=json.dumps({PREFIX + annotation: value}), paused_status="True")
        stuck(incident)
        case = incident.open(tmp_path)
        assert roots(case) == ["scaledobject_paused"]
        assert seconds(case, "scaledobject_paused") > 600
        assert ruling(case, "autoscaler-settings") is Ruling.GUILTY
        assert ruling(case, "keda-operator") is not Ruling.GUILTY

    @pytest.mark.parametrize(("annotation", "value"), [("paused", "false"), ("paused-scale-in", "true")])
    def test_what_holds_no_worker_back_is_silent(self, tmp_path: Path, annotation: str, value: str) -> None:
        incident = Incident()
        condition(incident, 1, pause_annotations=json.dumps({PREFIX + annotation: value}), paused_status="True")
        stuck(incident)
        assert finding(incident.open(tmp_path), "scaledobject_paused") is None

    def test_it_costs_nothing_after_it_was_removed(self, tmp_path: Path) -> None:
        incident = Incident()
        condition(incident, 1, pause_annotations=json.dumps({PREFIX + "paused": "true"}))
        condition(incident, 8)
        stuck(incident, second=20)
        assert "scaledobject_paused" not in roots(incident.open(tmp_path))


class TestNotReady:
    MESSAGE = "ScaledObject doesn't have correct scaleTargetRef specification: deployments.apps not found"

    def test_an_object_that_keda_refuses(self, tmp_path: Path) -> None:
        incident = Incident()
        condition(incident, 1, ready_status="False", ready_reason="ScaledObjectCheckFailed", ready_message=self.MESSAGE)
        stuck(incident)
        case = incident.open(tmp_path)
        assert roots(case) == ["scaledobject_not_ready"]
        assert ruling(case, "autoscaler-settings") is Ruling.GUILTY

    @pytest.mark.parametrize("reason", ["TriggerError", "HPAMetricsUnavailable", "ScalingDegraded"])
    def test_other_reasons_say_nothing_against_the_object(self, tmp_path: Path, reason: str) -> None:
        incident = Incident()
        condition(incident, 1, ready_status="False", ready_reason=reason)
        stuck(incident)
        assert finding(incident.open(tmp_path), "scaledobject_not_ready") is None

    def test_an_object_that_still_scales_is_not_held_up(self, tmp_path: Path) -> None:
        incident = Incident()
        condition(incident, 1, ready_status="False", ready_reason="ScaledObjectCheckFailed", ready_message=self.MESSAGE)
        incident.workers()
        incident.rows = [r for r in incident.rows if r.table != "scaledobjects" or r.values["ts"] <= at(1)]
        incident.active_from = None
        stuck(incident)
        assert finding(incident.open(tmp_path), "scaledobject_not_ready") is None
