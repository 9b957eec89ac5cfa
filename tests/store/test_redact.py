"""A redacted capture: no name is left, joins and verdict are as before, and what leaks is never written."""

import json
from pathlib import Path

import pytest

from afscope.engine.catalog import words_of_analyzers
from afscope.engine.investigation import Investigation
from afscope.errors import CaptureError
from afscope.store import redact as module
from afscope.store.reader import Capture
from afscope.store.redact import redact
from afscope.store.schema import TABLES, Type
from afscope.store.verify import verify
from tests.engine.incident import Incident

SECRETS = ("umbrella", "raccoon", "payroll", "wesker", "hive")


@pytest.fixture(scope="module")
def confidential(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full pool in a company whose names are everywhere: columns, JSON, texts, queries, labels, images."""
    folder = tmp_path_factory.mktemp("confidential")
    query = "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE state IN ('queued','running') AND queue='hive'"
    case = Incident(200, query=query)
    case.dag("umbrella_payroll")
    case.pool("raccoon", 2)
    case.run("manual__payroll_march", 0, 1, dag="umbrella_payroll")
    case.workers()
    case.amend(
        labels=json.dumps({"umbrella.com/team": "payroll", "component": "worker", "queue": "hive"}),
        containers=json.dumps([{"name": "worker", "image": "registry.umbrella.com/hive/airflow:wesker-2"}]),
        args='["celery","worker","-q","hive"]',
    )
    for number in range(40):
        held = number < 2
        case.task(
            f"wesker_{number:02}", "manual__payroll_march", dag="umbrella_payroll", pool="raccoon", queue="hive", none=1,
            scheduled=2, queued=3 if held else None, running=20 if held else None, host="w0",
        )  # fmt: skip
    case.event(
        5, "Failed", "Pod", "umbrella-payroll-wesker-00-x2x4z", "pull registry.umbrella.com/hive/airflow:wesker-2"
    )
    case.log(6, "limit.pool", text="Not scheduling since there are 0 open slots in pool raccoon", pool="raccoon")
    case._add("db_log", 7, id=1, dag_id="umbrella_payroll", owner="albert.wesker", event="trigger")
    case._add(
        "objects", 8, kind="ConfigMap", namespace="air", name="umbrella-settings", uid="cm", full=True,
        body=json.dumps({"metadata": {"name": "umbrella-settings", "annotations": {"umbrella.com/owner": "wesker"}}}),
    )  # fmt: skip
    opened = case.open(folder)
    opened.close()
    return folder / "incident.afscope"


def everything(path: Path) -> str:
    """Each text of each table, and the manifest."""
    capture = Capture.open(path)
    texts = [(path / "manifest.json").read_text(encoding="utf-8")]
    for table in TABLES:
        for column in TABLES[table].columns:
            if column.type in (Type.TEXT, Type.JSON):
                texts += [text or "" for text in capture.table(table)[column.name].to_pylist()]
    return "\n".join(texts).lower()


def test_no_name_is_left(confidential: Path, tmp_path: Path) -> None:
    before = everything(confidential)
    assert all(secret in before for secret in SECRETS)
    done = redact(Capture.open(confidential), tmp_path / "r.afscope", words_of_analyzers())
    after = everything(tmp_path / "r.afscope")
    assert [secret for secret in SECRETS if secret in after] == []
    assert done.names["umbrella_payroll"] == "dag_2", "after etl"
    assert done.names["raccoon"] == "pool_1"
    assert done.counts["dag"] > 40
    assert done.texts > 100
    assert verify(tmp_path / "r.afscope").ok
    assert Capture.open(tmp_path / "r.afscope").manifest.redactions["name_dag"] == done.counts["dag"]


def test_joins_and_verdict_are_as_before(confidential: Path, tmp_path: Path) -> None:
    redact(Capture.open(confidential), tmp_path / "r.afscope", words_of_analyzers())
    told = []
    for path in (confidential, tmp_path / "r.afscope"):
        opened = Investigation.open(path)
        findings = [(f.cause, f.role, f.confidence, f.cost, len(f.evidence)) for f in opened.analysis.findings]
        rulings = [(c.component, c.ruling) for c in opened.analysis.verdict.components]
        waits = [[(s.stage, s.cause, s.seconds) for s in w.stages] for w in opened.waits()]
        told.append((findings, rulings, waits, opened.analysis.verdict.root_causes))
        subjects = {f.subject for f in opened.analysis.findings if f.cause == "pool_exhausted"}
        opened.close()
    assert told[0] == told[1]
    assert told[0][3] == ("pool_exhausted",)
    assert subjects == {"pool_1"}


def test_a_leak_is_never_written(confidential: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEFT_ALONE", module._LEFT_ALONE | {"message"})
    with pytest.raises(CaptureError, match=r"events\.message"):
        redact(Capture.open(confidential), tmp_path / "r.afscope", words_of_analyzers())
    assert not (tmp_path / "r.afscope").exists()
