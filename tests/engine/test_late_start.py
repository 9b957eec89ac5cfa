"""A recorder that was started in the middle: what it finds held before, and waits are as old as they are."""

from pathlib import Path

from afscope.model.finding import Ruling
from tests.engine.incident import Incident, finding, roots, ruling, seconds
from tests.engine.test_workers import queued


def test_a_pool_that_was_full_before_is_full(tmp_path: Path) -> None:
    incident = Incident()
    incident.begins = 60
    incident.pool("tiny", 1)
    incident.workers()
    incident.run("r1", 10, 10.2)
    incident.task("h", "r1", none=10, scheduled=10.5, queued=11, running=20, host="w0", pool="tiny")
    for n in range(3):
        incident.task(f"t{n}", "r1", none=10, scheduled=10.5, pool="tiny")
    case = incident.open(tmp_path)
    assert roots(case) == ["pool_exhausted"]
    assert seconds(case, "pool_exhausted") > 170


def test_a_cap_of_a_dag_that_was_reached_before_is_reached(tmp_path: Path) -> None:
    incident = Incident()
    incident.begins = 60
    incident.dag("etl", tasks=2)
    incident.workers()
    incident.run("r1", 10, 10.2)
    for n in range(5):
        held = n < 2
        incident.task(
            f"t{n}", "r1", none=10, scheduled=10.5, queued=11 if held else None, running=20 if held else None, host="w0"
        )
    assert roots(incident.open(tmp_path)) == ["dag_max_active_tasks"]


def test_what_timers_explained_before_the_recording_they_explain_no_more(tmp_path: Path) -> None:
    incident = Incident(end=312)
    incident.begins = 300
    queued(incident, 6)
    case = incident.open(tmp_path)
    assert seconds(case, "unknown") > 60
    assert case.analysis.verdict.healthy is None


def test_a_wait_that_began_in_the_recording_has_its_timers(tmp_path: Path) -> None:
    incident = Incident(end=24)
    incident.begins = 9
    queued(incident, 6)
    case = incident.open(tmp_path)
    assert seconds(case, "activation_latency") > 60
    assert seconds(case, "unknown") == 0


def test_an_operator_that_stopped_before_the_recording_is_guilty(tmp_path: Path) -> None:
    incident = Incident()
    incident.begins = 80
    incident.keda_dead = (30, 200)
    incident.workers()
    queued(incident, 30, second=40)
    text = "unable to fetch metrics from external metrics API: context deadline exceeded"
    for second in range(40, 120, 5):
        incident.hpa(second, active="FailedGetExternalMetric", message=text)
    case = incident.open(tmp_path)
    found = finding(case, "external_metric_timeout")
    assert found is not None
    assert found.component == "keda-operator"
    assert ruling(case, "keda-metrics-apiserver") is not Ruling.GUILTY


def stuck(end: float, dead: tuple[float, float]) -> Incident:
    """Twelve seconds of a look at a scheduler that does not work in this time."""
    incident = Incident(end=end)
    incident.begins = end - 12
    incident.scheduler_dead = dead
    incident.run("r1", 12, None)
    for n in range(8):
        incident.task(f"t{n}", "r1", none=12)
    return incident


def test_a_look_at_a_scheduler_that_hangs_since_long_is_enough(tmp_path: Path) -> None:
    case = stuck(90, (11, 200)).open(tmp_path)
    assert roots(case) == ["scheduler_down"]
    down = finding(case, "scheduler_down")
    assert down is not None
    assert down.title.startswith("No scheduler worked for 8"), "since its last heartbeat, not since the look"
    assert ruling(case, "keda-operator") is Ruling.NOT_GUILTY


def test_a_look_at_a_scheduler_that_was_silent_for_less_than_airflow_minds_is_not(tmp_path: Path) -> None:
    assert finding(stuck(36, (11, 200)).open(tmp_path), "scheduler_down") is None


def test_a_look_at_a_scheduler_that_came_back_is_not(tmp_path: Path) -> None:
    assert finding(stuck(90, (11, 84)).open(tmp_path), "scheduler_down") is None
