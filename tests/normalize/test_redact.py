"""Secrets planted in every place where clusters keep them: none comes out, and what diagnosis needs stays."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.patterns import RULES
from afscope.normalize.redact import PLAIN_LETTERS, Redactor

CANARY = "c4n4ry"
TEXTS = [
    f"postgresql+psycopg2://airflow:{CANARY}@db:5432/airflow",
    f"postgresql://airflow:p@{CANARY}/x@db:5432/airflow?sslmode=require",
    f"redis://:{CANARY}@redis:6379/0",
    f"amqp://guest:{CANARY}@rabbit:5672//",
    f"user:{CANARY}@tcp(mysql:3306)/airflow",
    f"failed to connect to `user={CANARY} database=airflow`: 10.0.0.3:5432 (db): dial error",
    f"failed to connect to `user=airflow database={CANARY}`: hostname resolving error",
    f"host={CANARY} port=5432 dbname=airflow password=x",
    f"host=db password='{CANARY} with spaces' dbname=airflow",
    f'FATAL: password authentication failed for user "{CANARY}" (SQLSTATE 28P01)',
    f"Error 1045 (28000): Access denied for user '{CANARY}'@'10.0.0.9' (using password: YES)",
    f"Authorization: Bearer {CANARY}.abcdef.123456",
    f"authorization=Basic {CANARY}Zm9vOmJhcg==",
    f"eyJhbGciOi{CANARY}.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    f"AKIA{CANARY.upper()}ABCDEFGH",
    f"aws_secret_access_key = {CANARY}/K7MDENG/bPxRfiCY",
    f"ghp_{CANARY}0123456789abcdefghij",
    f"xoxb-{CANARY}-0123456789",
    f"glpat-{CANARY}0123456789ab",
    f"--password {CANARY} --queue default",
    f"--db-password={CANARY}",
    f"AIRFLOW__CORE__FERNET_KEY: {CANARY}",
    f'{{"client_secret": "{CANARY}"}}',
    f"api_key={CANARY}&x=1",
    f"https://store.blob.core.windows.net/x?sv=2020&sig={CANARY}%3D",
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={CANARY}==;EndpointSuffix=x",
    f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{CANARY}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN CERTIFICATE-----\nMIIE{CANARY} cut off",
    f"token: '{CANARY}'",
    f"Set-Cookie: session_id={CANARY}; Path=/",
    f"failed to connect to `user=a database=b`: 10.0.0.3:5432 ({CANARY}.internal): dial error: timeout",
    f"failed to connect to `user=a database=b`: hostname resolving error: lookup {CANARY} on 10.96.0.10:53: no such host",
    f'FATAL: role "{CANARY}" does not exist (SQLSTATE 28000)',
    f"AIRFLOW_CONN_DWH={CANARY}",
    f"export PGPASSWORD={CANARY}; psql -h db",
    f"until redis-cli -h redis -a {CANARY} ping; do sleep 1; done",
    f"mysql -h db -P 3306 -p{CANARY} airflow",
    f"curl -sf -u probe:{CANARY} http://flower/health",
    f"sshpass -p {CANARY} ssh x",
    f"https://hooks.slack.com/services/T0/B0/{CANARY}",
    f"sk-{CANARY}0123456789abcdef01",
    f"password=not-{CANARY}",
    f"token: the.{CANARY}",
    f'"password":"quoted \\" {CANARY}"',
    f"Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey={CANARY}=",
    f"pwd: {CANARY}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_keeps_its_secret(text: str) -> None:
    redactor = Redactor()
    assert CANARY.lower() not in redactor.text(text).lower()
    assert redactor.counts.total() > 0


KEPT = [
    "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE (state='running' OR state='queued') AND queue = 'default'",
    "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.",
    'pods "w" is forbidden: exceeded quota: team, requested: requests.cpu=500m, used: requests.cpu=4, limited: requests.cpu=4',
    "New size: 4; reason: external metric s0-postgresql(&LabelSelector{MatchLabels:map[string]string{}}) above target",
    "Scaled apps/v1.Deployment airflow/worker from 0 to 1, triggered by s0-postgresql",
    'could not query postgreSQL: ERROR: relation "task_instances" does not exist (SQLSTATE 42P01)',
    "Task execute_command[661264de-0b97-4b35-9b17-a18a7f41725b] received",
    'Back-off pulling image "registry.example.com:5000/airflow@sha256:0123456789abcdef"',
    "DAG etl has 4/4 running and queued tasks",
    "Invalid auth token: Signature has expired",
    "failed to authorize: failed to fetch oauth token: unexpected status from GET request: 401 Unauthorized",
    "docker-pullable://registry.example.com/airflow@sha256:0123456789abcdef",
    'MountVolume.SetUp failed for volume "git" : secret "airflow-git" not found',
    "couldn't find key connection in Secret airflow/airflow-metadata",
    "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    'secrets "x" is forbidden: User "system:serviceaccount:keda:keda-operator" cannot get resource "secrets"',
    "unable to fetch metrics: dial tcp: lookup keda-operator.keda.svc.cluster.local on 10.96.0.10:53: no such host",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_diagnosis_needs_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"failed to connect to `user={CANARY} database=x`: 10.0.0.3:5432 (db): dial error: connection refused", "connection refused"),
        (f'FATAL: password authentication failed for user "{CANARY}" (SQLSTATE 28P01)', "SQLSTATE 28P01"),
        (f"Error 1045 (28000): Access denied for user '{CANARY}'@'h' (using password: YES)", "Error 1045 (28000): Access denied"),
        (f"error pinging redis://:{CANARY}@redis:6379/0: i/o timeout", "@redis:6379/0: i/o timeout"),
    ],
)  # fmt: skip
def test_what_tells_causes_apart_survives_in_the_same_sentence(text: str, told: str) -> None:
    clean = Redactor().text(text)
    assert told in clean
    assert CANARY not in clean


@pytest.mark.parametrize("text", ["secret", "--secret-", "-", "a://", "a", "a:", "eyJ", "redis-cli ", "mysql -", "user=",
                                  '"token":"', "key: ", "://@", "-----BEGIN A-----", "failed to connect to `", "'"])  # fmt: skip
def test_no_text_takes_longer_than_its_length_deserves(text: str) -> None:
    hostile = text * (50_000 // len(text)) + " :// @ eyj secret user -----begin role bearer redis-cli"
    began = time.process_time()
    Redactor().text(hostile)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    clean = Redactor().text(text)
    again = Redactor()
    assert again.text(clean) == clean
    assert again.counts.total() == 0


def test_the_documentation_names_every_rule() -> None:
    text = (Path(__file__).parents[2] / "docs" / "redaction.md").read_text(encoding="utf-8")
    redactor = Redactor()
    list(KubeNormalizer(redactor).observe("ADDED", msgspec.json.encode({"items": planted()}), 1))
    rules = {rule.name for rule in RULES} | redactor.counts.keys()
    assert [rule for rule in sorted(rules) if f"`{rule}`" not in text] == []


def test_repeated_maskings_are_counted_each_time() -> None:
    redactor = Redactor()
    for _ in range(3):
        redactor.text("password=x")
    assert redactor.counts == {"connection_field": 3}


def test_a_query_keeps_its_columns_and_loses_its_passwords() -> None:
    sql = "SELECT count(*) FROM task_instance WHERE host = 'a' AND database='b' -- token of gratitude"
    assert Redactor().query(sql) == sql
    assert CANARY not in Redactor().query(f"SELECT * FROM dblink('password={CANARY}', 'SELECT 1')")


@pytest.mark.parametrize(
    "args",
    [
        ["redis-cli", "-h", "r", "-a", CANARY, "ping"],
        ["mysql", "-h", "db", f"-p{CANARY}"],
        ["/usr/bin/curl", "-H", f"X-Key: {CANARY}", "http://x"],
        ["airflow", "users", "create", "--password", CANARY],
        ["bash", "-c", f"exec env DB_PASSWORD={CANARY} airflow celery worker"],
    ],
)
def test_command_lines_in_any_cut(args: list[str]) -> None:
    redactor = Redactor()
    clean = redactor.args(args)
    assert CANARY not in " ".join(clean)
    assert len(clean) == len(args)
    assert redactor.counts.total() > 0


def test_queues_of_a_worker_stay() -> None:
    args = ["bash", "-c", "exec airflow celery worker -q gpu,default -c 8 --autoscale 8,2"]
    assert Redactor().args(args) == args


def test_what_stays_of_annotations() -> None:
    redactor = Redactor()
    clean = redactor.annotations(
        {
            "autoscaling.keda.sh/paused": "true", "dag_id": "etl", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "vendor.example.com/x": CANARY, "checksum/secret": CANARY, "vendor.example.com/empty": "",
        }
    )  # fmt: skip
    assert clean == {
        "autoscaling.keda.sh/paused": "true", "dag_id": "etl", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "vendor.example.com/x": "***", "vendor.example.com/empty": "",
    }  # fmt: skip
    assert redactor.counts == {"annotation": 2}


LABELS = {"app": "w", "api-token": CANARY, "note": f"password={CANARY}"}


def planted() -> list[dict[str, Any]]:
    """API objects with secrets wherever people put them."""
    env = [
        {"name": "AIRFLOW__CORE__SQL_ALCHEMY_CONN", "value": f"postgresql://a:{CANARY}@db/x"},
        {"name": "PLAIN", "value": CANARY},
        {"name": "AIRFLOW__CELERY__WORKER_CONCURRENCY", "value": "8"},
        {"name": "AIRFLOW__CORE__PARALLELISM", "value": "64"},
    ]
    container = {
        "name": "worker", "image": f"https://u:{CANARY}@registry/airflow", "env": env,
        "command": ["bash"], "args": ["airflow", "celery", "worker", "--password", CANARY, f"--token={CANARY}", "-q", "gpu"],
        "livenessProbe": {"exec": {"command": ["redis-cli", "-a", CANARY]},
                          "httpGet": {"httpHeaders": [{"name": "X-Probe", "value": CANARY}]}},
        "envFrom": [{"secretRef": {"name": "airflow-env"}}],
    }  # fmt: skip
    meta = {
        "name": "w", "namespace": "air", "uid": "1", "resourceVersion": "1", "labels": LABELS,
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": f'{{"x":"{CANARY}"}}',
            "vendor/api-token": CANARY, "note": f"password={CANARY}", "plain": CANARY, "checksum/secret": CANARY,
            "meta.helm.sh/release-name": f"https://u:{CANARY}@charts", "kubernetes.io/change-cause": CANARY,
        },
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:data": {CANARY: {}}}},
                          {"manager": "helm", "fieldsV1": {"f:spec": {"f:replicas": {}, CANARY: {}}}}],
    }  # fmt: skip
    state = {"waiting": {"reason": "ErrImagePull", "message": f"pull https://u:{CANARY}@registry: denied"}}
    return [
        {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {
            "containers": [container], "initContainers": [{**container, "name": "wait"}],
            "volumes": [{"csi": {"volumeAttributes": {"clientSecret": CANARY}}}, {"flexVolume": {"options": {"password": CANARY}}}]},
         "status": {"reason": f"token={CANARY}", "message": f"token={CANARY}", "containerStatuses": [{"name": "worker", "state": state}]}},
        {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta,
         "spec": {"replicas": 1, "template": {"metadata": {}, "spec": {"containers": [container]}}},
         "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": f"secret: {CANARY}"}]}},
        {"kind": "Secret", "apiVersion": "v1", "metadata": meta, "data": {"k": CANARY}, "stringData": {"k": CANARY}},
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {"airflow.cfg": CANARY}},
        {"kind": "ScaledObject", "apiVersion": "keda.sh/v1alpha1", "metadata": meta,
         "spec": {"scaleTargetRef": {"name": "w"}, "triggers": [{"type": "postgresql", "metadata": {
             "query": "SELECT 1 FROM task_instance", "connection": f"host=db password={CANARY}", "password": CANARY,
             "userName": CANARY, "host": CANARY, "targetQueryValue": "1", "connectionFromEnv": "KEDA_DB_CONN"}}]},
         "status": {"conditions": [{"type": "Ready", "message": f"user={CANARY}"}]}},
        {"kind": "Event", "apiVersion": "v1", "metadata": meta, "message": f"failed SASL auth: password={CANARY}",
         "action": f"token={CANARY}", "involvedObject": {"kind": "ScaledObject", "name": "w"}},
        {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": meta,
         "spec": {"scaleTargetRef": {"name": "w"}, "maxReplicas": 3},
         "status": {"conditions": [{"type": "ScalingActive", "status": "False", "message": f"user={CANARY} x"}]}},
        {"kind": "APIService", "metadata": meta, "status": {"conditions": [
            {"type": "Available", "message": f"https://u:{CANARY}@host/apis"}]}},
        {"kind": "Unheard", "metadata": meta, "spec": {
            "apiToken": CANARY, "nested": [{"password": CANARY}], "passwords": [CANARY], "env": {"X": CANARY}, "secret": 4711,
            "headers": [{"name": "X-Api-Key", "value": CANARY}], "deep": [[{"dsn": CANARY}]]}},
        {"kind": "ScaledJob", "metadata": meta, "spec": {"triggers": [{"type": "redis", "metadata": {"address": CANARY}}],
            "jobTargetRef": {"template": {"metadata": {"annotations": {"x": CANARY}}, "spec": {"containers": [container]}}}}},
        {"kind": "TriggerAuthentication", "metadata": meta, "spec": {"hashiCorpVault": {"credential": {"token": CANARY}}}},
        {"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": meta, "regarding": {"kind": "Pod", "name": "w"},
         "note": f'Failed to pull image "https://u:{CANARY}@registry/airflow": denied'},
        {"kind": "Node", "metadata": meta, "status": {"conditions": [{"type": "Ready", "message": f"token={CANARY}"}]}},
        {"kind": "Pod", "metadata": {"uid": "odd", "annotations": [CANARY and f"password={CANARY}"]},
         "spec": {"containers": [{"name": "c", "args": f"--password {CANARY}", "env": [{"name": "X", "value": 4711}]}]}},
    ]  # fmt: skip


def test_no_object_keeps_a_secret_in_any_row() -> None:
    redactor = Redactor()
    kube = KubeNormalizer(redactor)
    rows = [row for obj in planted() for row in kube.observe("ADDED", msgspec.json.encode(obj), 1_000_000)]
    leaks = [(row.table, name) for row in rows for name, value in row.values.items() if CANARY in str(value)]
    assert leaks == []
    assert "4711" not in str(rows)
    assert {
        "env",
        "trigger_metadata",
        "annotation",
        "secret_data",
        "configmap_data",
        "header",
    } <= redactor.counts.keys()


def test_a_second_look_at_an_object_hides_and_counts_the_same() -> None:
    redactor = Redactor()
    kube = KubeNormalizer(redactor)
    raw = msgspec.json.encode(planted()[0])
    (*_, first), once = list(kube.observe("ADDED", raw, 1)), dict(redactor.counts)
    (*_, second), twice = list(kube.observe("MODIFIED", raw, 2)), dict(redactor.counts)
    assert first.values["body"] == second.values["body"]
    assert {rule: count - once[rule] for rule, count in twice.items()} == once


def test_allowed_settings_and_the_query_stay() -> None:
    kube = KubeNormalizer(Redactor())
    rows = [row for obj in planted() for row in kube.observe("ADDED", msgspec.json.encode(obj), 1_000_000)]
    settings = {row.values["key"]: row.values["value"] for row in rows if row.table == "airflow_config"}
    assert settings == {"celery.worker_concurrency": "8", "core.parallelism": "64"}
    scaled = next(row.values for row in rows if row.table == "scaledobjects")
    assert scaled["query"] == "SELECT 1 FROM task_instance"
    assert '"connectionFromEnv":"KEDA_DB_CONN"' in scaled["triggers"]


def test_texts_that_are_not_looked_at_hold_no_needle() -> None:
    plain = set(PLAIN_LETTERS.lower())
    assert [needle for rule in RULES for needle in rule.needles if set(needle) <= plain] == []
