"""Logs without tables: what the lines prove, and an honest "cannot tell" for the rest."""

from pathlib import Path

import pytest

from afscope.engine.catalog import Catalog
from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.finding import Finding, Kind, Role
from afscope.store.reader import Capture
from afscope.store.schema import TABLES
from tests.engine.incident import Incident, roots

REAL = Path(__file__).parents[1] / "data" / "recordings"


def only_logs(incident: Incident) -> Incident:
    incident.missing |= TABLES.keys() - {"log_lines", "gaps", "samples", "leases"}
    return incident


def told(case: Investigation) -> dict[str, Finding]:
    return {f.cause: f for f in case.analysis.findings if f.kind is Kind.LOG}


def test_a_line_that_names_its_cause(tmp_path: Path) -> None:
    incident = only_logs(Incident())
    incident.log(
        20, "limit.pool_full", pod="s0", text="Not scheduling since there are 0 open slots in pool tiny", pool="tiny"
    )
    case = incident.open(tmp_path)
    verdict = case.analysis.verdict
    assert verdict.healthy is None
    assert roots(case) == []
    found = told(case)["pool_exhausted"]
    assert found.role is Role.CONTRIBUTING
    assert (found.component, found.subject) == ("pool", "tiny")
    assert 0 < found.confidence < 1
    assert [e.table for e in found.evidence] == ["log_lines"]
    assert "Pool tiny had no open slots" in verdict.summary
    assert all(c.ruling.value == "not_assessed" for c in verdict.components)
    unlooked = {item.cause for item in case.analysis.not_assessed}
    assert "pool_exhausted" not in unlooked
    assert {"max_replicas_ceiling", "dag_paused", "scheduler_down"} <= unlooked


def test_in_chinese(tmp_path: Path) -> None:
    incident = only_logs(Incident())
    incident.log(20, "worker.jwt_expired", pod="w0", text="Invalid auth token: Signature has expired")
    assert "令牌" in told(incident.open(tmp_path, lang="zh"))["workload_token_expired"].title


@pytest.mark.parametrize(
    ("pattern", "text", "cause"),
    [
        ("keda.db_error", 'could not query postgreSQL: relation "x" does not exist (SQLSTATE 42P01)', "trigger_query_error"),
        ("keda.build_error", "password authentication failed for user (SQLSTATE 28P01)", "trigger_auth_failure"),
        ("keda.db_error", "failed to connect to `db`: dial tcp: lookup db: no such host", "trigger_db_unreachable"),
        ("keda.scaler_error", "FATAL: sorry, too many clients already (SQLSTATE 53300)", "db_connections_exhausted"),
        ("kcm.hpa_failed", "unable to get external metric: context deadline exceeded", "external_metric_timeout"),
        ("kcm.hpa_failed", "the server is currently unable to handle the request", "external_metric_timeout"),
        ("kcm.hpa_failed", "the server could not find the requested resource", "external_metrics_api_missing"),
        ("kcm.quota", "exceeded quota: team", "quota_exceeded"),
        ("db.pg_max_conn", "remaining connection slots are reserved", "db_connections_exhausted"),
        ("worker.dag_missing2", "Dag 'etl' could not be found", "dag_missing_on_worker"),
    ],
)  # fmt: skip
def test_the_words_decide(pattern: str, text: str, cause: str, tmp_path: Path) -> None:
    incident = only_logs(Incident())
    incident.log(20, pattern, pod="p", text=text)
    assert set(told(incident.open(tmp_path))) == {cause}


@pytest.mark.parametrize("pattern", ["worker.broker_connect", "task3.api_retry"])
def test_one_pod_without_connection_accuses_nobody(pattern: str, tmp_path: Path) -> None:
    incident = only_logs(Incident())
    incident.log(20, pattern, pod="w0", text="connection refused")
    assert told(incident.open(tmp_path)) == {}


def test_a_heartbeat_that_stood_still_with_others_in_the_database(tmp_path: Path) -> None:
    incident = only_logs(Incident(end=200))
    incident.log(100, "keda.reader_stuck", text="scaler reader exceeded ReaderDrainBudget")
    incident._add(
        "log_lines",
        150,
        component="scheduler",
        pod="s0",
        pattern="job.hb_recovered",
        fields='{"s": "90"}',
        text="Heartbeat recovered after 90 seconds",
    )
    assert set(told(incident.open(tmp_path))) == {"db_slow"}


def test_with_the_task_table_logs_only_support(tmp_path: Path) -> None:
    incident = Incident()
    incident.log(
        20, "limit.pool_full", pod="s0", text="Not scheduling since there are 0 open slots in pool tiny", pool="tiny"
    )
    assert told(incident.open(tmp_path)) == {}


@pytest.mark.parametrize(("recording", "cause"), [("pool", "pool_exhausted"), ("healthy_airflow3", None)])
def test_logs_of_a_real_run(recording: str, cause: str | None, tmp_path: Path) -> None:
    import_sources([REAL / recording / "logs"], tmp_path / "capture")
    case = Investigation(Capture.open(tmp_path / "capture"), Catalog.load())
    assert set(told(case)) == ({cause} if cause else set())
    assert case.analysis.verdict.healthy is None
