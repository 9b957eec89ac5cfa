"""`afscope serve` as a person starts it: one line when it is ready, both halves on one clock, nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from afscope.cli.main import COULD_NOT_RUN
from afscope.model.clock import Micros, SystemClock, parse_time
from tests.cli.conftest import Run
from tests.replay.airflow.conftest import START, record, task, until
from tests.replay.airflow.servers import empty_database, execute
from tests.replay.airflow.test_replay import tasks_at

POOL = Path(__file__).parents[1] / "data" / "recordings" / "pool"


def counted(source: Path, when: str) -> dict[str, int]:
    """Task instances by state at a time, out of the recording itself."""
    return dict(Counter(str(row["state"]) for row in tasks_at(source, parse_time(when))))


class Serving(NamedTuple):
    """A running command and the line that it printed."""

    process: "subprocess.Popen[str]"
    ready: dict[str, Any]

    def clock(self, **turn: Any) -> dict[str, Any]:
        """The replay's clock, turned first if asked to."""
        body = json.dumps(turn).encode() if turn else None
        with urllib.request.urlopen(f"{self.ready['url']}/afscope/clock", data=body, timeout=30) as answer:
            clock: dict[str, Any] = json.load(answer)
        return clock

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.ready["url"] + path, timeout=30) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def tasks(self) -> dict[str, int]:
        url = Path(self.ready["db_url_file"]).read_text(encoding="utf-8").strip()
        with create_engine(url, poolclass=NullPool).connect() as connection:
            found = connection.execute(text("SELECT state, count(*) FROM task_instance GROUP BY state"))
            return {str(state): count for state, count in found}

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """(exit code, the rest of stdout, stderr)."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def serving(*arguments: object, folder: Path) -> Iterator[Serving]:
    """The command with a temporary folder of its own."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", "from afscope.cli.main import run; run()", "serve", *map(str, arguments)]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield Serving(process, json.loads(line))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_halves_are_served_on_one_clock_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with serving(POOL, "--paused", "--at", "+60s", folder=tmp_path / "tmp") as served:
        ready = served.ready
        assert parse_time(ready["now"]) == parse_time(ready["begins"]) + 60_000_000
        assert parse_time(ready["begins"]) < parse_time(ready["now"]) < parse_time(ready["ends"])
        assert (ready["speed"], ready["paused"], ready["token"]) == (1.0, True, None)
        assert served.clock()["now_us"] == parse_time(ready["now"])
        pods = {pod["metadata"]["name"] for pod in served.get("/api/v1/pods")["items"]}
        assert any("worker" in name for name in pods)
        assert served.tasks() == counted(POOL, ready["now"])
        assert len(served.tasks()) == 3
        assert served.end(number) == (0, "", "")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_turning_the_clock_turns_the_database(tmp_path: Path) -> None:
    with serving(POOL, "--paused", folder=tmp_path / "tmp") as served:
        assert served.tasks() == {}
        served.clock(jump=served.ready["ends"])
        until(lambda: served.tasks() == counted(POOL, served.ready["ends"]))
        assert served.tasks()["success"] > 4
        assert served.end()[0] == 0


def test_the_kubeconfig_is_private_and_names_the_clock(tmp_path: Path) -> None:
    out = tmp_path / "kubeconfig"
    with serving(POOL, "--tls", "--kubeconfig-out", out, "--no-db", folder=tmp_path / "tmp") as served:
        assert served.ready["kubeconfig"] == str(out)
        assert out.stat().st_mode & 0o777 == 0o600
        document = yaml.safe_load(out.read_text(encoding="utf-8"))
        (cluster,) = (entry["cluster"] for entry in document["clusters"])
        assert cluster["server"] == served.ready["url"]
        assert cluster["server"].startswith("https://")
        assert cluster["extensions"] == [
            {"name": "afscope.dev/replay", "extension": {"clock": f"{served.ready['url']}/afscope/clock"}}
        ]
        assert document["users"][0]["user"]["token"] == served.ready["token"] != ""
        assert (served.ready["db_url"], served.ready["db_url_file"]) == (None, None)
        assert served.end()[0] == 0
    assert not out.exists()


def test_rebased_the_clock_starts_now(tmp_path: Path) -> None:
    before: Micros = SystemClock().now()
    with serving(POOL, "--paused", "--at", "+30s", "--rebase", "now", folder=tmp_path / "tmp") as served:
        now = parse_time(served.ready["now"])
        assert before - 1_000_000 <= now <= SystemClock().now() + 1_000_000
        assert now == parse_time(served.ready["begins"]) + 30_000_000
        found = served.get("/api/v1/pods")["items"][0]["metadata"]["creationTimestamp"]
        assert parse_time(served.ready["begins"]) - 600_000_000 < parse_time(found) <= now
        assert served.end()[0] == 0


def test_a_database_without_a_cluster_is_served_and_the_rest_is_told(tmp_path: Path) -> None:
    source = record(tmp_path / "r", (0, {"task_instance": [task()]}), (9, {}))
    with serving(source, folder=tmp_path / "tmp") as served:
        assert (served.ready["url"], served.ready["kubeconfig"]) == (None, None)
        assert parse_time(served.ready["begins"]) == round(START * 1e6)
        assert served.tasks() == {"queued": 1}
        code, _, err = served.end()
    assert code == 0
    assert "holds no Kubernetes objects" in err


