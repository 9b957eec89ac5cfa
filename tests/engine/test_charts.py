"""Charts: what the lanes show, and that every second of them has a value or an honest hole."""

from pathlib import Path

from afscope.model.finding import Evidence
from afscope.model.timeline import Chart
from tests.engine.incident import TARGET, Incident, at
from tests.engine.test_workers import queued, served


def lane(chart: Chart, name: str, second: float) -> float | None:
    return next(lane for lane in chart.lanes if lane.name == name).at(at(second))


def test_the_lanes_of_an_ordinary_cold_start(tmp_path: Path) -> None:
    incident = Incident()
    incident.workers(names=["w0", "w1"])
    served(incident, 8, 2)
    (chart,) = incident.open(tmp_path).charts
    assert chart.target == TARGET
    assert [lane(chart, "queued", s) for s in (5, 15, 30)] == [0, 8, 0]
    assert [lane(chart, "running", s) for s in (5, 30, 110)] == [0, 8, 0]
    assert [lane(chart, "desired", s) for s in (5, 12.5, 30)] == [0, 1, 2]
    assert [lane(chart, "slots", s) for s in (5, 30)] == [0, 8]
    assert [lane(chart, "metric", s) for s in (5, 30)] == [None, 2]
    assert {tick.kind for tick in chart.ticks} == {"decision"}
    assert {span.kind for span in chart.constraint} <= {"scheduler_latency", "activation_latency", "pickup_latency"}


def test_tasks_of_nobody_are_drawn_beside_the_only_trigger(tmp_path: Path) -> None:
    incident = Incident()
    queued(incident, 6, queue="gpu")
    (chart,) = incident.open(tmp_path).charts
    assert lane(chart, "queued", 60) == 6
    assert {span.kind for span in chart.constraint} >= {"queue_mismatch"}
    assert chart.health == ()


def test_episodes_begin_with_demand_and_end_when_the_workers_are_gone(tmp_path: Path) -> None:
    incident = Incident(end=200)
    incident.active_from = 12
    incident.replicas(12, 1, 0, "keda")
    incident.replicas(12.2, 1, 1, "keda")
    incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=140)
    incident.replicas(140, 0, 1, "keda")
    incident.replicas(141, 0, 0, "keda")
    served(incident, 4, 1)
    (episode,) = incident.open(tmp_path).timeline()
    assert (episode.started_at, episode.ended_at) == (at(11), at(141))
    assert [phase.stage for phase in episode.phases] == ["trigger", "place", "image", "start", "execute", "drain"]
    assert [(d.before, d.after, d.author) for d in episode.decisions] == [(0, 1, "keda"), (1, 0, "keda")]


def test_work_that_comes_back_after_zero_is_another_episode(tmp_path: Path) -> None:
    incident = Incident(end=300)
    for begin in (12.0, 112.0):
        incident.replicas(begin, 1, 0, "keda")
        incident.replicas(begin + 50, 0, 1, "keda")
        incident.run(f"r{begin}", begin - 2, begin - 1)
        incident.task("t", f"r{begin}", none=begin - 2, queued=begin - 1, running=begin + 8, ended=begin + 20, host="w")
    assert len(incident.open(tmp_path).timeline()) == 2


def test_the_metric_is_counted_in_replicas_that_exist(tmp_path: Path) -> None:
    """status.currentReplicas is what the HPA read of spec.replicas; pods that a quota refused do not divide the metric."""
    incident = Incident()
    incident.replicas(12, 1, 1, "keda")
    incident.hpa(20, metric=8, replicas=1, desired=4)
    incident.replicas(20, 4, 1)
    incident.hpa(35, metric=32, replicas=4, desired=5)  # averageValue 8: the total over the one replica that exists
    incident.replicas(35, 5, 1)
    (chart,) = incident.open(tmp_path).charts
    assert [lane(chart, "metric", s) for s in (15, 25, 50)] == [None, 8, 8]


def test_evidence_leads_to_its_own_row_among_those_of_one_instant(tmp_path: Path) -> None:
    incident = Incident()
    for name in ("other", "worker"):
        for reason in ("SuccessfulRescale", "FailedCreate"):
            incident.event(20, reason, "ReplicaSet", name, f"{reason} of {name}")
    meant = Evidence("events", at(20), "air/worker", "FailedCreate: FailedCreate of worker")
    page = incident.open(tmp_path).rows(meant)
    assert page.rows[page.focus][page.columns.index("message")] == "FailedCreate of worker"
