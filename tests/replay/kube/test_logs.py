"""Logs of pods: each line at its own time."""

from pathlib import Path

import pytest

from afscope.ingest import import_sources
from afscope.model.clock import SECOND
from afscope.replay.kube.restamp import restamped
from tests.replay.kube.client import wait_until
from tests.replay.kube.cluster import T0, Cluster, pod
from tests.replay.kube.conftest import RECORDINGS, Replay, Serve

LOG = "/api/v1/namespaces/air/pods/a/log"
TEXT = """\
no time yet
[2027-01-15T08:00:05.500+0000] {job.py:1} INFO - five
[2027-01-15 08:00:10,250: INFO/MainProcess] ten
Traceback (most recent call last):
  at the same moment
2027-01-15T08:00:09.000000Z [info     ] clocks of processes differ
2027-01-15T08:00:20.000000Z [info     ] twenty
"""


@pytest.fixture
def replay(cluster: Cluster, serve: Serve) -> Replay:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(0, "LIST", pod("two", 6, spec_containers=[{"name": "x"}, {"name": "y"}]))
    cluster.see(0, "LIST", pod("silent", 7))
    cluster.see(0, "LIST", pod("keda-operator-5f7", 8))
    cluster.see(30, "DELETED", pod("a", 9))
    cluster.log("a", TEXT)
    (cluster.folder / "logs" / "keda-operator.log").write_text("2027-01-15T08:00:00Z\tINFO\tup\n")
    return serve(cluster.write())


def lines(replay: Replay, query: str = "") -> list[str]:
    found = replay.client.get(f"{LOG}?{query}")
    assert (found.code, found.headers["Content-Type"]) == (200, "text/plain")
    return found.body.decode().splitlines()


def test_lines_appear_at_their_time(replay: Replay) -> None:
    text = TEXT.splitlines()
    for seconds, visible in ((0, 1), (5, 1), (6, 2), (10, 2), (11, 6), (20, 7)):
        replay.pace.jump(replay.history.begins + seconds * SECOND)
        assert lines(replay) == text[:visible]


def test_the_last_lines_and_the_latest(replay: Replay) -> None:
    text = TEXT.splitlines()
    replay.pace.step(12)
    assert lines(replay, "tailLines=2") == text[4:6]
    assert lines(replay, "tailLines=0") == []
    assert lines(replay, "tailLines=99") == text[:6]
    assert lines(replay, "sinceSeconds=5") == text[2:6]
    assert lines(replay, "sinceSeconds=5&tailLines=1") == text[5:6]
    assert lines(replay, "sinceTime=2027-01-15T08:00:05Z") == text[1:6]
    assert lines(replay, "limitBytes=5") == ["no ti"]


def test_lines_with_the_time_before_them(replay: Replay) -> None:
    replay.pace.step(6)
    assert lines(replay, "timestamps=true&tailLines=1") == [
        "2027-01-15T08:00:05.500000000Z [2027-01-15T08:00:05.500+0000] {job.py:1} INFO - five"
    ]


def test_a_log_can_be_followed_until_its_pod_is_gone(replay: Replay) -> None:
    follow = replay.client.watch(f"{LOG}?follow=true&tailLines=1")
    wait_until(lambda: len(follow.lines) == 1, "the first line")
    replay.pace.step(11)
    wait_until(lambda: len(follow.lines) == 6, "lines up to now")
    assert not follow.ended.is_set()
    replay.pace.step(19)
    assert follow.ended.wait(20)
    assert b"".join(follow.lines).decode() == TEXT
    assert follow.broken is None
    assert replay.client.get(LOG).code == 404
    assert replay.server.sent == 0


def test_the_container_must_be_one_that_was_recorded(replay: Replay) -> None:
    def said(path: str) -> tuple[int, str]:
        found = replay.client.get(f"/api/v1/namespaces/air/pods/{path}")
        return found.code, found.json["message"]

    assert lines(replay, "container=worker")
    assert said("a/log?container=sidecar") == (400, "container sidecar is not valid for pod a")
    assert said("two/log") == (400, "a container name must be specified for pod two, choose one of: [x y]")
    assert said("two/log?container=y") == (404, 'the log of container "y" in pod "two" was not recorded')
    assert said("silent/log") == (404, 'the log of pod "silent" was not recorded')
    assert said("nobody/log") == (404, 'pods "nobody" not found')
    assert said("a/log?previous=true") == (400, 'previous terminated container "worker" in pod "a" not found')
    assert said("a/log?tailLines=few")[0] == 400
    assert said("a/log?sinceTime=noon")[0] == 400


def test_the_log_of_a_component_is_that_of_its_pod(replay: Replay) -> None:
    found = replay.client.get("/api/v1/namespaces/air/pods/keda-operator-5f7/log")
    assert found.body == b"2027-01-15T08:00:00Z\tINFO\tup\n"


def test_captures_have_no_raw_logs(tmp_path: Path, serve: Serve) -> None:
    import_sources([RECORDINGS / "pool"], tmp_path / "c.afscope")
    replay = serve(tmp_path / "c.afscope")
    replay.pace.jump(replay.history.ends)
    (name, *_) = replay.client.get("/api/v1/pods").names
    found = replay.client.get(f"/api/v1/namespaces/airflow/pods/{name}/log")
    assert found.code == 404
    assert "captures hold no raw logs" in found.json["message"]


def test_logs_move_with_a_rebased_history(replay: Replay, cluster: Cluster, serve: Serve) -> None:
    moved = serve(cluster.folder, rebase_to=(T0 + 3600) * SECOND)
    moved.pace.step(12)
    assert lines(moved, "tailLines=5") == [
        line.replace("2027-01-15T08", "2027-01-15T09").replace("2027-01-15 08", "2027-01-15 09")
        for line in TEXT.splitlines()[1:6]
    ]


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("I0115 08:00:00.123456       1 main.go:7] up", "I0116 09:00:01.123456       1 main.go:7] up"),
        ('{"timestamp":"2027-01-15T08:00:00.5Z","event":"x"}', '{"timestamp":"2027-01-16T09:00:01.5Z","event":"x"}'),
        ('{"level":"info","ts":1800000000.5,"msg":"x"}', '{"level":"info","ts":1800090001.5,"msg":"x"}'),
        (
            "2027-01-15T08:00:00.1Z stdout F [2027-01-15T08:00:00.1+0000] {a.py:1} INFO - x",
            "2027-01-16T09:00:01.1Z stdout F [2027-01-15T08:00:00.1+0000] {a.py:1} INFO - x",
        ),
        ("a line that mentions, quite late in its own text, the time 2027-01-15T08:00:00Z", None),
        ("2027-99-15T08:00:00Z [info] x", None),
    ],
)
def test_only_the_time_at_the_head_of_a_line_is_moved(line: str, after: str | None) -> None:
    shift = 90_001 * SECOND
    assert restamped(line.encode(), T0 * SECOND, shift).decode() == (after or line)
    assert restamped(line.encode(), T0 * SECOND, 0).decode() == line


def test_real_logs_come_whole(serve: Serve) -> None:
    import gzip

    replay = serve(RECORDINGS / "pool")
    replay.pace.jump(replay.history.ends)
    compared = 0
    for name in replay.client.get("/api/v1/pods").names:
        whole = gzip.decompress((RECORDINGS / "pool" / "logs" / f"pod.{name}.log.gz").read_bytes()).decode()
        served = replay.client.get(f"/api/v1/namespaces/airflow/pods/{name}/log").body.decode()
        assert served
        assert whole.startswith(served)
        compared += 1
    assert compared
