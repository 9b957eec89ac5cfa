"""Nested texts of failed metrics: real ones from recordings, ones of other versions, and hostile ones."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.control.metric_errors import FailureKind, MetricFailure, metric_failure
from afscope.control.sql_errors import SqlTrouble, sql_error, trigger_failure

SELECTOR = (
    "&LabelSelector{MatchLabels:map[string]string{scaledobject.keda.sh/name: analytics-worker,},"
    "MatchExpressions:[]LabelSelectorRequirement{},}"
)
EXTERNAL = f"unable to get external metric airflow/s0-postgresql/{SELECTOR}: "
FETCH = EXTERNAL + "unable to fetch metrics from external metrics API: "
COMPUTE = (
    "invalid metrics (1 invalid out of 1), first error is: failed to get s0-postgresql external metric value: "
    "failed to get s0-postgresql external metric: "
)
UNAVAILABLE = "the server is currently unable to handle the request (get s0-postgresql.external.metrics.k8s.io)"
SLOW = (
    "the server was unable to return a response in the time allotted, but may still be processing the request "
    "(get s0-postgresql.external.metrics.k8s.io)"
)


def failure(text: str) -> MetricFailure:
    found = metric_failure(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "outer",
    [
        COMPUTE + FETCH,
        FETCH,
        "the HPA was unable to compute the replica count: " + FETCH,
        "(combined from similar events): " + FETCH,
        "invalid metrics (1 invalid out of 1), first error is: failed to get s0-postgresql external metric: " + FETCH,
        "invalid metrics (1 invalid out of 1), first error is: failed to get external metric s0-postgresql: " + FETCH,
    ],
    ids=["compute", "event", "condition", "combined", "older kubernetes", "value metric"],
)
def test_every_wrapping_is_peeled_off(outer: str) -> None:
    found = failure(outer + UNAVAILABLE)
    assert (found.kind, found.cause) == (FailureKind.UNAVAILABLE, UNAVAILABLE)
    assert (found.namespace, found.metric, found.scaledobject) == ("airflow", "s0-postgresql", "analytics-worker")
    assert found.suspects[0] == "keda-metrics-apiserver"


def test_the_share_of_failed_metrics_is_kept() -> None:
    found = failure(COMPUTE.replace("1 invalid out of 1", "2 invalid out of 3") + FETCH + UNAVAILABLE)
    assert (found.invalid, found.total) == (2, 3)
    assert failure(FETCH + UNAVAILABLE).total == 0


RPC = "rpc error: code = Unknown desc = error when getting metric values "
CONNECT = (
    "error getting scalers error establishing postgreSQL connection: failed to connect to `user=airflow "
    "database=airflow`:\n\t10.0.0.7:5432 (pg): dial error: dial tcp 10.0.0.7:5432: connect: connection refused"
)


@pytest.mark.parametrize(
    ("inner", "kind", "first"),
    [
        (UNAVAILABLE, FailureKind.UNAVAILABLE, "keda-metrics-apiserver"),
        (SLOW, FailureKind.TIMEOUT, "keda-metrics-apiserver"),
        ("Timeout: request did not complete within the allotted timeout", FailureKind.TIMEOUT,
         "keda-metrics-apiserver"),
        ("context deadline exceeded", FailureKind.TIMEOUT, "keda-metrics-apiserver"),
        (
            "timeout while waiting to establish gRPC connection to KEDA Metrics Service server",
            FailureKind.GRPC_TIMEOUT,
            "keda-operator",
        ),
        ("gRPC connection is shut down", FailureKind.GRPC_SHUTDOWN, "keda-metrics-apiserver"),
        (
            "the server could not find the requested resource (get s0-postgresql.external.metrics.k8s.io)",
            FailureKind.NOT_FOUND,
            "aggregation",
        ),
        (
            's0-postgresql.external.metrics.k8s.io is forbidden: User "system:serviceaccount:kube-system:'
            'horizontal-pod-autoscaler" cannot list resource "s0-postgresql"',
            FailureKind.FORBIDDEN,
            "aggregation",
        ),
        ("the server has received too many requests and has asked us to try again", FailureKind.OVERLOAD,
         "keda-metrics-apiserver"),
        (
            'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp '
            '10.1.2.3:9666: connect: connection refused"',
            FailureKind.GRPC_UNAVAILABLE,
            "keda-operator",
        ),
        (
            'rpc error: code = Unavailable desc = connection error: desc = "transport: authentication handshake '
            'failed: tls: failed to verify certificate: x509: certificate has expired"',
            FailureKind.TLS,
            "aggregation",
        ),
        ("rpc error: code = DeadlineExceeded desc = stream terminated", FailureKind.TIMEOUT, "keda-metrics-apiserver"),
        ("rpc error: code = Canceled desc = context canceled", FailureKind.TIMEOUT, "keda-metrics-apiserver"),
        ("rpc error: code = Internal desc = odd", FailureKind.GRPC_OTHER, "keda-operator"),
        (RPC + "metric:s0-postgresql encountered error", FailureKind.KEDA_ENCOUNTERED, "trigger"),
        (RPC + CONNECT, FailureKind.KEDA_BUILD, "trigger"),
        (RPC + "error when getting scalers boom", FailureKind.KEDA_BUILD, "trigger"),
        (RPC + "no matching metrics found for s1-redis", FailureKind.KEDA_NO_MATCH, "trigger"),
        (RPC + "scaledObject not found in the cache", FailureKind.KEDA_NO_CACHE, "keda-operator"),
        ("error when converting metric values 7", FailureKind.CONVERSION, "keda-metrics-apiserver"),
    ],
)  # fmt: skip
def test_the_innermost_text_names_the_failure(inner: str, kind: FailureKind, first: str) -> None:
    found = failure(COMPUTE + FETCH + inner)
    assert found.kind is kind
    assert found.suspects[0] == first


def test_what_stands_beside_the_fetch() -> None:
    assert failure(EXTERNAL + "no metrics returned from external metrics API").kind is FailureKind.NO_METRICS
    pods = "unable to calculate ready pods: no pods returned by selector while calculating replica count"
    assert failure(COMPUTE + pods).kind is FailureKind.NO_PODS
    ambiguous = "pods by selector app=w are controlled by multiple HPAs: [{a airflow} {b airflow}]"
    assert failure(ambiguous).kind is FailureKind.SELECTOR


def test_a_database_out_of_reach_keeps_its_reason_across_lines() -> None:
    found = failure(FETCH + RPC + CONNECT)
    assert found.grpc_code == "Unknown"
    assert found.sql is not None
    assert found.sql.trouble is SqlTrouble.UNREACHABLE
    assert "connection refused" in found.cause


@pytest.mark.parametrize(
    "text", ["", "New size: 4; reason: ", "the object has been modified; please apply your changes"]
)
def test_other_messages_are_not_metric_failures(text: str) -> None:
    assert metric_failure(text) is None


def test_an_unknown_cause_points_nowhere_but_is_kept() -> None:
    found = failure(FETCH + "the moon is in the way")
    assert (found.kind, found.suspects, found.cause) == (FailureKind.OTHER, (), "the moon is in the way")


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    metric_failure(text)
    assert failure(FETCH + text).metric == "s0-postgresql"
    trigger_failure(text)


def test_hostile_repetition_takes_no_time() -> None:
    began = time.process_time()
    for bait in (
        EXTERNAL * 300,
        "unable to get external metric a/b/&LabelSelector{" * 3000,
        RPC * 2000,
        "failed to get x" * 9000,
    ):
        metric_failure(bait)
    assert time.process_time() - began < 2


BAD_TABLE = (  # recorded
    'error inspecting postgreSQL: could not query postgreSQL: ERROR: relation "task_instances" does not exist '
    "(SQLSTATE 42P01)"
)


@pytest.mark.parametrize(
    ("text", "trouble", "code"),
    [
        (BAD_TABLE, SqlTrouble.QUERY, "42P01"),
        ("could not query postgreSQL: context canceled", SqlTrouble.TIMEOUT, ""),
        ("failed to connect to `user=a database=b`: server error: FATAL: x (SQLSTATE 28P01)", SqlTrouble.AUTH, "28P01"),
        ("Error 1045 (28000): Access denied for user 'a'@'h'", SqlTrouble.AUTH, "1045"),
        ("Error 1146 (42S02): Table 'airflow.task_instances' doesn't exist", SqlTrouble.QUERY, "1146"),
        ("Error 1040: Too many connections", SqlTrouble.CONNECTIONS, "1040"),
        ("FATAL: sorry, too many clients already (SQLSTATE 53300)", SqlTrouble.CONNECTIONS, "53300"),
        ("ERROR: permission denied for table task_instance (SQLSTATE 42501)", SqlTrouble.AUTH, "42501"),
        ("FATAL: the database system is shutting down (SQLSTATE 57P03)", SqlTrouble.UNREACHABLE, "57P03"),
        ("ERROR: canceling statement due to statement timeout (SQLSTATE 57014)", SqlTrouble.TIMEOUT, "57014"),
        ('prepared statement "s1" does not exist (SQLSTATE 26000)', SqlTrouble.POOLER, "26000"),
        ("ERROR: made up (SQLSTATE ZZ999)", SqlTrouble.OTHER, "ZZ999"),
        ('sql: Scan error on column index 0, name "c": converting NULL to float64', SqlTrouble.RESULT, ""),
        ("sql: no rows in result set", SqlTrouble.RESULT, ""),
        ("dial tcp: lookup pg on 10.0.0.2:53: no such host", SqlTrouble.UNREACHABLE, ""),
        (
            "error parsing postgreSQL metadata: error parsing postgresql metadata: no host given",
            SqlTrouble.SETTINGS,
            "",
        ),
    ],
)
def test_what_a_driver_means(text: str, trouble: SqlTrouble, code: str) -> None:
    found = sql_error(text)
    assert found is not None
    assert (found.trouble, found.code) == (trouble, code)


def test_a_text_without_a_database_is_no_sql_error() -> None:
    assert sql_error("everything is fine") is None


@pytest.mark.parametrize(
    ("text", "stage", "driver"),
    [
        (BAD_TABLE, "query", "postgreSQL"),
        ("error establishing postgreSQL connection: failed to connect", "connect", "postgreSQL"),
        ("error establishing connection to RabbitMQ: boom", "connect", "RabbitMQ"),
        ("error parsing postgreSQL metadata: no host given", "metadata", "postgreSQL"),
        ("scaler with id 0 not found. Len = 0", "other", ""),
    ],
)
def test_where_a_trigger_failed(text: str, stage: str, driver: str) -> None:
    found = trigger_failure(text)
    assert (found.stage, found.driver) == (stage, driver)
