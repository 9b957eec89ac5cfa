"""A list of objects, got once, acquits nobody: what it shows holds for that moment."""

from pathlib import Path

from afscope.model.finding import Ruling
from afscope.model.row import Row
from tests.engine.incident import Incident, at, ruling

STATE = ("pods", "hpas", "workloads", "scaledobjects", "nodes", "apiservices")
WATCHED = ("hpa", "nodes", "image", "quota", "workload", "autoscaler-settings", "keda-operator", "aggregation")


class Listed(Incident):
    """What was recorded of the cluster is one `kubectl get` at the end; Airflow's tables were polled all the time."""

    def _background(self) -> None:
        super()._background()
        last = {(row.table, row.values["uid"]): row for row in self.rows if row.table in STATE}
        listed = [Row(row.table, {**row.values, "seen_at": at(self.end)}) for row in last.values()]
        self.rows = [row for row in self.rows if row.table not in (*STATE, "samples")] + listed


def busy(incident: Incident) -> Incident:
    """One worker runs four tasks to a good end."""
    incident.workers()
    incident.node(0)
    incident.run("r", 10, 10.2)
    for number in range(4):
        incident.task(f"t{number}", "r", none=10, scheduled=10.4, queued=11, running=18, ended=60, host="w0")
    return incident


def test_one_look_at_the_cluster_acquits_nobody_who_must_be_watched(tmp_path: Path) -> None:
    case = busy(Listed()).open(tmp_path)
    assert {name: ruling(case, name) for name in WATCHED} == dict.fromkeys(WATCHED, Ruling.NOT_ASSESSED)
    told = {item.component: item.because for item in case.analysis.verdict.components}
    assert "looked at once" in told["nodes"]


def test_a_recorder_that_watched_a_cluster_in_which_nothing_moved_acquits(tmp_path: Path) -> None:
    incident = Incident()
    incident.hpa(1, active="ScalingDisabled", replicas=0, desired=0)
    assert ruling(incident.open(tmp_path), "hpa") is Ruling.NOT_GUILTY


def test_what_settings_and_tables_prove_needs_no_second_look(tmp_path: Path) -> None:
    case = busy(Listed()).open(tmp_path)
    assert ruling(case, "trigger") is Ruling.NOT_GUILTY
    assert ruling(case, "metadata-db") is Ruling.NOT_GUILTY


def test_a_cluster_that_was_watched_is_acquitted(tmp_path: Path) -> None:
    case = busy(Incident()).open(tmp_path)
    for name in ("hpa", "nodes", "image", "quota", "workload", "keda-operator"):
        assert ruling(case, name) is Ruling.NOT_GUILTY, name


def test_one_is_not_all(tmp_path: Path) -> None:
    case = busy(Incident()).open(tmp_path)
    told = {item.component: item.because for item in case.analysis.verdict.components}
    assert told["nodes"].startswith("the only worker pod got a node")
    assert told["deployer"].startswith("the only change of spec.replicas")