def test_a_database_file_of_ones_own_is_gone_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"sqlite:///{tmp_path / 'mine.db'}\n", encoding="utf-8")
    with serving(POOL, "--no-kube", "--db-url-file", file, "--at", "+60s", folder=tmp_path / "tmp") as served:
        assert served.ready["db_url"] == f"sqlite:///{tmp_path / 'mine.db'}"
        assert Path(served.ready["db_url_file"]).stat().st_mode & 0o777 == 0o600
        assert served.tasks() == counted(POOL, served.ready["now"])
        assert served.end()[0] == 0
    assert not (tmp_path / "mine.db").exists()


def test_the_password_of_a_database_is_in_the_private_file_alone(tmp_path: Path) -> None:
    """The server trusts everybody, so any password is right."""
    with empty_database("postgresql", tmp_path) as url:
        secret = make_url(url).set(password="pw-1").render_as_string(hide_password=False)
        arguments = (POOL, "--no-kube", "--paused", "--at", "+60s", "--db-url", secret)
        with serving(*arguments, folder=tmp_path / "tmp") as served:
            assert "pw-1" not in json.dumps(served.ready)
            assert "pw-1" in Path(served.ready["db_url_file"]).read_text(encoding="utf-8")
            assert served.tasks() == counted(POOL, served.ready["now"])
            code, _, err = served.end()
        assert code == 0
        assert "--db-url-file" in err
        assert "pw-1" not in err


def taken_port() -> tuple[socket.socket, int]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, int(listener.getsockname()[1])


def test_what_cannot_be_served_is_refused_in_one_sentence(tmp_path: Path, run: Run) -> None:
    listener, port = taken_port()
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").mkdir()
    theirs = f"sqlite:///{tmp_path / 'theirs.db'}"
    execute(theirs, "CREATE TABLE dag (a int)")
    with listener:
        cases: list[tuple[tuple[object, ...], str]] = [
            ((tmp_path / "nowhere",), "does not exist"),
            ((tmp_path / "text",), "text"),
            ((tmp_path / "empty",), "holds no"),
            ((POOL, "--port", port), str(port)),
            ((POOL, "--at", "noon"), "--at"),
            ((POOL, "--at", "2020-01-01T00:00:00Z"), "--at"),
            ((POOL, "--speed", "0"), "--speed"),
            ((POOL, "--speed", "nan"), "--speed"),
            ((POOL, "--rebase", "yesterday"), "--rebase"),
            ((POOL, "--no-db", "--no-kube"), "nothing"),
            ((POOL, "--db-url", theirs), "is not empty: it holds dag"),
            ((POOL, "--db-url", "oracle://h/d"), "oracle"),
            ((POOL, "--db-url", theirs, "--db-url-file", tmp_path / "text"), "exclude"),
            ((POOL, "--db-url-file", tmp_path / "nowhere"), "cannot be read"),
            ((POOL, "--kubeconfig-out", tmp_path / "text"), "exists"),
            ((POOL, "--kubeconfig-out", tmp_path / "no" / "folder"), "folder"),
        ]
        for arguments, words in cases:
            outcome = run("serve", *arguments)
            assert (outcome.code, outcome.out) == (COULD_NOT_RUN, ""), arguments
            assert words in outcome.err, arguments
            assert "Traceback" not in outcome.err
            assert len(outcome.err.splitlines()) <= 2, outcome.err
    assert (tmp_path / "text").read_text() == "hello"


def test_help_is_in_the_group_of_recording(run: Run) -> None:
    text = run("--help").out
    assert text.index("Record:") < text.index("\n  serve ") < text.index("Look:")


def ordered(served: Serving, **fault: Any) -> tuple[int, str]:
    """The answer to an order of trouble in the database: its code, and the message of a refusal."""
    request = urllib.request.Request(f"{served.ready['url']}/afscope/database-faults", json.dumps(fault).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as refused:
        return refused.code, str(json.load(refused)["message"])


def test_trouble_in_the_database_can_be_ordered(tmp_path: Path) -> None:
    """SQLite has a lock, for writers, and nothing else."""
    with serving(POOL, "--paused", folder=tmp_path / "tmp") as served:
        assert ordered(served, fault="lock", seconds=0.5) == (200, "")
        for fault, words in (
            ({"fault": "restart"}, "no sessions"),
            ({"fault": "login"}, "needs a user"),
            ({"fault": "lock", "seconds": -1}, "above 0"),
            ({"fault": "earthquake"}, "not as it should be"),
        ):
            code, message = ordered(served, **fault)
            assert (code, words in message) == (400, True), message
        assert served.end()[0] == 0


def test_without_a_database_there_is_no_trouble_in_one(tmp_path: Path) -> None:
    with serving(POOL, "--paused", "--no-db", folder=tmp_path / "tmp") as served:
        code, message = ordered(served, fault="lock")
        assert (code, message) == (400, "no database is served here")
        assert served.end()[0] == 0
