"""Secrets planted in every place where clusters keep them: none comes out, and what diagnosis needs stays."""

from typing import Any

import msgspec
import pytest

from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor

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
]


@pytest.mark.parametrize("text", KEPT)
def test_what_diagnosis_needs_stays(text: str) -> None:
    assert Redactor().text(text) == text


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
    }  # fmt: skip
    meta = {
        "name": "w", "namespace": "air", "uid": "1", "resourceVersion": "1",
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": f'{{"x":"{CANARY}"}}',
            "vendor/api-token": CANARY, "note": f"password={CANARY}",
        },
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:data": {CANARY: {}}}}],
    }  # fmt: skip
    state = {"waiting": {"reason": "ErrImagePull", "message": f"pull https://u:{CANARY}@registry: denied"}}
    return [
        {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {"containers": [container]},
         "status": {"message": f"token={CANARY}", "containerStatuses": [{"name": "worker", "state": state}]}},
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
        {"kind": "Unheard", "metadata": meta, "spec": {"apiToken": CANARY, "nested": [{"password": CANARY}]}},
    ]  # fmt: skip


def test_no_object_keeps_a_secret_in_any_row() -> None:
    redactor = Redactor()
    kube = KubeNormalizer(redactor)
    rows = [row for obj in planted() for row in kube.observe("ADDED", msgspec.json.encode(obj), 1_000_000)]
    leaks = [(row.table, name) for row in rows for name, value in row.values.items() if CANARY in str(value)]
    assert leaks == []
    assert kube.problems == []
    assert {"env", "trigger_metadata", "annotation"} <= redactor.counts.keys()


def test_allowed_settings_and_the_query_stay() -> None:
    kube = KubeNormalizer(Redactor())
    rows = [row for obj in planted() for row in kube.observe("ADDED", msgspec.json.encode(obj), 1_000_000)]
    settings = {row.values["key"]: row.values["value"] for row in rows if row.table == "airflow_config"}
    assert settings == {"celery.worker_concurrency": "8", "core.parallelism": "64"}
    scaled = next(row.values for row in rows if row.table == "scaledobjects")
    assert scaled["query"] == "SELECT 1 FROM task_instance"
    assert '"connectionFromEnv":"KEDA_DB_CONN"' in scaled["triggers"]
