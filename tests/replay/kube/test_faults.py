"""Each fault, as a raw client sees it; and the endpoints that arm them and turn the clock."""

import http.client
import json
import socket
from typing import Any, get_args

import pytest

from afscope.model.clock import SECOND, parse_time
from afscope.replay.kube.faults import Fault, Kind
from tests.replay.kube.client import Client, wait_until
from tests.replay.kube.cluster import START, Cluster, pod
from tests.replay.kube.conftest import Replay, Serve

PODS = "/api/v1/pods"
WATCH = f"{PODS}?watch=1&resourceVersion=5"


@pytest.fixture
def replay(cluster: Cluster, serve: Serve) -> Replay:
    cluster.see(0, "LIST", pod("a", 5))
    cluster.see(10, "MODIFIED", pod("a", 10))
    cluster.see(20, "MODIFIED", pod("a", 20))
    cluster.see(30, "MODIFIED", pod("a", 30))
    return serve(cluster.write())


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        ("401", 401, "Unauthorized"),
        ("403", 403, "Forbidden"),
        ("410", 410, "Expired"),
        ("429", 429, "TooManyRequests"),
        ("500", 500, "InternalError"),
    ],
)
def test_refusals(replay: Replay, kind: Kind, code: int, reason: str) -> None:
    replay.server.faults.arm(Fault(kind, count=1, seconds=7))
    found = replay.client.get(PODS)
    assert (found.code, found.json["kind"], found.json["reason"], found.json["code"]) == (code, "Status", reason, code)
    assert found.headers.get("Retry-After") == ("7" if kind == "429" else None)
    assert replay.client.get(PODS).code == 200


def test_a_fault_strikes_as_often_as_it_says(replay: Replay) -> None:
    replay.server.faults.arm(Fault("500", count=2))
    replay.server.faults.arm(Fault("403", count=1))
    assert [replay.client.get(PODS).code for _ in range(4)] == [500, 500, 403, 200]
    replay.server.faults.arm(Fault("500"))
    assert [replay.client.get(PODS).code for _ in range(3)] == [500, 500, 500]
    assert replay.server.faults.armed() == [Fault("500")]
    replay.server.faults.clear()
    assert replay.client.get(PODS).code == 200


@pytest.mark.parametrize(
    ("fault", "path", "hit"),
    [
        (Fault("500", path="/pods"), PODS, True),
        (Fault("500", path="/pods$"), f"{PODS}?limit=1", False),
        (Fault("500", path="/nodes"), PODS, False),
        (Fault("500", verb="list"), PODS, True),
        (Fault("500", verb="list"), f"{PODS}?watch=1&timeoutSeconds=1", False),
        (Fault("500", verb="watch"), f"{PODS}?watch=1", True),
        (Fault("500", verb="get"), "/api/v1/namespaces/air/pods/a", True),
        (Fault("500", verb="get"), "/api/v1/namespaces/air/pods/a/log", False),
        (Fault("500", verb="log"), "/api/v1/namespaces/air/pods/a/log", True),
        (Fault("500", verb="other"), "/version", True),
        (Fault("500", verb="list"), "/api/v1/namespaces/air/pods", True),
        (Fault("500", verb="list"), "/api/v1", False),
    ],
)
def test_a_fault_strikes_what_it_is_armed_for(replay: Replay, fault: Fault, path: str, hit: bool) -> None:
    replay.server.faults.arm(fault)
    connection = replay.client.request(path)
    assert (connection.getresponse().status == 500) is hit
    connection.close()


def test_a_request_that_hangs(replay: Replay) -> None:
    replay.server.faults.arm(Fault("hang", count=1))
    connection = replay.client.request(PODS)
    wait_until(lambda: replay.server.faults.armed() == [], "the request arrived")
    assert connection.sock is not None
    connection.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert replay.client.get(PODS).code == 200


def test_a_list_that_is_cut(replay: Replay) -> None:
    whole = len(replay.client.get(PODS).body)
    replay.server.faults.arm(Fault("cut", count=1))
    with pytest.raises(http.client.IncompleteRead) as cut:
        replay.client.get(PODS)
    assert len(cut.value.partial) == whole // 2
    assert replay.server.sent == 1  # the first list only


