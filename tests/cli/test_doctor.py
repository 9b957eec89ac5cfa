"""afscope doctor: one look at a live system."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afscope.cli.doctor_view import chain_lines, clock_lines
from afscope.cli.doctor_words import SAY
from afscope.engine.wiring import Clock
from afscope.model.clock import SECOND
from afscope.replay.kube.faults import Fault
from afscope.store.reader import Capture
from tests.cli.test_capture import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The full pool, in the middle of the incident."""
    with Lab(tmp_path) as lab:
        lab.pace.jump(lab.begins + 40 * SECOND)
        yield lab


def looked(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "afscope", "doctor", "--no-broker", "--for", "40s", *arguments],
        capture_output=True, text=True, timeout=120, env=lab.env, cwd=lab.folder, check=False,
    )  # fmt: skip


def test_it_says_what_it_reached_and_the_verdict_so_far(lab: Lab) -> None:
    keep = lab.folder / "look.afscope"
    done = looked(lab, *lab.everything, "-o", "json", "--keep", str(keep))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["root_causes"] == ["pool_exhausted"]
    assert document["verdict"]["healthy"] is False
    assert [part.split(" (")[0] for part in document["reached"]] == ["Kubernetes afscope-replay", "Airflow DB"]
    assert any("leases" in complaint for complaint in document["complaints"])
    assert Capture.open(keep).manifest.closed


def test_people_read_rights_conditions_and_verdict(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="403", path="/pods"))
    done = looked(lab, *lab.everything, "--lang", "zh")
    assert done.returncode == 0, done.stderr
    assert "已连接: Airflow DB" in done.stdout
    assert "! not recorded, as the API server forbids it: pods" in done.stdout
    assert "结论" in done.stdout
    assert not list(lab.folder.glob("*.afscope"))


def test_rights_and_wiring_of_a_live_system(lab: Lab) -> None:
    document = json.loads(looked(lab, *lab.everything, "-o", "json").stdout)
    rights = {(right["system"], right["table"]): right["ok"] for right in document["rights"]}
    assert rights["kubernetes", "pods"] is True
    assert rights["kubernetes", "leases"] is False
    assert rights["airflow_db", "task_instances"] is True
    assert [clock["source"] for clock in document["clocks"]] == ["kubernetes"]
    (chain,) = document["wiring"]
    assert chain["target"] == document["targets"][0]["target"]
    assert chain["scaledobject"]["ready"]["status"] == "True"
    assert chain["scaledobject"]["paused"] is False
    assert chain["trigger"]["type"] == "postgresql"
    assert "task_instance" in chain["trigger"]["query"]
    assert chain["external_metrics_api"]["status"] == "True"
    hpa, ceiling = chain["hpa"], chain["ceiling"]
    assert (hpa["exists"], hpa["scaling_active"]["status"]) == (True, "True")
    assert hpa["metric"]["target"] == 1
    pools = ceiling["pool_slots"] or 10**9
    assert ceiling["tasks"] == min(ceiling["parallelism"] * ceiling["schedulers"], pools)
    assert ceiling["workers"] == -(-ceiling["tasks"] // ceiling["worker_slots"])
    assert ceiling["reachable"] == (ceiling["workers"] >= ceiling["max_replica_count"])


def test_a_kind_that_does_not_answer_is_unknown_and_never_called_missing(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="hang", path="/scaledobjects"))
    keep = lab.folder / "look.afscope"
    done = looked(lab, *lab.everything, "--keep", str(keep))
    assert done.returncode == 0, done.stderr
    flat = " ".join(done.stdout.split())
    assert "unknown Kubernetes scaledobjects: no answer in this time" in flat.replace("? Kub", "unknown Kub")
    assert "not assessed: ScaledObjects could not be listed" in flat
    assert "no ScaledObject was seen" not in flat


def chain(**changes: Any) -> dict[str, Any]:
    """A chain in which all is well, but for the changes."""
    good = {"status": "True", "reason": "AllGood", "message": "words"}
    hpa = {"name": "keda-hpa-w", "exists": True, "able_to_scale": good, "scaling_active": good,
           "scaling_limited": {**good, "status": "False"}, "current_replicas": 1, "desired_replicas": 2,
           "metric": {"name": "s0-postgresql", "type": "AverageValue", "current": 1.5, "target": 1.0}}  # fmt: skip
    ceiling = {"tasks": 32, "parallelism": 32, "parallelism_known": False, "schedulers": 1, "pool_slots": None,
               "worker_slots": 16, "worker_slots_known": True, "workers": 2, "min_replica_count": 0,
               "max_replica_count": 10, "reachable": False}  # fmt: skip
    whole = {"target": "air/w", "scaledobject": {"ready": good, "active": good, "fallback": "False", "paused": False},
             "trigger": {"type": "postgresql", "query": "SELECT 1", "target": 1.0, "polling_interval_s": 5},
             "external_metrics_api": good, "hpa": hpa, "ceiling": ceiling}  # fmt: skip
    return {**whole, **changes}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_hop_says_whether_it_is_well(lang: str) -> None:
    say = SAY[lang]
    good = list(chain_lines(chain(), say))
    assert [text for ok, _, text in good if ok is False] == [good[-1][2]], "only the ceiling"
    assert "parallelism 32" in good[-1][2]
    assert say["assumed"].format(names="parallelism") in good[-1][2]
    broken = chain(external_metrics_api={"status": None, "reason": None, "message": None}, ceiling=None)
    broken["scaledobject"] = {**broken["scaledobject"], "paused": True, "fallback": "True"}
    broken["hpa"] = {**broken["hpa"], "exists": False}
    told = [text for ok, _, text in chain_lines(broken, say) if ok is False]
    assert told == [say["paused"], say["fallback"], say["no_api"], say["no_hpa"].format(name="keda-hpa-w")]


@pytest.mark.parametrize(
    ("ahead", "key"), [(0.4, "clock_same"), (30.0, "clock_ahead"), (-30.0, "clock_behind"), (-1.2, "clock_same")]
)
def test_clocks_that_disagree_are_told(ahead: float, key: str) -> None:
    for say in SAY.values():
        ((ok, name, text),) = clock_lines([Clock("kubernetes", ahead, 0.3)], say)
        assert (ok, name) == (key == "clock_same", "kubernetes")
        assert text == say[key].format(apart=f"{abs(ahead):.1f}", more="0.3")


def test_both_languages_say_the_same() -> None:
    assert SAY["en"].keys() == SAY["zh"].keys()
    fields = {lang: {key: sorted(re.findall(r"{(\w+)}", text)) for key, text in SAY[lang].items()} for lang in SAY}
    assert fields["en"] == fields["zh"]


def test_nothing_to_look_at(lab: Lab) -> None:
    done = looked(lab, "--kubeconfig", str(lab.folder / "none"))
    assert done.returncode == 2
    assert "nothing can be recorded" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--for", "1h"), "at most 10 minutes"), (("-o", "yaml"), "table, json"), (("--keep", "."), "exists")],
)
def test_bad_arguments(arguments: tuple[str, ...], words: str, lab: Lab) -> None:
    done = looked(lab, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
