"""Every diagnostic line of Airflow 2.2 to 3.3 and its providers is recognised, in every envelope that may hold it."""

import json
from pathlib import Path
from typing import Any

import pytest

from afscope.model.clock import parse_time
from afscope.normalize.logs import LogNormalizer
from afscope.normalize.logs.patterns import patterns
from afscope.normalize.redact import Redactor

AT = parse_time("2026-11-22T18:47:39.902Z")
KNOWN: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "airflow_log_lines.json").read_text())
LINES = [(entry["id"], line) for entry in KNOWN for line in entry["lines"]]
_JSON = {"timestamp": "2026-11-22T18:47:39.902000Z", "level": "info", "logger": "airflow.x"}


def in_envelopes(message: str) -> dict[str, str]:
    """A message as each component of each version writes it."""
    return {
        "airflow 2": f"[2026-11-22T18:47:39.902+0000] {{scheduler_job_runner.py:463}} INFO - {message}",
        "celery": f"[2026-11-22 18:47:39,902: INFO/ForkPoolWorker-3] {message}",
        "structlog": f"2026-11-22T18:47:39.902000Z [info     ] {message:30} [airflow.x] loc=x.py:1",
        "structlog json": json.dumps({**_JSON, "event": message}),
        "cri": f"2026-11-22T18:47:39.902Z stdout F {message}",
        "docker": json.dumps({"log": message + "\n", "stream": "stdout", "time": "2026-11-22T18:47:39.902Z"}),
    }


def test_there_are_lines_for_every_pattern_of_airflow() -> None:
    assert len(KNOWN) == 122
    assert {entry["id"] for entry in KNOWN} <= {pattern.id for pattern in patterns()}


def test_patterns_say_which_versions_write_them() -> None:
    said = {pattern.id: pattern.versions for pattern in patterns()}
    assert {entry["id"]: entry["versions"] for entry in KNOWN} == {entry["id"]: said[entry["id"]] for entry in KNOWN}


@pytest.mark.parametrize("envelope", sorted(in_envelopes("")))
def test_each_line_is_recognised(envelope: str) -> None:
    normalizer = LogNormalizer(Redactor(), AT)
    wrong = []
    for pattern, message in LINES:
        line = in_envelopes(message)[envelope]
        found = [
            (row.values["pattern"], row.values["ts"])
            for row in normalizer.lines([line], component="any", pod=None, container=None, source="x")
        ]
        if found != [(pattern, AT)]:
            wrong.append((pattern, line, found))
    assert wrong == []


def test_a_bare_line_is_recognised_too() -> None:
    rows = LogNormalizer(Redactor(), AT).lines(
        [message for _, message in LINES], component="any", pod=None, container=None, source="x"
    )
    assert [row.values["pattern"] for row in rows] == [pattern for pattern, _ in LINES]
