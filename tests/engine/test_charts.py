"""Charts: what the lanes show, and that every second of them has a value or an honest hole."""

from pathlib import Path

from afscope.engine.charts import MAX_TICKS, _without
from afscope.model.finding import Evidence
from afscope.model.timeline import Chart, Span
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


def test_an_average_from_before_a_rescale_is_not_multiplied_by_the_replicas_after_it(tmp_path: Path) -> None:
    """As recorded: the sync of 12.30 still divided by one replica, though four were there when its status was seen."""
    incident = Incident()
    for second, desired, current in ((11, 1, 1), (12.15, 4, 1), (12.27, 4, 4), (12.29, 5, 4), (12.38, 5, 5)):
        incident.replicas(second, desired, current)
    incident.hpa(12.17, metric=8, replicas=1)
    incident.hpa(12.30, metric=32, replicas=4)  # an average of 8000 milli, as the one before
    incident.hpa(27, metric=8, replicas=5)
    queued(incident, 6)
    (chart,) = incident.open(tmp_path).charts
    assert [lane(chart, "metric", s) for s in (12.2, 13, 28)] == [8, 8, 8]


def test_calm_spans_are_cut_by_trouble_and_do_not_vanish_with_it() -> None:
    calm, failing = (
        Span(at(0), at(100), "ok", ""),
        [Span(at(20), at(30), "failing", ""), Span(at(90), at(120), "failing", "")],
    )
    left = [(span.start, span.end) for span in _without(calm, failing)]
    assert left == [(at(0), at(20)), (at(30), at(90))]
    assert list(_without(calm, [Span(at(0), at(100), "failing", "")])) == []


def test_warnings_are_thinned_over_the_whole_time(tmp_path: Path) -> None:
    incident = Incident(end=2000)
    queued(incident, 6)
    for second in range(1500):
        incident.event(second + 0.5, "BackOff", "Pod", "worker-0", f"number {second}")
    (chart,) = incident.open(tmp_path).charts
    warnings = [tick.at for tick in chart.ticks if tick.kind == "warning"]
    assert 300 < len(warnings) <= MAX_TICKS
    assert warnings[-1] > at(1490)
