#!/usr/bin/env python3
"""Incidents made in the lab, each with its label: other numbers, timers, kinds, majors and databases than were recorded.

python benchmarks/scenarios.py OUT [--only SUBSTRING]
python benchmarks/scoreboard.py OUT
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from afscope.engine.catalog import Catalog
from afscope.model.finding import COMPONENTS
from benchmarks import lab_objects as obj
from benchmarks.lab import Lab
from benchmarks.lab_airflow import Work
from benchmarks.lab_recorder import Plan, Pod
from benchmarks.recorded import Recording

Hook = tuple[float, Callable[[Lab], None]]
HEALTHY: dict[str, Any] = {"healthy": True}


def guilty(*causes: str, also: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A label: the causes, what else is true, and everybody else innocent."""
    catalog = Catalog.load(())
    blamed = {name for cause in (*causes, *also) if cause in catalog
              for name in (catalog.get(cause).header.component, *catalog.get(cause).header.also)}  # fmt: skip
    return {
        "root_causes": list(causes),
        "acceptable": list(also),
        "innocent": [c for c in COMPONENTS if c not in blamed],
        **more,
    }


def make(label: dict[str, Any], *work: Work, hooks: tuple[Hook, ...] = (), **settings: Any) -> Recording:
    """A recording of a plan."""
    lab = Lab(Plan(work=work, label=label, **settings))
    lab.hooks = list(hooks)
    return lab.run()


def running(lab: Lab) -> list[Pod]:
    """Workers that consume."""
    return [pod for pod in lab.pods if pod.consuming is not None and pod.stopping is None and pod.gone is None]


# -- nothing is wrong


def healthy() -> dict[str, Callable[[], Recording]]:
    """Ordinary days: nobody may be blamed."""
    burst = Work(15, 24)
    own_error = Work(15, 12, fails=3)
    busy = tuple(
        Work(10 + 6 * i, 5, 8 + i, dag=f"report_{i % 5}", pool="etl" if i % 2 else "default_pool") for i in range(16)
    )
    return {
        "plain": lambda: make(HEALTHY, burst),
        "airflow3": lambda: make(HEALTHY, burst, major=3, seed=3),
        "mysql": lambda: make(HEALTHY, burst, mysql=True, seed=4),
        "keda_defaults": lambda: make(HEALTHY, replace(burst, at=40), polling=30, cooldown=300, end=420),
        "poll_30_airflow3": lambda: make(HEALTHY, replace(burst, at=33, seconds=45), polling=30, cooldown=120, major=3, end=300),
        "boot_30s": lambda: make(HEALTHY, burst, boot=30, ready=35, end=200),
        "boot_40s_ready_60s": lambda: make(HEALTHY, replace(burst, seconds=60), boot=38, ready=60, end=320),
        "pull_30s": lambda: make(HEALTHY, burst, pull=30, end=200),
        "warm_worker": lambda: make(HEALTHY, replace(burst, tasks=16), low=1, end=200),
        "warm_pool_of_3": lambda: make(HEALTHY, replace(burst, tasks=30), low=3, high=12, end=200),
        "concurrency_16": lambda: make(HEALTHY, replace(burst, tasks=30), concurrency=16, high=10),
        "concurrency_2": lambda: make(HEALTHY, replace(burst, tasks=12), concurrency=2, high=10),
        "behavior_set": lambda: make(HEALTHY, burst, behavior={"scaleDown": {"stabilizationWindowSeconds": 60}}, end=240),
        "statefulset": lambda: make(HEALTHY, replace(burst, tasks=12, seconds=40), kind="StatefulSet", end=240),
        "statefulset_parallel": lambda: make(HEALTHY, burst, kind="StatefulSet", ordered=False, end=200),
        "own_error": lambda: make(HEALTHY, own_error),
        "own_error_retried": lambda: make(HEALTHY, replace(own_error, retries=1), end=200),
        "busy_cluster": lambda: make(HEALTHY, *busy, pools={"etl": 12}, high=20, end=200),
        "long_tasks": lambda: make(HEALTHY, Work(15, 8, 150), end=260),
        "polite_scale_in": lambda: make(HEALTHY, Work(15, 16, 20), Work(15, 4, 110, dag="slow_one"), setsid=True, end=260,
                                        behavior={"scaleDown": {"stabilizationWindowSeconds": 15}}),
        "two_bursts": lambda: make(HEALTHY, Work(15, 12, 15), Work(150, 12, 15, dag="hourly"), end=260),
        "nothing_to_do": lambda: make(HEALTHY, end=60),
        "brief_metric_trouble": lambda: make(HEALTHY, replace(burst, seconds=40), faults={"query": (75, 82)}, error="error inspecting postgreSQL: could not query postgreSQL: FATAL: terminating connection due to administrator command (SQLSTATE 57P01)", end=200),
        "brief_scheduler_pause": lambda: make(HEALTHY, burst, faults={"scheduler": (20, 28)}),
    }  # fmt: skip


