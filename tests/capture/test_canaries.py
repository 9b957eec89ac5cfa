"""Secrets of every kind planted wherever a cluster and a database keep them: none is in anything that is written."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afscope.replay.kube.kubeconfig import kubeconfig
from afscope.store.reader import Capture
from afscope.store.schema import TABLES
from tests.capture.roundtrip import lines, record_again
from tests.normalize.test_redact import CANARY, TEXTS

POOL = Path(__file__).parents[1] / "data" / "recordings" / "pool"
ENV = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CELERY__BROKER_URL",
       "AIRFLOW_CONN_DWH", "DB_PASSWORD", "REDIS_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MY_SETTING")  # fmt: skip


def everywhere(number: int) -> str:
    """One of the texts with a secret in it, another one each time."""
    return TEXTS[number % len(TEXTS)]


def planted_pod(pod: dict[str, Any], number: int) -> None:
    """Secrets in the env, the command line, the annotations and the words of a pod."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    meta["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"env": everywhere(number)}),
        "vault.hashicorp.com/agent-inject-token": CANARY,
        "note": everywhere(number + 1),
    }
    for container in spec["containers"]:
        container["env"] = [
            *(container.get("env") or []),
            *({"name": name, "value": f"{CANARY}{at}"} for at, name in enumerate(ENV)),
        ]
        container["args"] = [*(container.get("args") or []), "--db-password", CANARY, everywhere(number + 2)]
        container["livenessProbe"] = {
            "httpGet": {"httpHeaders": [{"name": "Authorization", "value": f"Bearer {CANARY}"}]}
        }
    status["message"] = everywhere(number + 3)
    for condition in status.get("conditions", []):
        condition["message"] = everywhere(number + 4)


def planted_object(kind: str, obj: dict[str, Any], number: int) -> None:
    if kind == "pods":
        planted_pod(obj, number)
    elif kind == "events":
        obj["message"] = everywhere(number)
    elif kind == "scaledobjects":
        obj["metadata"]["annotations"] = {"autoscaling.keda.sh/x": everywhere(number)}
        for trigger in obj["spec"]["triggers"]:
            trigger["metadata"] |= {"connection": everywhere(0), "password": CANARY, "host": f"{CANARY}.internal"}
        for condition in obj.get("status", {}).get("conditions", []):
            condition["message"] = everywhere(number + 1)
    elif kind == "horizontalpodautoscalers":
        for condition in obj.get("status", {}).get("conditions", []):
            condition["message"] = everywhere(number)
    elif kind in ("deployments", "statefulsets"):
        planted_pod(obj["spec"]["template"] | {"status": {}}, number)


def planted_rows(table: str, rows: list[dict[str, Any]], number: int) -> None:
    for at, row in enumerate(rows):
        if table == "log":
            row["owner"] = everywhere(number + at)
        elif table == "celery_taskmeta":
            row["traceback"] = f"Traceback (most recent call last):\n{everywhere(number + at)}"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real incident, full of secrets."""
    out = tmp_path_factory.mktemp("canaries") / "pool"
    (out / "k8s").mkdir(parents=True)
    (out / "logs").mkdir()
    for path in (POOL / "k8s").iterdir():
        kind = path.name.split(".")[0]
        found = lines(path)
        for number, line in enumerate(found):
            if isinstance(line.get("object"), dict) and line["type"] not in ("BOOKMARK", "DISCONNECT"):
                planted_object(kind, line["object"], number)
        _write(out / "k8s" / path.name, (json.dumps(line) for line in found))
    found = lines(POOL / "airflow_db.jsonl.gz")
    for number, line in enumerate(found):
        planted_rows(line.get("table", ""), line.get("rows", []), number)
    _write(out / "airflow_db.jsonl.gz", (json.dumps(line) for line in found))
    for path in (POOL / "logs").iterdir():
        _write(out / "logs" / path.name, _planted_log(path))
    return out


def _planted_log(path: Path) -> Iterator[str]:
    """Each line of the log, and after each of the first ones a secret with the same time in front."""
    with gzip.open(path, "rt") as file:
        for number, line in enumerate(file):
            yield line.rstrip("\n")
            if number < len(TEXTS) and line.startswith("["):
                yield line.split(" - ")[0] + " - " + TEXTS[number].replace("\n", " ")


def _write(path: Path, texts: Iterator[str]) -> None:
    with gzip.open(path, "wt") as file:
        file.writelines(f"{text}\n" for text in texts)


@pytest.fixture(scope="module")
def folder(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was recorded of it: one capture closed, one as a killed recorder would leave it, with its WAL."""
    out = tmp_path_factory.mktemp("recorded")
    record_again(recording, out, raw_logs=True)
    (out / "open").mkdir()
    record_again(recording, out / "open", raw_logs=True, close=False)
    return out


def test_the_secrets_really_were_there(recording: Path, folder: Path) -> None:
    """Else the tests below would prove nothing."""
    assert CANARY in json.dumps(lines(recording / "k8s" / "pods.jsonl.gz"))
    capture = Capture.open(folder / "again.afscope")
    assert capture.rows("log_lines") > 100
    assert sum(capture.manifest.redactions.values()) > 500
    rules = set(capture.manifest.redactions)
    assert {"env", "annotation", "trigger_metadata", "header", "secret_flag"} <= rules


def test_no_byte_of_a_file_and_no_value_of_a_table_holds_one(folder: Path) -> None:
    wals = 0
    for path in folder.rglob("*.afscope/**/*"):
        if path.is_file():
            wals += path.suffix == ".wal" and path.stat().st_size > 1000
            assert CANARY.encode() not in path.read_bytes().lower(), path
    assert wals
    for name in ("again.afscope", "open/again.afscope"):
        capture = Capture.open(folder / name)
        for table in TABLES:
            assert CANARY not in str(capture.table(table).to_pylist()).lower(), table


@pytest.mark.parametrize(
    "command",
    [("info",), ("analyze", "-o", "json"), ("analyze", "-o", "markdown", "--lang", "zh"), ("timeline",), ("waits",)],
)
def test_no_report_holds_one(folder: Path, command: tuple[str, ...]) -> None:
    done = afscope(command[0], str(folder / "again.afscope"), *command[1:])
    assert done.returncode == 0
    assert CANARY not in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_no_post_mortem_holds_one(folder: Path, tmp_path: Path, name: str) -> None:
    done = afscope("report", str(folder / "again.afscope"), "-o", str(tmp_path / name))
    assert done.returncode == 0, done.stderr
    written = (tmp_path / name).read_bytes().lower()
    assert len(written) > 1000
    assert CANARY.encode() not in written + (done.stdout + done.stderr).lower().encode()


def test_no_complaint_of_the_recorder_holds_one(tmp_path: Path) -> None:
    """A password in the URL of a database that cannot be reached, a token for a cluster that is not there."""
    (tmp_path / "url").write_text(f"postgresql+psycopg2://airflow:{CANARY}@127.0.0.1:1/{'airflow'}?sslmode=disable")
    (tmp_path / "kubeconfig").write_text(kubeconfig("http://127.0.0.1:1", token=CANARY))
    done = afscope(
        "capture", "-o", str(tmp_path / "c.afscope"), "--kubeconfig", str(tmp_path / "kubeconfig"),
        "--db-url-file", str(tmp_path / "url"),
    )  # fmt: skip
    assert done.returncode == 2
    assert "nothing can be recorded" in done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert not (tmp_path / "c.afscope").exists()


def afscope(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "afscope", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
