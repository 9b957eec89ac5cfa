"""Log lines in every envelope that Airflow, Celery, KEDA and Kubernetes write."""

import json
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from afscope.model.clock import parse_time
from afscope.normalize.logs import LogNormalizer, component_of
from afscope.normalize.logs.envelope import open_line
from afscope.normalize.logs.patterns import match, patterns
from afscope.normalize.redact import Redactor

DAY = parse_time("2026-11-22T20:00:00Z")
FULL = "Not scheduling since there are 0 open slots in pool tiny"


def rows(*lines: str | bytes) -> list[dict[str, Any]]:
    normalizer = LogNormalizer(Redactor(), day_hint=DAY)
    return [
        dict(r.values) for r in normalizer.lines(lines, component="scheduler", pod="p", container=None, source="x.log")
    ]


@pytest.mark.parametrize(
    ("line", "ts", "level", "message"),
    [
        ("[2026-11-22T18:47:39.902+0000] {scheduler_job_runner.py:463} INFO - hello", "2026-11-22T18:47:39.902Z", "INFO", "hello"),
        ("[2026-11-22 18:54:40,628: WARNING/MainProcess] hello", "2026-11-22T18:54:40.628Z", "WARNING", "hello"),
        ("[2026-11-22 18:54:40 +0000] [12] [INFO] hello", "2026-11-22T18:54:40Z", "INFO", "hello"),
        ("2026-11-22T19:06:33.251285Z [warning  ] hello    [logger] k=v", "2026-11-22T19:06:33.251285Z", "WARNING", "hello    [logger] k=v"),
        ("\x1b[2m2026-11-22T19:06:33.25Z\x1b[0m [\x1b[32minfo\x1b[0m     ] hello", "2026-11-22T19:06:33.25Z", "INFO", "hello"),
        ("2026-11-22T20:22:11Z\tINFO\tscaleexecutor\thello\t{}", "2026-11-22T20:22:11Z", "INFO", "scaleexecutor\thello\t{}"),
        ("E1122 20:22:26.205075   19353 replica_set.go:640] hello", "2026-11-22T20:22:26.205075Z", "ERROR", "hello"),
        ('{"timestamp":"2026-11-22T20:00:01Z","level":"error","event":"hello"}', "2026-11-22T20:00:01Z", "ERROR", "hello"),
        ('{"level":"info","ts":"2026-11-22T20:00:01Z","msg":"hello","error":"why"}', "2026-11-22T20:00:01Z", "INFO", "hello: why"),
        ("2026-11-22T20:00:02.5Z stdout F hello", "2026-11-22T20:00:02.5Z", None, "hello"),
        ("2026-11-22T20:00:02.5Z stderr F E1122 20:00:02.000000 1 x.go:1] hello", "2026-11-22T20:00:02Z", "ERROR", "hello"),
        ('{"log":"hello\\n","stream":"stdout","time":"2026-11-22T20:00:03Z"}', "2026-11-22T20:00:03Z", None, "hello"),
        ("just words", None, None, "just words"),
        ('{"not": "a log"}', None, None, '{"not": "a log"}'),
    ],
)  # fmt: skip
def test_envelopes(line: str, ts: str | None, level: str | None, message: str) -> None:
    assert open_line(line, DAY) == (ts and parse_time(ts), level, message)


def test_klog_gets_the_year_that_is_nearest() -> None:
    new_year = parse_time("2027-01-01T00:10:00Z")
    line = open_line("I1231 23:59:59.000000 1 x.go:1] hello", new_year)
    assert line.ts == parse_time("2026-12-31T23:59:59Z")


def test_every_pattern_of_the_file_is_sound() -> None:
    entries = tomllib.loads((files("afscope.normalize.logs") / "patterns.toml").read_text())["pattern"]
    assert len({entry["id"] for entry in entries}) == len(entries) == len(patterns())
    assert all(pattern.needles and all(len(needle) >= 3 for needle in pattern.needles) for pattern in patterns())


@pytest.mark.parametrize(
    ("message", "pattern", "fields"),
    [
        (FULL, "limit.pool_full", {"open": "0", "pool": "tiny"}),
        ("Executor parallelism limit reached. 0 open slots.", "limit.parallelism", {}),
        ("celery@risk-worker-1 ready.", "worker.ready", {"host": "risk-worker-1"}),
        ("- *** --- * --- .> concurrency: 4 (prefork)", "worker.concurrency", {"concurrency": "4"}),
        ("                .> default          exchange=default(direct) key=default", "worker.queues", {"queue": "default"}),
        ("scale_handler\terror getting scale decision\t{}", "keda.scaler_error", {}),
    ],
)  # fmt: skip
def test_known_messages(message: str, pattern: str, fields: dict[str, str]) -> None:
    found = match(message)
    assert found is not None
    assert found[0] == pattern
    assert fields.items() <= found[1].items()


def test_only_known_lines_become_rows_with_their_own_time() -> None:
    out = rows("noise", f"[2026-11-22T20:00:01.000+0000] {{a.py:1}} INFO - {FULL}", "more noise")
    assert [(r["pattern"], r["ts"], r["line"]) for r in out] == [
        ("limit.pool_full", parse_time("2026-11-22T20:00:01Z"), 2)
    ]
    assert json.loads(out[0]["fields"])["pool"] == "tiny"


def test_a_banner_before_the_first_time_gets_that_time() -> None:
    out = rows(".> concurrency: 8 (prefork)", "[2026-11-22 20:00:05,000: INFO/MainProcess] celery@w ready.")
    assert {r["ts"] for r in out} == {parse_time("2026-11-22T20:00:05Z")}


def test_undecodable_and_endless_lines_do_no_harm() -> None:
    assert rows(b"\xff\xfe" + FULL.encode(), b"x" * (5 << 20) + FULL.encode(), FULL)[0]["pattern"] == "limit.pool_full"


def test_secrets_in_lines_are_masked() -> None:
    text = "psycopg2.OperationalError: connection to server at postgresql://a:hunter2@db failed: FATAL: sorry, too many clients already"
    assert all("hunter2" not in str(row) for row in rows(text))


@pytest.mark.parametrize(
    ("name", "component", "pod"),
    [
        ("pod.bi-scheduler-7bc7-q.log.gz", "scheduler", "bi-scheduler-7bc7-q"),
        ("pod.ops-api-server-6f7b-2dlv7.log", "api-server", "ops-api-server-6f7b-2dlv7"),
        ("pod.x-dag-processor-1-2.log.gz", "dag-processor", "x-dag-processor-1-2"),
        ("keda-operator.log.gz", "keda-operator", None),
        ("task.dag.run.t000.attempt=1.log.gz", "task", None),
    ],
)
def test_component_and_pod_of_a_file(name: str, component: str, pod: str | None) -> None:
    assert component_of(name) == (component, pod)
