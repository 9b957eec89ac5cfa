"""Causes between the queue and the worker: trigger, metric, decision, pods, nodes, images, quota."""

from pathlib import Path
from typing import Any

import pytest

from afscope.model.finding import Role, Ruling
from tests.engine.incident import QUERY, TARGET, Incident, finding, roots, ruling, seconds


def queued(
    incident: Incident, n: int, *, second: float = 11, queue: str = "default", executor: str | None = None
) -> None:
    """`n` tasks that nobody takes."""
    incident.run("r1", second - 1, second - 0.8)
    for number in range(n):
        incident.task(
            f"q{number}", "r1", none=second - 1, scheduled=second - 0.5, queued=second, queue=queue, executor=executor
        )


def served(incident: Incident, n: int, hosts: int, *, begin: float = 20, end: float | None = 100) -> None:
    """`n` tasks that run on `hosts` workers, four each."""
    incident.run("r0", 10, 10.2)
    for number in range(n):
        host = f"w{number // 4 % hosts}"
        incident.task(f"s{number}", "r0", none=10, scheduled=10.5, queued=11, running=begin, ended=end, host=host)


class TestHealthy:
    def test_an_ordinary_cold_start_is_an_observation_with_its_price(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        served(incident, 8, 2)
        case = incident.open(tmp_path)
        verdict = case.analysis.verdict
        assert verdict.healthy is True
        assert verdict.root_causes == ()
        assert all(condition.ok for condition in verdict.conditions)
        start = finding(case, "activation_latency")
        assert start is not None
        assert start.role is Role.OBSERVATION
        assert start.cost.waiting_task_seconds > 0
        assert all(c.evidence for c in verdict.components if c.ruling is Ruling.NOT_GUILTY)
        for component in (
            "keda-operator",
            "keda-metrics-apiserver",
            "hpa",
            "scheduler",
            "metadata-db",
            "nodes",
            "worker",
        ):
            assert ruling(case, component) is Ruling.NOT_GUILTY, component

    def test_the_verdict_speaks_chinese(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.pool("tiny", 1)
        incident.workers()
        incident.run("r1", 10, 10.2)
        incident.task("h", "r1", none=10, scheduled=10.5, queued=11, running=20, host="w0", pool="tiny")
        for n in range(3):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.5, pool="tiny")
        found = finding(incident.open(tmp_path, lang="zh"), "pool_exhausted")
        assert found is not None
        assert found.title.startswith("资源池 tiny")
        assert "{" not in found.title + found.detail + found.remedy


class TestQueueMismatch:
    def test_no_trigger_counts_the_queue(self, tmp_path: Path) -> None:
        incident = Incident()
        queued(incident, 6, queue="gpu")
        case = incident.open(tmp_path)
        assert roots(case) == ["queue_mismatch"]
        found = finding(case, "queue_mismatch")
        assert found is not None
        assert found.subject == "gpu"
        assert ruling(case, "hpa") is not Ruling.GUILTY
        assert ruling(case, "keda-operator") is not Ruling.GUILTY

    def test_a_query_over_all_queues_is_innocent(self, tmp_path: Path) -> None:
        incident = Incident(
            query="SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE state IN ('running', 'queued')"
        )
        queued(incident, 6, queue="gpu")
        assert finding(incident.open(tmp_path), "queue_mismatch") is None

    def test_tasks_of_the_kubernetes_executor_need_no_celery_worker(self, tmp_path: Path) -> None:
        incident = Incident(query=QUERY + " AND executor IS DISTINCT FROM 'KubernetesExecutor'")
        queued(incident, 6, executor="KubernetesExecutor")
        assert finding(incident.open(tmp_path), "queue_mismatch") is None

    def test_an_unreadable_query_is_not_blamed(self, tmp_path: Path) -> None:
        incident = Incident(query="SELECT count(*) FROM task_instance t JOIN dag_run d ON d.run_id = t.run_id")
        queued(incident, 6, queue="gpu")
        case = incident.open(tmp_path)
        assert finding(case, "queue_mismatch") is None
        assert case.analysis.verdict.healthy is None


class TestQueryIgnoresRunning:
    BLIND = "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE state='queued' AND queue IN ('default')"

    def killed(self, query: str) -> Incident:
        incident = Incident(query=query)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(12.2, 1, 1, "keda")
        incident.hpa(13, metric=1, replicas=1, desired=1)
        incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=50)
        incident.replicas(50, 0, 1, "keda")
        incident.replicas(51, 0, 0, "keda")
        incident.run("r1", 10, 10.2)
        for n in range(4):
            incident.task(
                f"t{n}", "r1", none=10, scheduled=10.4, queued=11, running=20, ended=51, state="failed", host="w0"
            )
        return incident

    def test_running_tasks_are_killed_by_a_query_that_cannot_see_them(self, tmp_path: Path) -> None:
        case = self.killed(self.BLIND).open(tmp_path)
        assert roots(case) == ["query_ignores_running"]
        found = finding(case, "query_ignores_running")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(4 * 30)
        assert ruling(case, "trigger") is Ruling.GUILTY

    def test_a_query_that_counts_them_is_not_the_reason(self, tmp_path: Path) -> None:
        case = self.killed(QUERY).open(tmp_path)
        assert finding(case, "query_ignores_running") is None
        assert roots(case) == ["scale_down_kills_tasks"]

    def test_a_blind_query_that_took_no_worker_away_is_silent(self, tmp_path: Path) -> None:
        incident = Incident(query=self.BLIND)
        incident.workers()
        served(incident, 4, 1)
        assert finding(incident.open(tmp_path), "query_ignores_running") is None


