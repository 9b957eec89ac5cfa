"""Raw recordings to captures: real ones, and what is left of them after an accident."""

import gzip
import json
import os
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
from afscope.store.verify import verify

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


def pod(name: str, namespace: str = "air") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "uid": name, "namespace": namespace}}


def pods(tmp_path: Path, *lines: dict[str, Any]) -> Capture:
    write(tmp_path / "rec" / "k8s" / "pods.jsonl", list(lines))
    return imported(tmp_path, tmp_path / "rec")


def changes(capture: Capture) -> list[tuple[str, str]]:
    table = capture.table("pods").sort_by("seen_at")
    return list(zip(table["uid"].to_pylist(), table["change"].to_pylist(), strict=True))


@pytest.mark.parametrize("loss", ["DISCONNECT", "ERROR"])
def test_a_list_after_a_lost_watch_tells_who_is_gone(tmp_path: Path, loss: str) -> None:
    found = pods(
        tmp_path,
        {"t": 100, "type": "LIST", "object": pod("a")},
        {"t": 100, "type": "LIST", "object": pod("b")},
        {"t": 100, "type": "LIST", "object": pod("c", namespace="other")},
        {"t": 110, "type": loss, "object": {"kind": "Status", "code": 410}},
        {"t": 140, "type": "LIST", "object": pod("b")},
        {"t": 150, "type": "MODIFIED", "object": pod("b")},
    )
    assert changes(found)[3:] == [("b", "STATE"), ("a", "DELETED"), ("b", "MODIFIED")]
    assert [(gap.source, gap.to_ts - gap.from_ts) for gap in found.gaps()] == [("pods", 30_000_000)]
    assert set(found.table("objects")["kind"].to_pylist()) == {"Pod"}


def test_a_second_list_without_a_loss_deletes_nobody(tmp_path: Path) -> None:
    found = pods(
        tmp_path,
        {"t": 100, "type": "LIST", "object": pod("a")},
        {"t": 101, "type": "MODIFIED", "object": pod("a")},
        {"t": 102, "type": "LIST", "object": pod("b")},
    )
    assert "DELETED" not in {change for _, change in changes(found)}


