"""HTTPS with a certificate of its own, and the kubeconfig that carries it."""

import base64
import http.client
import json
import ssl
from urllib.parse import urlsplit

import pytest
import yaml

from afscope.capture.kube.replay_clock import ReplayPace, pace_of
from afscope.errors import CannotReplay
from afscope.model.pace import ScaledPace
from afscope.replay.kube.kubeconfig import kubeconfig
from afscope.replay.kube.server import KubeReplay
from tests.replay.kube.cluster import START, Cluster, pod
from tests.replay.kube.conftest import Serve


def test_clients_that_trust_the_certificate_are_served(cluster: Cluster, serve: Serve) -> None:
    pytest.importorskip("cryptography", reason="certificates are made by cryptography")
    cluster.see(0, "LIST", pod("a", 5))
    server = serve(cluster.write(), tls=True, token="t").server
    address = urlsplit(server.url)
    trusting = ssl.create_default_context(cadata=server.ca_pem.decode())
    connection = http.client.HTTPSConnection("127.0.0.1", address.port, context=trusting, timeout=20)
    connection.request("GET", "/api/v1/pods", headers={"Authorization": "Bearer t"})
    assert len(json.loads(connection.getresponse().read())["items"]) == 1
    connection.close()
    doubtful = http.client.HTTPSConnection("127.0.0.1", address.port, timeout=20)
    with pytest.raises(ssl.SSLCertVerificationError):
        doubtful.request("GET", "/version")
    doubtful.close()


def test_a_kubeconfig_names_server_token_certificate_and_clock() -> None:
    document = yaml.safe_load(kubeconfig("https://h:1", token="t", ca_pem=b"PEM", name="x"))
    cluster = document["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
    assert cluster["extensions"] == [
        {"name": "afscope.dev/replay", "extension": {"clock": "https://h:1/afscope/clock"}}
    ]
    assert document["users"][0]["user"] == {"token": "t"}
    assert document["current-context"] == document["contexts"][0]["name"] == "x"


def test_without_token_and_certificate_none_are_named() -> None:
    document = yaml.safe_load(kubeconfig("http://h:1"))
    assert document["users"][0]["user"] == {}
    assert "certificate-authority-data" not in document["clusters"][0]["cluster"]


def test_a_recorder_takes_its_time_from_the_replay(cluster: Cluster, serve: Serve) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    replay = serve(cluster.write())
    path = cluster.folder / "kubeconfig"
    path.write_text(kubeconfig(replay.server.url), encoding="utf-8")
    pace = pace_of(str(path), None)
    assert isinstance(pace, ReplayPace)
    assert (pace.now(), pace.paused) == (START, True)


def test_a_port_that_is_taken(cluster: Cluster, serve: Serve) -> None:
    cluster.see(0, "LIST", pod("a", 5))
    replay = serve(cluster.write())
    port = int(replay.server.url.rpartition(":")[2])
    with pytest.raises(CannotReplay, match=f"cannot listen on 127.0.0.1:{port}"):
        KubeReplay(replay.history, ScaledPace(0, paused=True), port=port)