# -- limits of Airflow


def limits() -> dict[str, Callable[[], Recording]]:
    """Work that Airflow holds back itself."""
    return {
        "parallelism_8": lambda: make(guilty("parallelism_limit"), Work(15, 40, 25), parallelism=8, end=200),
        "pool_of_3": lambda: make(guilty("pool_exhausted", subject="vendor_api"), Work(15, 30, 15, pool="vendor_api"), Work(20, 4, 10, dag="other"), pools={"vendor_api": 3}, end=220),
        "pool_of_3_airflow3": lambda: make(guilty("pool_exhausted", subject="vendor_api"), Work(15, 30, 15, pool="vendor_api"), pools={"vendor_api": 3}, end=220, major=3, seed=5),
        "dag_cap_5": lambda: make(guilty("dag_max_active_tasks", subject="nightly"), Work(15, 40, 20), dags={"nightly": {"max_active_tasks": 5}}, end=220),
        "dag_cap_5_airflow3": lambda: make(guilty("dag_max_active_tasks", subject="nightly"), Work(15, 40, 20), dags={"nightly": {"max_active_tasks": 5}}, end=220, major=3),
        "runs_2": lambda: make(guilty("dag_max_active_runs", subject="nightly"), *(Work(15 + i, 4, 30) for i in range(8)), dags={"nightly": {"max_active_runs": 2}}, end=200),
        "paused": lambda: make(guilty("dag_paused", subject="nightly"), Work(15, 12), Work(18, 6, dag="other"), dags={"nightly": {"is_paused": True}}),
        "scheduler_stopped": lambda: make(guilty("scheduler_down"), Work(25, 20), faults={"scheduler": (20, 110)}, end=200),
        "scheduler_stopped_mysql": lambda: make(guilty("scheduler_down"), Work(25, 20), faults={"scheduler": (20, 110)}, end=200, mysql=True),
    }  # fmt: skip


# -- the trigger and KEDA

AUTH = 'error establishing postgreSQL connection: failed to connect to `user=airflow database=airflow`: 10.0.3.7:5432 (airflow-postgresql): failed SASL auth: FATAL: password authentication failed for user "airflow" (SQLSTATE 28P01)'
AUTH_MYSQL = "error establishing MySQL connection: Error 1045 (28000): Access denied for user 'airflow'@'10.0.3.9' (using password: YES)"
REFUSED = "error establishing postgreSQL connection: failed to connect to `user=airflow database=airflow`: 10.0.3.7:5432 (airflow-postgresql): dial error: dial tcp 10.0.3.7:5432: connect: connection refused"
NO_COLUMN = (
    'error inspecting postgreSQL: could not query postgreSQL: ERROR: column "queues" does not exist (SQLSTATE 42703)'
)


