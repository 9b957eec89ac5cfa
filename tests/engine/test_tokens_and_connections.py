"""Tokens that a worker shows too late or in vain (Airflow 3), and a database without a connection left."""

from pathlib import Path

import pytest

from afscope.model.finding import Ruling
from tests.engine.incident import Incident, finding, roots, ruling, seconds

EXPIRED = "RuntimeError: Invalid auth token: Signature has expired"
BAD = "RuntimeError: Invalid auth token: Signature verification failed"
FULL = "FATAL:  sorry, too many clients already"


def refused(incident: Incident, n: int, *, queued: float, over: float) -> None:
    """`n` tasks that a worker took and could not start."""
    incident.run("r1", queued - 1, queued - 0.8)
    for number in range(n):
        incident.task(
            f"t{number}", "r1", none=queued - 1, scheduled=queued - 0.5, queued=queued, ended=over, state="failed"
        )


class TestTokenExpired:
    def test_workers_that_come_after_ten_minutes_can_start_nothing(self, tmp_path: Path) -> None:
        incident = Incident(end=700, airflow3=True)
        refused(incident, 5, queued=11, over=640)
        incident.log(640, "worker.jwt_expired", pod="w0", text=EXPIRED)
        case = incident.open(tmp_path)
        assert "workload_token_expired" in roots(case)
        found = finding(case, "workload_token_expired")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(5 * 629)
        assert "629 s" in found.title
        assert ruling(case, "airflow-config") is Ruling.GUILTY
        assert finding(case, "workload_token_rejected") is None

    def test_a_failure_after_a_long_wait_without_those_words_may_be_anything(self, tmp_path: Path) -> None:
        incident = Incident(end=700, airflow3=True)
        refused(incident, 5, queued=11, over=640)
        assert finding(incident.open(tmp_path), "workload_token_expired") is None

    def test_a_token_that_was_refused_early_had_not_expired(self, tmp_path: Path) -> None:
        incident = Incident(airflow3=True)
        refused(incident, 5, queued=11, over=40)
        incident.log(40, "worker.jwt_expired", pod="w0", text=EXPIRED)
        assert finding(incident.open(tmp_path), "workload_token_expired") is None


class TestTokenRejected:
    def rejected(self) -> Incident:
        incident = Incident(airflow3=True)
        incident.workers()
        refused(incident, 5, queued=11, over=20)
        incident.log(20, "worker.jwt_bad", pod="w0", text=BAD)
        return incident

    def test_no_task_starts(self, tmp_path: Path) -> None:
        case = self.rejected().open(tmp_path)
        assert "workload_token_rejected" in roots(case)
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_one_that_starts_clears_the_secret(self, tmp_path: Path) -> None:
        incident = self.rejected()
        incident.task("fine", "r1", none=10, scheduled=10.5, queued=11, running=15, host="w0")
        assert finding(incident.open(tmp_path), "workload_token_rejected") is None


class TestConnectionsExhausted:
    def waiting(self) -> Incident:
        incident = Incident()
        incident.run("r1", 10, 10.2)
        for number in range(6):
            incident.task(f"t{number}", "r1", none=10, scheduled=10.5)
        return incident

    def test_nobody_gets_a_connection_and_nothing_starts(self, tmp_path: Path) -> None:
        incident = self.waiting()
        for second in range(20, 100, 10):
            incident.log(second, "db.pg_max_conn", pod=f"w{second % 3}", text=FULL)
        case = incident.open(tmp_path)
        assert roots(case)[0] == "db_connections_exhausted"
        assert seconds(case, "db_connections_exhausted") > 6 * 60
        assert ruling(case, "metadata-db") is Ruling.GUILTY

    def test_a_refusal_now_and_then_is_none(self, tmp_path: Path) -> None:
        incident = self.waiting()
        for second in (20, 60, 100):
            incident.log(second, "db.pg_max_conn", pod="w0", text=FULL)
        assert finding(incident.open(tmp_path), "db_connections_exhausted") is None

    def test_tasks_that_start_show_that_there_was_a_connection(self, tmp_path: Path) -> None:
        incident = self.waiting()
        incident.workers()
        for second in range(20, 60, 3):
            incident.log(second, "db.queuepool", pod="s0", text="QueuePool limit of size 5 overflow 10 reached")
            incident.task(f"f{second}", "r1", none=10, scheduled=10.5, queued=11, running=second + 1, host="w0")
        assert finding(incident.open(tmp_path), "db_connections_exhausted") is None

    def test_a_statement_that_pgbouncer_forgot_is_another_matter(self, tmp_path: Path) -> None:
        incident = self.waiting()
        for second in range(20, 100, 5):
            incident.log(second, "db.pgbouncer", pod="k0", text='prepared statement "stmtcache_1" does not exist')
        assert finding(incident.open(tmp_path), "db_connections_exhausted") is None
