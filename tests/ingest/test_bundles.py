"""Folders and archives that support tools make, and hostile ones: everything is found, nothing gets out."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import ImportFailed
from afscope.ingest import scratch as module
from afscope.ingest.logs import place_of
from afscope.model.capture import SourceState
from tests.ingest.exports import imported, rows, written

SCHEDULER = "[2026-11-22T20:00:0{n}.000+0000] {{scheduler_job_runner.py:1}} INFO - Not scheduling since there are 0 open slots in pool tiny\n"
LOG = SCHEDULER.format(n=1)


def pod(name: str, namespace: str = "air") -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "uid": name, "creationTimestamp": "2026-11-22T20:00:00Z"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


def yaml_list(*names: str, kind: str = "Pod") -> str:
    text = "---\napiVersion: v1\nitems:\n"
    for name in names:
        text += (
            f"- apiVersion: v1\n  kind: {kind}\n  metadata:\n    name: {name}\n    namespace: air\n    uid: {name}\n"
        )
        text += '    creationTimestamp: "2026-11-22T20:00:00Z"\n  spec:\n    containers:\n    - name: c\n      args:\n      - |\n        a\n        - b: c\n'
    return f'{text}kind: List\nmetadata:\n  resourceVersion: ""\n'


def tarred(path: Path, files: dict[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_must_gather(tmp_path: Path) -> None:
    root = tmp_path / "must-gather.local" / "quay-io-image"
    written(root / "namespaces" / "air" / "core", "pods.yaml", yaml_list("w-0", "w-1"))
    written(root / "namespaces" / "air" / "core", "resourcequotas.yaml", yaml_list())
    written(
        root / "cluster-scoped-resources" / "core" / "nodes",
        "n-1.yaml",
        "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: n-1\n  uid: n\n",
    )
    logs = root / "namespaces" / "air" / "pods" / "af-scheduler-6dd784f9b9-cz9pf" / "scheduler" / "scheduler" / "logs"
    written(logs, "current.log", LOG)
    written(logs, "previous.log", "")
    capture = imported(tmp_path / "x", tmp_path / "must-gather.local")
    assert {row["name"] for row in rows(capture, "pods")} == {"w-0", "w-1"}
    assert (capture.rows("nodes"), capture.source("quotas").status) == (1, SourceState.OK)
    (line,) = rows(capture, "log_lines")
    assert (line["pod"], line["container"], line["component"]) == (
        "af-scheduler-6dd784f9b9-cz9pf",
        "scheduler",
        "scheduler",
    )
    assert capture.manifest.unread == []


def test_a_support_bundle_in_its_archive(tmp_path: Path) -> None:
    files = {
        "support-bundle-1/cluster-resources/pods/air.json": json.dumps(
            {"kind": "PodList", "apiVersion": "v1", "items": [pod("w-0")]}
        ),
        "support-bundle-1/cluster-resources/custom-resources/scaledobjects.keda.sh/air.yaml": "- apiVersion: keda.sh/v1alpha1\n  kind: ScaledObject\n  metadata:\n    name: so\n    namespace: air\n    uid: s\n  spec:\n    maxReplicaCount: 7\n",
        "support-bundle-1/airflow/logs/af-scheduler-6dd784f9b9-cz9pf/scheduler.log": LOG,
        "support-bundle-1/version.yaml": "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\nspec:\n  versionNumber: 0.9\n",
    }
    path = tarred(tmp_path / "bundle.tar.gz", {name: text.encode() for name, text in files.items()})
    capture = imported(tmp_path / "x", path)
    assert (capture.rows("pods"), rows(capture, "scaledobjects")[0]["max_replica_count"]) == (1, 7)
    assert rows(capture, "log_lines")[0]["pod"] == "af-scheduler-6dd784f9b9-cz9pf"


def test_the_dump_of_a_cluster_on_standard_output(tmp_path: Path) -> None:
    name = "af-scheduler-6dd784f9b9-cz9pf"
    text = json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [pod(name)]}, indent=4) + "\n"
    text += f'==== START logs for container scheduler of pod air/{name} ====\n{LOG}{{"not": "an object\n'
    text += f"==== END logs for container scheduler of pod air/{name} ====\n"
    text += json.dumps({"kind": "EventList", "apiVersion": "v1", "items": []}, indent=4) + "\n{ broken\n"
    capture = imported(tmp_path / "x", written(tmp_path, "dump.txt", text))
    assert capture.rows("pods") == 1
    (line,) = rows(capture, "log_lines")
    assert (line["pod"], line["container"], line["source"]) == (f"air/{name}"[4:], "scheduler", "scheduler.log")
    (unread,) = capture.manifest.unread
    assert f"/dump.txt:{text.count(chr(10))}:" in unread


def test_the_dump_of_a_cluster_in_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "dump"
    name = "af-worker-6dd784f9b9-cz9pf"
    written(root, "nodes.json", json.dumps({"kind": "NodeList", "apiVersion": "v1", "items": []}))
    written(root / "air", "pods.json", json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [pod(name)]}))
    written(root / "air", "events.json", json.dumps({"kind": "EventList", "apiVersion": "v1", "items": []}))
    written(root / "air" / name, "logs.txt", LOG)
    capture = imported(tmp_path / "x", root)
    assert {capture.source(table).status for table in ("nodes", "pods", "events")} == {SourceState.OK}
    assert (rows(capture, "log_lines")[0]["pod"], rows(capture, "log_lines")[0]["component"]) == (name, "worker")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/var/log/containers/af-worker-0_air_worker-" + "0" * 64 + ".log", ("worker", "af-worker-0", "worker")),
        (
            "/var/log/pods/air_af-worker-0_6f0c1c2e-1111-2222-3333-444455556666/worker/0.log",
            ("worker", "af-worker-0", "worker"),
        ),
        ("logs/pod.ml-worker-5b5995f7bb-q2m9f.log.gz", ("worker", "ml-worker-5b5995f7bb-q2m9f", None)),
        ("keda-operator.log", ("keda-operator", None, None)),
        ("x/keda-operator-7c9d9f6b5d-x2x7k.log", ("keda-operator", "keda-operator-7c9d9f6b5d-x2x7k", None)),
        ("task.a.b.log", ("task", None, None)),
    ],
)
def test_whose_log_a_file_is(path: str, wanted: tuple[str, str | None, str | None]) -> None:
    assert place_of(Path(path)) == wanted


def test_lines_that_a_runtime_cut_are_whole_again(tmp_path: Path) -> None:
    head = "2026-11-22T20:00:01.5Z stdout"
    cri = f"{head} P {LOG[:60]}\n{head} F {LOG[60:]}{head} F plain\n"
    docker = "".join(
        json.dumps({"log": part, "stream": "stdout", "time": "2026-11-22T20:00:01.5Z"}) + "\n"
        for part in (LOG[:50], LOG[50:])
    )
    for name, text in (("cri", cri), ("docker", docker)):
        capture = imported(tmp_path / f"{name}.x", written(tmp_path, f"pod.{name}-scheduler-0.log", text))
        (line,) = rows(capture, "log_lines")
        assert (line["pattern"], line["line"]) == ("limit.pool_full", 2), name


@pytest.mark.parametrize(
    "name", ["../evil.json", "/tmp/evil.json", "a/../../evil.json", "..\\evil.json", "C:/evil.json"]
)
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    inner = json.dumps(pod("w-0")).encode()
    tar = tarred(tmp_path / "b.tar.gz", {name: inner, "good.json": inner})
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.writestr(name, inner)
        packed.writestr("good.json", inner)
    before = {path.name for path in tmp_path.iterdir()}
    for archive in (tar, tmp_path / "b.zip"):
        capture = imported(tmp_path / f"{archive.name}.x", archive)
        assert capture.rows("pods") == 1
        assert any("leads outside" in line for line in capture.manifest.unread)
    assert {path.name for path in tmp_path.iterdir()} == {*before, "b.tar.gz.x", "b.zip.x"}
    assert not Path("/tmp/evil.json").exists()


def test_links_and_devices_of_an_archive_are_left_out(tmp_path: Path) -> None:
    link, hard, device = tarfile.TarInfo("link.json"), tarfile.TarInfo("hard.json"), tarfile.TarInfo("dev")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard.type, hard.linkname = tarfile.LNKTYPE, "good.json"
    device.type = tarfile.CHRTYPE
    archive = tarred(
        tmp_path / "b.tar", {"l": link, "h": hard, "d": device, "good.json": json.dumps(pod("w")).encode()}, "w"
    )
    capture = imported(tmp_path / "x", archive)
    assert capture.rows("pods") == 1
    assert len([line for line in capture.manifest.unread if "link or a device" in line]) == 3
    assert all("afscope-import" not in line for line in capture.manifest.unread)


def test_links_that_lead_out_of_a_folder_are_left_out(tmp_path: Path) -> None:
    secret = written(tmp_path / "elsewhere", "pods.json", json.dumps(pod("secret")))
    folder = tmp_path / "dump"
    written(folder, "good.json", json.dumps(pod("good")))
    (folder / "link.json").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "same.json").symlink_to(folder / "good.json")
    capture = imported(tmp_path / "x", folder)
    assert {row["name"] for row in rows(capture, "pods")} == {"good"}
    assert any("link.json" in line and "leads outside" in line for line in capture.manifest.unread)


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL", 1 << 20)
    files: dict[str, bytes | tarfile.TarInfo] = {
        "a.json": json.dumps(pod("a")).encode(),
        "b.json": b"0" * (8 << 20),
        "c.json": b"x",
    }
    capture = imported(tmp_path / "x", tarred(tmp_path / "b.tar.gz", files))
    assert capture.rows("pods") == 1
    assert any("unpacks to more than any bundle does" in line for line in capture.manifest.unread)


def test_archives_in_archives_end_somewhere(tmp_path: Path) -> None:
    inner = tarred(tmp_path / "0.tar.gz", {"good.json": json.dumps(pod("w")).encode()})
    for depth in range(1, 7):
        inner = tarred(tmp_path / f"{depth}.tar.gz", {"inner.tar.gz": inner.read_bytes()})
    assert imported(tmp_path / "x", tmp_path / "3.tar.gz").rows("pods") == 1
    with pytest.raises(ImportFailed, match="inside of"):
        imported(tmp_path / "y", inner)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_an_archive_that_breaks_off_keeps_what_came_before(tmp_path: Path, cut: float) -> None:
    files: dict[str, bytes | tarfile.TarInfo] = {f"p{n}.json": json.dumps(pod(f"p{n}")).encode() for n in range(300)}
    whole = tarred(tmp_path / "b.tar", files, "w").read_bytes()
    capture = imported(tmp_path / "x", written(tmp_path, "cut.tar", whole[: int(len(whole) * cut)]))
    assert 0 < capture.rows("pods") < 300
    assert capture.manifest.unread == [] or "breaks off" in capture.manifest.unread[0]


def test_anchors_of_yaml_are_refused(tmp_path: Path) -> None:
    bomb = "apiVersion: v1\nkind: Pod\na: &a [x,x,x,x,x,x,x,x,x]\n"
    for one, other in zip("bcdefghi", "abcdefgh", strict=True):
        bomb += f"{one}: &{one} [*{other},*{other},*{other},*{other},*{other},*{other},*{other},*{other},*{other}]\n"
    folder = tmp_path / "dump"
    written(folder, "bomb.yaml", bomb)
    written(folder, "good.yaml", yaml_list("w-0"))
    capture = imported(tmp_path / "x", folder)
    assert capture.rows("pods") == 1
    assert any("bomb.yaml:1: not YAML: anchors are not read" in line for line in capture.manifest.unread)


def test_yaml_items_keep_their_lines_and_damage_costs_one(tmp_path: Path) -> None:
    text = yaml_list("a", "b", "c").replace("    uid: b\n", "    uid: 'b\n")
    capture = imported(tmp_path / "x", written(tmp_path, "p.yaml", text))
    assert {row["name"] for row in rows(capture, "pods")} == {"a", "c"}
    (unread,) = capture.manifest.unread
    assert f"p.yaml:{text[: text.index('name: b')].count(chr(10)) - 2}:" in unread


def test_lists_of_one_dump_were_made_together(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    old = {"kind": "Node", "metadata": {"name": "n", "uid": "n", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    written(folder, "nodes.json", json.dumps({"kind": "List", "items": [old]}))
    written(folder, "pods.json", json.dumps({"kind": "List", "items": [pod("w")]}))
    (node,) = rows(imported(tmp_path / "x", folder), "nodes")
    assert node["seen_at"].isoformat() == "2026-11-22T20:00:01+00:00"


def test_lists_that_repeat_an_object_were_not(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    for day in (21, 22):
        one = pod("w")
        one["metadata"]["creationTimestamp"] = f"2026-11-{day}T20:00:00Z"
        written(folder, f"pods{day}.json", json.dumps({"kind": "List", "items": [one]}))
    days = {row["seen_at"].day for row in rows(imported(tmp_path / "x", folder), "pods")}
    assert {21, 22} <= days
