"""Tunnels to real databases through a server that forwards ports, and Secrets that hold URLs."""

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from afscope.capture.agent import Plan, reach
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.endpoint import Goal
from afscope.capture.kube.secret import read_secret
from afscope.capture.kube.tunnel import Tunnel
from afscope.errors import CannotConnect, UsageError
from afscope.replay.airflow.dialects import DIALECTS
from afscope.replay.airflow.schema import schema
from tests.capture.databases import database
from tests.capture.kube.forwarding import Pods, Server

Connect = Callable[[], Cluster]


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture(params=["http", "https"])
def connect(request: pytest.FixtureRequest, pods: Pods, tmp_path: Path) -> Iterator[Connect]:
    """Serves `pods`."""
    if request.param == "https":
        pytest.importorskip("cryptography", reason="certificates are made by cryptography")
    server = Server(pods, tmp_path, tls=request.param == "https")
    made: list[Cluster] = []

    def make() -> Cluster:
        made.append(Cluster.connect(kubeconfig=str(server.kubeconfig)))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            while data := one.recv(65536):
                one.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    listener.close()


def goal(text: str) -> Goal:
    return Goal.parse(text, namespace="air")


def said(tunnel: Tunnel, data: bytes) -> bytes:
    """What comes back for it through the tunnel, "" when that hangs up first."""
    with socket.create_connection((tunnel.host, tunnel.port), timeout=60) as client:
        sender = threading.Thread(target=client.sendall, args=(data,), daemon=True)
        sender.start()
        got = bytearray()
        while len(got) < len(data) and (piece := client.recv(65536)):
            got += piece
        sender.join(10)
        return bytes(got)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("svc/db:5432", Goal("svc", "air", "db", "5432")),
        ("svc/db.data:tcp", Goal("svc", "data", "db", "tcp")),
        ("service/data/db:5432", Goal("svc", "data", "db", "5432")),
        ("pod/db-0:5432", Goal("pod", "air", "db-0", "5432")),
        ("pod/data/db.v1-0:5432", Goal("pod", "data", "db.v1-0", "5432")),
    ],
)
def test_where_a_tunnel_leads(text: str, expected: Goal) -> None:
    assert goal(text) == expected


@pytest.mark.parametrize("text", ["db:5432", "svc/db", "svc/a/b/c:1", "deploy/db:1", "svc/DB:1", "svc/db:1; rm"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--db-via"):
        goal(text)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_real_query_goes_through(kind: str, pods: Pods, connect: Connect) -> None:
    with database(kind) as text:
        assert text is not None
        url = sa.make_url(text)
        pods.service("db", 6000, "tcp-db", app="db")
        pods.pod("db-0", 7000, real=int(url.port or 0), app="db")
        pods.pings = True
        with Tunnel(connect(), goal("svc/db:6000")) as tunnel:
            engine = sa.create_engine(url.set(host=tunnel.host, port=tunnel.port), poolclass=NullPool)
            with engine.connect() as one, engine.connect() as other:
                assert one.scalar(sa.text("SELECT 41 + 1")) == 42
                assert len(str(other.scalar(sa.text("SELECT repeat('x', 300000)")))) == 300_000
            engine.dispose()
        assert tunnel.trouble == ""


def test_much_goes_both_ways_at_once(pods: Pods, connect: Connect, echo: int) -> None:
    pods.pod("db-0", 7000, real=echo)
    data = bytes(range(256)) * 2000
    with Tunnel(connect(), goal("pod/db-0:tcp-db")) as tunnel:
        assert said(tunnel, data) == data
        assert said(tunnel, b"again") == b"again"


def test_the_next_connection_finds_another_pod(pods: Pods, connect: Connect, echo: int) -> None:
    pods.service("db", 6000, 7000, app="db")
    pods.pod("db-0", 7000, real=echo, app="db")
    pods.pod("not-ready", 7000, real=echo, ready=False, app="db")
    pods.pod("other", 7000, real=echo, app="other")
    with Tunnel(connect(), goal("svc/db:db")) as tunnel:
        assert said(tunnel, b"one") == b"one"
        del pods.objects["/api/v1/namespaces/air/pods/db-0"]
        pods.pod("db-1", 7000, real=echo, app="db")
        assert said(tunnel, b"two") == b"two"
    assert set(pods.forwarded) == {"db-0", "db-1"}


def test_a_pod_that_refuses_is_told_and_the_tunnel_stays(pods: Pods, connect: Connect, echo: int) -> None:
    pods.pod("db-0", 7000)
    with Tunnel(connect(), goal("pod/db-0:7000")) as tunnel:
        assert said(tunnel, b"one") == b""
        assert "error forwarding port 7000 to pod db-0" in tunnel.trouble
        pods.real["db-0", 7000] = echo
        assert said(tunnel, b"two") == b"two"


def test_closing_ends_connections_and_the_port(pods: Pods, connect: Connect, echo: int) -> None:
    pods.pod("db-0", 7000, real=echo)
    tunnel = Tunnel(connect(), goal("pod/db-0:7000"))
    with socket.create_connection((tunnel.host, tunnel.port), timeout=60) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        tunnel.close()
        assert client.recv(1) == b""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((tunnel.host, tunnel.port), timeout=60)


def test_a_missing_right_is_one_sentence(pods: Pods, connect: Connect) -> None:
    pods.pod("db-0", 7000)
    pods.refused["/api/v1/namespaces/air/pods/db-0/portforward"] = 403
    with pytest.raises(CannotConnect) as caught:
        Tunnel(connect(), goal("pod/db-0:7000"))
    assert caught.value.what == "a tunnel to pod air/db-0 is not allowed"
    assert "pods/portforward" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("svc/none:1", "not found"),
        ("pod/none:1", "not found"),
        ("svc/db:99", "the service has no such port"),
        ("svc/empty:6000", "no ready pod stands behind svc air/empty:6000"),
        ("svc/outside:6000", "the service selects no pods"),
        ("pod/db-0:http", "has a port 'http'"),
    ],
)
def test_what_leads_nowhere_is_told(text: str, what: str, pods: Pods, connect: Connect) -> None:
    pods.service("db", 6000, 7000, app="db")
    pods.service("empty", 6000, 7000, app="empty")
    pods.service("outside", 6000, 7000)
    pods.pod("db-0", 7000, app="db")
    with pytest.raises(CannotConnect, match=what):
        Tunnel(connect(), goal(text))


