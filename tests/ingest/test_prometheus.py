"""Samples of Prometheus in every form, and the objects that known names measure."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from afscope.model.capture import SourceState
from tests.ingest.exports import EXPORTS, imported, rows, written

START = 1795380120


def answer(*series: tuple[dict[str, str], list[tuple[int, str]]]) -> str:
    result = [{"metric": metric, "values": [[START + at, value] for at, value in values]} for metric, values in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def named(name: str, **labels: str) -> dict[str, str]:
    return {"__name__": name, "namespace": "air", **labels}


def test_a_real_answer(tmp_path: Path) -> None:
    capture = imported(tmp_path / "x", EXPORTS / "prometheus-range.json.gz")
    hpas = rows(capture, "hpas")
    assert [(row["current_replicas"], row["desired_replicas"]) for row in hpas] == [
        (0, 0),
        (0, 0),
        (1, 4),
        (4, 5),
        (5, 5),
    ]
    assert {(row["max_replicas"], row["target_name"]) for row in hpas} == {(5, "ml-worker")}
    assert [row["active_status"] for row in hpas] == [None, "False", "True", "True", "True"]
    assert {row["node"] for row in rows(capture, "pods")} == {"node-1", "node-2"}
    values = rows(capture, "trigger_metrics")
    assert [row["value_milli"] for row in values] == [0, 1000, 2000, 3000, 0, 1000, 2000]
    assert {(row["source"], row["scaledobject"]) for row in values} == {("keda_metrics", "ml-worker")}
    assert capture.source("hpas").status is SourceState.PARTIAL
    assert "one sample per 15 s" in capture.manifest.settings["notes"][0]


SERIES = (named("kube_deployment_spec_replicas", deployment="w"), [(0, "1"), (15, "1"), (30, "4"), (45, "4")])


@pytest.mark.parametrize("form", ["range", "bare", "openmetrics", "text", "dump"])
def test_every_form_gives_the_same(tmp_path: Path, form: str) -> None:
    labels = 'deployment="w",namespace="air"'
    forms = {
        "range": answer(SERIES),
        "bare": json.dumps(json.loads(answer(SERIES))["data"]["result"]),
        "openmetrics": "# TYPE kube_deployment_spec_replicas gauge\n"
        + "".join(f"kube_deployment_spec_replicas{{{labels}}} {v} {START + at}\n" for at, v in SERIES[1]) + "# EOF\n",
        "text": "".join(f"kube_deployment_spec_replicas{{{labels}}} {v} {(START + at) * 1000}\n" for at, v in SERIES[1]),
        "dump": "".join(
            f'{{__name__="kube_deployment_spec_replicas", {labels}}} {v} {(START + at) * 1000}\n' for at, v in SERIES[1]
        ),
    }  # fmt: skip
    capture = imported(tmp_path / "x", written(tmp_path, "m.txt", forms[form]))
    found = [(row["ts"].timestamp(), row["spec_replicas"]) for row in rows(capture, "workloads")]
    assert found == [(START, 1), (START + 30, 4)]
    assert [row["value"] for row in rows(capture, "metrics")] == [1, 4]


def test_what_is_measured_no_more_is_gone(tmp_path: Path) -> None:
    old = (named("kube_pod_info", pod="old", uid="o", node="n"), [(0, "1"), (15, "1")])
    new = (named("kube_pod_info", pod="new", uid="n", node="n"), [(at, "1") for at in range(0, 120, 15)])
    found = rows(imported(tmp_path / "x", written(tmp_path, "m.json", answer(old, new))), "pods")
    assert [(row["name"], row["change"]) for row in found][-1] == ("old", "DELETED")
    assert found[-1]["seen_at"].timestamp() == START + 30
    assert {row["uid"] for row in found} == {"o", "n"}


def test_labels_behind_a_scrape_of_its_own_namespace(tmp_path: Path) -> None:
    metric = {
        "__name__": "kube_deployment_spec_replicas",
        "namespace": "monitoring",
        "exported_namespace": "air",
        "deployment": "w",
    }
    found = rows(imported(tmp_path / "x", written(tmp_path, "m.json", answer((metric, [(0, "2")])))), "workloads")
    assert [(row["namespace"], row["spec_replicas"]) for row in found] == [("air", 2)]


def test_what_no_object_has_is_kept_as_a_sample(tmp_path: Path) -> None:
    metric = {"__name__": "airflow_pool_open_slots", "pool_name": "tiny"}
    capture = imported(tmp_path / "x", written(tmp_path, "m.json", answer((metric, [(0, "2"), (15, "0"), (30, "0")]))))
    assert [(json.loads(row["labels"]), row["value"]) for row in rows(capture, "metrics")] == [
        ({"pool_name": "tiny"}, 2), ({"pool_name": "tiny"}, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(("listed", "known"), [("20:42:10", [1, 7]), ("20:43:00", [1, 4, 7]), ("20:41:00", [7])])
def test_of_what_was_listed_the_past_is_measured(tmp_path: Path, listed: str, known: list[int]) -> None:
    folder = tmp_path / "dump"
    written(folder, "m.json", answer(SERIES))  # 1 at 20:42:00, 4 at 20:42:30
    meta = {"name": "w", "namespace": "air", "uid": "real", "creationTimestamp": f"2026-11-22T{listed}Z"}
    deployment: dict[str, Any] = {"kind": "Deployment", "metadata": meta, "spec": {"replicas": 7}}
    written(folder, "d.json", json.dumps(deployment))
    capture = imported(tmp_path / "x", folder)
    found = rows(capture, "workloads")
    assert {row["uid"] for row in found} == {"real"}
    assert [row["spec_replicas"] for row in found] == known
    assert capture.rows("metrics") == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '{"status":"error","errorType":"bad_data","error":"parse error","data":{"resultType":"matrix","result":[]}}',
            "error",
        ),
        (answer(SERIES)[:-40], "no whole answer"),
        ("# TYPE a gauge\na 1 1795380120000\n???\n", "m.json:3: no sample"),
        (
            '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"a"},"values":"x"}]}}',
            "result 1",
        ),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, why: str) -> None:
    folder = tmp_path / "dump"
    written(folder, "m.json", text)
    written(
        folder,
        "p.json",
        '{"kind": "Pod", "metadata": {"name": "w", "uid": "w", "creationTimestamp": "2026-11-22T20:00:00Z"}}',
    )
    assert any(why in line for line in imported(tmp_path / "x", folder).manifest.unread)


def test_a_page_without_times_is_dated_by_the_file_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "scrape.txt", "# TYPE a gauge\na 1\n", saved_at="2026-11-22T20:00:00Z")
    capture = imported(tmp_path / "x", path)
    assert rows(capture, "metrics")[0]["ts"].isoformat() == "2026-11-22T20:00:00+00:00"
    assert "dated by the file" in capture.manifest.settings["notes"][0]


def test_gzip_changes_nothing(tmp_path: Path) -> None:
    text = gzip.decompress((EXPORTS / "prometheus-range.json.gz").read_bytes())
    plain, packed = (
        imported(tmp_path / "x", written(tmp_path, "m.json", text)),
        imported(tmp_path / "y", EXPORTS / "prometheus-range.json.gz"),
    )
    assert [plain.rows(t) for t in ("metrics", "hpas", "pods")] == [packed.rows(t) for t in ("metrics", "hpas", "pods")]
