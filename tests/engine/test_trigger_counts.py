"""What the trigger counts: work of others, another database; and a metric path that turns requests away."""

import json
from pathlib import Path

from afscope.model.finding import Role, Ruling
from tests.engine.incident import QUERY, Incident, finding, roots, ruling

END = 300.0
UNFILTERED = "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE (state='running' OR state='queued')"
OVERLOAD = (
    "the HPA was unable to compute the replica count: unable to get external metric air/s0-postgresql/&LabelSelector{}: "
    "unable to fetch metrics from external metrics API: the server has received too many requests and has asked us to "
    "try again later (get s0-postgresql.external.metrics.k8s.io)"
)


class TestOvercounts:
    def mixed(
        self, *, executor: str | None = "KubernetesExecutor", query: str = UNFILTERED, config: str = ""
    ) -> Incident:
        """Two Celery tasks, and ten that are told to run in pods of their own; three workers for twelve rows."""
        incident = Incident(END, query=query)
        if config:
            incident.setting("core.executor", config)
        incident.workers(names=["w0", "w1", "w2"])
        incident.run("r1", 10, 10.2)
        for n in range(2):
            own = None if executor else "CeleryExecutor"
            incident.task(
                f"celery{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=280, host="w0", executor=own
            )
        for n in range(10):
            incident.task(f"pod{n}", "r1", none=10, scheduled=10.5, queued=11, running=15, ended=280,
                          host=f"etl-pod{n}-abc", executor=executor)  # fmt: skip
        return incident

    def test_tasks_of_another_executor_keep_workers_idle(self, tmp_path: Path) -> None:
        case = self.mixed().open(tmp_path)
        found = finding(case, "query_overcounts")
        assert found is not None
        assert found.title == (
            "The trigger of air/worker counts up to 10 task(s) that its workers never run: they belong to KubernetesExecutor"
        )
        assert found.role is Role.OBSERVATION  # idle pods, nobody waited
        assert found.cost.idle_pod_seconds > 2 * 200
        assert roots(case) == []

    def test_a_query_that_filters_them_is_innocent(self, tmp_path: Path) -> None:
        query = UNFILTERED + " AND executor IS DISTINCT FROM 'KubernetesExecutor'"
        case = self.mixed(query=query).open(tmp_path)
        assert finding(case, "query_overcounts") is None

    def test_no_executor_named_is_the_default_one(self, tmp_path: Path) -> None:
        found = finding(
            self.mixed(executor=None, config="KubernetesExecutor,CeleryExecutor").open(tmp_path, lang="zh"),
            "query_overcounts",
        )
        assert found is not None
        assert "KubernetesExecutor" in found.title

    def test_no_executor_named_is_celery_s_where_that_comes_first(self, tmp_path: Path) -> None:
        case = self.mixed(executor=None, config="CeleryExecutor,KubernetesExecutor").open(tmp_path)
        assert finding(case, "query_overcounts") is None

    def test_rows_of_workers_that_are_gone(self, tmp_path: Path) -> None:
        incident = Incident(END)
        incident.workers(names=["w0", "w1"])
        incident.pod("w9", 5, scheduled=5, started=6, ready=8, stopped=40, gone=41)
        incident.run("r1", 5, 5.2)
        for n in range(4):
            incident.task(f"lost{n}", "r1", none=5, scheduled=6, queued=7, running=10, host="w9")
        incident.task("own", "r1", none=5, scheduled=6, queued=7, running=20, host="w0")
        found = finding(incident.open(tmp_path), "query_overcounts")
        assert found is not None
        assert "their workers are gone" in found.title

    def test_busy_workers_are_not_idle_ones(self, tmp_path: Path) -> None:
        incident = Incident(END, query=UNFILTERED)
        incident.workers(names=["w0", "w1", "w2"])
        incident.run("r1", 10, 10.2)
        for n in range(12):
            incident.task(f"t{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=280, host=f"w{n // 4}")
        assert finding(incident.open(tmp_path), "query_overcounts") is None


class TestOtherDatabase:
    def waiting(self, *, told: float, rows: int = 12) -> Incident:
        """`rows` tasks wait; the HPA is told a metric that makes `told` workers, again and again."""
        incident = Incident(END)
        incident.workers(names=["w0"])
        incident.run("r1", 10, 10.2)
        for n in range(rows):
            incident.task(
                f"t{n:02}", "r1", none=10, scheduled=10.5, queued=11, running=20 if n < 4 else None, host="w0"
            )
        for n, second in enumerate(range(45, 280, 15)):
            incident.hpa(second, metric=told + 0.001 * (n % 2), replicas=1, desired=1)
        return incident

    def test_a_value_that_never_follows_the_table(self, tmp_path: Path) -> None:
        case = self.waiting(told=1).open(tmp_path)
        assert "trigger_reads_other_database" in roots(case)
        found = finding(case, "trigger_reads_other_database")
        assert found is not None
        assert "the query makes 3 of the recorded rows" in found.detail
        assert ruling(case, "trigger") is Ruling.GUILTY
        assert ruling(case, "keda-operator") is not Ruling.GUILTY

    def test_a_value_that_follows_it_is_true(self, tmp_path: Path) -> None:
        case = self.waiting(told=3).open(tmp_path)
        assert finding(case, "trigger_reads_other_database") is None

    def test_no_answer_is_no_other_answer(self, tmp_path: Path) -> None:
        incident = self.waiting(told=1)
        incident.rows = [r for r in incident.rows if r.table != "hpas"]
        for second in range(45, 280, 15):
            incident.hpa(second, active="FailedGetExternalMetric", message="context deadline exceeded")
        assert finding(incident.open(tmp_path), "trigger_reads_other_database") is None

    def test_active_without_a_row(self, tmp_path: Path) -> None:
        """KEDA beats all the time, the table is empty from second 60 on."""
        incident = Incident(END)
        incident.always_active = True
        incident.workers(names=["w0"])
        incident.run("r1", 10, 10.2, 60)
        incident.task("t", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=60, host="w0")
        case = incident.open(tmp_path, lang="zh")
        found = finding(case, "trigger_reads_other_database")
        assert found is not None
        assert "lastActiveTime" in found.detail

    def test_a_query_that_counts_other_states_is_not_judged(self, tmp_path: Path) -> None:
        incident = Incident(END, query=QUERY.replace("state='queued'", "state='queued' OR state='scheduled'"))
        incident.always_active = True
        incident.workers(names=["w0"])
        incident.run("r1", 10, 10.2)
        incident.task("t", "r1", none=10, scheduled=10.5)
        assert finding(incident.open(tmp_path), "trigger_reads_other_database") is None


class TestOverload:
    def refused(self, message: str) -> Incident:
        incident = Incident(END)
        incident.workers(names=["w0"])
        incident.run("r1", 10, 10.2)
        for n in range(12):
            incident.task(
                f"t{n:02}", "r1", none=10, scheduled=10.5, queued=11, running=20 if n < 4 else None, host="w0"
            )
        incident.hpa(28, active="FailedGetExternalMetric", message=message)
        for second in (28, 43, 58, 120, 240):
            incident.event(second, "FailedGetExternalMetric", "HorizontalPodAutoscaler", "keda-hpa-worker", message)
        return incident

    def test_too_many_requests(self, tmp_path: Path) -> None:
        case = self.refused(OVERLOAD).open(tmp_path)
        assert roots(case) == ["metrics_apiserver_overloaded"]
        found = finding(case, "metrics_apiserver_overloaded")
        assert found is not None
        assert "too many requests" in found.detail
        assert ruling(case, "keda-metrics-apiserver") is Ruling.GUILTY
        assert ruling(case, "scheduler") is Ruling.NOT_GUILTY

    def test_no_answer_is_a_timeout(self, tmp_path: Path) -> None:
        text = OVERLOAD.replace("the server has received too many requests and has asked us to try again later",
                                "the server was unable to return a response in the time allotted")  # fmt: skip
        case = self.refused(text).open(tmp_path, lang="zh")
        assert finding(case, "metrics_apiserver_overloaded") is None
        assert roots(case) == ["external_metric_timeout"]

    def test_a_word_of_the_database_is_no_overload(self, tmp_path: Path) -> None:
        text = OVERLOAD.replace("the server has received too many requests and has asked us to try again later",
                                "rpc error: code = Unknown desc = FATAL: sorry, too many clients already (SQLSTATE 53300)")  # fmt: skip
        assert finding(self.refused(text).open(tmp_path), "metrics_apiserver_overloaded") is None


def test_a_query_that_asks_for_one_more_is_not_judged(tmp_path: Path) -> None:
    incident = Incident(END, query=QUERY.replace("/ 4)", "/ 4) + 1"))
    incident.always_active = True
    incident.workers(names=["w0"])
    incident.run("r1", 10, 10.2, 60)
    incident.task("t", "r1", none=10, scheduled=10.5, queued=11, running=20, ended=60, host="w0")
    assert finding(incident.open(tmp_path), "trigger_reads_other_database") is None


def test_triggers_beside_the_query_may_keep_it_active(tmp_path: Path) -> None:
    incident = Incident(END)
    incident.always_active = True
    incident.triggers = json.dumps([{"type": "postgresql"}, {"type": "cron"}])
    incident.workers(names=["w0"])
    assert finding(incident.open(tmp_path), "trigger_reads_other_database") is None
