"""The JSON contract, key by key."""

import json

from afscope.cli.documents import analysis_document, analysis_lines, timeline_document, waits_document
from afscope.cli.output import to_json
from afscope.model.clock import SECOND
from afscope.model.timeline import AttemptWait, Decision, Episode, Phase, StageWait
from tests.cli.conftest import START, analysis, finding


def test_the_analysis_has_the_keys_of_the_contract_and_no_others() -> None:
    document = json.loads(to_json(analysis_document(analysis(finding()))))
    assert set(document) == {
        "schema_version", "afscope_version", "capture", "targets", "verdict", "findings", "not_assessed",
        "missing_sources", "gaps",
    }  # fmt: skip
    assert document["schema_version"] == 1
    assert document["capture"] == {
        "id": "case",
        "started_at": "2026-03-01T10:00:00.000000Z",
        "ended_at": "2026-03-01T10:02:05.000000Z",
        "cluster": "",
        "sources": {"leases": {"status": "forbidden", "reason": "403"}, "pools": {"status": "ok", "reason": ""}},
    }
    assert document["gaps"] == [
        {
            "source": "events",
            "from": "2026-03-01T10:00:01.000000Z",
            "to": "2026-03-01T10:00:02.000000Z",
            "reason": "watch expired",
        }
    ]
    assert document["not_assessed"][0] == {"cause": "keda_operator_down", "needs": ["leases"]}
    assert document["targets"] == [{"target": "airflow/worker"}]


def test_a_finding_has_the_keys_of_the_contract_and_no_others() -> None:
    (document,) = analysis_document(analysis(finding(explained_by=("other-1",))))["findings"]
    assert set(document) == {
        "id", "cause", "stage", "component", "target", "subject", "severity", "role", "title", "detail", "remedy",
        "docs", "started_at", "ended_at", "confidence", "cost", "evidence", "counter_evidence", "explained_by",
    }  # fmt: skip
    assert document["cost"] == {"waiting_task_seconds": 812.25, "lost_task_seconds": 0.0, "idle_pod_seconds": 0.0}
    evidence = {"table": "pools", "ts": "2026-03-01T10:00:00.000000Z", "key": "tiny", "text": "slots 2"}
    assert document["evidence"] == [evidence]
    assert (document["severity"], document["role"], document["explained_by"]) == ("high", "root_cause", ["other-1"])


def test_the_verdict_keeps_null_for_what_nobody_can_tell() -> None:
    verdict = analysis_document(analysis(healthy=None))["verdict"]
    assert verdict["healthy"] is None
    assert verdict["root_causes"] == []
    assert [item["ruling"] for item in verdict["components"]] == ["not_assessed", "not_guilty", "guilty"]
    assert set(verdict["components"][0]) == {"component", "target", "ruling", "because", "evidence"}
    assert verdict["conditions"] == [
        {"condition": "the scheduler puts work into the table", "ok": True, "because": "queued grows"}
    ]


def test_jsonl_says_everything_the_document_says() -> None:
    case = analysis(finding(), finding(id="pool_exhausted-2"))
    lines = list(analysis_lines(case))
    assert [line["type"] for line in lines] == [
        "verdict", "finding", "finding", "not_assessed", "not_assessed", "gap",
    ]  # fmt: skip
    whole = analysis_document(case)
    assert lines[0]["verdict"] == whole["verdict"]
    assert {key: value for key, value in lines[1].items() if key != "type"} == whole["findings"][0]


def test_an_open_episode_ends_in_null() -> None:
    phase = Phase("trigger", START, None, "keda-operator", "poll every 5 s")
    decision = Decision(START + SECOND, "airflow/worker", 0, 1, "keda", "activation")
    episode = Episode("airflow/worker", START, None, 9, 3, (phase,), (decision,))
    assert timeline_document([episode]) == {
        "schema_version": 1,
        "episodes": [
            {
                "target": "airflow/worker",
                "started_at": "2026-03-01T10:00:00.000000Z",
                "ended_at": None,
                "peak_demand": 9,
                "peak_replicas": 3,
                "phases": [
                    {
                        "stage": "trigger",
                        "started_at": "2026-03-01T10:00:00.000000Z",
                        "ended_at": None,
                        "author": "keda-operator",
                        "text": "poll every 5 s",
                        "evidence": [],
                    }
                ],
                "decisions": [
                    {
                        "at": "2026-03-01T10:00:01.000000Z",
                        "before": 0,
                        "after": 1,
                        "author": "keda",
                        "reason": "activation",
                    }
                ],
            }
        ],
    }


def test_an_attempt_lists_its_stages() -> None:
    wait = AttemptWait(
        "etl", "r1", "load", -1, 1, "default", "tiny", "airflow/worker", START, None, None,
        (StageWait("limits", 12.5, "pool_exhausted"), StageWait("unknown", 0.25, "unknown")),
    )  # fmt: skip
    (attempt,) = waits_document([wait])["attempts"]
    assert set(attempt) == {
        "dag_id", "run_id", "task_id", "map_index", "try_number", "queue", "pool", "target", "runnable_at",
        "running_at", "ended_at", "stages",
    }  # fmt: skip
    assert attempt["running_at"] is None
    assert attempt["stages"][0] == {"stage": "limits", "seconds": 12.5, "cause": "pool_exhausted"}