def test_a_watch_that_is_cut_inside_a_frame(replay: Replay) -> None:
    watch = replay.client.watch(WATCH)
    replay.pace.step(10)
    watch.count(1)
    replay.server.faults.arm(Fault("cut", verb="watch", count=1))
    replay.pace.step(10)
    assert watch.ended.wait(20)
    assert len(watch.frames) == 1
    assert watch.broken is not None or not watch.lines[-1].endswith(b"\n")
    assert replay.server.sent == 1
    again = replay.client.watch(f"{PODS}?watch=1&resourceVersion=10")
    assert again.count(1)[0]["object"]["metadata"]["resourceVersion"] == "20"


def test_a_half_open_socket(replay: Replay) -> None:
    watch = replay.client.watch(WATCH)
    replay.server.faults.arm(Fault("half_open", verb="watch", count=1))
    replay.pace.step(30)
    wait_until(lambda: replay.server.faults.armed() == [], "it struck")
    assert not watch.ended.wait(0.3)
    assert watch.frames == []
    assert not replay.server.settled()
    watch.close()
    wait_until(replay.server.settled, "the client is forgotten")


def test_a_slow_drip_is_slow_but_whole(replay: Replay) -> None:
    replay.server.faults.arm(Fault("drip", count=1, size=7, seconds=0.001))
    whole = replay.client.get(PODS)
    assert whole.names == ["a"]
    watch = replay.client.watch(WATCH)
    replay.server.faults.arm(Fault("drip", count=1, size=3, seconds=0.001))
    replay.pace.step(10)
    assert watch.count(1)[0]["type"] == "MODIFIED"


def test_a_drip_comes_in_pieces(replay: Replay) -> None:
    replay.server.faults.arm(Fault("drip", count=1, size=5, seconds=0.02))
    connection = replay.client.request(PODS)
    assert connection.sock is not None
    raw, sizes = connection.sock, []
    while b"}\n" not in (data := raw.recv(65536)):
        sizes.append(len(data))
    connection.close()
    assert len(sizes) > 10


@pytest.mark.parametrize("size", [10_000_000])
def test_a_huge_object(replay: Replay, size: int) -> None:
    replay.server.faults.arm(Fault("huge", verb="list", count=1))
    listing = replay.client.get(PODS)
    assert listing.names == ["a", "afscope-huge"]
    assert len(listing.body) > size
    assert replay.client.get(PODS).names == ["a"]
    watch = replay.client.watch(WATCH)
    replay.server.faults.arm(Fault("huge", verb="watch", count=1, size=size))
    watch.count(1)
    assert watch.told == [("ADDED", "afscope-huge")]
    assert len(watch.lines[0]) > size
    replay.pace.step(10)
    assert watch.count(2)[1]["object"]["metadata"]["resourceVersion"] == "10"
    assert replay.server.sent == 5


def test_a_clock_that_is_ahead(replay: Replay) -> None:
    born = replay.client.get(PODS)
    replay.server.faults.arm(Fault("skew", seconds=90))
    ahead = replay.client.get(PODS)
    assert date(ahead) - date(born) == 90
    assert created(ahead.json["items"][0]) - created(born.json["items"][0]) == 90
    watch = replay.client.watch(WATCH)
    replay.pace.step(10)
    assert created(watch.count(1)[0]["object"]) - created(born.json["items"][0]) == 90
    replay.server.faults.clear()
    replay.server.faults.arm(Fault("skew", seconds=-90, count=1))
    assert date(replay.client.get(PODS)) - date(born) == -80
    assert date(replay.client.get(PODS)) - date(born) == 10


def date(reply: Any) -> float:
    from email.utils import parsedate_to_datetime

    return parsedate_to_datetime(reply.headers["Date"]).timestamp()


def created(obj: dict[str, Any]) -> float:
    return parse_time(obj["metadata"]["creationTimestamp"]) / SECOND


def test_the_date_header_is_the_replay_s(replay: Replay) -> None:
    assert date(replay.client.get("/version")) == START / SECOND
    replay.pace.step(3600)
    assert date(replay.client.get("/version")) == START / SECOND + 3600


