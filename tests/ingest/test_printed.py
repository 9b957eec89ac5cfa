"""What kubectl prints for people, in real exports and odd ones."""

from pathlib import Path

import pytest

from afscope.ingest.kubetext.ages import Age, age, seen, time_in_name
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, parse_time
from tests.ingest.exports import EXPORTS, imported, rows, written

HEADER = "LAST SEEN   TYPE      REASON      OBJECT      MESSAGE\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("58s", Age(58 * SECOND, SECOND)),
        ("3m37s", Age(217 * SECOND, SECOND)),
        ("12m", Age(720 * SECOND, 60 * SECOND)),
        ("2d4h", Age(187_200 * SECOND, 3600 * SECOND)),
        ("<unknown>", None),
        ("", None),
        ("s", None),
    ],
)
def test_ages(text: str, wanted: Age | None) -> None:
    assert age(text) == wanted


def test_how_often_an_event_was_seen() -> None:
    found = seen("2m5s (x14 over 10m)")
    assert found is not None
    assert (found.times, found.last.us, found.first.us) == (14, 125 * SECOND, 600 * SECOND)


def test_a_name_tells_a_time_only_when_it_can() -> None:
    assert time_in_name("keda-hpa-ml-worker.18ea78b9da344845") is not None
    assert time_in_name("ml-scheduler-d6c84fdd-t8l9f.98c0e4274d237f73") is None
    assert time_in_name("web-7d4b") is None


def test_the_names_of_events_tell_when_kubectl_ran(tmp_path: Path) -> None:
    capture = imported(tmp_path / "x", EXPORTS / "events-A-wide.txt")
    events = rows(capture, "events")
    assert len(events) == 36
    (note,) = capture.manifest.settings["notes"]
    assert "2026-11-22T20:43:19" in note
    assert capture.manifest.clock_offsets["events-A-wide.txt"].uncertainty_us == SECOND
    denied = [row for row in events if row["reason"] == "FailedCreate"]
    assert denied
    assert all("exceeded quota: team-quota" in row["message"] for row in denied)
    assert {(row["object_kind"], row["namespace"], row["component"]) for row in denied} == {
        ("ReplicaSet", "airflow", "replicaset-controller")
    }
    assert {row["host"] for row in events if row["reason"] == "Pulling"} == {"node-1", "node-2"}


def test_without_them_it_is_the_date_of_the_file_and_a_person_knows_better(tmp_path: Path) -> None:
    page = (EXPORTS / "events-A.txt").read_bytes()
    path = written(tmp_path, "events.txt", page, saved_at="2026-11-22T20:43:19Z")
    by_date = rows(imported(tmp_path / "x", path), "events")
    told = rows(imported(tmp_path / "y", path, taken_at="2026-11-22T20:43:29Z"), "events")
    exact = rows(imported(tmp_path / "z", EXPORTS / "events-A-wide.txt"), "events")
    times = [sorted((row["reason"], row["message"], row["ts"]) for row in each) for each in (by_date, exact, told)]
    for (_, message, at), (_, other, truth), (_, _, later) in zip(*times, strict=True):
        assert message == other
        # beyond two hours kubectl leaves the seconds out
        assert abs((at - truth).total_seconds()) < (2 if truth.hour >= 20 else 61)
        assert (later - at).total_seconds() == 10


def test_a_table_borrows_its_time_from_one_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    for name in ("events-A.txt", "events-A-wide.txt"):
        written(folder, name, (EXPORTS / name).read_bytes(), saved_at="2027-01-01T00:00:00Z")
    capture = imported(tmp_path / "x", folder)
    assert {row["ts"].year for row in rows(capture, "events")} == {2026}


def test_without_a_namespace_column_the_scheduler_names_it(tmp_path: Path) -> None:
    text = HEADER.replace("MESSAGE", "MESSAGE").rstrip() + "\n"
    text += "5s          Normal    Scheduled   pod/w-0     Successfully assigned air/w-0 to n\n"
    text += "4s          Normal    Pulling     pod/w-0     Pulling image\n"
    capture = imported(tmp_path / "x", written(tmp_path, "e.txt", text))
    assert {row["object_namespace"] for row in rows(capture, "events")} == {"air"}


def test_a_row_without_an_age_is_named(tmp_path: Path) -> None:
    text = HEADER + "5s          Normal    Pulling     pod/w-0     x\n<unknown>   Normal    Pulled      pod/w-0     y\n"
    capture = imported(tmp_path / "x", written(tmp_path, "e.txt", text))
    assert [line.rsplit("e.txt", 1)[1] for line in capture.manifest.unread] == [":3: no event with an age"]
    assert capture.rows("events") == 1


def test_a_described_scaled_object_is_the_object(tmp_path: Path) -> None:
    (found,) = rows(imported(tmp_path / "x", EXPORTS / "so.describe"), "scaledobjects")
    assert found["query"].startswith("SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE")
    assert (found["namespace"], found["name"], found["uid"][:8]) == ("airflow", "ml-worker", "7d0e9b5d")
    assert (found["min_replica_count"], found["max_replica_count"], found["polling_interval_s"]) == (0, 5, 5)
    assert (found["trigger_type"], found["trigger_target"], found["target_name"]) == ("postgresql", 1.0, "ml-worker")
    assert (found["ready_status"], found["active_status"], found["fallback_status"]) == ("True", "True", "False")
    assert found["paused_status"] == "False"
    assert found["external_metric_names"] == '["s0-postgresql"]'