def triggers() -> dict[str, Callable[[], Recording]]:
    """KEDA does not see the work, or cannot."""
    burst = Work(20, 24, 30)
    loss = ("sigterm_broadcast", "grace_period_too_short", "flapping", "scale_down_kills_tasks")
    return {
        "auth": lambda: make(guilty("trigger_auth_failure"), burst, faults={"connect": (0, 999)}, error=AUTH),
        "auth_mysql": lambda: make(guilty("trigger_auth_failure"), burst, faults={"connect": (0, 100)}, error=AUTH_MYSQL, mysql=True, end=220),
        "refused_while_running": lambda: make(guilty("trigger_db_unreachable", also=("external_metric_timeout",)), Work(15, 3, 60), Work(40, 40, 30, dag="late"), faults={"connect": (32, 125)}, error=REFUSED, end=240),
        "refused_poll_30": lambda: make(guilty("trigger_db_unreachable"), burst, faults={"connect": (0, 999)}, error=REFUSED, polling=30, cooldown=300, end=240),
        "bad_column": lambda: make(guilty("trigger_query_error"), burst, faults={"query": (0, 999)}, error=NO_COLUMN, end=130),
        "so_paused": lambda: make(guilty("scaledobject_paused"), burst, faults={"paused": (5, 110)}, end=220),
        "so_paused_at_2": lambda: make(guilty("scaledobject_paused"), Work(15, 8, 30), Work(65, 24, 25, dag="late"), faults={"paused": (50, 999)}, end=220),
        "operator_gone_at_zero": lambda: make(guilty("keda_operator_down", also=("external_metric_timeout",)), burst, faults={"keda": (12, 130)}, end=240),
        "operator_hung_at_work": lambda: make(guilty("external_metric_timeout", also=("keda_operator_down", "max_replicas_ceiling")), Work(15, 3, 40), Work(33, 32, 30, dag="late"), faults={"keda": (30, 120)}, end=240),
        "activation_2": lambda: make(guilty("activation_threshold"), Work(15, 8, 30), activation=2, end=120),
        "wrong_queue": lambda: make(guilty("queue_mismatch", subject="gpu", also=("no_consumer_for_queue",)), replace(burst, queue="gpu"), Work(15, 6, dag="other")),
        "wrong_queue_airflow3": lambda: make(guilty("queue_mismatch", subject="gpu", also=("no_consumer_for_queue",)), replace(burst, queue="gpu"), major=3),
        "divisor_16": lambda: make(guilty("query_divisor_mismatch"), Work(15, 32, 40), divisor=16, end=280),
        "queued_only": lambda: make(guilty("query_ignores_running", also=loss), Work(15, 20, 100), states=("queued",), end=240),
        "queued_only_airflow3": lambda: make(guilty("query_ignores_running", also=loss), Work(15, 20, 100), states=("queued",), end=240, major=3),
    }  # fmt: skip


# -- the metric and the decision


