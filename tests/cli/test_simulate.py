"""`afscope simulate`: the contract, several variants, files, languages, clear refusals."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

SAMPLE = "metrics-apiserver-hung"
QUICK = ("--draws", "2")


@pytest.fixture
def capture(shipped: dict[str, Path]) -> Path:
    return shipped[SAMPLE]


def test_the_json_is_the_contract(capture: Path, run: Run) -> None:
    result = run("simulate", capture, "-o", "json", "--set", "maxReplicaCount=20", *QUICK)
    assert result.code == 0
    document = json.loads(result.out)
    assert document["schema_version"] == 1
    fidelity = document["fidelity"]
    assert fidelity["writes"]["matched"] == fidelity["writes"]["total"] > 0
    assert fidelity["syncs"]["matched"] == fidelity["syncs"]["observed"] > 0
    assert {"unobservable", "mismatches", "trusted", "because", "metric_width"} <= fidelity.keys()
    (variant,) = document["variants"]
    assert variant["set"] == {"maxReplicaCount": "20"}
    for outcome in (document["recorded"], document["baseline"], variant):
        assert {"wait_p50_s", "wait_p95_s", "lost_task_seconds", "pod_hours", "ci", "finished_at"} <= outcome.keys()
    assert document["targets"][0]["baseline"] == document["baseline"]


def test_the_table_shows_variants_side_by_side(capture: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    result = run("simulate", capture, "--sweep", "maxReplicaCount=5,20", "--variant", "faults=none", *QUICK)
    assert result.code == 0
    for text in (
        "Fidelity: writes",
        "as recorded",
        "simulated as it was",
        "maxReplicaCount=20",
        "faults=none",
        "Scale to",
    ):
        assert text in result.out


def test_it_speaks_chinese(capture: Path, run: Run) -> None:
    out = run("simulate", capture, "--lang", "zh", *QUICK).out
    assert "可信度" in out
    assert "实际记录" in out


def test_settings_come_from_a_file(capture: Path, run: Run, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("workers: {keda: {maxReplicaCount: 9, pollingInterval: 2}}")
    result = run("simulate", capture, "--from", values, "--set", "pollingInterval=3", "-o", "json", *QUICK)
    (variant,) = json.loads(result.out)["variants"]
    assert variant["set"] == {"maxReplicaCount": "9", "pollingInterval": "3"}


def test_the_settings_can_be_listed(capture: Path, run: Run) -> None:
    result = run("simulate", capture, "--settings")
    assert result.code == 0
    assert "maxReplicaCount" in result.out
    assert "worker_concurrency" in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "maxReplicaCount"), "write name=value"),
        (("--set", "maxreplicacount=3"), "did you mean maxReplicaCount"),
        (("--sweep", "maxReplicaCount=a,b"), "whole number"),
        (("--from", "/nonexistent.yaml"), "/nonexistent.yaml"),
        (("--target", "air/none"), "no target"),
        (("--draws", "0"), "draws 0"),
        (("-o", "csv"), "--output"),
    ],
)
def test_a_refusal_is_one_clear_sentence(capture: Path, run: Run, arguments: tuple[str, ...], said: str) -> None:
    result = run("simulate", capture, *arguments)
    assert result.code == 2
    assert said in result.err
    assert result.out == ""
