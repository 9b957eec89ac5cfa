"""Log lines in all their envelopes, to the few that mean something."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from afscope.model.clock import Micros, parse_time
from afscope.normalize.logs import MAX_LINE, LogNormalizer, component_of, is_log
from afscope.normalize.logs.envelope import open_line
from afscope.normalize.logs.patterns import match, patterns
from afscope.normalize.redact import Redactor
from afscope.store.schema import check_row

DAY = parse_time("2026-11-22T12:00:00Z")
AT = parse_time("2026-11-22T18:47:39.902Z")
FULL = "Executor parallelism limit reached. 0 open slots."
REAL = Path(__file__).parents[1] / "data" / "recordings"


def rows(*lines: str | bytes, redactor: Redactor | None = None) -> list[dict[str, Any]]:
    found: Iterable[Any] = LogNormalizer(redactor or Redactor(), DAY).lines(
        lines, component="scheduler", pod="p", container=None, source="s"
    )
    out = []
    for row in found:
        check_row(row.table, row.values)
        out.append({**row.values, "fields": json.loads(row.values["fields"])})
    return out


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (f"[2026-11-22T18:47:39.902+0000] {{base_executor.py:293}} INFO - {FULL}", "INFO"),
        (f"\x1b[34m[2026-11-22T18:47:39.902+0000]\x1b[0m {{base_executor.py:293}} WARNING - {FULL}", "WARNING"),
        (f"[2026-11-22 18:47:39,902: ERROR/MainProcess] {FULL}", "ERROR"),
        (f"2026-11-22T18:47:39.902000Z [info     ] {FULL} [airflow.executors.base] loc=base_executor.py:408", "INFO"),
        (f'{{"timestamp":"2026-11-22T18:47:39.902Z","level":"info","event":"{FULL}","logger":"x"}}', "INFO"),
        (f'{{"level":"warn","ts":"2026-11-22T18:47:39.902Z","msg":"{FULL}"}}', "WARNING"),
        (f'{{"level":"error","ts":{AT / 1e6},"msg":"{FULL}"}}', "ERROR"),
        (f"2026-11-22T18:47:39.902Z\tERROR\tscale_handler\t{FULL}\t{{}}", "ERROR"),
        (f'E1122 18:47:39.902000       1 horizontal.go:275] "{FULL}"', "ERROR"),
        (f"2026-11-22T18:47:39.902Z stdout F {FULL}", None),
        (f"2026-11-22T18:47:39.902Z stderr F [2026-11-22 18:47:39,902: INFO/MainProcess] {FULL}", "INFO"),
        (json.dumps({"log": FULL + "\n", "stream": "stdout", "time": "2026-11-22T18:47:39.902Z"}), None),
    ],
)
def test_every_envelope_gives_time_level_and_message(line: str, level: str | None) -> None:
    (row,) = rows(line)
    assert (row["ts"], row["level"], row["pattern"]) == (AT, level, "limit.parallelism")


def test_gunicorn_has_whole_seconds() -> None:
    line = open_line("[2026-11-22 18:47:39 +0100] [7] [INFO] Worker exiting (pid: 9)", DAY)
    assert line == (parse_time("2026-11-22T17:47:39Z"), "INFO", "Worker exiting (pid: 9)")


@pytest.mark.parametrize(
    ("day", "klog", "expected"),
    [
        ("2027-01-01T00:30:00Z", "1231 23:59:59.000000", "2026-12-31T23:59:59Z"),
        ("2026-12-31T23:30:00Z", "0101 00:10:00.000000", "2027-01-01T00:10:00Z"),
        ("2028-02-28T12:00:00Z", "0229 01:00:00.000000", "2028-02-29T01:00:00Z"),
    ],
)
def test_klog_takes_its_year_from_the_day_of_the_capture(day: str, klog: str, expected: str) -> None:
    assert open_line(f"I{klog}       1 x.go:1] m", parse_time(day)).ts == parse_time(expected)


def test_a_group_at_the_end_of_a_message_does_not_swallow_the_logger() -> None:
    (row,) = rows(
        "2026-11-22T18:47:39.902Z [info     ] Not scheduling since there are 0 open slots in pool a b  "
        "[airflow.jobs.scheduler_job_runner.SchedulerJobRunner] loc=scheduler_job_runner.py:833"
    )
    assert row["fields"]["pool"] == "a b"
    assert row["text"].endswith("loc=scheduler_job_runner.py:833")


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-22T18:47:39.902Z [info     ] Task started    [airflow.api_fastapi.execution_api.routes.task_instances] "
        "hostname=w-1 ti_id=01a20736",
        '{"timestamp":"2026-11-22T18:47:39.902Z","level":"info","event":"Task started","hostname":"w-1",'
        '"logger":"airflow.api_fastapi.execution_api.routes.task_instances","ti_id":"01a20736"}',
    ],
)
def test_console_and_json_say_the_same(line: str) -> None:
    (row,) = rows(line)
    assert row["pattern"] == "api.task_started"
    assert row["fields"] == {"hostname": "w-1", "ti_id": "01a20736"}


def test_brackets_inside_an_event_are_not_its_logger() -> None:
    (row,) = rows(
        "2026-11-22T18:47:39.902Z [info     ] Setting external_executor_id for <TaskInstance: d.t r [queued] ti_id=01a> "
        "to 8ae1773f-29ed-4839-842d-075d41ea214a [airflow.jobs.scheduler_job_runner.SchedulerJobRunner] loc=scheduler_job_runner.py:1152"
    )
    assert row["pattern"] == "sched.external_id"
    assert row["fields"] == {
        "ti": "<TaskInstance: d.t r [queued] ti_id=01a>",
        "celery_id": "8ae1773f-29ed-4839-842d-075d41ea214a",
    }


def test_the_exception_of_a_json_task_log_is_part_of_the_line() -> None:
    detail = [{"exc_type": "AirflowTaskTimeout", "exc_value": "Timeout", "frames": [{"filename": "x.py"}]}]
    line = {"timestamp": "2026-11-22T18:47:39.902Z", "level": "error", "event": "Task failed with exception",
            "dag_id": "d", "task_id": "t", "run_id": "a run", "try_number": 2, "logger": "task", "error_detail": detail}  # fmt: skip
    (row,) = rows(json.dumps(line))
    assert row["pattern"] == "task.timeout"
    assert row["fields"] == {"dag_id": "d", "task_id": "t", "run_id": "a run", "try_number": "2"}
    assert "x.py" not in row["text"]


def test_task_instances_below_a_line_belong_to_it() -> None:
    head = "[2026-11-22T18:47:39.902+0000] {x.py:1} INFO - "
    found = rows(
        head + "Setting the following tasks to queued state:",
        "\t<TaskInstance: d.a r1 [scheduled]>",
        "\t<TaskInstance: d.b r1 [scheduled]>",
        head + "Something else",
        "\t<TaskInstance: d.c r1 [scheduled]>",
        head + FULL,
    )
    assert [row["fields"] for row in found] == [{"tasks": ["d.a r1 [scheduled]", "d.b r1 [scheduled]"]}, {}]
    assert [row["line"] for row in found] == [1, 6]


def test_a_bare_line_has_the_time_of_the_line_before_and_the_first_ones_of_the_first() -> None:
    found = rows(
        "worker: Warm shutdown (MainProcess)",
        f"[2026-11-22T18:47:39.902+0000] {{x.py:1}} INFO - {FULL}",
        "Traceback (most recent call last):",
        "  File x",
        "psycopg2.errors.DeadlockDetected: deadlock detected",
    )
    assert [(row["pattern"], row["ts"]) for row in found] == [
        ("worker.warm", AT), ("limit.parallelism", AT), ("db.deadlock", AT),
    ]  # fmt: skip


def test_a_log_without_any_time_gets_the_day() -> None:
    assert rows("worker: Warm shutdown (MainProcess)")[0]["ts"] == DAY


def test_the_banner_of_a_worker_names_each_queue() -> None:
    found = rows(
        "- ** ---------- .> concurrency: 4 (prefork)",
        " -------------- [queues]",
        "                .> default          exchange=default(direct) key=default",
        "                .> gpu-large        exchange=gpu-large(direct) key=gpu-large",
    )
    assert [row["fields"] for row in found] == [{"concurrency": "4"}, {"queue": "default"}, {"queue": "gpu-large"}]


@pytest.mark.parametrize("junk", [b"\xff\xfe\x00 \x80", b"", b"{", b'{"event": 7}', b"[2026-13-45T99:99:99.000+0000] {x} INFO - m"])  # fmt: skip
def test_what_is_no_known_line_is_passed_over(junk: bytes) -> None:
    known = f"[2026-11-22T18:47:39.902+0000] {{x.py:1}} INFO - {FULL}".encode()
    assert [row["line"] for row in rows(junk, known, junk, known)] == [2, 4]


def test_undecodable_bytes_do_not_hide_a_known_line() -> None:
    (row,) = rows(b"[2026-11-22T18:47:39.902+0000] {x.py:1} INFO - \xff " + FULL.encode())
    assert row["pattern"] == "limit.parallelism"


def test_a_huge_line_is_cut_before_it_is_looked_at() -> None:
    assert rows(f"[2026-11-22T18:47:39.902+0000] {{x.py:1}} INFO - {'x' * MAX_LINE}{FULL}") == []
    (row,) = rows(f"[2026-11-22T18:47:39.902+0000] {{x.py:1}} INFO - {FULL}{'x' * MAX_LINE}")
    assert len(row["text"]) <= 1000


def test_secrets_are_masked_in_text_and_fields() -> None:
    redactor = Redactor()
    (row,) = rows(
        "[2026-11-22T18:47:39.902+0000] {x.py:1} ERROR - Task a.b[c] raised unexpected: "
        "OperationalError('postgresql://air:hunter2@db/x')",
        redactor=redactor,
    )
    assert "hunter2" not in json.dumps(row)
    assert redactor.counts


def test_ids_are_unique_and_every_needle_belongs_to_its_regex() -> None:
    counted = Counter(pattern.id for pattern in patterns())
    assert [name for name, n in counted.items() if n > 1] == []
    assert all(pattern.needles and all(pattern.needles) for pattern in patterns())


@pytest.mark.parametrize(
    ("message", "pattern", "fields"),
    [
        ("could not query postgreSQL: context deadline exceeded", "keda.db_error", {}),
        ("Waiting for establishing a gRPC connection to KEDA Metrics Server", "adapter.grpc_wait", {}),
        ('"Unhandled Error" err="apiserver was unable to write a JSON response: http: Handler timeout"',
         "adapter.handler_timeout", {}),
        ('"Successfully rescaled" logger="c" HPA="ns/h" currentReplicas=1 desiredReplicas=4 reason="above target"',
         "kcm.rescaled", {"hpa": "ns/h", "current": "1", "desired": "4", "reason": "above target"}),
        ('"Error during resource discovery" err="unable to retrieve the complete list of server APIs: '
         'external.metrics.k8s.io/v1beta1: stale GroupVersion discovery"',
         "kcm.discovery", {"group": "external.metrics.k8s.io/v1beta1", "why": "stale GroupVersion discovery"}),
        ("Task execute_workload[c1] raised unexpected: ConnectError('refused')",
         "worker.raised", {"name": "execute_workload", "celery_id": "c1", "error": "ConnectError('refused')"}),
        ("Task execute_workload[c1] raised unexpected: ServerResponseError('Invalid auth token: Signature has expired')",
         "worker.jwt_expired", {}),
    ],
)  # fmt: skip
def test_lines_of_the_chain(message: str, pattern: str, fields: dict[str, str]) -> None:
    assert match(message) == (pattern, fields)


@pytest.mark.parametrize(
    ("name", "component", "pod"),
    [
        ("pod.rel-worker-7475bd8b58-4tj2d.log.gz", "worker", "rel-worker-7475bd8b58-4tj2d"),
        ("pod.my-dag-processor-1.log", "dag-processor", "my-dag-processor-1"),
        ("pod.networker-1.log", "pod", "networker-1"),
        ("pod.keda-operator-metrics-apiserver-6d-x.log", "keda-metrics-apiserver", "keda-operator-metrics-apiserver-6d-x"),
        ("keda-operator.log.gz", "keda-operator", None), ("kube-scheduler.log", "kube-scheduler", None),
        ("task.d.manual__1.t.attempt=2.log.gz", "task", None), ("whatever.log", "whatever", None),
    ],
)  # fmt: skip
def test_the_name_of_a_file_tells_who_wrote_it(name: str, component: str, pod: str | None) -> None:
    assert component_of(name) == (component, pod)


def test_kubectl_output_is_no_log() -> None:
    assert not is_log([b'{"apiVersion":"v1","kind":"Event","message":"m","lastTimestamp":"2026-11-22T20:00:00Z"}'])
    assert not is_log([b"", b"hello", b"\xff"])
    assert is_log([b"banner", b"I1122 18:47:39.902000       1 x.go:1] m"])


@pytest.mark.parametrize(
    ("recording", "log", "expected"),
    [
        ("pool", "pod.ml-worker-", {"worker.concurrency", "worker.queues", "worker.ready", "worker.received"}),
        ("pool", "pod.ml-scheduler-", {"sched.start", "limit.pool_full", "sched.set_queued"}),
        ("healthy_airflow3", "pod.risk-worker-", {"worker.ready", "worker.received", "worker.executing3"}),
        ("healthy_airflow3", "keda-operator", {"keda.scaled"}),
        ("healthy_airflow3", "kube-controller-manager", {"kcm.rescaled"}),
    ],
)
def test_real_logs(recording: str, log: str, expected: set[str]) -> None:
    times: list[Micros] = []
    seen = set()
    for path in (REAL / recording / "logs").glob(f"{log}*"):
        for row in rows(*gzip.decompress(path.read_bytes()).splitlines()):
            seen.add(row["pattern"])
            times.append(row["ts"])
    assert expected <= seen
    assert max(times) - min(times) < 600_000_000
