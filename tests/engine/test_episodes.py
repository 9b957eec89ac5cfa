"""Episodes: every stage has its author, its time and the rows that show it; every change of the size is told once."""

from pathlib import Path

from afscope.engine.investigation import Investigation
from afscope.model.timeline import Episode, Phase
from tests.engine.incident import Incident, at


def cold_start(end: float = 200) -> Incident:
    """KEDA activates at 12, the HPA goes to two at 27; four tasks on each worker, done at 100; KEDA to zero at 140."""
    incident = Incident(end=end)
    incident.active_from = 12
    incident.replicas(12, 1, 0, "keda")
    incident.replicas(12.2, 1, 1, "keda")
    incident.pod("w0", 12, scheduled=12, started=14, ready=17, stopped=140, gone=141)
    incident.hpa(27, metric=2, replicas=1, desired=2)
    incident.replicas(27, 2, 1, "hpa", replicas_subresource="scale")
    incident.replicas(27.2, 2, 2, "hpa", replicas_subresource="scale")
    incident.pod("w1", 27, scheduled=28, started=31, ready=36, stopped=140, gone=143)
    incident.run("r", 10, 10.2)
    for n in range(8):
        started = 18 if n < 4 else 37
        incident.task(
            f"t{n}", "r", none=10, scheduled=10.5, queued=11, running=started, ended=100, host="w0" if n < 4 else "w1"
        )
    incident.replicas(140, 0, 2, "keda")
    incident.replicas(143, 0, 0, "keda")
    return incident


def phase(episode: Episode, stage: str, number: int = 0) -> Phase:
    return [p for p in episode.phases if p.stage == stage][number]


def test_every_stage_from_demand_to_drained(tmp_path: Path) -> None:
    (episode,) = cold_start().open(tmp_path).timeline()
    assert (episode.started_at, episode.ended_at) == (at(11), at(143))
    assert (episode.peak_demand, episode.peak_replicas) == (8, 2)
    told = [(p.stage, p.author, p.started_at, p.ended_at) for p in episode.phases]
    assert told == [
        ("trigger", "keda-operator", at(11), at(12)),
        ("metric", "keda-metrics-apiserver", at(12), at(27)),
        ("decide", "hpa", at(12), at(27)),
        ("create", "workload", at(12), at(27)),
        ("place", "nodes", at(12), at(28)),
        ("image", "image", at(12), at(31)),
        ("start", "worker", at(14), at(36)),
        ("consume", "broker", at(17), at(18)),
        ("execute", "worker", at(18), at(100)),
        ("decide", "keda-operator", at(100), at(140)),
        ("drain", "worker", at(140), at(143)),
    ]
    assert [(d.before, d.after, d.author) for d in episode.decisions] == [(0, 1, "keda"), (1, 2, "hpa"), (2, 0, "keda")]


def test_each_stage_shows_rows_that_can_be_looked_up(tmp_path: Path) -> None:
    case = cold_start().open(tmp_path)
    (episode,) = case.timeline()
    for told in episode.phases:
        assert told.evidence, told.stage
        for item in told.evidence:
            assert case.rows(item).rows, f"{told.stage}: no row for {item}"
    assert phase(episode, "image").evidence[0].key == "air/w1"
    assert "3.0 s" in phase(episode, "image").text


def test_demand_that_nobody_answers_is_an_open_trigger(tmp_path: Path) -> None:
    incident = Incident()
    incident.run("r", 10, 10.2)
    incident.task("t", "r", none=10, scheduled=10.5, queued=11)
    (episode,) = incident.open(tmp_path).timeline()
    assert episode.ended_at is None
    assert [(p.stage, p.author, p.ended_at) for p in episode.phases] == [("trigger", "keda-operator", None)]