def test_a_described_hpa_is_the_object(tmp_path: Path) -> None:
    capture = imported(tmp_path / "x", EXPORTS / "hpa.describe")
    (found,) = rows(capture, "hpas")
    assert (found["min_replicas"], found["max_replicas"], found["target_kind"]) == (1, 5, "Deployment")
    assert (found["metric_name"], found["target_milli"], found["current_milli"]) == ("s0-postgresql", 1000, 8000)
    assert (found["current_replicas"], found["desired_replicas"]) == (5, 5)
    assert (found["limited_reason"], found["active_reason"]) == ("TooManyReplicas", "ValidMetricFound")
    assert [row["reason"] for row in rows(capture, "events")] == ["SuccessfulRescale"] * 2
    assert capture.source("hpas").status is SourceState.PARTIAL


def test_described_pods_are_the_objects_and_tell_when_kubectl_ran(tmp_path: Path) -> None:
    capture = imported(tmp_path / "x", EXPORTS / "pods.describe")
    worker = next(row for row in rows(capture, "pods") if "worker" in row["name"])
    assert (worker["node"], worker["phase"], worker["ready"], worker["restart_count"]) == ("node-1", "Running", True, 0)
    assert (worker["worker_concurrency"], worker["cpu_request_m"], worker["main_container"]) == (4, 500, "worker")
    assert worker["started_at"].isoformat() == "2026-11-29T16:05:57+00:00"
    assert (worker["owner_kind"], worker["owner_name"]) == ("ReplicaSet", "ml-worker-5b5995f7bb")
    assert "2026-11-29T16:07:11" in capture.manifest.settings["notes"][0]
    assert '"value": "<set to' not in str(rows(capture, "objects"))


def test_a_described_deployment_is_the_object(tmp_path: Path) -> None:
    found = {row["name"]: row for row in rows(imported(tmp_path / "x", EXPORTS / "deploy.describe"), "workloads")}
    worker = found["ml-worker"]
    assert (worker["spec_replicas"], worker["status_replicas"], worker["available_replicas"]) == (5, 1, 1)
    assert worker["worker_concurrency"] == 4


POD = """\
Name:                      w-0
Namespace:                 air
Node:                      n-1/10.0.0.1
Start Time:                Sun, 22 Nov 2026 20:00:00 +0000
Labels:                    component=worker
Annotations:               <none>
Status:                    Terminating (lasts 12s)
Termination Grace Period:  600s
Containers:
  worker:
    Image:          airflow:2
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Started:      Sun, 22 Nov 2026 20:01:00 +0000
      Finished:     Sun, 22 Nov 2026 20:02:00 +0000
    Ready:          False
    Restart Count:  3
Conditions:
  Type    Status
  Ready   False
Events:
  Type     Reason   Age                 From     Message
  ----     ------   ----                ----     -------
  Warning  BackOff  15s (x7 over 2m5s)  kubelet  Back-off restarting failed container
"""


def test_a_crashing_pod_keeps_what_it_died_of(tmp_path: Path) -> None:
    capture = imported(tmp_path / "x", written(tmp_path, "p.txt", POD, saved_at="2026-11-22T20:05:00Z"))
    (pod,) = rows(capture, "pods")
    assert (pod["waiting_reason"], pod["last_terminated_reason"], pod["last_terminated_exit_code"]) == (
        "CrashLoopBackOff", "OOMKilled", 137,
    )  # fmt: skip
    assert (pod["restart_count"], pod["grace_period_s"] or pod["deletion_grace_s"]) == (3, 600)
    (event,) = rows(capture, "events")
    assert (event["count"], event["ts"].isoformat()) == (7, "2026-11-22T20:04:45+00:00")


def test_what_the_api_itself_gave_is_not_described_again(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    written(folder, "hpa.txt", (EXPORTS / "hpa.describe").read_bytes())
    hpa = '{"kind": "HorizontalPodAutoscaler", "metadata": {"name": "keda-hpa-ml-worker", "namespace": "airflow", "uid": "real"}}'
    written(folder, "hpa.json", hpa)
    capture = imported(tmp_path / "x", folder)
    assert {row["uid"] for row in rows(capture, "hpas")} == {"real"}
    assert capture.rows("events") == 2


@pytest.mark.parametrize("cut", [0.5, 0.7, 0.9])
@pytest.mark.parametrize(
    "name", ["so.describe", "pods.describe", "hpa.describe", "events-A-wide.txt", "deploy.describe"]
)
def test_half_a_page_is_read_as_far_as_it_goes(tmp_path: Path, name: str, cut: float) -> None:
    page = (EXPORTS / name).read_bytes()
    capture = imported(tmp_path / "x", written(tmp_path, name, page[: int(len(page) * cut)]))
    assert capture.rows("objects") > 0


def test_the_date_of_a_file_is_uncertain(tmp_path: Path) -> None:
    path = written(tmp_path, "h.txt", (EXPORTS / "hpa.describe").read_bytes(), saved_at="2026-11-29T16:07:11Z")
    capture = imported(tmp_path / "x", path)
    assert capture.manifest.clock_offsets["h.txt"].uncertainty_us == 60 * SECOND
    assert capture.ended_at == parse_time("2026-11-29T16:07:11Z")
