"""Incidents that were never recorded, made by the lab: the guilty is named, everybody else is not.

A part of `benchmarks/scenarios.py` and `benchmarks/scenarios_more.py`, which make all of them.
"""

import itertools
import json
from pathlib import Path

import pytest

from benchmarks.recorded import DB
from benchmarks.scenarios import scenarios
from benchmarks.scenarios_more import more
from benchmarks.scoreboard import scored

ALL = scenarios() | more()
CHOSEN = (
    "healthy.keda_defaults", "healthy.boot_40s_ready_60s", "healthy.pull_30s", "healthy.warm_worker", "healthy.busy_cluster",
    "healthy.own_error_retried", "healthy.polite_scale_in", "healthy.statefulset", "healthy.brief_metric_trouble",
    "limits.parallelism_8", "limits.runs_2",
    "trigger.auth_mysql", "trigger.refused_while_running", "trigger.so_paused_at_2", "trigger.operator_gone_at_zero",
    "trigger.activation_2", "trigger.divisor_16", "trigger.queued_only_airflow3",
    "decide.api_missing", "decide.one_pod_a_minute", "decide.dead_band", "decide.kubectl_scale", "decide.greedy_scale_in",
    "decide.short_grace", "decide.two_hpas",
    "workers.quota_and_dag_cap", "workers.pull_120s_airflow3", "workers.killed_process_seen_briefly",
    "workers.frozen_worker_airflow3", "workers.drain", "workers.ordinal_terminates", "workers.image_then_ceiling",
    "decide.hpa_stalled", "broker.refused_from_zero", "broker.hung_at_work", "broker.only_worker_cut_off", "broker.one_deaf_worker",
    "keda.fallback_from_zero", "keda.restarts_at_work", "keda.idle_1_min_3", "database.down_at_work", "database.slow_scheduler",
    "pods.kpo_unschedulable", "pods.node_pressure", "beside.runs_held_by_the_queued", "beside.serial_dag",
    "shared.same_queue_first_broken", "shared.image_and_quota",
)  # fmt: skip


@pytest.mark.parametrize("name", CHOSEN)
def test_the_verdict_of_a_made_incident(name: str, tmp_path: Path) -> None:
    incident = ALL[name]()
    incident.save(tmp_path / "incident")
    assert scored(tmp_path / "incident", incident.label).problems == ()


def test_a_plan_makes_the_same_recording_each_time() -> None:
    once, again = ALL["healthy.plain"](), ALL["healthy.plain"]()
    assert once.streams == again.streams
    assert once.logs == again.logs


def test_the_lab_writes_what_a_recorder_would(tmp_path: Path) -> None:
    """Lines in the order of time, each with its object; polls every second; no row of a task without its run."""
    made = ALL["workers.drain"]()
    for name, lines in made.streams.items():
        assert [line["t"] for line in lines] == sorted(line["t"] for line in lines), name
    polls = [line["t"] for line in made.streams[DB] if "poll" in line]
    assert {round(b - a, 2) for a, b in itertools.pairwise(polls)} == {1.0}
    rows = [row for line in made.streams[DB] if line.get("table") == "task_instance" for row in line["rows"]]
    runs = {row["run_id"] for line in made.streams[DB] if line.get("table") == "dag_run" for row in line["rows"]}
    assert {row["run_id"] for row in rows} <= runs
    made.save(tmp_path / "made")
    assert json.loads((tmp_path / "made" / "label.json").read_text()) == made.label
