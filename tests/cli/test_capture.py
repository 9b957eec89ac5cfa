"""afscope capture from outside: what it records, how it ends, and what it says in bad surroundings."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afscope.cli.agent_process import AgentProcess
from afscope.errors import CannotConnect, CaptureError
from afscope.model.clock import SECOND, Micros
from afscope.model.pace import ScaledPace
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.server import AirflowReplay
from afscope.replay.kube.faults import Fault
from afscope.replay.kube.history import History
from afscope.replay.kube.kubeconfig import kubeconfig
from afscope.replay.kube.server import KubeReplay
from afscope.store.merge import merge
from afscope.store.reader import Capture
from afscope.store.recover import recover

POOL = Path(__file__).parents[1] / "data" / "recordings" / "pool"
SPEED = 20.0


class Lab:
    """A replayed incident and a folder; `run` is the command as a user would call it."""

    def __init__(self, folder: Path) -> None:
        history, airflow = History.of(POOL), AirflowHistory.of(POOL)
        self.begins: Micros = history.begins
        self.pace = ScaledPace(history.begins, SPEED)
        self.kube = KubeReplay(history, self.pace, logs=POOL / "logs")
        self.db = AirflowReplay(airflow, self.pace)
        self.folder = folder
        self.config = folder / "kubeconfig"
        self.url = folder / "db-url"
        self.out = folder / "c.afscope"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "KUBE"))} | {
            "HOME": str(folder)
        }

    def __enter__(self) -> "Lab":
        self.kube.start()
        self.db.start()
        self.config.write_text(kubeconfig(self.kube.url))
        self.url.write_text(self.db.url)
        return self

    def __exit__(self, *_: object) -> None:
        self.kube.stop()
        self.db.stop()

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "afscope", "capture", "-o", str(self.out), "--no-broker", *arguments],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env, cwd=self.folder,
        )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    @property
    def everything(self) -> tuple[str, ...]:
        return "--kubeconfig", str(self.config), "--db-url-file", str(self.url)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as one:
        yield one


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.05)


def proven(path: Path) -> dict[str, Micros]:
    try:
        return Capture.open(path).proven
    except CaptureError:
        return {}


def rows(path: Path, table: str) -> int:
    try:
        return Capture.open(path).rows(table)
    except Exception:
        return 0


def test_it_records_until_its_time_is_over(lab: Lab) -> None:
    done = lab.run(*lab.everything, "--duration", "120s")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{lab.out}\n"
    assert "ended (its time is over)" in done.stderr
    capture = Capture.open(lab.out)
    assert capture.manifest.closed
    assert capture.manifest.origin == "capture"
    assert capture.started_at >= lab.begins, "the replay's time, not ours"
    assert capture.manifest.airflow_version.startswith("2.10")
    for table in ("pods", "hpas", "scaledobjects", "task_instances", "dag_runs", "log_lines", "samples", "polls"):
        assert capture.has(table), table


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_seals_it_and_a_reader_may_look_before(lab: Lab, number: signal.Signals) -> None:
    process = lab.start(*lab.everything)
    until(lambda: rows(lab.out, "task_instances") > 0)
    assert not Capture.open(lab.out).manifest.closed
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert stdout == f"{lab.out}\n"
    assert Capture.open(lab.out).manifest.closed
    assert "ended (stopped)" in stderr


def test_a_kill_loses_at_most_a_flush(lab: Lab) -> None:
    process = lab.start(*lab.everything)
    until(lambda: rows(lab.out, "task_instances") > 0)
    process.kill()
    process.communicate()
    capture = Capture.open(lab.out)
    assert not capture.manifest.closed
    assert capture.rows("pods") > 0


def test_a_kill_leaves_a_gap_behind_the_last_proof_of_each_source(lab: Lab) -> None:
    """Watches that were half open for a while when the recorder died look like calm ones, but for their proof."""
    process = lab.start(*lab.everything)
    until(lambda: {"pods", "hpas", "task_instances", "log_lines"} <= proven(lab.out).keys())
    lab.kube.faults.arm(Fault(fault="half_open", verb="watch"))
    lab.kube.expire(watches=True)
    dead_at = lab.pace.now()
    until(lambda: proven(lab.out)["task_instances"] > dead_at + 60 * SECOND)
    process.kill()
    process.communicate()
    capture = Capture.open(lab.out)
    assert capture.cut_off
    assert capture.rows("gaps") == len(capture.gaps())
    gaps = {gap.source: gap for gap in capture.gaps() if gap.to_ts == capture.ended_at}
    assert gaps.keys() >= {"pods", "hpas", "task_instances", "log_lines", "objects"}
    assert gaps["hpas"].from_ts < dead_at + 20 * SECOND
    assert gaps["task_instances"].from_ts > dead_at + 60 * SECOND
    assert recover(lab.out).done
    recovered = Capture.open(lab.out)
    assert recovered.manifest.closed
    assert sorted(recovered.gaps(), key=str) == sorted(capture.gaps(), key=str)
    assert recover(lab.out).done == []


def test_a_recorder_that_goes_on_after_a_killed_one_leaves_the_time_between_them_a_gap(lab: Lab) -> None:
    process = lab.start(*lab.everything)
    until(lambda: {"hpas", "task_instances"} <= proven(lab.out).keys())
    process.kill()
    process.communicate()
    first = lab.out
    lab.out = lab.folder / "next.afscope"
    assert lab.run(*lab.everything, "--duration", "30s").returncode == 0
    second = Capture.open(lab.out)
    merge([Capture.open(first), second], lab.folder / "both.afscope")
    for table in ("hpas", "task_instances"):
        between = [gap for gap in Capture.open(lab.folder / "both.afscope").gaps() if gap.source == table]
        assert any(g.from_ts <= Capture.open(first).proven[table] and g.to_ts >= second.started_at for g in between)


def test_a_second_recorder_on_the_folder_is_refused(lab: Lab) -> None:
    process = lab.start(*lab.everything)
    until(lambda: lab.out.exists())
    second = lab.run(*lab.everything)
    assert second.returncode == 2
    assert "exists" in second.stderr
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_recorder_whose_parent_is_gone_goes_on(lab: Lab) -> None:
    process = lab.start(*lab.everything, "--until-stdin-closes", stdin=subprocess.PIPE)
    until(lambda: rows(lab.out, "pods") > 0)
    assert process.stdin is not None
    process.stdin.close()
    before = rows(lab.out, "polls")
    until(lambda: rows(lab.out, "polls") > before)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit 2, the words on stderr, no traceback, nothing on stdout."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_no_cluster_and_no_database(lab: Lab) -> None:
    one_sentence(lab.run("--kubeconfig", str(lab.folder / "none")), "nothing can be recorded", "none")
    assert not lab.out.exists()


def test_a_context_that_is_not_there(lab: Lab) -> None:
    done = lab.run("--kubeconfig", str(lab.config), "--context", "prod", "--no-db")
    one_sentence(done, "no context 'prod'", "afscope-replay")


def test_a_token_that_is_not_valid(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="401"))
    one_sentence(lab.run("--kubeconfig", str(lab.config), "--no-db"), "refuses these credentials", "log in again")


def test_a_server_that_is_not_there(lab: Lab) -> None:
    lab.config.write_text(kubeconfig("http://127.0.0.1:1"))
    one_sentence(lab.run("--kubeconfig", str(lab.config), "--no-db"), "the replay's clock", "does not answer")
    lab.config.write_text(kubeconfig("http://127.0.0.1:1").replace("afscope.dev/replay", "somebody.else/x"))
    one_sentence(lab.run("--kubeconfig", str(lab.config), "--no-db"), "http://127.0.0.1:1", "refused")


@pytest.mark.parametrize(
    ("ddl", "words"),
    [
        ("CREATE TABLE customers (id int)", "no tables of Airflow"),
        (
            "CREATE TABLE task_instance (dag_id text, task_id text, execution_date text, state text);"
            "CREATE TABLE dag_run (id int, dag_id text, run_id text, state text)",
            "before 2.2",
        ),
    ],
)
def test_another_database_or_an_old_airflow(lab: Lab, ddl: str, words: str) -> None:
    other = lab.folder / "other.db"
    with sqlite3.connect(other) as connection:
        connection.executescript(ddl)
    connection.close()
    lab.url.write_text(f"sqlite:///{other}")
    one_sentence(lab.run("--no-kube", "--db-url-file", str(lab.url)), words)
    done = lab.run(*lab.everything, "--duration", "20s")
    assert done.returncode == 0, "the cluster is recorded all the same"
    assert words in done.stderr
    assert Capture.open(lab.out).has("pods")


def test_a_database_that_cannot_be_reached(lab: Lab) -> None:
    lab.url.write_text("postgresql://airflow:s3cr3t@127.0.0.1:1/airflow")
    one_sentence(lab.run("--no-kube", "--db-url-file", str(lab.url)), "127.0.0.1:1")
    done = lab.run(*lab.everything, "--duration", "30s")
    assert done.returncode == 0
    assert "s3cr3t" not in done.stderr
    capture = Capture.open(lab.out)
    assert capture.source("task_instances").status == "failed"
    assert capture.has("pods")


def test_a_server_that_is_busy_at_first_is_asked_again(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="429", seconds=1, count=2))
    done = lab.run("--kubeconfig", str(lab.config), "--no-db", "--duration", "20s")
    assert done.returncode == 0, done.stderr
    assert Capture.open(lab.out).source("pods").status == "ok"


def test_a_cluster_that_refuses_at_first_is_recorded_as_soon_as_it_lets_us(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="401", count=20))
    done = lab.run(*lab.everything, "--duration", "200s")
    assert done.returncode == 0, done.stderr
    assert "not recorded yet: afscope-replay: the API server refuses these credentials" in done.stderr
    assert "recorded again: pods in the cluster" in done.stderr or "pods in the cluster: Unauth" not in done.stderr
    capture = Capture.open(lab.out)
    assert capture.has("pods")
    assert capture.has("task_instances")


def test_what_cannot_be_recorded_has_its_reason_in_the_capture(lab: Lab) -> None:
    done = lab.run("--kubeconfig", str(lab.config), "-n", "airflow", "-n", "nosuch", "--duration", "20s", "--broker")
    assert done.returncode == 0, done.stderr
    assert "there is no namespace nosuch" in done.stderr
    capture = Capture.open(lab.out)
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in capture.source("task_instances").reason
    assert "queue depths: nobody says where the broker is" in capture.source("broker_queues").reason


def test_a_broker_that_nobody_named_is_no_failure(lab: Lab) -> None:
    done = lab.run("--broker", "--kubeconfig", str(lab.folder / "none"))
    one_sentence(done, "nothing can be recorded", "--kubeconfig", "--db-url-file")
    assert "queue depths" not in done.stderr


def test_a_database_that_goes_away_and_comes_back_is_told(lab: Lab) -> None:
    process = lab.start("--no-kube", "--db-url-file", str(lab.url))
    until(lambda: rows(lab.out, "polls") > 1)
    database = Path(lab.db.url.removeprefix("sqlite:///"))
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE task_instance RENAME TO gone")
    connection.close()
    until(lambda: any(row["outcome"] == "failed" for row in Capture.open(lab.out).table("polls").to_pylist()))
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE gone RENAME TO task_instance")
    connection.close()
    until(lambda: Capture.open(lab.out).table("polls").to_pylist()[-1]["outcome"] == "ok")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert stderr.count("not recorded: the Airflow DB: ") == 1
    assert stderr.count("recorded again: the Airflow DB") == 1


def test_kinds_that_are_not_allowed_are_named_and_left_out(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="403", path="/nodes"))
    done = lab.run(*lab.everything, "--duration", "20s")
    assert done.returncode == 0
    capture = Capture.open(lab.out)
    assert capture.source("nodes").status == "forbidden"
    assert capture.source("pods").status == "ok"
    (sentence,) = [line for line in done.stderr.splitlines() if "forbids it" in line]
    assert "nodes" in sentence
    assert "limitranges" in sentence
    assert "pods" not in sentence


def test_a_user_without_any_right_is_told_once_what_to_grant(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="403", verb="list"))
    done = lab.run(*lab.everything, "-n", "airflow", "-n", "keda", "--duration", "40s")
    assert done.returncode == 0, done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if "forbid" in line]
    assert "horizontalpodautoscalers" in sentence
    assert "nodes" in sentence
    role = sentence.partition("(grant list and watch on them; ")[2]
    assert role in (
        "`afscope manifest -n airflow -n keda` prints the role)",
        "`afscope manifest -n keda -n airflow` prints the role)",
    )
    assert Capture.open(lab.out).has("task_instances")


def test_a_user_without_any_right_and_no_database_cannot_record(lab: Lab) -> None:
    lab.kube.faults.arm(Fault(fault="403", verb="list"))
    done = lab.run("--kubeconfig", str(lab.config), "--no-db", "-n", "airflow")
    assert done.returncode == 2
    assert done.stderr.count("forbid") == 1
    assert "nothing can be recorded, as the API server forbids it: pods" in done.stderr
    assert not lab.out.exists()


def test_options_that_make_no_sense(lab: Lab) -> None:
    one_sentence(lab.run("-n", "a", "-A"), "exclude each other")
    one_sentence(lab.run("--duration", "soon"), "no duration")
    one_sentence(lab.run("--max-bytes", "many"), "no size")
    one_sentence(lab.run("--db-url-file", "nowhere"), "no such file")


def test_demo_live_tells_what_the_recorder_saw(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "afscope", "demo", "--live", "--speed", "40"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "got no metric" in done.stdout
    assert "keda-metrics-apiserver" in done.stdout


def test_serve_and_capture_find_each_other_over_tls(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    config, out = tmp_path / "kubeconfig", tmp_path / "c.afscope"
    serving = subprocess.Popen(
        [sys.executable, "-m", "afscope", "serve", str(POOL), "--speed", "20", "--tls", "--no-db",
         "--kubeconfig-out", str(config)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert serving.stdout is not None
        assert json.loads(serving.stdout.readline())["url"].startswith("https://")
        done = subprocess.run(
            [sys.executable, "-m", "afscope", "capture", "-o", str(out), "--kubeconfig", str(config), "--no-db",
             "--no-broker", "--duration", "20s"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        assert Capture.open(out).has("pods")
    finally:
        serving.terminate()
        serving.wait(30)
        assert serving.stdout is not None
        serving.stdout.close()


def test_the_child_is_this_very_afscope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a folder of that name where the user happens to be."""
    (tmp_path / "afscope").mkdir()
    (tmp_path / "afscope" / "__init__.py").write_text("raise SystemExit('another one')")
    monkeypatch.chdir(tmp_path)
    agent = AgentProcess(["--kubeconfig", "none", "--no-db", "--no-broker"], tmp_path / "log")
    with pytest.raises(CannotConnect, match="none is not there"):
        agent.capture()
    assert agent.stop()