def decisions() -> dict[str, Callable[[], Recording]]:
    """What the HPA is told, and what it may do."""
    slow = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    eager = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    mixed = (Work(15, 16, 25), Work(15, 8, 120, dag="slow_one"))
    return {
        "max_3": lambda: make(guilty("max_replicas_ceiling"), Work(15, 32, 25), Work(20, 16, 25, dag="other"), high=3, end=200),
        "max_1_concurrency_16": lambda: make(guilty("max_replicas_ceiling", also=("dag_max_active_tasks",)), Work(15, 32, 25), Work(16, 32, 25, dag="other"), high=1, concurrency=16, parallelism=64, end=220),
        "max_3_statefulset": lambda: make(guilty("max_replicas_ceiling"), Work(15, 32, 25), Work(20, 16, 25, dag="other"), high=3, end=240, kind="StatefulSet"),
        "max_2_min_2": lambda: make(guilty("max_replicas_ceiling"), Work(15, 32, 25), high=2, low=2, end=200),
        "adapter_hung": lambda: make(guilty("external_metric_timeout", also=("max_replicas_ceiling",), component="keda-metrics-apiserver"), Work(15, 3, 40), Work(34, 36, 30, dag="late"), faults={"metrics": (30, 125)}, end=240),
        "api_missing": lambda: make(guilty("external_metrics_api_missing", also=("max_replicas_ceiling",)), Work(15, 24, 30), faults={"api": (0, 999)}, end=160, hooks=((1, lambda lab: lab.emit("apiservices", obj.api_service(lab.now), "DELETED")),)),
        "one_pod_a_minute": lambda: make(guilty("scale_up_rate_limited"), Work(15, 32, 60), behavior=slow, end=360),
        "dead_band": lambda: make(guilty("hpa_tolerance_dead_band"), Work(15, 20, 150, dag="a"), Work(16, 20, 150, dag="b"), Work(75, 4, 30, dag="c"), parallelism=64, high=20, end=280),
        "kubectl_scale": lambda: make(guilty("replicas_overwritten", also=("scale_down_kills_tasks", "sigterm_broadcast", "grace_period_too_short", "zombie_tasks")), Work(15, 32, 60), end=240,
                                      hooks=tuple((t, lambda lab: lab.write(1, "kubectl", scale=True)) for t in range(55, 200, 9))),
        "greedy_scale_in": lambda: make(guilty("scale_down_kills_tasks", also=("sigterm_broadcast",)), *mixed, behavior=eager, end=240),
        "greedy_scale_in_airflow3": lambda: make(guilty("scale_down_kills_tasks", also=("sigterm_broadcast",)), *mixed, behavior=eager, end=240, major=3, kind="StatefulSet", ordered=False),
        "short_grace": lambda: make(guilty("grace_period_too_short", also=("scale_down_kills_tasks", "zombie_tasks")), *mixed, behavior=eager, setsid=True, grace=20, end=260),
        "two_hpas": lambda: make(guilty("competing_hpas", also=("max_replicas_ceiling",)), Work(15, 30, 40), end=220, hooks=tuple((t, _second_hpa) for t in range(1, 215, 15))),
        "adapter_down": lambda: make(guilty("external_metrics_api_missing", also=("max_replicas_ceiling", "external_metric_timeout")), Work(15, 3, 40), Work(34, 36, 30, dag="late"), faults={"api": (30, 125)}, end=240,
                                     hooks=((32, lambda lab: lab.emit("apiservices", obj.api_service(lab.now, ok=False, reason="FailedDiscoveryCheck", message="failing or missing response from https://10.0.9.1:6443/apis/external.metrics.k8s.io/v1beta1: dial tcp 10.0.9.1:6443: connect: connection refused"))),
                                            (127, lambda lab: lab.emit("apiservices", obj.api_service(lab.now))))),
        "divisor_2_concurrency_8": lambda: make(HEALTHY, Work(15, 16, 30), concurrency=8, divisor=2, high=12, end=200),
        "hpa_stalled": lambda: make(guilty("hpa_controller_stalled", also=("max_replicas_ceiling",)), Work(15, 3, 40), Work(34, 36, 30, dag="late"), faults={"hpa": (30, 150)}, end=260),
        "flapping": lambda: make(guilty("flapping"), *(Work(15 + 70 * i, 8, 12, dag="tick") for i in range(5)), cooldown=10, end=380, boot=9, ready=14),
    }  # fmt: skip


def _second_hpa(lab: Lab) -> None:
    spec = obj.hpa_spec((lab.plan.kind, lab.worker), 1, 10, lab.worker, "cpu", None)
    spec["metrics"] = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ]
    names = (f"keda-hpa-{lab.worker}", f"{lab.worker}-cpu")
    said = f"pods by selector component=worker,release={lab.plan.release},tier=airflow are controlled by multiple HPAs: [{{{names[0]} {lab.plan.namespace}}} {{{names[1]} {lab.plan.namespace}}}]"
    told = [obj.condition("AbleToScale", "True", "SucceededGetScale", obj.ABLE["SucceededGetScale"], lab.plan.start)]
    if lab.pods:
        told.append(obj.condition("ScalingActive", "False", "AmbiguousSelector", said, lab.plan.start))
        for name in names:
            lab.event(
                "HorizontalPodAutoscaler",
                name,
                "AmbiguousSelector",
                said,
                kind="Warning",
                by="horizontal-pod-autoscaler",
            )
        lab.plan.faults["hpa"] = (0, 999)
        lab._condition("ScalingActive", "False", "AmbiguousSelector", said)
    head = obj.meta(lab.plan.namespace, names[1], "hpa-cpu", lab.plan.start - 3600)
    status = {"currentReplicas": len(lab.pods), "desiredReplicas": 0, "conditions": told}
    lab.emit(
        "horizontalpodautoscalers",
        {
            "kind": "HorizontalPodAutoscaler",
            "apiVersion": "autoscaling/v2",
            "metadata": head,
            "spec": spec,
            "status": status,
        },
    )


# -- from replicas to workers