def test_faults_are_armed_over_http(replay: Replay) -> None:
    armed = replay.client.post("/afscope/faults", {"fault": "429", "verb": "list", "count": 1, "seconds": 3})
    assert armed.json == [{"fault": "429", "verb": "list", "count": 1, "seconds": 3.0}]
    assert replay.client.get("/afscope/faults").json == armed.json
    assert replay.client.get(PODS).headers["Retry-After"] == "3"
    assert replay.client.get("/afscope/faults").json == []
    replay.client.post("/afscope/faults", [{"fault": "500"}, {"fault": "401", "path": "pods"}])
    assert len(replay.server.faults.armed()) == 2
    assert replay.client.get("/afscope/clock").code == 200  # the replay's own endpoints have no faults
    assert replay.client.send("DELETE", "/afscope/faults", None).json == []
    assert replay.client.get(PODS).code == 200


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_fault_can_be_armed(replay: Replay, kind: str) -> None:
    assert replay.client.post("/afscope/faults", {"fault": kind}).json == [{"fault": kind}]


@pytest.mark.parametrize(
    "body",
    [
        {"fault": "earthquake"},
        {"fault": "500", "count": 0},
        {"fault": "500", "path": "("},
        {"fault": "500", "often": 3},
        {},
        [3],
    ],
)
def test_faults_that_make_no_sense(replay: Replay, body: Any) -> None:
    assert replay.client.post("/afscope/faults", body).code == 400
    assert replay.server.faults.armed() == []


def test_versions_are_expired_over_http(replay: Replay) -> None:
    watch = replay.client.watch(WATCH)
    assert replay.client.post("/afscope/expire", {"watches": True}).code == 200
    assert watch.ended.wait(20)
    assert [frame["type"] for frame in watch.frames] == ["ERROR"]
    assert replay.client.watch(WATCH).count(1)[0]["object"]["code"] == 410


def test_the_clock_over_http(replay: Replay) -> None:
    clock = replay.client.get("/afscope/clock").json
    assert clock == {"now": "2027-01-15T08:00:00.000000Z", "now_us": START, "speed": 1.0, "paused": True}
    assert replay.client.post("/afscope/clock", {"step_s": 12.5}).json["now_us"] == START + 12_500_000
    jumped = replay.client.post("/afscope/clock", {"jump": "2027-01-15T08:00:25Z", "step_s": 1}).json
    assert jumped["now"] == "2027-01-15T08:00:26.000000Z"
    running = replay.client.post("/afscope/clock", {"speed": 50, "paused": False}).json
    assert (running["speed"], running["paused"]) == (50.0, False)
    wait_until(lambda: replay.pace.now() > START + 27 * SECOND, "time passes")
    stopped = replay.client.post("/afscope/clock", {"paused": True}).json
    assert (stopped["speed"], stopped["paused"]) == (50.0, True)
    assert replay.client.get("/afscope/clock").json == stopped
    slow = replay.client.post("/afscope/clock", {"speed": 0.5}).json
    assert (slow["speed"], slow["paused"]) == (0.5, True)


@pytest.mark.parametrize(
    "turn", [{"speed": 0}, {"speed": -1}, {"step_s": -1}, {"jump": "yesterday"}, {"faster": True}, {"paused": "yes"}]
)
def test_turns_that_make_no_sense(replay: Replay, turn: dict[str, Any]) -> None:
    found = replay.client.post("/afscope/clock", turn)
    assert (found.code, found.json["reason"]) == (400, "BadRequest")
    assert replay.pace.now() == START


@pytest.mark.parametrize("path", ["clock", "faults", "expire"])
def test_methods_that_the_replay_has_not(replay: Replay, path: str) -> None:
    assert replay.client.send("PUT", f"/afscope/{path}", b"{}").code == 405


def test_what_is_no_http_is_survived(replay: Replay) -> None:
    address = replay.client.connect()
    for garbage in (
        b"\x16\x03\x01\x02\x00",
        b"GET /version HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"\r\n\r\n",
    ):
        with socket.create_connection((address.host, address.port), timeout=20) as raw:
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert json.loads(Client(replay.server.url).get("/version").body)["major"] == "1"
