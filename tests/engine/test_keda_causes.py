"""Causes around KEDA: what it reads, whether it may act, and whether it is there at all."""

from pathlib import Path

import pytest

from afscope.model.finding import Ruling
from tests.engine.incident import Incident, finding, roots, ruling, seconds


def stuck(incident: Incident, n: int = 6, *, second: float = 11) -> None:
    """`n` tasks that nobody takes."""
    incident.run("r1", second - 1, second - 0.8)
    for number in range(n):
        incident.task(f"q{number}", "r1", none=second - 1, scheduled=second - 0.5, queued=second)


def failing(message: str, *, second: float = 12) -> Incident:
    """KEDA says that its scaler failed while six tasks wait at zero workers."""
    incident = Incident()
    incident.event(second, "KEDAScalerFailed", "ScaledObject", "worker", message)
    stuck(incident)
    return incident


REFUSED = (
    "error establishing postgreSQL connection: failed to connect to `user=a database=b`: 10.0.0.9:5432 (db): "
    "failed SASL auth: FATAL: password authentication failed for user a (SQLSTATE 28P01)"
)
UNREACHABLE = (
    "error establishing postgreSQL connection: failed to connect to `user=a database=b`: 10.0.0.9:5432 (db): "
    "dial error: dial tcp 10.0.0.9:5432: connect: connection refused"
)
CUT_OFF = (
    "error inspecting postgreSQL: could not query postgreSQL: ERROR: canceling statement due to statement timeout "
    "(SQLSTATE 57014)"
)
BAD_SQL = 'error inspecting postgreSQL: could not query postgreSQL: ERROR: column "x" does not exist (SQLSTATE 42703)'
FULL = "error establishing postgreSQL connection: failed to connect: FATAL: sorry, too many clients (SQLSTATE 53300)"


class TestTriggerFailures:
    @pytest.mark.parametrize(
        ("message", "cause"),
        [
            (REFUSED, "trigger_auth_failure"),
            ("error parsing postgreSQL metadata: no host given", "trigger_auth_failure"),
            ("error establishing MySQL connection: Error 1045 (28000): Access denied", "trigger_auth_failure"),
            (UNREACHABLE, "trigger_db_unreachable"),
            (
                "error establishing postgreSQL connection: hostname resolving error: no such host",
                "trigger_db_unreachable",
            ),
            (CUT_OFF, "trigger_query_slow"),
        ],
    )
    def test_what_keda_says_names_the_cause(self, tmp_path: Path, message: str, cause: str) -> None:
        case = failing(message).open(tmp_path)
        assert roots(case) == [cause]
        assert seconds(case, cause) > 500
        assert ruling(case, "trigger") is Ruling.GUILTY
        assert ruling(case, "keda-operator") is not Ruling.GUILTY
        path = next(c for c in case.analysis.verdict.conditions if c.condition == "metric_path_answers")
        assert path.ok is not True

    @pytest.mark.parametrize("message", [BAD_SQL, FULL, "something else"])
    def test_another_error_is_none_of_them(self, tmp_path: Path, message: str) -> None:
        case = failing(message).open(tmp_path)
        for cause in ("trigger_auth_failure", "trigger_db_unreachable", "trigger_query_slow"):
            assert finding(case, cause) is None

    def test_a_way_to_keda_that_is_closed_is_not_the_database(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        stuck(incident, 12)
        way = 'code = Unavailable desc = "transport: Error while dialing: dial tcp 10.0.0.1:9666: connection refused"'
        for message in (f"rpc error: {way}", "error trying to reach service: dial tcp 10.0.0.2:6443: i/o timeout"):
            incident.event(40, "FailedGetExternalMetric", "HorizontalPodAutoscaler", "keda-hpa-worker", message)
        assert finding(incident.open(tmp_path), "trigger_db_unreachable") is None

    def test_a_refusal_that_was_over_before_the_work_came_costs_nothing(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.event(2, "KEDAScalerFailed", "ScaledObject", "worker", REFUSED)
        incident.workers(activated=5)
        stuck(incident, second=40)
        case = incident.open(tmp_path)
        assert "trigger_auth_failure" not in roots(case)
        assert seconds(case, "trigger_auth_failure") == 0

    @pytest.mark.parametrize("message", [UNREACHABLE, CUT_OFF])
    def test_a_database_that_answers_nobody_is_guilty_itself(self, tmp_path: Path, message: str) -> None:
        incident = failing(message)
        incident.db_dead = (10, 119)
        case = incident.open(tmp_path)
        assert roots(case)[0] == "db_slow"
        assert ruling(case, "metadata-db") is Ruling.GUILTY
        assert ruling(case, "trigger") is not Ruling.GUILTY