def workers() -> dict[str, Callable[[], Recording]]:
    """Pods that do not come, do not work, or go."""
    burst = Work(20, 24, 30)
    quota = 'Error creating: pods "orbit-worker-x" is forbidden: exceeded quota: team, requested: requests.cpu=500m, used: requests.cpu=1, limited: requests.cpu=1200m'
    pull = 'rpc error: code = NotFound desc = failed to pull and unpack image "registry.local/airflow:2.10.9": failed to resolve reference "registry.local/airflow:2.10.9": registry.local/airflow:2.10.9: not found'
    lost = ("zombie_tasks",)
    return {
        "quota_at_2": lambda: make(guilty("quota_exceeded"), burst, faults={"quota": (0, 999)}, capacity=2, error=quota, end=160),
        "no_room": lambda: make(guilty("pods_unschedulable"), burst, faults={"nodes": (0, 999)}, capacity=1, end=160),
        "no_room_for_a_minute": lambda: make(guilty("pods_unschedulable"), burst, faults={"nodes": (0, 95)}, capacity=0, end=200),
        "no_room_statefulset": lambda: make(guilty("pods_unschedulable", also=("statefulset_blocked",)), burst, faults={"nodes": (0, 999)}, capacity=1, end=200, kind="StatefulSet"),
        "image_gone": lambda: make(guilty("image_pull_failure", also=("max_replicas_ceiling",)), burst, faults={"image": (0, 999)}, error=pull, end=140),
        "image_gone_for_a_minute_airflow3": lambda: make(guilty("image_pull_failure", also=("max_replicas_ceiling",)), burst, faults={"image": (0, 80)}, error=pull, end=240, major=3),
        "crash": lambda: make(guilty("worker_crash_loop", also=("max_replicas_ceiling",)), burst, faults={"crash": (0, 999)}, end=160),
        "boot_110s": lambda: make(guilty("slow_worker_start", also=("slow_image_pull",)), burst, boot=110, ready=115, end=280),
        "pull_120s": lambda: make(guilty("slow_image_pull", also=("slow_worker_start",)), burst, pull=120, end=300),
        "pull_120s_airflow3": lambda: make(guilty("slow_image_pull", also=("slow_worker_start",)), burst, pull=120, end=300, major=3, mysql=True),
        "oom": lambda: make(guilty("worker_oom", also=lost), replace(burst, seconds=90), end=280, hooks=((75, _oom),)),
        "liveness": lambda: make(guilty("probe_failures", also=("worker_crash_loop", *lost)), replace(burst, seconds=90), end=280, hooks=((75, _probe),)),
        "node_dies": lambda: make(guilty("node_lost", also=lost), replace(burst, seconds=70), end=420, hooks=((70, _node_dies),)),
        "drain": lambda: make(guilty("eviction_kills_tasks", also=("sigterm_broadcast",)), replace(burst, seconds=70), end=280, hooks=((70, _drain),)),
        "nobody_listens": lambda: make(guilty("no_consumer_for_queue", subject="gpu"), Work(15, 6, 30), Work(20, 8, 30, queue="gpu", dag="ml"), counts_queues=("default", "gpu"), end=160),
        "slow_then_pool": lambda: make(guilty("pool_exhausted", "slow_worker_start", also=("slow_image_pull",)), Work(15, 24, 30), Work(160, 30, 20, pool="tiny", dag="late"), pools={"tiny": 2}, boot=100, ready=105, end=420),
        "quota_and_dag_cap": lambda: make(guilty("quota_exceeded", "dag_max_active_tasks"), Work(15, 20, 30), Work(18, 30, 20, dag="capped"), dags={"capped": {"max_active_tasks": 2}}, faults={"quota": (0, 999)}, capacity=3, error=quota, end=220),
        "paused_and_image": lambda: make(guilty("image_pull_failure", "dag_paused", also=("max_replicas_ceiling",)), burst, Work(22, 20, dag="sleepy"), dags={"sleepy": {"is_paused": True}}, faults={"image": (0, 999)}, error=pull, end=160),
        "image_gone_statefulset": lambda: make(guilty("image_pull_failure", also=("statefulset_blocked", "max_replicas_ceiling")), burst, faults={"image": (35, 999)}, error=pull, end=200, kind="StatefulSet"),
        "ordinal_terminates": lambda: make(guilty("statefulset_blocked", also=("max_replicas_ceiling",)), Work(15, 16, 20), Work(15, 4, 230, dag="slow_one"), Work(120, 30, 30, dag="late"), kind="StatefulSet", setsid=True, grace=600,
                                           behavior={"scaleDown": {"stabilizationWindowSeconds": 0}}, end=380),
        "killed_process": lambda: make(guilty("worker_crash_loop", also=("zombie_tasks",)), replace(burst, seconds=90), end=480, hooks=((75, lambda lab: lab.die(running(lab)[0])),)),
        "killed_process_seen_briefly": lambda: make(guilty("worker_crash_loop", also=("zombie_tasks",)), replace(burst, seconds=90), end=150, hooks=((75, lambda lab: lab.die(running(lab)[0])),), major=3),
        "frozen_worker": lambda: make(guilty("zombie_tasks"), replace(burst, seconds=60), end=480, hooks=((75, _freeze),)),
        "frozen_worker_airflow3": lambda: make(guilty("zombie_tasks"), replace(burst, seconds=60), end=480, hooks=((75, _freeze),), major=3),
        "many_tasks": lambda: make(guilty("max_replicas_ceiling"), *(Work(15 + i, 30, 20, dag=f"d{i}") for i in range(6)), high=6, parallelism=256, end=300),
        "image_then_ceiling": lambda: make(guilty("image_pull_failure", "max_replicas_ceiling"), Work(15, 12, 20), Work(170, 40, 30, dag="late"), faults={"image": (0, 75)}, error=pull, high=2, end=380),
        "token_expired": lambda: make(guilty("pods_unschedulable", also=("workload_token_expired",)), burst, faults={"nodes": (0, 300)}, capacity=0, end=420, major=3),
        "scheduler_then_ceiling": lambda: make(guilty("scheduler_down", "max_replicas_ceiling"), Work(25, 12, 20), Work(150, 32, 30, dag="late"), faults={"scheduler": (20, 90)}, high=2, end=320),
    }  # fmt: skip


