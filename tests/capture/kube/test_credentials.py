"""Who we are to a cluster: contexts, plugins, tokens that are rotated, the service account of a pod."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import incluster_config

from afscope.capture.kube.access import reached, scope
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.credentials import Credentials
from afscope.capture.kube.errors import ApiError
from afscope.errors import CannotConnect
from afscope.model.pace import ScaledPace
from afscope.replay.kube.history import History
from afscope.replay.kube.kubeconfig import kubeconfig
from afscope.replay.kube.server import KubeReplay

POOL = Path(__file__).parents[2] / "data" / "recordings" / "pool"
SECRET = "hunter2-never-shown"
Write = Callable[[dict[str, Any]], str]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def guarded() -> Iterator[KubeReplay]:
    """A server that asks for a token."""
    history = History.of(POOL)
    with KubeReplay(history, ScaledPace(history.begins, paused=True), token="first") as server:
        yield server


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a kubeconfig; returns its path."""

    def write(content: dict[str, Any]) -> str:
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    return write


def config(server: str = "http://127.0.0.1:1", user: dict[str, Any] | None = None) -> dict[str, Any]:
    """A kubeconfig with the context "prod"."""
    content: dict[str, Any] = yaml.safe_load(kubeconfig(server, name="prod"))
    content["users"][0]["user"] = user or {}
    return content


def plugin(tmp_path: Path, body: str) -> dict[str, Any]:
    """A user whose credentials a program prints, as those of the clouds do."""
    script = tmp_path / "plugin.py"
    script.write_text(body, encoding="utf-8")
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(script)]}
    return {"exec": {**exec_, "interactiveMode": "Never"}}


def printing(token_file: Path) -> str:
    """A plugin that prints what the file holds as its token."""
    head = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    return (
        "import json, pathlib\n"
        f"token = pathlib.Path({str(token_file)!r}).read_text()\n"
        f"print(json.dumps({{**{head!r}, 'status': {{'token': token}}}}))\n"
    )


# Contexts


@pytest.mark.parametrize("current", ["", "deleted"])
def test_a_context_that_is_named_needs_no_current_one(current: str, write: Write) -> None:
    path = write({**config(), "current-context": current})
    found = Credentials(path, "prod")
    assert (found.name, found.configuration.host) == ("prod", "http://127.0.0.1:1")
    with pytest.raises(CannotConnect, match="has no") as caught:
        Credentials(path)
    assert "there are: prod" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "is not there"),
        ("", "empty"),
        ("contexts: []", "has no contexts"),
        ("[1, 2]", "no cluster"),
        ("{", "no cluster"),
    ],
)
def test_a_file_that_is_no_kubeconfig(text: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(CannotConnect, match=why) as caught:
        Credentials(str(path))
    assert "--kubeconfig" in caught.value.hint
    assert "\n" not in str(caught.value.what)


# Plugins


def test_a_plugin_is_asked_again_when_its_token_is_refused(guarded: KubeReplay, write: Write, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    cluster = Cluster.connect(kubeconfig=write(config(guarded.url, plugin(tmp_path, printing(token)))))
    assert reached(cluster).startswith("v1.")
    guarded.token = "second"
    with pytest.raises(CannotConnect, match="refuses these credentials"):
        reached(cluster)
    token.write_text("second")
    assert reached(cluster).startswith("v1.")
    cluster.close()


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f"import sys; print('{SECRET}'); print('{SECRET}', file=sys.stderr); sys.exit(3)", "plugin"),
        (f"print('{SECRET}')", "gave no credentials"),
        ("print('{}')", "gave no credentials"),
    ],
)
def test_a_plugin_that_fails_says_nothing_of_its_output(
    body: str, why: str, terminal: bool, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    with pytest.raises(CannotConnect, match=why) as caught:
        Credentials(write(config(user=plugin(tmp_path, body))))
    assert SECRET not in str(caught.value)
    assert "NoneType" not in str(caught.value)


# Service accounts


def test_the_token_of_a_pod_is_read_again(guarded: KubeReplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    (tmp_path / "ca.crt").write_text("none")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    credentials = Credentials()
    assert credentials.name == "in-cluster"
    assert credentials.configuration.host == "https://10.0.0.1:443"
    assert credentials.authorization() == "bearer first"
    token.write_text("second")
    assert credentials.authorization() == "bearer first"  # good for a minute
    credentials.renew(credentials.generation)
    assert credentials.authorization() == "bearer second"


# Rights


def test_a_server_that_knows_no_reviews_is_tried(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History.of(POOL)
    with KubeReplay(history, ScaledPace(history.begins, paused=True)) as server:
        cluster = Cluster.connect(kubeconfig=write(config(server.url)))
        monkeypatch.setattr(cluster, "post", lambda *_, **__: b"<html>a proxy</html>")
        assert scope(cluster, (), whole=True) == ()
        monkeypatch.setattr(cluster, "post", lambda *_, **__: json.dumps({"status": {"allowed": False}}).encode())
        assert scope(cluster, (), whole=False) == ("default",)
        with pytest.raises(CannotConnect, match="may not be listed"):
            scope(cluster, (), whole=True)
        cluster.close()


def test_a_kind_that_the_server_does_not_know_is_an_error_that_says_so(write: Write) -> None:
    history = History.of(POOL)
    with KubeReplay(history, ScaledPace(history.begins, paused=True)) as server:
        cluster = Cluster.connect(kubeconfig=write(config(server.url)))
        with pytest.raises(ApiError) as caught:
            cluster.get("/apis/nobody.example/v1/things")
        assert caught.value.status == 404
        cluster.close()
