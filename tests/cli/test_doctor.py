"""afscope doctor: one look at a live system."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
