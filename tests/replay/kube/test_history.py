"""What a cluster went through, out of what a recorder happened to see of it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from afscope.errors import CannotReplay
from afscope.ingest import import_sources
from afscope.model.clock import SECOND, parse_time
from afscope.replay.kube.history import History
from afscope.replay.kube.log import Log
from afscope.replay.kube.rebase import moved
from afscope.replay.kube.resources import BY_PLURAL
from afscope.store.pack import pack
from tests.replay.kube.cluster import START, T0, Cluster, event, pod, stamp
from tests.replay.kube.conftest import RECORDINGS

NAMES = ["pool", "max_replicas_mariadb", "healthy_airflow3"]


def log_of(history: History, plural: str = "pods") -> Log:
    log = history.log(BY_PLURAL[plural])
    assert log is not None
    return log


def story(log: Log) -> list[tuple[float, int, str, str]]:
    """(seconds after the beginning, resourceVersion, change, name) of each version."""
    return [((v.at - START) / SECOND, v.position, v.change, v.key[1]) for v in log.versions]


def living(history: History, second: float, plural: str = "pods") -> list[str]:
    log = log_of(history, plural)
    return [v.key[1] for v in history.state(log, history.upto(log, START + round(second * SECOND)))]


def test_the_opening_list_is_the_state_at_the_beginning(cluster: Cluster) -> None:
    cluster.see(0, "LIST", event("e", 3, 0), "events")
    cluster.see(0.4, "LIST", pod("b", 7))
    cluster.see(0.4, "LIST", pod("a", 2))
    cluster.see(9, "ADDED", pod("c", 11))
    history = History.of(cluster.write())
    assert story(log_of(history)) == [(0, 2, "ADDED", "a"), (0, 7, "ADDED", "b"), (9, 11, "ADDED", "c")]
    assert living(history, -5) == living(history, 0) == ["a", "b"]
    assert living(history, 9) == ["a", "b", "c"]


def test_a_relist_repeats_objects_and_shows_what_was_missed(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("kept", 5))
    cluster.see(0, "LIST", pod("gone", 6))
    cluster.see(0, "LIST", pod("changed", 7))
    cluster.lost(10)
    cluster.see(30, "LIST", pod("changed", 20))
    cluster.see(30, "LIST", pod("kept", 5))
    cluster.see(30, "LIST", pod("new", 15))
    history = History.of(cluster.write())
    assert story(log_of(history))[3:] == [
        (30, 8, "DELETED", "gone"),  # some number between what was known and what came later
        (30, 15, "ADDED", "new"),
        (30, 20, "MODIFIED", "changed"),
    ]
    assert living(history, 29) == ["changed", "gone", "kept"]
    assert living(history, 30) == ["changed", "kept", "new"]


def test_a_concluded_deletion_carries_a_number_of_its_own(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(0, "LIST", pod("b", 6))
    cluster.lost(10)
    cluster.see(30, "LIST", pod("b", 6))
    deletion = log_of(History.of(cluster.write())).versions[-1]
    assert (deletion.change, deletion.position) == ("DELETED", 7)
    assert json.loads(deletion.body)["metadata"]["resourceVersion"] == "7"
    assert json.loads(deletion.body)["spec"]["nodeName"] == "node-1"


def test_a_concluded_deletion_never_moves_what_was_seen_later(cluster: Cluster) -> None:
    """There is no number left between the relist and the next version: the times stay as they were seen."""
    cluster.see(0, "LIST", pod("gone", 5))
    cluster.see(0, "LIST", pod("b", 6))
    cluster.lost(10)
    cluster.see(30, "LIST", pod("b", 6))
    cluster.see(50, "MODIFIED", pod("b", 7))
    assert story(log_of(History.of(cluster.write())))[2:] == [(30, 6, "DELETED", "gone"), (50, 7, "MODIFIED", "b")]


def test_deletions_without_a_number_as_captures_have_them(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(0, "LIST", pod("b", 6))
    bare = {"kind": "Pod", "metadata": {"name": "a", "namespace": "air", "uid": "uid-a"}}
    cluster.see(20, "DELETED", bare)
    cluster.see(30, "DELETED", pod("b", 6))
    cluster.see(40, "ADDED", pod("c", 20))
    history = History.of(cluster.write())
    assert story(log_of(history))[2:] == [(20, 7, "DELETED", "a"), (30, 8, "DELETED", "b"), (40, 20, "ADDED", "c")]
    assert json.loads(log_of(history).versions[2].body)["status"] == {"phase": "Running"}


def test_a_list_of_one_namespace_says_nothing_of_others(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5, namespace="one"))
    cluster.see(0, "LIST", pod("b", 6, namespace="two"))
    cluster.lost(10)
    cluster.see(30, "LIST", pod("c", 9, namespace="two"))
    assert living(History.of(cluster.write()), 30) == ["a", "c"]


def test_a_list_without_a_lost_watch_deletes_nothing(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(0, "ADDED", pod("b", 6))
    cluster.see(30, "LIST", pod("b", 6))
    assert living(History.of(cluster.write()), 60) == ["a", "b"]


def test_events_that_expired_are_kept(cluster: Cluster) -> None:
    cluster.see(0, "LIST", event("old", 5, 0), "events")
    cluster.lost(10, "events")
    cluster.see(30, "LIST", event("new", 9, 20), "events")
    assert living(History.of(cluster.write()), 60, "events") == ["new", "old"]


def test_versions_stand_in_the_order_of_the_store_not_of_their_arrival(cluster: Cluster) -> None:
    """Two watches of one kind, a namespace each: the second one is a moment behind."""
    cluster.see(0, "LIST", pod("a", 5, namespace="one"))
    cluster.see(10.0, "ADDED", pod("late", 12, namespace="two"))
    cluster.see(10.2, "ADDED", pod("early", 11, namespace="one"))
    assert story(log_of(History.of(cluster.write())))[1:] == [(10, 11, "ADDED", "early"), (10, 12, "ADDED", "late")]


def test_the_number_of_a_list_brings_exactly_the_rest(cluster: Cluster) -> None:
    """Events reach the recorder before a pod with a lower number: a list between them must not skip the pod."""
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(10.0, "ADDED", event("e", 40, 10), "events")
    cluster.see(10.2, "ADDED", pod("b", 31))
    history = History.of(cluster.write())
    log = log_of(history)
    assert history.resource_version(log, START + 10_100_000) == 30
    assert history.resource_version(log, START + 11_000_000) == 40
    for at in range(0, 12_000_000, 100_000):
        position = history.resource_version(log, START + at)
        assert log.after(position) == history.upto(log, START + at)


def test_bookmarks_raise_the_number_of_lists(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(60, "BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "900"}})
    history = History.of(cluster.write())
    assert [history.resource_version(log_of(history), START + s * SECOND) for s in (0, 59, 60)] == [5, 5, 900]
    assert history.ends == START + 60 * SECOND


def test_a_name_that_is_taken_again_is_another_object(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5, uid="first"))
    cluster.see(10, "DELETED", pod("a", 8, uid="first"))
    cluster.see(11, "ADDED", pod("a", 9, uid="second"))
    history = History.of(cluster.write())
    assert [change for _, _, change, _ in story(log_of(history))] == ["ADDED", "DELETED", "ADDED"]
    assert living(history, 10) == []
    assert living(history, 11) == ["a"]


def test_objects_of_a_typed_list_get_their_kind(cluster: Cluster) -> None:
    bare = pod("a", 5)
    del bare["kind"], bare["apiVersion"]
    cluster.see(0, "LIST", bare)
    body = json.loads(log_of(History.of(cluster.write())).versions[0].body)
    assert (body["kind"], body["apiVersion"], body["metadata"]["name"]) == ("Pod", "v1", "a")


def test_absent_is_not_the_same_as_empty(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.listed("deployments")
    history = History.of(cluster.write())
    assert log_of(history, "deployments").versions == []
    assert history.log(BY_PLURAL["nodes"]) is None


def test_custom_kinds_are_served_as_they_name_themselves(cluster: Cluster) -> None:
    cluster.see(
        0, "LIST", {"kind": "Gadget", "apiVersion": "toys.dev/v1", "metadata": {"name": "g", "uid": "g"}}, "gadgets"
    )
    (resource, _) = sorted(History.of(cluster.write()).kinds, key=lambda kind: kind.plural)
    assert (resource.api_version, resource.plural, resource.namespaced) == ("toys.dev/v1", "gadgets", False)


def test_a_damaged_file_is_served_as_far_as_it_goes(cluster: Cluster) -> None:
    for second in range(50):
        cluster.see(second, "ADDED", pod(f"p{second}", second + 1))
    folder = cluster.write()
    path = folder / "k8s" / "pods.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-200])
    (folder / "k8s" / "nodes.jsonl").write_text("{broken\n")
    history = History.of(folder)
    assert 0 < len(log_of(history).versions) < 50
    assert [next(name for name in ("nodes.jsonl:1", "pods.jsonl.gz:") if name in line) for line in history.unread] == [
        "nodes.jsonl:1",
        "pods.jsonl.gz:",
    ]


def test_what_is_no_object_is_left_out_and_said(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(1, "ADDED", {})
    cluster.see(1, "ADDED", {"metadata": "none"})
    cluster.see(2, "ADDED", pod("b", 6))
    history = History.of(cluster.write())
    assert living(history, 2) == ["a", "b"]
    assert history.unread == ["pods: 2 are no objects"]


def test_nothing_to_serve_is_said(tmp_path: Path, cluster: Cluster) -> None:
    with pytest.raises(CannotReplay, match="no Kubernetes objects"):
        History.of(tmp_path)
    with pytest.raises(CannotReplay, match="no observation"):
        History.of(cluster.write())


def recorded(name: str) -> dict[str, list[tuple[str, int, str]]]:
    """(uid, resourceVersion, change) of each file of a recording, in the order of numbers; read without afscope."""
    found: dict[str, list[tuple[str, int, str]]] = {}
    for path in (RECORDINGS / name / "k8s").glob("*.jsonl.gz"):
        rows = found.setdefault(path.name.split(".")[0], [])
        for line in gzip.decompress(path.read_bytes()).splitlines():
            seen: dict[str, Any] = json.loads(line)
            meta = seen["object"]["metadata"]
            if seen["type"] != "BOOKMARK":
                change = "ADDED" if seen["type"] == "LIST" else seen["type"]
                rows.append((meta["uid"], int(meta["resourceVersion"]), change))
        rows.sort(key=lambda row: row[1])
    return found


def told(history: History) -> dict[str, list[tuple[str, int, str]]]:
    logs = {resource.plural: history.log(resource) for resource in history.kinds}
    return {plural: [(v.uid, v.position, v.change) for v in log.versions] for plural, log in logs.items() if log}


@pytest.mark.parametrize("name", NAMES)
def test_every_version_of_a_real_recording_is_told_once(name: str) -> None:
    history = History.of(RECORDINGS / name)
    assert told(history) == recorded(name)
    assert history.unread == []


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_tells_the_same_story_as_its_recording(name: str, tmp_path: Path) -> None:
    capture = tmp_path / "out.afscope"
    import_sources([RECORDINGS / name], capture)
    packed = pack(capture, tmp_path / "out.afscope.zip")
    recording = History.of(RECORDINGS / name)
    for source in (capture, packed):
        history = History.of(source)
        assert told(history) == told(recording)
        for resource in recording.kinds:
            mine, theirs = history.log(resource), recording.log(resource)
            assert mine is not None
            assert theirs is not None
            assert [v.key for v in mine.versions] == [v.key for v in theirs.versions]
            late = [(v, w) for v, w in zip(mine.versions, theirs.versions, strict=True) if w.at > recording.begins]
            assert [v.at for v, _ in late] == [w.at for _, w in late]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a":"2027-01-15T08:00:00Z"}', '{"a":"2027-01-15T08:01:00Z"}'),
        ('{"a": "2027-01-15T08:00:00.123456Z"}', '{"a": "2027-01-15T08:01:00.123456Z"}'),
        ('["2027-12-31T23:59:30+02:00"]', '["2028-01-01T00:00:30+02:00"]'),
        ('{"a":"at 2027-01-15T08:00:00Z"}', '{"a":"at 2027-01-15T08:00:00Z"}'),
        (r'{"a":"{\"t\":\"2027-01-15T08:00:00Z\"}"}', r'{"a":"{\"t\":\"2027-01-15T08:00:00Z\"}"}'),
        (r'{"a":"x\"2027-01-15T08:00:00Z"}', r'{"a":"x\"2027-01-15T08:00:00Z"}'),
        ('{"a":"9999-12-31T23:59:59Z"}', '{"a":"9999-12-31T23:59:59Z"}'),
        ('{"a":"2027-13-15T08:00:00Z"}', '{"a":"2027-13-15T08:00:00Z"}'),
        ('{"a":"0001-01-01T00:00:00Z"}', '{"a":"0001-01-01T00:01:00Z"}'),
    ],
)
def test_strings_that_are_wholly_a_time_are_moved(before: str, after: str) -> None:
    assert moved(before.encode(), 60 * SECOND).decode() == after


def test_a_rebased_history_keeps_every_distance(cluster: Cluster) -> None:
    cluster.see(0, "LIST", pod("a", 5, born=-100))
    cluster.see(12.5, "MODIFIED", pod("a", 6, born=-100))
    folder = cluster.write()
    now = parse_time("2031-05-06T07:08:09.750000Z")
    history = History.of(folder, rebase_to=now)
    assert history.shift % SECOND == 0
    assert abs(history.begins - now) <= SECOND // 2
    assert history.begins - history.shift == START
    (first, second) = log_of(history).versions
    assert second.at - first.at == 12_500_000
    born = parse_time(json.loads(first.body)["metadata"]["creationTimestamp"])
    assert first.at - born == 100 * SECOND
    assert parse_time(stamp(-100)) + history.shift == born
    assert T0 * SECOND == START