class TestExternalMetric:
    API = "unable to fetch metrics from external metrics API: "
    TIMEOUT = API + "Timeout: request did not complete within the allotted timeout"
    REFUSED = API + "the server is currently unable to handle the request"

    def hung(self, message: str) -> Incident:
        """Activated to one worker, then the HPA gets no answer while twelve tasks are queued."""
        incident = Incident()
        incident.workers()
        incident.no_metric(70, message)
        served(incident, 4, 1, end=None)
        queued(incident, 12)
        return incident

    def test_the_metrics_apiserver_when_its_apiservice_is_down_and_keda_polls(self, tmp_path: Path) -> None:
        incident = self.hung(self.REFUSED)
        incident.api_down = (30, 119)
        case = incident.open(tmp_path)
        assert roots(case) == ["external_metric_timeout"]
        assert ruling(case, "keda-metrics-apiserver") is Ruling.GUILTY
        assert ruling(case, "keda-operator") is Ruling.NOT_GUILTY
        assert ruling(case, "hpa") is Ruling.NOT_GUILTY

    def test_the_operator_when_its_beats_stop_and_the_apiservice_is_up(self, tmp_path: Path) -> None:
        incident = self.hung(self.TIMEOUT)
        incident.keda_dead = (17, 200)
        case = incident.open(tmp_path)
        assert roots(case) == ["external_metric_timeout"]
        assert ruling(case, "keda-operator") is Ruling.GUILTY
        assert ruling(case, "keda-metrics-apiserver") is not Ruling.GUILTY

    def test_the_database_when_nobody_gets_an_answer_from_it(self, tmp_path: Path) -> None:
        incident = self.hung(self.TIMEOUT)
        incident.keda_dead = (17, 200)
        incident.db_dead = (15, 119)
        case = incident.open(tmp_path)
        assert roots(case)[0] == "db_slow"
        assert ruling(case, "keda-operator") is not Ruling.GUILTY
        assert ruling(case, "metadata-db") is Ruling.GUILTY

    def test_an_answer_that_is_an_error_is_no_timeout(self, tmp_path: Path) -> None:
        incident = self.hung(
            "rpc error: code = Unknown desc = error when getting metric values metric:s0-postgresql encountered error"
        )
        assert finding(incident.open(tmp_path), "external_metric_timeout") is None

    def test_disabled_at_zero_is_no_failure(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.hpa(1, active="ScalingDisabled", replicas=0, desired=0)
        case = incident.open(tmp_path)
        assert finding(case, "external_metric_timeout") is None
        assert ruling(case, "hpa") is Ruling.NOT_GUILTY


class TestCeiling:
    def full(self, max_replicas: int) -> Incident:
        incident = Incident(max_replicas=max_replicas)
        incident.workers(names=["w0", "w1"])
        incident.hpa(30, metric=5, replicas=2, desired=2, limited="TooManyReplicas")
        served(incident, 8, 2, end=None)
        queued(incident, 12)
        return incident

    def test_tasks_beyond_the_last_worker_wait_for_the_ceiling(self, tmp_path: Path) -> None:
        case = self.full(2).open(tmp_path)
        assert roots(case) == ["max_replicas_ceiling"]
        found = finding(case, "max_replicas_ceiling")
        assert found is not None
        assert found.target == TARGET
        assert "from 2 to 5" in found.remedy
        assert ruling(case, "hpa") is Ruling.NOT_GUILTY

    def test_below_the_ceiling_it_is_silent_and_the_wait_unknown(self, tmp_path: Path) -> None:
        case = self.full(3).open(tmp_path)
        assert finding(case, "max_replicas_ceiling") is None
        assert case.analysis.verdict.healthy is None

    def test_a_ceiling_reached_by_demand_that_fits_is_silent(self, tmp_path: Path) -> None:
        incident = Incident(max_replicas=2)
        incident.workers(names=["w0", "w1"])
        served(incident, 8, 2)
        assert finding(incident.open(tmp_path), "max_replicas_ceiling") is None


class TestPods:
    def asked(self, max_replicas: int = 2) -> Incident:
        """Two workers asked for; the test decides what becomes of the pods."""
        incident = Incident(max_replicas=max_replicas)
        incident.active_from = 12
        incident.replicas(12, 1, 0, "keda")
        incident.replicas(13, 2, 2)
        incident.hpa(14, metric=2, replicas=2, desired=2)
        queued(incident, 8)
        return incident

    def test_pods_that_fit_on_no_node(self, tmp_path: Path) -> None:
        incident = self.asked()
        message = "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available"
        stuck: dict[str, Any] = {
            "scheduled_status": "False",
            "scheduled_reason": "Unschedulable",
            "scheduled_message": message,
        }
        for n in range(2):
            incident.pod(f"w{n}", 13, **stuck)
        case = incident.open(tmp_path)
        assert roots(case) == ["pods_unschedulable"]
        found = finding(case, "pods_unschedulable")
        assert found is not None
        assert "Insufficient cpu" in found.title
        assert ruling(case, "nodes") is Ruling.GUILTY
        assert ruling(case, "image") is not Ruling.GUILTY

    def test_a_pod_that_waits_a_scheduling_cycle_is_ordinary(self, tmp_path: Path) -> None:
        incident = self.asked()
        stuck: dict[str, Any] = {
            "scheduled_status": "False",
            "scheduled_reason": "Unschedulable",
            "scheduled_message": "busy",
        }
        for n in range(2):
            incident._add("pods", 13, uid=f"w{n}", namespace="air", name=f"w{n}", owner_uid="deploy", **stuck)
            incident.pod(f"w{n}", 13, scheduled=18, started=20, ready=24)
        assert finding(incident.open(tmp_path), "pods_unschedulable") is None

    def test_stuck_pods_explain_a_ceiling_that_nobody_fills(self, tmp_path: Path) -> None:
        incident = self.asked()
        incident.run("r2", 10, 10.2)
        for n in range(12):
            incident.task(f"more{n}", "r2", none=10, scheduled=10.5, queued=11)
        stuck: dict[str, Any] = {
            "scheduled_status": "False",
            "scheduled_reason": "Unschedulable",
            "scheduled_message": "Too many pods",
        }
        for n in range(2):
            incident.pod(f"w{n}", 13, **stuck)
        case = incident.open(tmp_path)
        assert roots(case) == ["pods_unschedulable"]
        assert ruling(case, "autoscaler-settings") is not Ruling.GUILTY

    def test_images_that_cannot_be_pulled(self, tmp_path: Path) -> None:
        incident = self.asked()
        broken: dict[str, Any] = {
            "waiting_container": "worker",
            "waiting_reason": "ImagePullBackOff",
            "waiting_message": "not found",
        }
        for n in range(2):
            incident._add("pods", 13, uid=f"w{n}", namespace="air", name=f"w{n}", owner_uid="deploy", change="ADDED")
            incident.pod(f"w{n}", 13, scheduled=13, **broken)
        case = incident.open(tmp_path)
        assert roots(case) == ["image_pull_failure"]
        assert ruling(case, "nodes") is Ruling.NOT_GUILTY

    def test_a_container_that_is_being_created_is_no_failure(self, tmp_path: Path) -> None:
        incident = self.asked()
        for n in range(2):
            incident.pod(f"w{n}", 13, scheduled=13, started=20, ready=24, waiting_reason="ContainerCreating")
        assert finding(incident.open(tmp_path), "image_pull_failure") is None

    def test_a_quota_refuses_pods(self, tmp_path: Path) -> None:
        incident = self.asked()
        incident.rows = [r for r in incident.rows if r.values.get("status_replicas") != 2]
        incident.replicas(13, 2, 0)
        message = 'pods "w" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4'
        incident.event(13.5, "FailedCreate", "ReplicaSet", "worker-abc", message, object_uid="deploy")
        case = incident.open(tmp_path)
        assert roots(case) == ["quota_exceeded"]
        found = finding(case, "quota_exceeded")
        assert found is not None
        assert "team" in found.title
        assert ruling(case, "quota") is Ruling.GUILTY
        assert ruling(case, "nodes") is not Ruling.GUILTY

    @pytest.mark.parametrize(
        ("message", "who"),
        [
            (
                'admission webhook "validate.kyverno.svc" denied the request: label team is missing',
                "admission webhook validate.kyverno.svc",
            ),
            ('pods "w" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot', "PodSecurity"),
            (
                'pods "w" is forbidden: error looking up service account air/w: serviceaccount "w" not found',
                "service account",
            ),
        ],
    )
    def test_whoever_else_refuses_at_admission_is_named(self, tmp_path: Path, message: str, who: str) -> None:
        incident = self.asked()
        incident.rows = [r for r in incident.rows if r.values.get("status_replicas") != 2]
        incident.replicas(13, 2, 0)
        incident.event(13.5, "FailedCreate", "ReplicaSet", "worker-abc", message, object_uid="deploy")
        case = incident.open(tmp_path)
        assert roots(case) == ["quota_exceeded"]
        found = finding(case, "quota_exceeded")
        assert found is not None
        assert found.title.endswith(who)
        assert "Raise" not in found.remedy

    def test_a_failure_that_is_no_refusal_is_no_quota(self, tmp_path: Path) -> None:
        incident = self.asked()
        incident.rows = [r for r in incident.rows if r.values.get("status_replicas") != 2]
        incident.replicas(13, 2, 0)
        incident.event(
            13.5, "FailedCreate", "ReplicaSet", "worker-abc", "etcdserver: request timed out", object_uid="deploy"
        )
        assert finding(incident.open(tmp_path), "quota_exceeded") is None

    def test_a_refusal_after_which_the_pods_came_is_no_quota(self, tmp_path: Path) -> None:
        incident = self.asked()
        message = "Internal error occurred: failed calling webhook"
        incident.event(13.5, "FailedCreate", "ReplicaSet", "worker-abc", message, object_uid="deploy")
        assert finding(incident.open(tmp_path), "quota_exceeded") is None

    def test_workers_that_crash_at_start(self, tmp_path: Path) -> None:
        incident = self.asked()
        crash: dict[str, Any] = {
            "restart_count": 4,
            "waiting_reason": "CrashLoopBackOff",
            "last_terminated_exit_code": 1,
        }
        for n in range(2):
            incident.pod(f"w{n}", 13, scheduled=13, started=15, **crash)
        case = incident.open(tmp_path)
        assert roots(case) == ["worker_crash_loop"]
        assert ruling(case, "image") is not Ruling.GUILTY

    def test_one_restart_long_ago_is_no_crash_loop(self, tmp_path: Path) -> None:
        incident = self.asked()
        for n in range(2):
            incident.pod(f"w{n}", 13, scheduled=13, started=15, ready=18, restart_count=1)
        assert finding(incident.open(tmp_path), "worker_crash_loop") is None

    def test_a_boot_of_minutes_is_named(self, tmp_path: Path) -> None:
        incident = self.asked()
        for n in range(2):
            incident.pod(f"w{n}", 13, scheduled=13, started=15, ready=100)
        assert roots(incident.open(tmp_path)) == ["slow_worker_start"]


class TestTriggerError:
    def refused(self, message: str) -> Incident:
        incident = Incident(query="SELECT count(*) FROM task_instances")
        incident.event(5, "KEDAScalerFailed", "ScaledObject", "worker", message)
        queued(incident, 6)
        return incident

    def test_a_statement_that_the_database_refuses(self, tmp_path: Path) -> None:
        message = 'error inspecting postgreSQL: ERROR: relation "task_instances" does not exist (SQLSTATE 42P01)'
        case = self.refused(message).open(tmp_path)
        assert roots(case) == ["trigger_query_error"]
        assert ruling(case, "keda-operator") is not Ruling.GUILTY

    def test_a_refused_login_is_another_cause(self, tmp_path: Path) -> None:
        case = self.refused("FATAL: password authentication failed (SQLSTATE 28P01)").open(tmp_path)
        assert finding(case, "trigger_query_error") is None


class TestMissingSources:
    def test_without_the_task_table_nobody_is_healthy(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.missing = {"task_instances"}
        analysis = incident.open(tmp_path).analysis
        assert analysis.verdict.healthy is None
        assert {"pool_exhausted", "dag_paused"} <= {n.cause for n in analysis.not_assessed}

    def test_without_hpas_the_metric_path_is_not_assessed(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers()
        served(incident, 4, 1)
        incident.missing = {"hpas"}
        case = incident.open(tmp_path)
        assert ruling(case, "keda-metrics-apiserver") is Ruling.NOT_ASSESSED
        assert ruling(case, "hpa") is Ruling.NOT_ASSESSED
        path = next(c for c in case.analysis.verdict.conditions if c.condition == "metric_path_answers")
        assert path.ok is None
        assert "hpas" in path.because

    @pytest.mark.parametrize("table", ["pods", "events", "workloads", "scaledobjects", "apiservices", "jobs", "polls"])
    def test_a_missing_source_never_makes_somebody_else_guilty(self, tmp_path: Path, table: str) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        served(incident, 8, 2)
        incident.missing = {table}
        verdict = incident.open(tmp_path).analysis.verdict
        assert verdict.root_causes == ()
        assert not [c for c in verdict.components if c.ruling is Ruling.GUILTY]


def test_waits_add_up_whatever_happens(tmp_path: Path) -> None:
    incident = Incident(max_replicas=2)
    incident.workers(names=["w0", "w1"])
    served(incident, 8, 2, end=60)
    queued(incident, 12)
    case = incident.open(tmp_path)
    for wait in case.waits():
        end = wait.running_at if wait.running_at is not None else case.end
        assert sum(s.seconds for s in wait.stages) == pytest.approx((end - wait.runnable_at) / 1e6, abs=1e-3)
    assert seconds(case, "max_replicas_ceiling") > 0
