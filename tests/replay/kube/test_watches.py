"""Watches: what is sent when, from which version on, and how they end."""

import threading
from typing import Any

import pytest

from afscope.model.clock import SECOND
from afscope.replay.kube.history import History
from afscope.replay.kube.resources import Resource
from tests.replay.kube.client import TABLE, Client, Following, wait_until
from tests.replay.kube.cluster import Cluster, pod
from tests.replay.kube.conftest import RECORDINGS, Replay, Serve
from tests.replay.kube.test_history import NAMES, recorded

PODS = "/api/v1/pods?watch=1"


@pytest.fixture
def replay(cluster: Cluster, serve: Serve) -> Replay:
    """Pod a changes at 10 s, b comes at 20 s and a goes at 30 s; the recorder was sent a bookmark at 300 s."""
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(10, "MODIFIED", pod("a", 10, labels={"app": "idle"}))
    cluster.see(20, "ADDED", pod("b", 20, namespace="other"))
    cluster.see(30, "DELETED", pod("a", 30, labels={"app": "idle"}))
    cluster.see(300, "BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "77"}})
    return serve(cluster.write())


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def versions(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["object"]["metadata"]["resourceVersion"] for frame in frames]


def test_changes_come_when_the_clock_reaches_them(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=5")
    replay.pace.step(9.9)
    wait_until(replay.server.settled, "settled")
    assert watch.frames == []
    replay.pace.step(0.1)
    assert kinds(watch.count(1)) == ["MODIFIED"]
    replay.pace.step(20)
    assert watch.count(3)[-1]["object"]["metadata"]["name"] == "a"
    assert watch.told == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert versions(watch.frames) == ["10", "20", "30"]
    wait_until(replay.server.settled, "settled")
    assert replay.server.sent == 3


def test_settled_means_that_all_is_sent(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=5")
    wait_until(replay.server.settled, "settled at the beginning")
    replay.pace.step(300)
    wait_until(replay.server.settled, "settled at the end")
    watch.count(3)


@pytest.mark.parametrize("version", ["", "0"])
def test_without_a_version_the_state_comes_first(replay: Replay, version: str) -> None:
    replay.pace.step(25)
    watch = replay.client.watch(f"{PODS}&resourceVersion={version}")
    watch.count(2)
    assert watch.told == [("ADDED", "a"), ("ADDED", "b")]
    replay.pace.step(10)
    watch.count(3)
    assert watch.told[-1] == ("DELETED", "a")


@pytest.mark.parametrize(("version", "rest"), [(5, 3), (9, 3), (10, 2), (19, 2), (20, 1), (30, 0)])
def test_a_watch_goes_on_after_any_version(replay: Replay, version: int, rest: int) -> None:
    replay.pace.step(60)
    watch = replay.client.watch(f"{PODS}&resourceVersion={version}")
    wait_until(replay.server.settled, "settled")
    watch.count(rest)
    assert versions(watch.frames) == ["10", "20", "30"][3 - rest :]


def test_one_namespace(replay: Replay) -> None:
    watch = replay.client.watch("/api/v1/namespaces/other/pods?watch=true&resourceVersion=5")
    replay.pace.step(60)
    wait_until(replay.server.settled, "settled")
    watch.count(1)
    assert watch.told == [("ADDED", "b")]


def test_what_leaves_a_selection_is_deleted_from_it(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=5&labelSelector=app=worker")
    replay.pace.step(60)
    frames = watch.count(2)
    wait_until(replay.server.settled, "settled")
    assert watch.told == [("DELETED", "a"), ("ADDED", "b")]
    assert frames[0]["object"]["metadata"]["labels"] == {"app": "worker"}  # what the client knew, under the new number
    assert frames[0]["object"]["metadata"]["resourceVersion"] == "10"


def test_what_enters_a_selection_is_added_to_it(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=5&labelSelector=app=idle")
    replay.pace.step(60)
    watch.count(2)
    wait_until(replay.server.settled, "settled")
    assert watch.told == [("ADDED", "a"), ("DELETED", "a")]


def test_a_selection_by_name(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=0&fieldSelector=metadata.name=b")
    replay.pace.step(60)
    watch.count(1)
    wait_until(replay.server.settled, "settled")
    assert watch.told == [("ADDED", "b")]


def test_bookmarks_come_each_minute_and_at_the_end(replay: Replay) -> None:
    replay.pace.step(100)
    watch = replay.client.watch(f"{PODS}&resourceVersion=30&allowWatchBookmarks=true&timeoutSeconds=150")
    wait_until(replay.server.settled, "settled")
    for marks, seconds in ((0, 59), (1, 1), (2, 60), (3, 30)):
        replay.pace.step(seconds)
        watch.count(marks)
        assert len(watch.frames) == marks
    assert watch.ended.wait(20)
    assert kinds(watch.frames) == ["BOOKMARK"] * 3
    assert watch.frames[0]["object"] == {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "30"}}
    assert watch.broken is None
    assert replay.server.sent == 0


def test_a_bookmark_tells_how_far_the_cluster_is(replay: Replay) -> None:
    replay.pace.step(299)
    watch = replay.client.watch(f"{PODS}&resourceVersion=30&allowWatchBookmarks=1")
    replay.pace.step(60)
    assert versions(watch.count(1)) == ["77"]


def test_without_asking_there_are_no_bookmarks(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=5&timeoutSeconds=100")
    replay.pace.step(100)
    assert watch.ended.wait(20)
    assert kinds(watch.frames) == ["MODIFIED", "ADDED", "DELETED"]


def test_the_state_can_be_streamed_and_marked(replay: Replay) -> None:
    replay.pace.step(25)
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion="
    frames = replay.client.watch(f"{PODS}&{query}").count(3)
    assert kinds(frames) == ["ADDED", "ADDED", "BOOKMARK"]
    assert frames[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert versions(frames)[2] == "20"


def gone(watch: Following) -> dict[str, Any]:
    """The Status of the ERROR frame that ends a watch."""
    assert watch.ended.wait(20)
    assert watch.frames[-1]["type"] == "ERROR"
    status: dict[str, Any] = watch.frames[-1]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    return status


def test_an_expired_version_is_refused_in_the_stream(replay: Replay) -> None:
    replay.pace.step(25)
    version = replay.client.get("/api/v1/pods").json["metadata"]["resourceVersion"]
    replay.server.expire()
    watch = replay.client.watch(f"{PODS}&resourceVersion={version}")
    assert watch.code == 200
    assert gone(watch)["message"] == "too old resource version: 20 (20)"
    assert len(watch.frames) == 1


def test_after_an_expiry_a_new_list_helps(replay: Replay) -> None:
    replay.server.expire()
    version = replay.client.get("/api/v1/pods").json["metadata"]["resourceVersion"]
    watch = replay.client.watch(f"{PODS}&resourceVersion={version}")
    replay.pace.step(60)
    watch.count(3)
    assert version == "5"


def test_open_watches_may_be_ended_by_an_expiry(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=5")
    replay.server.expire()
    replay.pace.step(10)
    watch.count(1)
    assert not watch.ended.is_set()
    replay.server.expire(watches=True)
    gone(watch)
    assert kinds(watch.frames) == ["MODIFIED", "ERROR"]


def test_a_clock_that_goes_back_ends_watches(replay: Replay) -> None:
    replay.pace.step(60)
    watch = replay.client.watch(f"{PODS}&resourceVersion=30")
    wait_until(replay.server.settled, "settled")
    replay.pace.jump(replay.history.begins + 15 * SECOND)
    gone(watch)
    gone(replay.client.watch(f"{PODS}&resourceVersion=30"))  # a version that has not happened yet
    assert replay.client.get("/api/v1/pods").json["metadata"]["resourceVersion"] == "10"


def test_after_the_last_change_a_watch_stays_open_and_silent(replay: Replay) -> None:
    watch = replay.client.watch(f"{PODS}&resourceVersion=5")
    replay.pace.step(3600)
    watch.count(3)
    replay.pace.step(36_000)
    wait_until(replay.server.settled, "settled")
    assert len(watch.frames) == 3
    assert not watch.ended.is_set()


def test_clients_that_hang_up_are_forgotten(replay: Replay) -> None:
    """What they did not read must not keep the replay from being settled."""
    watches = [replay.client.watch(f"{PODS}&resourceVersion=5") for _ in range(5)]
    for watch in watches:
        watch.close()
    before = threading.active_count()
    wait_until(lambda: threading.active_count() <= before - 5 or _handlers() == 0, "their threads end")
    replay.pace.step(60)
    assert replay.server.settled()
    assert replay.server.sent == 0


def _handlers() -> int:
    return sum("process_request" in thread.name for thread in threading.enumerate())


def test_stopping_ends_watches(cluster: Cluster, serve: Serve) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    replay = serve(cluster.write())
    watch = replay.client.watch(f"{PODS}&resourceVersion=5")
    replay.server.stop()
    assert watch.ended.wait(20)
    with pytest.raises(ConnectionRefusedError):
        replay.client.get("/version")
    replay.server.stop()


def test_tables_in_a_watch(replay: Replay) -> None:
    replay.pace.step(5)
    watch = Client(replay.server.url, accept=TABLE).watch(f"{PODS}&resourceVersion=5")
    replay.pace.step(60)
    frames = watch.count(3)
    assert kinds(frames) == ["MODIFIED", "ADDED", "DELETED"]
    assert [frame["object"]["kind"] for frame in frames] == ["Table"] * 3
    assert [frame["object"]["columnDefinitions"] is None for frame in frames] == [False, True, True]
    assert [frame["object"]["rows"][0]["cells"][0] for frame in frames] == ["a", "b", "a"]
    assert versions(frames) == ["10", "20", "30"]


def root(resource: Resource) -> str:
    api = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{api}/{resource.plural}"


def listed_and_watched(client: Client, history: History) -> dict[str, tuple[list[Any], Following]]:
    found = {}
    for resource in history.kinds:
        listing = client.get(root(resource)).json
        version = listing["metadata"]["resourceVersion"]
        found[resource.plural] = listing["items"], client.watch(f"{root(resource)}?watch=1&resourceVersion={version}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_list_and_a_watch_bring_all_of_a_real_recording_once(name: str, serve: Serve) -> None:
    replay = serve(RECORDINGS / name)
    found = listed_and_watched(replay.client, replay.history)
    while replay.pace.now() <= replay.history.ends:
        replay.pace.step(7)
    wait_until(replay.server.settled, "settled")
    truth = recorded(name)
    wait_until(lambda: all(len(i) + len(w.frames) == len(truth[k]) for k, (i, w) in found.items()), "everything")
    for plural, (items, watch) in found.items():
        listed = sorted((i["metadata"]["uid"], int(i["metadata"]["resourceVersion"]), "ADDED") for i in items)
        assert sorted(truth[plural][: len(listed)]) == listed
        watched = [
            (f["object"]["metadata"]["uid"], int(f["object"]["metadata"]["resourceVersion"]), f["type"])
            for f in watch.frames
        ]
        assert watched == truth[plural][len(listed) :]
    assert replay.server.sent == sum(len(rows) for rows in truth.values())


def test_a_watch_that_is_cut_again_and_again_misses_and_repeats_nothing(serve: Serve) -> None:
    """A client that goes on from the last version it saw, however often it must."""
    replay = serve(RECORDINGS / "healthy_airflow3")
    version = replay.client.get("/api/v1/pods").json["metadata"]["resourceVersion"]
    seen: list[int] = []
    while replay.pace.now() <= replay.history.ends:
        watch = replay.client.watch(f"{PODS}&resourceVersion={version}&timeoutSeconds=5&allowWatchBookmarks=1")
        wait_until(replay.server.settled, "settled")
        replay.pace.step(5)
        assert watch.ended.wait(20)
        numbers = versions(watch.frames)
        seen += [int(n) for n, frame in zip(numbers, watch.frames, strict=True) if frame["type"] != "BOOKMARK"]
        version = numbers[-1]
    assert seen == [number for _, number, _ in recorded("healthy_airflow3")["pods"]]