def test_a_source_that_never_came_back_has_a_hole_until_the_end(tmp_path: Path) -> None:
    write(tmp_path / "rec" / "airflow_db.jsonl", [{"t": 100, "poll": "ok", "took": 0.01}, {"t": 160, "poll": "failed"}])
    write(tmp_path / "rec" / "k8s" / "nodes.jsonl", [{"t": 170, "type": "BOOKMARK"}])
    found = pods(tmp_path, {"t": 100, "type": "LIST", "object": pod("a")}, {"t": 110, "type": "DISCONNECT"})
    holes = {gap.source: (gap.from_ts // 1_000_000, gap.to_ts // 1_000_000) for gap in found.gaps()}
    assert holes["pods"] == (110, 170)
    assert holes["task_instances"] == (160, 170)
    assert found.manifest.ended_at == 170_000_000


@pytest.mark.parametrize("t", [1e20, -5, "now", None])
def test_a_line_with_an_impossible_time_is_listed(tmp_path: Path, t: Any) -> None:
    found = pods(
        tmp_path,
        {"t": 100, "type": "LIST", "object": pod("a")},
        {"t": t, "type": "LIST", "object": pod("b")},
        {"t": 101, "type": "SHRUG", "object": pod("c")},
    )
    assert changes(found) == [("a", "STATE")]
    assert [line.split(":")[1] for line in found.manifest.unread] == ["2", "3"]


def airflow_line(second: int, text: str) -> str:
    return (
        f"[1970-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000+0000] {{x.py:1}} INFO - {text}\n"
    )


FULL = "Executor parallelism limit reached. 0 open slots."


def test_logs_reach_beyond_a_recording_without_stretching_it(tmp_path: Path) -> None:
    write(tmp_path / "rec" / "airflow_db.jsonl", [{"t": t, "poll": "ok", "took": 0.01} for t in (5000, 5060)])
    (tmp_path / "rec" / "logs").mkdir()
    text = "\n\n" + airflow_line(100, FULL) + airflow_line(5030, FULL) + airflow_line(9000, FULL)
    (tmp_path / "rec" / "logs" / "pod.rel-scheduler-1.log").write_text(text)
    found = imported(tmp_path, tmp_path / "rec")
    assert (found.manifest.started_at, found.manifest.ended_at) == (5_000_000_000, 5_060_000_000)
    table = found.table("log_lines").sort_by("line")
    assert table["line"].to_pylist() == [3, 4, 5]
    assert [int(at.timestamp()) for at in table["ts"].to_pylist()] == [100, 5030, 9000]
    assert [int(at.timestamp()) for at in table["seen_at"].to_pylist()] == [5000, 5030, 9000]


def test_a_log_alone_is_known_by_its_lines(tmp_path: Path) -> None:
    (tmp_path / "whatever.txt").write_text(airflow_line(100, FULL) + airflow_line(160, FULL))
    found = imported(tmp_path, tmp_path / "whatever.txt")
    assert found.rows("log_lines") == 2
    assert (found.manifest.started_at, found.manifest.ended_at) == (100_000_000, 160_000_000)
    assert found.source("task_instances").status is SourceState.NOT_RECORDED


def test_a_json_log_of_the_operator_is_not_taken_for_kubectl_output(tmp_path: Path) -> None:
    line = {"level": "error", "ts": "2026-11-22T20:00:00Z", "msg": "error getting metric for trigger",
            "object": {"name": "so"}, "kind": "ScaledObject"}  # fmt: skip
    write(tmp_path / "keda-operator.log", [line])
    assert imported(tmp_path, tmp_path / "keda-operator.log").rows("log_lines") == 1


def test_a_line_without_end_is_bounded(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "huge.log.gz", "wb", compresslevel=1) as handle:
        handle.write(airflow_line(100, FULL).encode())
        for _ in range(70):
            handle.write(b"x" * (1 << 20))
        handle.write(b"\n" + airflow_line(101, FULL).encode())
    found = imported(tmp_path, tmp_path / "huge.log.gz")
    assert found.table("log_lines").sort_by("line")["line"].to_pylist() == [1, 3]


def test_files_of_a_recording_may_come_without_their_folder(tmp_path: Path) -> None:
    summary = import_sources(
        [REAL / "pool" / "airflow_db.jsonl.gz", REAL / "pool" / "k8s" / "pods.jsonl.gz"], tmp_path / "out.afscope"
    )
    whole = import_sources([REAL / "pool"], tmp_path / "whole.afscope")
    assert summary.rows["task_instances"] == whole.rows["task_instances"]
    assert summary.rows["pods"] == whole.rows["pods"]


def test_what_is_left_out_on_purpose_is_said(tmp_path: Path) -> None:
    source = copy(tmp_path)
    write(source / "external_metrics.jsonl", [{"t": 1, "value": 4711}])
    summary = import_sources([source], tmp_path / "out.afscope")
    assert ["external_metrics" in line for line in summary.ignored] == [True]
    assert summary.sources["quotas"].status is SourceState.OK
    assert Capture.open(tmp_path / "out.afscope").manifest.settings["ignored"] == summary.ignored


@pytest.mark.skipif("AFSCOPE_RECORDINGS" not in os.environ, reason="AFSCOPE_RECORDINGS names no folder of recordings")
def test_every_recording_is_read_whole(tmp_path: Path) -> None:
    folders = sorted(path for path in Path(os.environ["AFSCOPE_RECORDINGS"]).iterdir() if path.is_dir())
    assert folders
    for number, folder in enumerate(folders):
        summary = import_sources([folder], tmp_path / f"{number}.afscope")
        assert summary.unread == [], folder.name
        assert verify(tmp_path / f"{number}.afscope").ok, folder.name
