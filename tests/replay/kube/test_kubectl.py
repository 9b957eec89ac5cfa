"""The real kubectl against a replayed cluster."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from afscope.replay.kube.kubeconfig import kubeconfig
from tests.replay.kube.client import wait_until
from tests.replay.kube.conftest import RECORDINGS, Replay, Serve

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
_DEADLINE = 60


class Kubectl:
    """Runs kubectl with a home of its own."""

    def __init__(self, replay: Replay, home: Path) -> None:
        self.replay = replay
        self._started: list[subprocess.Popen[str]] = []
        config = home / "kubeconfig"
        server = replay.server
        config.write_text(kubeconfig(server.url, token=server.token, ca_pem=server.ca_pem), encoding="utf-8")
        self._environment = {**os.environ, "KUBECONFIG": str(config), "HOME": str(home)}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Standard output; when it is to fail, what it says on both."""
        done = subprocess.run(
            ["kubectl", *arguments],
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=_DEADLINE,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr if code else done.stdout

    def rows(self, *arguments: str) -> list[list[str]]:
        """The cells of a printed table, its head left out."""
        return [re.split(r"\s{2,}", line.strip()) for line in self(*arguments).splitlines()[1:] if line.strip()]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Starts one that goes on; it is killed when its fixture ends."""
        started = subprocess.Popen(["kubectl", *arguments], stdout=subprocess.PIPE, text=True, env=self._environment)
        self._started.append(started)
        return started

    def stop(self) -> None:
        """Ends those that go on."""
        for started in self._started:
            started.kill()
            started.communicate(timeout=_DEADLINE)


@pytest.fixture
def kubectl(serve: Serve, tmp_path: Path) -> Iterator[Kubectl]:
    """In the middle of a real recording, over HTTPS with a token."""
    pytest.importorskip("cryptography", reason="certificates are made by cryptography")
    replay = serve(RECORDINGS / "healthy_airflow3", tls=True, token="t")
    replay.pace.step(75)
    kubectl = Kubectl(replay, tmp_path)
    yield kubectl
    kubectl.stop()


def test_get_all_kinds_at_once(kubectl: Kubectl) -> None:
    out = kubectl("get", "pods,hpa,deploy,rs,so,nodes,events", "-A")
    for kind in (
        "pod/",
        "horizontalpodautoscaler.autoscaling/",
        "deployment.apps/",
        "scaledobject.keda.sh/",
        "node/",
        "LAST SEEN",
    ):
        assert kind in out
    assert re.search(r"pod/risk-worker-\S+ +1/1 +Running +0 +\d+s", out)


def test_ages_are_those_of_the_replay(kubectl: Kubectl) -> None:
    before = {row[0]: row[4] for row in kubectl.rows("get", "pods", "-n", "airflow")}
    kubectl.replay.pace.step(5)
    after = {row[0]: row[4] for row in kubectl.rows("get", "pods", "-n", "airflow")}
    assert before
    assert {name: int(age[:-1]) - int(before[name][:-1]) for name, age in after.items()} == dict.fromkeys(before, 5)


def test_wide(kubectl: Kubectl) -> None:
    head, *rows = kubectl("get", "pods", "-n", "airflow", "-o", "wide").splitlines()
    assert re.split(r"\s{2,}", head.strip()) == [
        "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES",
    ]  # fmt: skip
    assert all("node-" in row and "<none>" in row for row in rows)


def test_selectors_and_output_forms(kubectl: Kubectl) -> None:
    workers = kubectl("get", "pods", "-n", "airflow", "-l", "component=worker", "-o", "name").split()
    assert workers
    assert all(name.startswith("pod/risk-worker-") for name in workers)
    name = workers[0].removeprefix("pod/")
    events = kubectl("get", "events", "-n", "airflow", "--field-selector", f"involvedObject.name={name}")
    assert "Successfully assigned" in events
    assert kubectl("get", *workers[:1], "-n", "airflow", "-o", "jsonpath={.metadata.name}") == name
    assert kubectl("get", "pods", "-n", "airflow", "--chunk-size=2", "-o", "name").count("\n") == len(
        kubectl.rows("get", "pods", "-n", "airflow")
    )


def test_watch(kubectl: Kubectl) -> None:
    """The row of each change, each once, until the watch times out."""
    log = next(kubectl.replay.history.log(kind) for kind in kubectl.replay.history.kinds if kind.plural == "pods")
    assert log is not None
    state = len(kubectl.rows("get", "pods", "-n", "airflow"))
    coming = len(log.versions) - kubectl.replay.history.upto(log, kubectl.replay.pace.now())
    watching = kubectl.start("get", "pods", "-n", "airflow", "-w", "--no-headers")
    assert watching.stdout is not None
    rows = [watching.stdout.readline() for _ in range(state)]
    kubectl.replay.pace.jump(kubectl.replay.history.ends)
    rows += [watching.stdout.readline() for _ in range(coming)]
    assert coming > 10
    assert sum("Terminating" in row for row in rows) > 3
    kubectl.stop()
    wait_until(kubectl.replay.server.settled, "the watch is forgotten")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            ("pod", "-l", "component=worker"),
            ["Status:", "Running", "Events:", "Successfully assigned", "Container started"],
        ),
        (("hpa",), ["Deployment/risk-worker", "s0-postgresql", "ScalingActive", "SuccessfulRescale"]),
        (("deploy", "risk-worker"), ["NewReplicaSet:", "risk-worker-", "desired", "ScalingReplicaSet"]),
        (("rs", "-l", "component=worker"), ["Controlled By:", "Deployment/risk-worker", "SuccessfulCreate"]),
        (("so",), ["Scale Target Ref", "postgresql"]),
        (("node", "node-1"), ["Ready", "Allocatable"]),
    ],
)
def test_describe(kubectl: Kubectl, what: tuple[str, ...], expected: list[str]) -> None:
    namespace = () if what[0] == "node" else ("-n", "airflow")
    out = kubectl("describe", *what, *namespace)
    for text in expected:
        assert text in out


def test_logs(kubectl: Kubectl) -> None:
    (worker, *_) = kubectl("get", "pods", "-n", "airflow", "-l", "component=worker", "-o", "name").split()
    assert " ready." in kubectl("logs", "-n", "airflow", worker)
    assert len(kubectl("logs", "-n", "airflow", worker, "--tail=3").splitlines()) == 3
    assert "previous terminated container" in kubectl("logs", "-n", "airflow", worker, "-p", code=1)


def test_logs_are_followed(kubectl: Kubectl) -> None:
    (worker, *_) = kubectl("get", "pods", "-n", "airflow", "-l", "component=worker", "-o", "name").split()
    before = kubectl("logs", "-n", "airflow", worker)
    following = kubectl.start("logs", "-n", "airflow", worker, "-f")
    assert following.stdout is not None
    assert following.stdout.readline() == before.splitlines(keepends=True)[0]
    kubectl.replay.pace.jump(kubectl.replay.history.ends)
    rest, _ = following.communicate(timeout=_DEADLINE)  # the pod goes away before the end, and so does its log
    assert len(rest) > len(before)


@pytest.mark.parametrize(
    ("question", "allowed"),
    [
        (("list", "pods"), True),
        (("watch", "scaledobjects.keda.sh", "-A"), True),
        (("get", "pods", "--subresource=log"), True),
        (("list", "secrets"), False),
        (("delete", "pods"), False),
        (("create", "deployments.apps"), False),
    ],
)
def test_auth_can_i(kubectl: Kubectl, question: tuple[str, ...], allowed: bool) -> None:
    answer = kubectl("auth", "can-i", *question, code=0 if allowed else 1)
    assert answer.startswith("yes" if allowed else "no - a replay has only what was recorded")


def test_auth_can_i_list(kubectl: Kubectl) -> None:
    assert re.search(r"horizontalpodautoscalers.autoscaling .*\[get list watch\]", kubectl("auth", "can-i", "--list"))


def test_what_is_refused_reads_like_a_refusal(kubectl: Kubectl) -> None:
    assert 'cannot list resource "secrets"' in kubectl("get", "secrets", code=1)
    assert "read-only replay" in kubectl("delete", "hpa", "x", "-n", "airflow", code=1)
    assert "NotFound" in kubectl("get", "pod", "nobody", code=1)
    assert "doesn't have a resource type" in kubectl("get", "gizmos", code=1)
    assert "field label not supported" in kubectl("get", "pods", "--field-selector", "spec.colour=red", code=1)


def test_port_forward_says_why_it_is_refused(kubectl: Kubectl) -> None:
    pod = kubectl("get", "pods", "-n", "airflow", "-o", "name").split()[0]
    said = kubectl("port-forward", "-n", "airflow", pod, ":5432", code=1)
    assert "does not speak SPDY" in said
    assert "--db-via" in said


def test_without_tls_and_token_it_works_too(serve: Serve, tmp_path: Path) -> None:
    kubectl = Kubectl(serve(RECORDINGS / "pool"), tmp_path)
    kubectl.replay.pace.step(60)
    assert len(kubectl.rows("get", "pods", "-A")) == 2
    assert "afscope" in kubectl("version")


def test_a_rebased_replay_reads_as_if_it_happened_now(serve: Serve, tmp_path: Path) -> None:
    """describe tells ages by the clock of its own machine, so only a rebased replay gets those right."""
    import time

    kubectl = Kubectl(serve(RECORDINGS / "pool", rebase_to=time.time_ns() // 1000 - 60_000_000), tmp_path)
    kubectl.replay.pace.step(60)
    out = kubectl("describe", "pods", "-n", "airflow")
    ages = re.findall(r"Normal +Scheduled +(\d+)([smh])", out)
    assert ages
    assert all(unit == "s" or int(number) < 10 for number, unit in ages)


MANIFEST = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: airflow}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: []
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: reader, namespace: airflow}
spec: {serviceName: x, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}}}
"""


def test_manifests_can_be_checked_and_kinds_explained(kubectl: Kubectl, tmp_path: Path) -> None:
    """Without --validate=false: what OpenAPI it serves is enough."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    done = kubectl("apply", "--dry-run=client", "-f", str(tmp_path / "m.yaml"))
    assert done.count("created (dry run)") == 3
    assert "forbidden" in kubectl("get", "clusterroles", code=1)
    assert "KIND:       ScaledObject" in kubectl("explain", "scaledobjects")
    assert "read-only replay" in kubectl("apply", "-f", str(tmp_path / "m.yaml"), code=1)
