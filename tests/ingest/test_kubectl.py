"""What kubectl writes, in all its shapes."""

import json
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import ImportFailed
from afscope.ingest import import_sources
from afscope.ingest.kubectl import newest, sniff
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


def test_the_newest_item_dates_a_list(tmp_path: Path) -> None:
    found = capture(tmp_path, l__json=listing(pod("a", "2026-11-22T20:00:07Z"), pod("b", "2026-11-22T19:00:00Z")))
    assert {t.timestamp() for t in found.table("pods")["seen_at"].to_pylist()} == {
        parse_time("2026-11-22T20:00:08Z") / 1e6
    }


@pytest.mark.parametrize("key", ["deletionTimestamp", "notAfter", "expirationTimestamp", "nextScheduleTime"])
def test_what_lies_ahead_does_not_date_anything(key: str) -> None:
    raw = json.dumps({"metadata": {key: "2030-01-01T00:00:00Z", "creationTimestamp": "2026-11-22T20:00:00Z"}})
    assert newest(raw.encode()) == parse_time("2026-11-22T20:00:01Z")


def test_items_of_a_typed_list_do_not_say_their_kind(tmp_path: Path) -> None:
    bare = {key: value for key, value in pod("a").items() if key == "metadata"}
    found = capture(tmp_path, raw__json=json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [bare]}))
    assert found.rows("pods") == 1
    (body,) = (json.loads(text) for text in found.table("objects")["body"].to_pylist())
    assert (body["kind"], body["apiVersion"]) == ("Pod", "v1")


def test_a_cut_list_keeps_its_whole_items(tmp_path: Path) -> None:
    text = listing(pod("a"), pod("b"), pod("c"))
    found = capture(tmp_path, w__json=text[: text.rindex('"name"')])
    assert set(found.table("pods")["name"].to_pylist()) == {"a", "b"}
    assert any("w.json:1" in line and "middle of a document" in line for line in found.manifest.unread)


def test_warnings_in_the_same_file_cost_nothing_but_themselves(tmp_path: Path) -> None:
    warning = "W1122 20:00:00.000000 warnings.go:70] autoscaling/v2beta2 is deprecated"
    text = f"{warning}\n{json.dumps(pod('a'), indent=4)}\n{warning}\n{warning}\n{json.dumps(pod('b'), indent=4)}\n"
    found = capture(tmp_path, w__json=text)
    assert set(found.table("pods")["name"].to_pylist()) == {"a", "b"}
    assert len([line for line in found.manifest.unread if "not JSON" in line]) == 2


def test_a_lasting_storm_of_junk_is_summed_up(tmp_path: Path) -> None:
    text = "\n".join(f"junk\n{json.dumps(pod(f'p{n}'))}" for n in range(100))
    found = capture(tmp_path, w__json=text)
    assert found.rows("pods") == 100
    assert len(found.manifest.unread) == 21
    assert "80 more places" in found.manifest.unread[-1]


def test_a_watch_shows_first_what_it_lists(tmp_path: Path) -> None:
    old, new = pod("old", "2026-11-22T12:00:00Z"), pod("new", "2026-11-22T20:01:00Z")
    events = [{"type": "ADDED", "object": pod("a")}, {"type": "ADDED", "object": old}, {"type": "ADDED", "object": new}]
    found = capture(tmp_path, w__json="".join(json.dumps(e) for e in events)).table("pods")
    changes = dict(zip(found["name"].to_pylist(), found["change"].to_pylist(), strict=True))
    assert (changes["old"], changes["new"]) == ("STATE", "ADDED")


def test_an_object_that_a_plain_watch_repeats_was_modified(tmp_path: Path) -> None:
    found = capture(tmp_path, w__json=json.dumps(pod("a")) * 2).table("pods")
    assert sorted(found["change"].to_pylist()) == ["MODIFIED", "STATE"]


def test_events_that_are_listed_at_the_end_happened_while_something_else_was_watched(tmp_path: Path) -> None:
    def event(name: str, last: str, count: int) -> dict[str, Any]:
        meta = {"name": name, "uid": name, "namespace": "air"}
        return {"kind": "Event", "metadata": meta, "count": count, "firstTimestamp": last, "lastTimestamp": last}

    events = listing(event("before", "2026-11-22T19:00:00Z", 5), event("within", "2026-11-22T20:02:00Z", 3))
    watch = [{"type": "ADDED", "object": pod("a")}, {"type": "ADDED", "object": pod("b", "2026-11-22T20:03:00Z")}]
    text = "".join(json.dumps(one) for one in watch)
    found = capture(tmp_path, a__json=text, events__json=events).table("events")
    deltas = dict(zip(found["uid"].to_pylist(), found["count_delta"].to_pylist(), strict=True))
    assert deltas == {"before": 0, "within": 3}


def test_a_watch_that_ended_with_an_error_says_so(tmp_path: Path) -> None:
    status = {"kind": "Status", "code": 410, "message": "too old resource version, token=hunter2"}
    events = [{"type": "ADDED", "object": pod("a")}, {"type": "ERROR", "object": status}]
    found = capture(tmp_path, w__json="\n".join(json.dumps(e) for e in events))
    (unread,) = found.manifest.unread
    assert "w.json:2" in unread
    assert "too old resource version" in unread
    assert "hunter2" not in unread


def test_one_kind_of_workload_alone_is_only_part_of_the_table(tmp_path: Path) -> None:
    deployment = {"kind": "Deployment", "metadata": {**pod("d")["metadata"]}}
    found = capture(tmp_path, d__json=listing(deployment), statefulsets__json=listing()).source("workloads")
    assert (found.status, found.reason) == (SourceState.PARTIAL, "not recorded: ReplicaSet")


def test_all_kinds_of_workloads_are_the_whole_table(tmp_path: Path) -> None:
    names = {"deployments__json": listing(), "sts__json": listing(), "replicasets__json": listing()}
    assert capture(tmp_path, p__json=listing(pod("a")), **names).source("workloads").status is SourceState.OK


def test_an_object_that_is_not_utf8_costs_itself_only(tmp_path: Path) -> None:
    text = (
        json.dumps(pod("a")).encode()
        + b'\n{"kind": "Pod", "metadata": {"name": "\xff\xfe"}}\n'
        + json.dumps(pod("b")).encode()
    )
    found = capture(tmp_path, w__json=text)
    assert set(found.table("pods")["name"].to_pylist()) == {"a", "b"}
    assert any("w.json:2" in line for line in found.manifest.unread)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'{"apiVersion": "v1"', True),
        (b'\xef\xbb\xbf{\n "kind": "Pod"', True),
        (b'W1122 warning\n{"apiVersion": "v1"', True),
        ('{"kind": "Pod"}'.encode("utf-16"), True),
        (b"[2026-11-22] INFO - hello", False),
        (b"NAME  READY\nkind  1/1", False),
        (b"", False),
    ],
)
def test_what_looks_like_kubectl(tmp_path: Path, text: bytes, wanted: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(text)
    assert sniff(path) is wanted
