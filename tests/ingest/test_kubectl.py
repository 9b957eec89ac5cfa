"""What kubectl writes, in all its shapes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import ImportFailed
from afscope.ingest import import_sources
from afscope.ingest.documents import documents
from afscope.model.capture import SourceState
from afscope.model.clock import parse_time
from afscope.store.reader import Capture


def pod(name: str, created: str = "2026-11-22T20:00:00Z") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "air", "uid": name, "creationTimestamp": created},
    }


def capture(tmp_path: Path, **files: str | bytes) -> Capture:
    folder = tmp_path / "dump"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_bytes(text if isinstance(text, bytes) else text.encode())
    import_sources([folder], tmp_path / "out.afscope")
    return Capture.open(tmp_path / "out.afscope")


def listing(*items: dict[str, Any], kind: str = "List") -> str:
    return json.dumps({"apiVersion": "v1", "kind": kind, "items": list(items)}, indent=4)


def test_a_list_of_mixed_kinds(tmp_path: Path) -> None:
    hpa = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "uid": "h"}, "spec": {"maxReplicas": 3}}
    found = capture(tmp_path, all__json=listing(pod("a"), pod("b"), hpa))
    assert (found.rows("pods"), found.rows("hpas")) == (2, 1)
    assert set(found.table("pods")["change"].to_pylist()) == {"STATE"}


def test_a_single_object(tmp_path: Path) -> None:
    assert capture(tmp_path, p__json=json.dumps(pod("a"))).rows("pods") == 1


def test_an_empty_list_proves_its_kind_by_the_name_of_its_file(tmp_path: Path) -> None:
    found = capture(tmp_path, pods__json=listing(), all__json=listing(pod("a")), resourcequotas__json=listing())
    assert found.source("quotas").status is SourceState.OK
    assert found.rows("quotas") == 0
    assert found.source("nodes").status is SourceState.NOT_RECORDED


def test_an_empty_list_of_nobody_knows_what_is_reported(tmp_path: Path) -> None:
    found = capture(tmp_path, what__json=listing(), p__json=json.dumps(pod("a")))
    assert any("what.json:1" in line for line in found.manifest.unread)


def test_a_typed_list_needs_no_name(tmp_path: Path) -> None:
    found = capture(tmp_path, x__json=listing(kind="NodeList"), p__json=json.dumps(pod("a")))
    assert found.source("nodes").status is SourceState.OK


@pytest.mark.parametrize("indent", [None, 2])
def test_a_watch_with_its_events(tmp_path: Path, indent: int | None) -> None:
    events = [
        {"type": "ADDED", "object": pod("a")},
        {"type": "MODIFIED", "object": pod("a", "2026-11-22T20:05:00Z")},
        {"type": "DELETED", "object": pod("a", "2026-11-22T20:01:00Z")},
        {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "9"}}},
    ]
    found = capture(tmp_path, watch__json="\n".join(json.dumps(e, indent=indent) for e in events))
    assert found.table("pods")["change"].to_pylist().count("DELETED") == 1
    seen = found.table("pods").sort_by("seen_at")
    times = [t.timestamp() for t in seen["seen_at"].to_pylist()]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(parse_time("2026-11-22T20:05:01Z") / 1e6)


def test_a_plain_watch_is_objects_one_after_the_other(tmp_path: Path) -> None:
    text = json.dumps(pod("a"), indent=4) + json.dumps(pod("b", "2026-11-22T20:00:01Z"), indent=4)
    assert capture(tmp_path, w__json=text).rows("pods") == 2


def test_a_cut_file_keeps_what_is_whole(tmp_path: Path) -> None:
    text = json.dumps(pod("a"), indent=4) + "\n" + json.dumps(pod("b"), indent=4)[:-30]
    found = capture(tmp_path, w__json=text)
    assert found.rows("pods") == 1
    assert any("w.json:" in line and "middle of a document" in line for line in found.manifest.unread)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_powershell_writes_boms(tmp_path: Path, encoding: str) -> None:
    assert capture(tmp_path, p__json=listing(pod("ä")).encode(encoding)).rows("pods") == 1


def test_nothing_but_junk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"kind": ')
    with pytest.raises(ImportFailed):
        import_sources([tmp_path / "x.json"], tmp_path / "out.afscope")


def test_documents_are_split_wherever_braces_and_quotes_stand() -> None:
    wanted = [{"a": '}{"\\'}, {"b": ["[", {"c": "]"}]}, {"d": "\\\\"}]
    raw = "".join(json.dumps(d) for d in wanted).encode()
    assert [json.loads(text) for _, text, whole in documents(io.BytesIO(raw)) if whole] == wanted


def test_the_line_of_each_document_is_known() -> None:
    raw = b'{\n"a": 1\n}\n\n{"b": 2}\n  {"c'
    assert [(line, whole) for line, _, whole in documents(io.BytesIO(raw))] == [(1, True), (5, True), (6, False)]
