"""What the trigger asks for, and whether the answer reaches the HPA."""

import json
from pathlib import Path
from typing import Any

import pytest

from afscope.model.finding import Ruling
from tests.engine.incident import QUERY, Incident, finding, roots, ruling
from tests.engine.test_keda_causes import stuck
from tests.engine.test_keda_state import condition, replace


class Configured(Incident):
    """An incident whose ScaledObject differs in some fields; none at all when `fields` is None."""

    def __init__(self, fields: dict[str, Any] | None, **more: Any) -> None:
        super().__init__(**more)
        self.fields = fields

    def _scaledobject(self, second: float, active: float | None) -> None:
        if self.fields is not None:
            super()._scaledobject(second, active)
            self.rows.append(replace(self.rows.pop(), self.fields))


def busy(incident: Incident, n: int) -> None:
    """`n` tasks that run on w0 to the end."""
    incident.run("r0", 10, 10.2)
    for number in range(n):
        incident.task(f"s{number}", "r0", none=10, scheduled=10.5, queued=11, running=20, host="w0")


def fleet(incident: Incident, replicas: int) -> None:
    """A Deployment of workers that nobody scales."""
    incident.replicas(1, replicas, replicas, "kubectl", template_labels=json.dumps({"component": "worker"}))


class TestMissing:
    def test_workers_at_zero_that_nobody_scales(self, tmp_path: Path) -> None:
        incident = Configured(None)
        fleet(incident, 0)
        stuck(incident)
        case = incident.open(tmp_path)
        assert roots(case) == ["scaledobject_missing"]
        assert ruling(case, "autoscaler-settings") is Ruling.GUILTY

    def test_a_fleet_of_fixed_size_needs_none(self, tmp_path: Path) -> None:
        incident = Configured(None)
        fleet(incident, 1)
        stuck(incident)
        assert finding(incident.open(tmp_path), "scaledobject_missing") is None

    def test_not_recorded_is_not_missing(self, tmp_path: Path) -> None:
        incident = Configured(None)
        incident.missing = {"scaledobjects"}
        fleet(incident, 0)
        stuck(incident)
        case = incident.open(tmp_path)
        assert finding(case, "scaledobject_missing") is None
        assert "scaledobject_missing" in {n.cause for n in case.analysis.not_assessed}


class TestActivation:
    def test_a_demand_that_never_exceeds_the_activation_value(self, tmp_path: Path) -> None:
        incident = Configured({"activation_target": 3.0})
        stuck(incident, 8)
        case = incident.open(tmp_path)
        assert roots(case) == ["activation_threshold"]
        assert ruling(case, "keda-operator") is not Ruling.GUILTY

    def test_a_demand_above_it_is_held_up_by_something_else(self, tmp_path: Path) -> None:
        incident = Configured({"activation_target": 1.0})
        stuck(incident, 8)
        assert finding(incident.open(tmp_path), "activation_threshold") is None


class TestDivisor:
    def test_a_divisor_above_the_slots_asks_for_too_few(self, tmp_path: Path) -> None:
        incident = Incident(query=QUERY.replace("/ 4", "/ 16"))
        incident.workers()
        busy(incident, 4)
        stuck(incident, 8)
        case = incident.open(tmp_path)
        assert roots(case) == ["query_divisor_mismatch"]
        assert ruling(case, "hpa") is not Ruling.GUILTY
        matches = next(c for c in case.analysis.verdict.conditions if c.condition == "query_matches_tasks")
        assert matches.ok is False

    def test_a_size_below_what_is_asked_is_not_the_divisor(self, tmp_path: Path) -> None:
        incident = Incident(query=QUERY.replace("/ 4", "/ 5"))
        incident.workers()
        busy(incident, 4)
        stuck(incident, 8)
        assert finding(incident.open(tmp_path), "query_divisor_mismatch") is None

    def test_at_the_maximum_the_ceiling_holds(self, tmp_path: Path) -> None:
        incident = Incident(query=QUERY.replace("/ 4", "/ 16"), max_replicas=1)
        incident.workers()
        busy(incident, 4)
        stuck(incident, 8)
        assert finding(incident.open(tmp_path), "query_divisor_mismatch") is None


class TestMetricPath:
    API = "unable to fetch metrics from external metrics API: "
    REFUSED = API + "the server is currently unable to handle the request"
    UNKNOWN = API + "the server could not find the requested resource (get s0-postgresql.external.metrics.k8s.io)"

    def unanswered(self, message: str) -> Incident:
        incident = Incident()
        incident.workers()
        incident.no_metric(70, message)
        busy(incident, 4)
        stuck(incident, 12)
        return incident

    def test_an_api_that_nobody_serves(self, tmp_path: Path) -> None:
        case = self.unanswered(self.UNKNOWN).open(tmp_path)
        assert roots(case) == ["external_metrics_api_missing"]
        assert ruling(case, "aggregation") is Ruling.GUILTY

    def test_an_api_that_does_not_answer_is_a_timeout(self, tmp_path: Path) -> None:
        case = self.unanswered(self.REFUSED).open(tmp_path)
        assert roots(case) == ["external_metric_timeout"]
        assert finding(case, "external_metrics_api_missing") is None
        assert finding(case, "metric_path_tls") is None

    def test_a_handshake_that_fails(self, tmp_path: Path) -> None:
        incident = self.unanswered(self.API + "Timeout: request did not complete within the allotted timeout")
        words = 'transport: authentication handshake failed: tls: failed to verify certificate: x509: "expired"'
        incident._add("log_lines", 40, component="keda-metrics-apiserver", pattern="adapter.grpc_dial", text=words)
        case = incident.open(tmp_path)
        assert roots(case) == ["metric_path_tls"]
        assert ruling(case, "keda-metrics-apiserver") is Ruling.GUILTY


class TestFallback:
    def served(self, replicas: int) -> Incident:
        incident = Incident()
        incident.workers()
        busy(incident, 4)
        stuck(incident, 12)
        incident.active_from = None
        fallback = json.dumps({"failureThreshold": 3, "replicas": replicas})
        condition(incident, 15, fallback_status="True", fallback=fallback)
        return incident

    def test_the_fallback_holds_the_size(self, tmp_path: Path) -> None:
        assert roots(self.served(1).open(tmp_path)) == ["fallback_active"]

    @pytest.mark.parametrize("replicas", [2, 4])
    def test_a_fallback_that_asks_for_more_is_not_in_the_way(self, tmp_path: Path, replicas: int) -> None:
        assert finding(self.served(replicas).open(tmp_path), "fallback_active") is None