def _freeze(lab: Lab) -> None:
    running(lab)[0].frozen = True


def _oom(lab: Lab) -> None:
    for pod in running(lab)[:3]:
        pod.tasks = []
        lab.restart(pod, "OOMKilled", 137)


def _probe(lab: Lab) -> None:
    for pod in running(lab)[:3]:
        lab.event(
            "Pod",
            pod.name,
            "Unhealthy",
            "Liveness probe failed: command timed out",
            kind="Warning",
            by="kubelet",
            uid=pod.uid,
        )
        lab.event(
            "Pod",
            pod.name,
            "Killing",
            "Container worker failed liveness probe, will be restarted",
            by="kubelet",
            uid=pod.uid,
        )
        lab.lose(pod)
        lab.restart(pod, "Error", 143)


def _node_dies(lab: Lab) -> None:
    name = max((pod.node for pod in running(lab)), key=lambda node: sum(p.node == node for p in running(lab)))
    lab.emit("nodes", obj.node(name, lab.plan.start - 86400, ready=False, at=lab.now))
    for pod in [p for p in running(lab) if p.node == name]:
        pod.tasks = []
        lab.event(
            "Pod",
            pod.name,
            "TaintManagerEviction",
            f"Marking for deletion Pod {lab.plan.namespace}/{pod.name}",
            by="taint-eviction-controller",
            uid=pod.uid,
        )
        lab.stop(pod, event=False)


def _drain(lab: Lab) -> None:
    name = max((pod.node for pod in running(lab)), key=lambda node: sum(p.node == node for p in running(lab)))
    lab.emit("nodes", obj.node(name, lab.plan.start - 86400, cordoned=True))
    for pod in [p for p in running(lab) if p.node == name]:
        lab.stop(pod)


def scenarios() -> dict[str, Callable[[], Recording]]:
    """Every incident by name."""
    groups = {"healthy": healthy, "limits": limits, "trigger": triggers, "decide": decisions, "workers": workers}
    return {f"{group}.{name}": maker for group, makers in groups.items() for name, maker in makers().items()}


def write(known: dict[str, Callable[[], Recording]]) -> int:
    """The command line of a set of incidents; its exit code."""
    parser = argparse.ArgumentParser(description="Writes incidents of the lab, each with its label.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="only those whose name contains this")
    options = parser.parse_args()
    wanted = {name: maker for name, maker in known.items() if options.only in name}
    for name, maker in wanted.items():
        maker().save(options.out / name)
    print(f"{len(wanted)} incidents in {options.out}")
    return 0 if wanted else 2


if __name__ == "__main__":
    sys.exit(write(scenarios()))