def test_a_metric_that_fails_first_says_so(tmp_path: Path) -> None:
    incident = cold_start()
    incident.hpa(20, active="FailedGetExternalMetric", message="timeout")
    (episode,) = incident.open(tmp_path).timeline()
    told = phase(episode, "metric")
    assert "after 1 status(es) without an answer" in told.text
    assert [item.text.split(":")[0] for item in told.evidence] == ["FailedGetExternalMetric", "ValidMetricFound"]


def test_a_pod_that_never_comes_leaves_its_stages_open(tmp_path: Path) -> None:
    incident = Incident()
    incident.active_from = 12
    incident.replicas(12, 1, 0, "keda")
    incident.replicas(12.2, 1, 1, "keda")
    incident.pod("w0", 12, scheduled=12)
    incident.run("r", 10, 10.2)
    incident.task("t", "r", none=10, scheduled=10.5, queued=11)
    (episode,) = incident.open(tmp_path).timeline()
    assert phase(episode, "image").ended_at is None
    assert "0 of 1" in phase(episode, "image").text
    assert "start" not in {p.stage for p in episode.phases}


def test_a_size_changed_without_demand_is_told_with_its_author(tmp_path: Path) -> None:
    incident = Incident()
    incident.replicas(30, 3, 0, "kubectl")
    incident.replicas(60, 0, 3, "keda")
    (episode,) = incident.open(tmp_path).timeline()
    assert (episode.peak_demand, episode.peak_replicas, episode.phases) == (0, 3, ())
    assert [(d.before, d.after, d.author) for d in episode.decisions] == [(0, 3, "kubectl"), (3, 0, "keda")]


def test_a_target_that_rests_at_one_worker_is_over_there(tmp_path: Path) -> None:
    case = warm(tmp_path)
    installed, first, second = case.timeline()
    assert (installed.peak_demand, installed.decisions[0].author) == (0, "helm")
    assert first.ended_at is not None
    assert "trigger" not in {p.stage for p in first.phases}
    assert [(d.before, d.after) for d in first.decisions] == [(1, 2), (2, 1)]
    assert second.started_at == at(151)


def warm(folder: Path) -> Investigation:
    """minReplicaCount 1: up to two and back to one, then more demand."""
    incident = Incident(end=200)
    incident.replicas(1, 1, 1, "helm")
    incident.pod("w0", 1, scheduled=1, started=2, ready=3)
    incident.hpa(20, metric=2, replicas=1, desired=2)
    incident.replicas(20, 2, 1)
    incident.pod("w1", 20, scheduled=20, started=21, ready=25, stopped=90, gone=91)
    incident.replicas(90, 1, 2)
    for run, begin in (("a", 10.0), ("b", 150.0)):
        incident.run(run, begin, begin + 0.2)
        incident.task("t", run, none=begin, scheduled=begin + 0.5, queued=begin + 1, running=begin + 2, ended=begin + 30,
                      host="w0")  # fmt: skip
    incident.min_replicas = 1
    return incident.open(folder)


def test_work_that_comes_back_after_zero_is_another_episode(tmp_path: Path) -> None:
    incident = Incident(end=300)
    for begin in (12.0, 112.0):
        incident.replicas(begin, 1, 0, "keda")
        incident.replicas(begin + 50, 0, 1, "keda")
        incident.run(f"r{begin}", begin - 2, begin - 1)
        incident.task("t", f"r{begin}", none=begin - 2, queued=begin - 1, running=begin + 8, ended=begin + 20, host="w")
    assert len(incident.open(tmp_path).timeline()) == 2


def test_every_change_of_the_size_is_told_once(tmp_path: Path) -> None:
    incident = cold_start(end=260)
    incident.replicas(200, 4, 0, "argocd-controller")
    incident.replicas(230, 0, 4, "keda")
    case = incident.open(tmp_path)
    told = sorted((d.at, d.author) for episode in case.timeline() for d in episode.decisions)
    written = case.sql("SELECT epoch_us(moment) FROM decisions ORDER BY moment").rows
    assert [moment for moment, _ in told] == [moment for (moment,) in written]
    assert (at(200), "argocd-controller") in told