def secret(pods: Pods, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    pods.objects["/api/v1/namespaces/air/secrets/meta"] = {"kind": "Secret", "data": data}


def test_a_secret_gives_one_value(pods: Pods, connect: Connect) -> None:
    secret(pods, connection="postgresql://u:hunter2@db/airflow\n", other="x")
    assert read_secret(connect(), "air/meta:connection", namespace="nowhere") == "postgresql://u:hunter2@db/airflow"
    assert read_secret(connect(), "meta:other", namespace="air") == "x"


def test_a_secret_that_cannot_be_read_is_told_without_its_values(pods: Pods, connect: Connect) -> None:
    secret(pods, connection="hunter2", empty="")
    cluster = connect()
    for reference, what in (
        ("meta:conn", "has no key 'conn' (there are: connection, empty)"),
        ("meta:empty", "empty is empty"),
        ("none:x", "there is no secret air/none"),
    ):
        with pytest.raises(CannotConnect) as caught:
            read_secret(cluster, reference, namespace="air")
        assert what in str(caught.value)
        assert "hunter2" not in str(caught.value)
    pods.refused["/api/v1/namespaces/air/secrets/meta"] = 403
    with pytest.raises(CannotConnect, match="may not be read"):
        read_secret(cluster, "meta:connection", namespace="air")
    with pytest.raises(UsageError, match="--db-secret"):
        read_secret(cluster, "meta", namespace="air")


def test_the_agent_polls_a_database_that_only_the_cluster_knows(pods: Pods, tmp_path: Path) -> None:
    """Named by a Secret, reached by a tunnel: what stands in the Secret is an address that exists in the cluster only."""
    with database("postgresql") as text:
        assert text is not None
        url = sa.make_url(text)
        tables, engine = schema((2, 10)).tables, sa.create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            for name in ("dag_run", "task_instance"):
                for statement in DIALECTS["postgresql"].create(name, tables[name]):
                    connection.exec_driver_sql(statement)
        inside = url.set(host="db.air.svc", port=6000, drivername="postgresql")
        secret(pods, connection=inside.render_as_string(hide_password=False))
        pods.service("db", 6000, 7000, app="db")
        pods.pod("db-0", 7000, real=int(url.port or 0), app="db")
        server = Server(pods, tmp_path)
        plan = Plan(
            kubeconfig=str(server.kubeconfig), namespaces=("air",), kube=False, broker=False,
            db_secret="meta:connection", db_via="svc/db:6000",
        )  # fmt: skip
        sentences: list[str] = []
        with reach(plan, sentences.append) as reached:
            assert reached.about.startswith(f"Airflow DB (postgresql {url.database} at 127.0.0.1:")
        assert sentences == []
        pods.real.clear()
        with (
            pytest.raises(CannotConnect, match="error forwarding port 7000 to pod db-0"),
            reach(plan, sentences.append),
        ):
            pass
        server.shutdown()
        server.server_close()
