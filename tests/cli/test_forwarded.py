"""serve and capture as a user runs them: a database behind the API server, and credentials that run out."""

import base64
import json
import os
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from afscope.replay.kube.tokens import Tokens
from afscope.store.reader import Capture
from tests.capture.databases import database

POOL = Path(__file__).parents[1] / "data" / "recordings" / "pool"
AFSCOPE = (sys.executable, "-m", "afscope")


def environment(folder: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "KUBE"))}
    return own | {"HOME": str(folder), "PYTHONUNBUFFERED": "1"}


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """`afscope serve` of the pool incident; its JSON line."""
    process = subprocess.Popen(
        [*AFSCOPE, "serve", str(POOL), "--speed", "10", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(folder), cwd=folder,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        assert line, process.communicate()[1]
        yield json.loads(line)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def captured(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AFSCOPE, "capture", "-o", str(folder / "c.afscope"), "--no-broker", *arguments],
        capture_output=True, text=True, timeout=180, env=environment(folder), cwd=folder, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_that_only_the_cluster_reaches_is_recorded_through_it(kind: str, tls: bool, tmp_path: Path) -> None:
    if tls:
        pytest.importorskip("cryptography", reason="certificates are made by cryptography")
    with database(kind) as text:
        assert text is not None
        url = sa.make_url(text)
        (tmp_path / "direct").write_text(text)
        inside = url.set(host="airflow-db.airflow.svc", port=6000)
        (tmp_path / "inside").write_text(inside.render_as_string(hide_password=False))
        forward = f"svc/airflow-db.airflow:6000={url.host}:{url.port}"
        more = ("--tls",) if tls else ()
        with served(tmp_path, "--db-url-file", str(tmp_path / "direct"), "--forward", forward, *more) as ready:
            done = captured(
                tmp_path, "--kubeconfig", ready["kubeconfig"], "--db-url-file", str(tmp_path / "inside"),
                "--db-via", "svc/airflow-db.airflow:6000", "--duration", "60s",
            )  # fmt: skip
    assert done.returncode == 0, done.stderr
    capture = Capture.open(tmp_path / "c.afscope")
    assert capture.source("task_instances").status == "ok", done.stderr
    assert capture.rows("task_instances") > 0
    assert set(capture.table("polls")["outcome"].to_pylist()) == {"ok"}
    assert "airflow-db-0" not in capture.table("pods")["name"].to_pylist(), "what is told of was not recorded"


PLUGIN = """
import datetime, json, pathlib, secrets, sys
tokens = pathlib.Path(sys.argv[1])
token, until = secrets.token_hex(8), datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
with tokens.open("a") as file:
    file.write(f"{token} {until:%Y-%m-%dT%H:%M:%S.%fZ}\\n")
status = {"token": token, "expirationTimestamp": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


@pytest.mark.parametrize("more", [(), ("--tls",)], ids=["http", "https"])
def test_tokens_of_a_plugin_that_run_out_are_renewed_while_recording(more: tuple[str, ...], tmp_path: Path) -> None:
    """They are good for two seconds, the recording takes some eight, and all watches are cut in the middle of it."""
    if more:
        pytest.importorskip("cryptography", reason="certificates are made by cryptography")
    tokens, script = tmp_path / "tokens", tmp_path / "plugin.py"
    tokens.write_text("of-the-test\n")
    script.write_text(PLUGIN)
    with served(tmp_path, "--no-db", "--token-file", str(tokens), *more) as ready:
        assert ready["token"] is None
        content = yaml.safe_load(Path(ready["kubeconfig"]).read_text())
        plugin: dict[str, Any] = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
        plugin |= {"command": sys.executable, "args": [str(script), str(tokens)]}
        content["users"][0]["user"] = {"exec": plugin}
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(content))
        fault = [{"fault": "cut", "verb": "watch", "count": 4}]
        stop = threading.Timer(4.0, lambda: control(ready, content, "of-the-test", fault))
        stop.start()
        done = captured(tmp_path, "--kubeconfig", str(tmp_path / "kubeconfig"), "--no-db", "--duration", "90s")
        stop.join()
    assert done.returncode == 0, done.stderr
    issued = [line for line in tokens.read_text().splitlines() if " " in line]
    assert len(issued) >= 2, "the first ran out and another was asked for"
    assert len(issued) < 12, "not one for each request"
    capture = Capture.open(tmp_path / "c.afscope")
    assert capture.source("pods").status == "ok", done.stderr
    assert [gap for gap in capture.gaps() if "came late" not in gap.reason] == []
    everything = "".join(path.read_text(errors="replace") for path in capture.path.rglob("*") if path.is_file())
    assert not any(line.split()[0] in done.stderr + everything for line in issued), "no token is written anywhere"


def control(ready: dict[str, Any], content: dict[str, Any], token: str, faults: list[dict[str, Any]]) -> None:
    """Arms faults at a server that asks for a token."""
    authority = content["clusters"][0]["cluster"].get("certificate-authority-data")
    context = ssl.create_default_context(cadata=base64.b64decode(authority).decode()) if authority else None
    request = urllib.request.Request(
        f"{ready['url']}/afscope/faults", json.dumps(faults).encode(), {"Authorization": f"Bearer {token}"}
    )
    urllib.request.urlopen(request, timeout=30, context=context).close()


def test_a_token_file_lets_in_only_what_is_in_it_and_has_not_run_out(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("always\npast 2020-01-01T00:00:00Z\nfuture 2999-01-01T00:00:00Z\nbad soon\n\n")
    tokens = Tokens(file=file)
    let_in = [name for name in ("always", "past", "future", "bad", "", "other") if tokens.admit(f"Bearer {name}")]
    assert let_in == ["always", "future"]
    assert not tokens.admit("")
    file.unlink()
    assert not tokens.admit("Bearer always"), "a file that is gone lets in nobody"


@pytest.mark.parametrize("text", ["db:5432=h:1", "svc/db=h:1", "svc/db:0=h:1", "svc/db:1=h:99999", "svc/db:1=h"])
def test_a_forward_that_makes_no_sense(text: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*AFSCOPE, "serve", str(POOL), "--no-db", "--forward", text],
        capture_output=True, text=True, timeout=60, env=environment(tmp_path), cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "svc/NAME[.NAMESPACE]:PORT=HOST:PORT" in done.stderr
