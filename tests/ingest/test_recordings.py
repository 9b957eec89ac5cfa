"""Raw recordings to captures: real ones, and what is left of them after an accident."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import ImportFailed
from afscope.ingest import import_sources
from afscope.model.capture import SourceState
from afscope.store.reader import Capture

REAL = Path(__file__).parents[1] / "data" / "recordings"


def copy(tmp_path: Path, name: str = "pool") -> Path:
    return Path(shutil.copytree(REAL / name, tmp_path / name))


def imported(tmp_path: Path, source: Path) -> Capture:
    import_sources([source], tmp_path / "out.afscope")
    return Capture.open(tmp_path / "out.afscope")


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize("name", ["pool", "max_replicas_mariadb", "healthy_airflow3"])
def test_a_real_recording_becomes_a_closed_capture(tmp_path: Path, name: str) -> None:
    capture = imported(tmp_path, REAL / name)
    assert capture.manifest.closed
    assert capture.manifest.unread == []
    for table in (
        "task_instances",
        "dag_runs",
        "jobs",
        "pods",
        "workloads",
        "hpas",
        "scaledobjects",
        "events",
        "polls",
        "log_lines",
    ):
        assert capture.rows(table) > 0, table
    assert capture.manifest.airflow_version.startswith("3.3" if "airflow3" in name else "2.10")
    assert capture.manifest.redactions


def test_listed_none_is_not_the_same_as_not_recorded(tmp_path: Path) -> None:
    source = copy(tmp_path)
    (source / "k8s" / "nodes.jsonl.gz").unlink()
    capture = imported(tmp_path, source)
    assert capture.rows("quotas") == 0
    assert capture.source("quotas").status is SourceState.OK
    assert capture.source("nodes").status is SourceState.NOT_RECORDED
    assert capture.source("leases").status is SourceState.NOT_RECORDED


def test_without_one_kind_of_workload_the_table_is_partial(tmp_path: Path) -> None:
    source = copy(tmp_path)
    (source / "k8s" / "statefulsets.jsonl.gz").unlink()
    found = imported(tmp_path, source).source("workloads")
    assert found.status is SourceState.PARTIAL
    assert "statefulsets" in found.reason


def test_without_the_database_its_tables_are_not_recorded(tmp_path: Path) -> None:
    source = copy(tmp_path)
    (source / "airflow_db.jsonl.gz").unlink()
    capture = imported(tmp_path, source)
    assert capture.source("task_instances").status is SourceState.NOT_RECORDED
    assert capture.source("pods").status is SourceState.OK


def test_a_file_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    source = copy(tmp_path)
    path = source / "k8s" / "events.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-200])
    whole = import_sources([REAL / "pool"], tmp_path / "whole.afscope")
    summary = import_sources([source], tmp_path / "out.afscope")
    assert 0 < summary.rows["events"] < whole.rows["events"]
    assert any("events.jsonl.gz" in line and "ends in the middle" in line for line in summary.unread)


def test_malformed_lines_are_listed_and_the_rest_is_kept(tmp_path: Path) -> None:
    source = copy(tmp_path)
    lines = gzip.decompress((source / "k8s" / "pods.jsonl.gz").read_bytes()).splitlines()
    (source / "k8s" / "pods.jsonl.gz").unlink()
    mixed = [*lines[:2], b'{"t": 1, "type"', b"\xff\xfe\x00", b'{"t": "soon", "type": "ADDED"}', *lines[2:]]
    (source / "k8s" / "pods.jsonl").write_bytes(b"\n".join(mixed))
    summary = import_sources([source], tmp_path / "out.afscope")
    assert summary.rows["pods"] == import_sources([REAL / "pool"], tmp_path / "whole.afscope").rows["pods"]
    assert [line.split(":")[1] for line in summary.unread if "pods.jsonl" in line] == ["3", "4", "5"]


def test_a_lost_watch_and_a_failed_poll_are_holes(tmp_path: Path) -> None:
    source = tmp_path / "rec"
    pod = {"kind": "Pod", "metadata": {"name": "p", "uid": "u", "namespace": "n"}}
    write(source / "k8s" / "pods.jsonl", [
        {"t": 100, "type": "LIST", "object": pod}, {"t": 110, "type": "DISCONNECT"},
        {"t": 140, "type": "MODIFIED", "object": pod},
    ])  # fmt: skip
    write(source / "airflow_db.jsonl", [
        {"t": 100, "poll": "ok", "took": 0.01}, {"t": 101, "poll": "failed", "took": 5, "error": "password=hunter2"},
        {"t": 107, "poll": "ok", "took": 0.01},
    ])  # fmt: skip
    capture = imported(tmp_path, source)
    holes = {(gap.source, (gap.to_ts - gap.from_ts) // 1_000_000) for gap in capture.gaps()}
    assert ("pods", 30) in holes
    assert ("task_instances", 6) in holes
    assert "hunter2" not in str(capture.gaps())
    assert capture.source("pods").status is SourceState.PARTIAL


@pytest.mark.parametrize("content", [b"", b"\x00\xff{not json\n" * 50, b"hello\n", b"[]"])
def test_nothing_to_import_leaves_nothing_behind(tmp_path: Path, content: bytes) -> None:
    junk = tmp_path / "junk.jsonl"
    junk.write_bytes(content)
    with pytest.raises(ImportFailed, match="nothing to import"):
        import_sources([junk], tmp_path / "out.afscope")
    assert not (tmp_path / "out.afscope").exists()


def test_a_label_alone_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "label.json").write_text("{}")
    with pytest.raises(ImportFailed, match="nothing to import"):
        import_sources([tmp_path / "only"], tmp_path / "out.afscope")


def test_the_samples_of_the_external_metric_stay_out(tmp_path: Path) -> None:
    source = copy(tmp_path)
    write(source / "external_metrics.jsonl", [{"t": 1, "value": 4711}])
    summary = import_sources([source], tmp_path / "out.afscope")
    assert "trigger_metrics" not in summary.rows
    assert summary.unread == []


@pytest.mark.parametrize("delay", [0.3, 0.5, 0.7, 1.0])
def test_a_killed_import_leaves_a_capture_that_opens_or_nothing(tmp_path: Path, delay: float) -> None:
    out = tmp_path / "out.afscope"
    code = f"from pathlib import Path; from afscope.ingest import import_sources; import_sources([Path({str(REAL / 'pool')!r})], Path({str(out)!r}))"
    process = subprocess.Popen([sys.executable, "-c", code])
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if out.exists():
        capture = Capture.open(out)
        assert capture.warnings == [] or not capture.manifest.closed
        for table in ("pods", "task_instances"):
            capture.table(table)
