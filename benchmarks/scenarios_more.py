"""More incidents of the lab: the broker, KEDA's own settings and silences, the database, slow schedulers, pods of the
KubernetesPodOperator, evictions, two ScaledObjects, and calm that only looks like trouble.

python benchmarks/scenarios_more.py OUT [--only SUBSTRING]
python benchmarks/scoreboard.py OUT
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks import lab_objects as obj
from benchmarks.combine import merged
from benchmarks.lab import Lab
from benchmarks.lab_airflow import Work
from benchmarks.lab_kpo import KpoPods
from benchmarks.recorded import Recording
from benchmarks.scenarios import AUTH, HEALTHY, NO_COLUMN, guilty, make, running, write

Maker = Callable[[], Recording]
Settings = dict[str, Any]
BURST = Work(20, 24, 30)
LATE = Work(60, 24, 25, dag="late")


def broker() -> dict[str, Maker]:
    """Messages that are not sent, or not taken."""
    down = guilty("broker_unavailable", also=("worker_disconnected", "tasks_stuck_in_queued", "max_replicas_ceiling"))
    warm = Work(15, 6, 25)
    lost = guilty("message_lost", also=("broker_unavailable", "max_replicas_ceiling"))
    return {
        "refused_at_work": lambda: make(down, warm, Work(52, 24, 25, dag="late", retries=9), faults={"broker_refused": (50, 130)}, end=240),
        "refused_from_zero": lambda: make(down, replace(BURST, retries=9), faults={"broker_refused": (10, 100)}, end=240),
        "refused_airflow3": lambda: make(down, warm, Work(52, 24, 25, dag="late", retries=9), faults={"broker_refused": (50, 130)}, end=240, major=3),
        "hung_at_work": lambda: make(down, warm, Work(52, 24, 25, dag="late", retries=9), faults={"broker_hung": (50, 130)}, end=240),
        "hung_from_zero": lambda: make(down, replace(BURST, retries=9), faults={"broker_hung": (10, 100)}, end=240),
        "hung_in_silence": lambda: make(down, Work(15, 30, 30), faults={"broker_hung": (40, 110)}, low=2, high=2, end=260, seed=2),
        "hung_in_silence_airflow3": lambda: make(guilty("max_replicas_ceiling", "broker_unavailable", also=("tasks_stuck_in_queued",)), Work(14, 2, 160, dag="long"), Work(16, 24, 40), faults={"broker_hung": (45, 125)}, low=3, high=3, end=260, major=3),
        "no_retries": lambda: make(down, warm, Work(52, 24, 25, dag="late"), Work(80, 12, 25, dag="later"), faults={"broker_refused": (50, 130)}, end=220),
        "workers_cut_off": lambda: make(down, warm, Work(52, 24, 25, dag="late"), faults={"broker_cut": (50, 140)}, end=260),
        "only_worker_cut_off": lambda: make(down, warm, Work(52, 10, 25, dag="late"), faults={"broker_cut": (50, 140)}, low=1, high=1, concurrency=16, end=260),
        "to_the_end": lambda: make(down, warm, Work(52, 24, 25, dag="late"), faults={"broker_cut": (50, 999)}, end=160),
        "deaf_workers": lambda: make(guilty("worker_disconnected", also=("max_replicas_ceiling",)), warm, Work(75, 24, 25, dag="late"), low=2, high=2,
                                     faults={"broker_cut": (50, 70)}, hooks=((51, _deafen),), end=240),
        "one_deaf_worker": lambda: make(guilty("max_replicas_ceiling", "worker_disconnected"), warm, Work(75, 32, 25, dag="late"), low=3, high=3,
                                        faults={"broker_cut": (50, 70)}, hooks=((51, _deafen_one),), end=240),
        "messages_lost_overtaken": lambda: make(lost, warm, Work(55, 30, 25, dag="late"), Work(110, 6, 20, dag="later"), faults={"broker_cut": (60, 64)}, hooks=((61, _forget),), low=2, high=2, end=240),
        "messages_lost_new_workers": lambda: make(lost, Work(20, 24, 25), faults={"broker_cut": (36, 40)}, hooks=((37, _forget),), end=200),
        "blip": lambda: make(HEALTHY, warm, Work(70, 12, 25, dag="late"), faults={"broker_cut": (50, 53)}, end=200),
    }  # fmt: skip


def _forget(lab: Lab) -> None:
    """The broker restarts without what it held in memory."""
    lab.airflow.messages.clear()


def _deafen(lab: Lab) -> None:
    for pod in running(lab):
        pod.deaf = True


def _deafen_one(lab: Lab) -> None:
    running(lab)[0].deaf = True


def keda() -> dict[str, Maker]:
    """KEDA's settings and silences."""
    error: Settings = {"faults": {"query": (25, 999)}, "error": NO_COLUMN}
    return {
        "fallback_2": lambda: make(guilty("fallback_active", also=("trigger_query_error", "external_metric_timeout")), Work(15, 4, 30), Work(40, 32, 30, dag="late"), fallback={"failureThreshold": 3, "replicas": 2}, end=240, **error),
        "fallback_from_zero": lambda: make(guilty("fallback_active", "trigger_query_error"), Work(30, 32, 30), fallback={"failureThreshold": 3, "replicas": 1}, end=200, **error),
        "fallback_enough": lambda: make(HEALTHY, Work(15, 4, 30), Work(50, 16, 30, dag="late"), fallback={"failureThreshold": 1, "replicas": 6}, faults={"query": (25, 35)}, error=NO_COLUMN, end=200),
        "idle_0_min_2": lambda: make(HEALTHY, replace(BURST, tasks=16), low=2, idle=0, end=200),
        "idle_1_min_3": lambda: make(HEALTHY, replace(BURST, tasks=16), low=3, idle=1, end=200),
        "paused_all_day": lambda: make(guilty("scaledobject_paused"), BURST, faults={"paused": (0, 999)}, end=160),
        "paused_at_the_maximum": lambda: make(HEALTHY, Work(15, 16, 20), Work(90, 12, 20, dag="late"), high=4, faults={"paused": (45, 999)}, end=180),
        "restarts_at_work": lambda: make(guilty("external_metric_timeout", also=("keda_operator_down",), component="keda-operator"), Work(15, 24, 40), faults={"keda_restart": (35, 43)}, end=200),
        "operator_gone_poll_30": lambda: make(guilty("keda_operator_down", also=("external_metric_timeout",)), Work(40, 24, 30), faults={"keda": (20, 200)}, polling=30, cooldown=120, end=330),
        "operator_gone_to_the_end": lambda: make({"root_causes": [], "partial": True, "healthy": None}, BURST, faults={"keda": (12, 999)}, end=160),
        "adapter_hung_max_20_airflow3": lambda: make(guilty("external_metric_timeout", component="keda-metrics-apiserver"), Work(15, 3, 40), Work(34, 60, 30, dag="late"), faults={"metrics": (30, 150)}, high=20, parallelism=96, end=300, major=3, dags={"late": {"max_active_tasks": 80}}),
        "adapter_hung_statefulset": lambda: make(guilty("external_metric_timeout", component="keda-metrics-apiserver"), Work(15, 3, 40), Work(34, 28, 30, dag="late"), faults={"metrics": (30, 150)}, kind="StatefulSet", ordered=False, end=300, mysql=True),
        "counts_running_only": lambda: make(guilty("queue_mismatch", also=("trigger_reads_other_database", "no_consumer_for_queue")), BURST, states=("running",), end=140),
        "counts_scheduled_only": lambda: make(guilty("queue_mismatch", also=("trigger_reads_other_database", "no_consumer_for_queue")), BURST, states=("scheduled",), end=140),
        "cooldown_kills": lambda: make(guilty("query_ignores_running", also=("sigterm_broadcast", "scale_down_kills_tasks", "flapping")), Work(15, 3, 120), states=("queued",), cooldown=20, end=220),
        "mismatch_late": lambda: make(guilty("queue_mismatch", subject="gpu", also=("no_consumer_for_queue",)), Work(15, 12, 20), Work(90, 20, 20, dag="ml", queue="gpu"), end=200),
    }  # fmt: skip


def database() -> dict[str, Maker]:
    """Airflow's own database, and a scheduler that is slow by itself."""
    also = (
        "trigger_db_unreachable",
        "trigger_query_slow",
        "external_metric_timeout",
        "max_replicas_ceiling",
        "keda_operator_down",
        "scheduler_down",
    )
    slow = guilty("db_slow", also=also)
    return {
        "locked_from_zero": lambda: make(slow, BURST, faults={"db_locked": (18, 110)}, end=220),
        "locked_at_work": lambda: make(slow, Work(15, 4, 60), Work(36, 24, 30, dag="late"), faults={"db_locked": (38, 120)}, end=240),
        "down_at_work": lambda: make(slow, Work(15, 4, 60), Work(36, 24, 30, dag="late"), faults={"db_down": (38, 110)}, error=REFUSED, end=240),
        "down_from_zero_mysql": lambda: make(slow, BURST, faults={"db_down": (18, 110)}, error=REFUSED, end=220, mysql=True),
        "locked_to_the_end": lambda: make(slow, BURST, Work(24, 12, 20, dag="late"), faults={"db_locked": (28, 999)}, end=150),
        "slow_scheduler": lambda: make(guilty("scheduler_slow", also=("scheduler_down",)), *(Work(15 + i, 16, 20, dag=f"d{i}") for i in range(8)), loop=12, candidates=8, parallelism=128, high=40, end=330),
        "slow_scheduler_airflow3": lambda: make(guilty("scheduler_slow", also=("scheduler_down",)), *(Work(15 + i, 16, 20, dag=f"d{i}") for i in range(8)), loop=12, candidates=8, parallelism=128, high=40, end=330, major=3),
        "scheduler_gone_to_the_end": lambda: make(guilty("scheduler_down"), BURST, faults={"scheduler": (12, 999)}, end=140),
        "scheduler_gone_from_the_start": lambda: make(guilty("scheduler_down"), BURST, faults={"scheduler": (0, 100)}, end=200),
    }  # fmt: skip


REFUSED = "error establishing postgreSQL connection: failed to connect to `user=airflow database=airflow`: 10.0.3.7:5432 (airflow-postgresql): dial error: dial tcp 10.0.3.7:5432: connect: connection refused"


def pods() -> dict[str, Maker]:
    """Pods of the KubernetesPodOperator, and evictions."""
    kpo = Work(15, 6, 400, dag="extract", kpo=True)
    short = Work(15, 6, 30, dag="extract", kpo=True)
    also = ("kpo_startup_timeout", "kpo_startup_timeout_too_long", "worker_slots_saturated", "max_replicas_ceiling")

    def stuck(trouble: str, cause: str, **more: Any) -> Recording:
        pods_ = KpoPods(trouble, 100)
        return make(
            guilty(cause, also=also, component="kubernetes-pod-operator"),
            kpo,
            Work(15, 6, 20),
            end=240,
            hooks=pods_.every_second(240),
            **more,
        )

    return {
        "kpo_unschedulable": lambda: stuck("nodes", "kpo_unschedulable"),
        "kpo_unschedulable_airflow3": lambda: stuck("nodes", "kpo_unschedulable", major=3),
        "kpo_image": lambda: stuck("image", "kpo_image_pull"),
        "kpo_sidecar": lambda: stuck("sidecar", "xcom_sidecar_image_pull", kind="StatefulSet", ordered=False),
        "kpo_calm": lambda: make(HEALTHY, short, Work(15, 6, 20), end=160, hooks=KpoPods().every_second(160)),
        "kpo_still_waiting": lambda: make(guilty("kpo_unschedulable", also=also), kpo, end=150, hooks=KpoPods("nodes", 900).every_second(150)),
        "node_pressure": lambda: make(guilty("eviction_kills_tasks", also=("node_lost", "zombie_tasks", "sigterm_broadcast")), replace(BURST, seconds=70), end=280, hooks=((75, _evict),)),
        "drain_statefulset_airflow3": lambda: make(guilty("eviction_kills_tasks", also=("sigterm_broadcast",)), replace(BURST, seconds=70), end=280, hooks=((75, _drain),), kind="StatefulSet", ordered=False, major=3),
        "quota_statefulset_airflow3": lambda: make(guilty("quota_exceeded", also=("statefulset_blocked",)), BURST, faults={"quota": (0, 999)}, capacity=2, error=QUOTA, end=180, kind="StatefulSet", major=3),
        "quota_later_mysql": lambda: make(guilty("quota_exceeded"), Work(15, 6, 20), Work(70, 30, 25, dag="late"), faults={"quota": (60, 160)}, capacity=2, error=QUOTA, end=300, mysql=True, high=12),
        "limit_range": lambda: make(guilty("quota_exceeded"), BURST, faults={"quota": (0, 999)}, capacity=0, error='Error creating: pods "orbit-worker-x" is forbidden: maximum memory usage per Container is 512Mi, but limit is 2Gi', end=150),
        "webhook_refuses": lambda: make(guilty("quota_exceeded"), BURST, faults={"quota": (0, 999)}, capacity=0, error='Error creating: admission webhook "validate.kyverno.svc-fail" denied the request: policy requires label team', end=150),
        "taints_only": lambda: make(guilty("pods_unschedulable"), BURST, faults={"nodes": (0, 999)}, capacity=1, error="0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: gpu}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.", end=160, major=3),
        "nothing_ready_when_it_ends": lambda: make(guilty("image_pull_failure"), BURST, faults={"image": (0, 999)}, error="rpc error: code = Unknown desc = failed to pull and unpack image: unexpected status 401 Unauthorized", end=75),
        "crash_with_oom": lambda: make(guilty("worker_crash_loop", also=("worker_oom", "max_replicas_ceiling")), BURST, faults={"crash": (0, 999)}, end=160, kind="StatefulSet", ordered=False, mysql=True),
        "drain_idle_node": lambda: make(HEALTHY, Work(15, 20, 20), Work(100, 8, 20, dag="late"), low=3, end=200, hooks=((65, _drain),)),
    }  # fmt: skip


def _evict(lab: Lab) -> None:
    for pod in running(lab)[:3]:
        said = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61Mi. Container worker was using 3Gi, request is 1Gi."
        lab.event("Pod", pod.name, "Evicted", said, kind="Warning", by="kubelet", uid=pod.uid)
        lab.stop(pod)


def _drain(lab: Lab) -> None:
    name = max((pod.node for pod in running(lab)), key=lambda node: sum(p.node == node for p in running(lab)))
    lab.emit("nodes", obj.node(name, lab.plan.start - 86400, cordoned=True))
    for pod in [p for p in running(lab) if p.node == name]:
        lab.stop(pod)


def limits() -> dict[str, Maker]:
    """Limits of Airflow beside, before and behind other trouble."""
    pull = 'rpc error: code = NotFound desc = failed to resolve reference "registry.local/airflow:9": not found'
    return {
        "pool_held_by_the_queued": lambda: make(guilty("image_pull_failure"), Work(15, 30, 20, pool="api"), pools={"api": 8}, faults={"image": (0, 999)}, error=pull, end=150),
        "dag_cap_held_by_the_queued": lambda: make(guilty("pods_unschedulable"), Work(15, 30, 20), dags={"nightly": {"max_active_tasks": 6}}, faults={"nodes": (0, 999)}, capacity=0, end=150),
        "runs_held_by_the_queued": lambda: make(guilty("quota_exceeded"), *(Work(15 + i, 4, 20) for i in range(6)), dags={"nightly": {"max_active_runs": 2}}, faults={"quota": (0, 999)}, capacity=0, error=QUOTA, end=150),
        "cap_and_ceiling": lambda: make(guilty("max_replicas_ceiling", "dag_max_active_tasks"), Work(15, 40, 25), Work(15, 30, 25, dag="capped"), dags={"capped": {"max_active_tasks": 3}}, high=3, end=300),
        "pool_and_ceiling_mysql": lambda: make(guilty("max_replicas_ceiling", "pool_exhausted"), Work(15, 40, 25), Work(15, 24, 25, dag="api", pool="api"), pools={"api": 2}, high=4, end=320, mysql=True),
        "pool_late": lambda: make(guilty("pool_exhausted", subject="api"), Work(15, 12, 20), Work(110, 24, 20, dag="api", pool="api"), pools={"api": 2}, end=300),
        "serial_dag": lambda: make(HEALTHY, *(Work(15 + 30 * i, 1, 20, dag="serial") for i in range(5)), dags={"serial": {"max_active_tasks": 1, "max_active_runs": 1}}, end=220),
        "pool_of_one_used_rightly": lambda: make(HEALTHY, Work(15, 2, 8, dag="lock", pool="mutex"), Work(15, 12, 20), pools={"mutex": 1}, end=160),
        "paused_dag_nobody_waits": lambda: make(HEALTHY, BURST, dags={"sleepy": {"is_paused": True, "max_active_tasks": 16, "max_active_runs": 16}}),
        "warm_ceiling_never_felt": lambda: make(HEALTHY, Work(15, 16, 20), Work(120, 16, 20, dag="b"), low=4, high=4, end=220),
        "slow_ramp_default": lambda: make(HEALTHY, Work(15, 64, 40), concurrency=2, high=40, parallelism=96, dags={"nightly": {"max_active_tasks": 96}}, end=260),
        "statefulset_ramp": lambda: make(HEALTHY, Work(15, 16, 60), kind="StatefulSet", end=260, boot=4, ready=7),
        "retries_in_peace": lambda: make(HEALTHY, Work(15, 12, 20, fails=4, retries=1), retry_delay=60, end=240),
        "two_majors_of_work": lambda: make(HEALTHY, Work(15, 20, 20), Work(45, 20, 20, dag="b"), Work(75, 20, 20, dag="c"), high=10, end=240, major=3, mysql=True),
        "poll_60": lambda: make(HEALTHY, Work(70, 12, 40), polling=60, cooldown=300, end=420),
        "all_of_a_serial_day": lambda: make(HEALTHY, *(Work(15 + 20 * i, 3, 12, dag=f"d{i}") for i in range(8)), end=260, low=1),
        "scale_in_of_the_idle": lambda: make(HEALTHY, Work(15, 24, 15), Work(15, 2, 150, dag="long"), setsid=True, end=300, behavior={"scaleDown": {"stabilizationWindowSeconds": 30}}),
        "short_ceiling": lambda: make(HEALTHY, Work(15, 9, 4), high=2, end=120),
        "wide_burst": lambda: make(HEALTHY, Work(15, 100, 15), Work(16, 100, 15, dag="b"), concurrency=16, high=20, parallelism=256, dags={"nightly": {"max_active_tasks": 200}, "b": {"max_active_tasks": 200}}, pools={"default_pool": 256}, end=200),
        "rolling_deploy": lambda: make(HEALTHY, Work(15, 12, 20), Work(130, 12, 20, dag="late"), low=3, end=240, hooks=tuple((70 + 12 * i, _replace_one) for i in range(3))),
        "graceful_roll_at_work": lambda: make(HEALTHY, Work(15, 12, 60), low=3, setsid=True, end=240, hooks=tuple((50 + 15 * i, _replace_one) for i in range(3))),
    }  # fmt: skip


QUOTA = 'Error creating: pods "orbit-worker-x" is forbidden: exceeded quota: shared, requested: requests.cpu=500m, used: requests.cpu=7800m, limited: requests.cpu=8'


def _replace_one(lab: Lab) -> None:
    lab.stop(min(running(lab), key=lambda pod: (len(pod.tasks), pod.created)))


def shared() -> dict[str, Maker]:
    """Two ScaledObjects in one Airflow: each with its own queue, or both with the same."""
    pull = 'rpc error: code = NotFound desc = failed to resolve reference "registry.local/airflow:9": not found'
    own: Settings = {
        "release": "comet",
        "namespace": "ml",
        "counts_queues": ("heavy",),
        "listens": ("heavy",),
        "seed": 9,
    }
    same: Settings = {"release": "comet", "namespace": "ml", "seed": 9}
    first: Settings = {**same, "release": "atlas", "namespace": "a"}
    heavy = Work(20, 30, 25, dag="train", queue="heavy")

    def both(label: dict[str, object], one: Recording, other: Recording, *, tasks: bool = True) -> Recording:
        """Of `other` only the cluster where `tasks` is off: it saw the same tasks and took none."""
        if not tasks:
            other.streams["airflow_db.jsonl.gz"] = []
        both_ = merged(one, other)
        both_.label.clear()
        both_.label.update({"root_causes": [], **label})
        return both_

    calm: Settings = {"end": 220}
    image: Settings = {"faults": {"image": (0, 999)}, "error": pull, "end": 220}
    return {
        "calm_and_ceiling": lambda: both(guilty("max_replicas_ceiling", subject="ml/comet-worker"), make({}, BURST, **calm), make({}, heavy, high=2, end=220, **own)),
        "login_and_calm": lambda: both(guilty("trigger_auth_failure", subject="data/orbit-worker"), make({}, BURST, faults={"connect": (0, 999)}, error=AUTH, end=220), make({}, heavy, high=12, end=220, **own)),
        "image_and_quota": lambda: both(guilty("image_pull_failure", "quota_exceeded"), make({}, BURST, **image), make({}, heavy, faults={"quota": (0, 999)}, capacity=1, error=QUOTA, end=220, **own)),
        "paused_and_calm": lambda: both(HEALTHY, make({}, BURST, **calm), make({}, faults={"paused": (0, 999)}, end=220, **own)),
        "ceiling_and_pool": lambda: both(guilty("max_replicas_ceiling", "pool_exhausted"), make({}, replace(BURST, tasks=40), high=3, end=220), make({}, replace(heavy, pool="gpu"), pools={"gpu": 3}, end=220, high=12, **own)),
        "same_queue_second_idle": lambda: both({**HEALTHY, "acceptable": ["query_overcounts"]}, make({}, BURST, **calm), make({}, BURST, end=220, **same), tasks=False),
        "same_queue_first_idle": lambda: both({**HEALTHY, "acceptable": ["query_overcounts"]}, make({}, BURST, **calm), make({}, BURST, end=220, **first), tasks=False),
        "same_queue_second_broken": lambda: both(HEALTHY, make({}, BURST, **calm), make({}, BURST, **image, **same), tasks=False),
        "same_queue_first_broken": lambda: both(HEALTHY, make({}, BURST, **calm), make({}, BURST, **image, **first), tasks=False),
    }  # fmt: skip


def beyond_workers() -> dict[str, Maker]:
    """What keeps tasks that is no worker's business: deferral, own limits, caps of one task, another executor."""
    deferring = Work(15, 10, 15, dag="sensors", defers=30)
    by_task: Settings = {"dags": {"etl": {"per_task": 2}}}
    runs = tuple(Work(15 + i, 1, 25, dag="etl") for i in range(8))
    own = Work(15, 24, 60, dag="pods", executor="KubernetesExecutor")
    # what their own pods wait for is nobody's business here, and not told
    elsewhere: Settings = {"root_causes": [], "acceptable": ["query_overcounts"], "partial": True, "healthy": None}
    return {
        "deferred_calm": lambda: make(HEALTHY, deferring, end=160),
        "deferred_calm_airflow3": lambda: make(HEALTHY, deferring, end=160, major=3),
        "triggerer_gone": lambda: make(guilty("deferred_backlog"), replace(deferring, defers=15), faults={"triggerer": (22, 160)}, end=240),
        "triggerer_never_there": lambda: make(guilty("deferred_backlog"), replace(deferring, defers=15), Work(15, 6, 20), faults={"triggerer": (0, 999)}, end=200, major=3),
        "triggerer_idle_and_gone": lambda: make(HEALTHY, Work(15, 12, 20), faults={"triggerer": (30, 999)}, end=160),
        "triggerer_gone_and_ceiling": lambda: make(guilty("deferred_backlog", "max_replicas_ceiling"), replace(deferring, defers=15), Work(40, 40, 25), faults={"triggerer": (22, 160)}, high=3, end=320),
        "execution_timeout": lambda: make(guilty("execution_timeout"), Work(15, 6, 90, dag="slow", timeout=40), Work(15, 6, 20), end=200),
        "execution_timeout_retried": lambda: make(guilty("execution_timeout"), Work(15, 4, 90, dag="slow", timeout=30, retries=1), end=220, major=3),
        "timeout_not_reached": lambda: make(HEALTHY, Work(15, 6, 40, dag="slow", timeout=90), end=160),
        "per_task_2": lambda: make(guilty("task_concurrency_limit"), *runs, **by_task, end=260),
        "per_task_2_airflow3": lambda: make(guilty("task_concurrency_limit"), *runs, **by_task, end=260, major=3),
        "per_task_room": lambda: make(HEALTHY, *runs[:2], **by_task, end=160),
        "per_task_held_by_the_queued": lambda: make(guilty("image_pull_failure"), *runs, **by_task, faults={"image": (0, 999)}, error="rpc error: code = NotFound desc = not found", end=160),
        "per_task_and_ceiling": lambda: make(guilty("max_replicas_ceiling", "task_concurrency_limit"), *runs, Work(15, 40, 25), **by_task, high=3, end=320),
        "other_executor_uncounted": lambda: make(elsewhere, replace(own, queue="kubernetes"), Work(15, 12, 20), parallelism=64, end=180, major=3),
        "other_executor_counted": lambda: make(elsewhere, own, Work(15, 12, 20), parallelism=64, end=180, major=3),
        "other_executor_fills_parallelism": lambda: make(guilty("parallelism_limit", also=("query_overcounts",), partial=True), replace(own, queue="kubernetes"), Work(20, 16, 20), parallelism=24, end=260, major=3),
    }  # fmt: skip


def one_after_the_other() -> dict[str, Maker]:
    """Two causes in one capture."""
    pull = 'rpc error: code = NotFound desc = failed to resolve reference "registry.local/airflow:9": not found'
    late = Work(150, 40, 25, dag="late")
    return {
        "broker_then_ceiling": lambda: make(guilty("broker_unavailable", "max_replicas_ceiling"), Work(15, 6, 20), Work(40, 12, 20, dag="mid"), late, faults={"broker_cut": (38, 100)}, high=3, end=360),
        "image_then_pool": lambda: make(guilty("image_pull_failure", "pool_exhausted", also=("max_replicas_ceiling",)), Work(15, 12, 20), replace(late, pool="api"), pools={"api": 3}, faults={"image": (0, 80)}, error=pull, end=400),
        "hung_then_quota": lambda: make(guilty("external_metric_timeout", "quota_exceeded"), Work(15, 3, 30), Work(33, 24, 20, dag="mid"), Work(260, 30, 20, dag="late"), faults={"metrics": (30, 110), "quota": (255, 999)}, capacity=2, error=QUOTA, end=400),
        "login_then_dag_cap": lambda: make(guilty("trigger_auth_failure", "dag_max_active_tasks"), Work(15, 12, 20), late, dags={"late": {"max_active_tasks": 4}}, faults={"connect": (0, 90)}, error=AUTH, end=420),
        "pause_then_ceiling": lambda: make(guilty("scaledobject_paused", "max_replicas_ceiling"), Work(15, 12, 20), late, faults={"paused": (5, 90)}, high=2, end=420),
        "kills_and_ceiling": lambda: make(guilty("scale_down_kills_tasks", "max_replicas_ceiling", also=("sigterm_broadcast",)), Work(15, 16, 25), Work(15, 8, 120, dag="long"), Work(200, 40, 25, dag="late"), behavior={"scaleDown": {"stabilizationWindowSeconds": 0}}, high=6, end=420),
        "locked_then_image": lambda: make(guilty("db_slow", "image_pull_failure", also=("external_metric_timeout", "trigger_query_slow", "keda_operator_down", "scheduler_down", "max_replicas_ceiling")), Work(15, 12, 20), Work(170, 24, 20, dag="late"), faults={"db_locked": (18, 90), "image": (165, 999)}, error=pull, end=300),
        "scheduler_then_mismatch_airflow3": lambda: make(guilty("scheduler_down", "queue_mismatch", also=("no_consumer_for_queue",)), Work(25, 12, 20), Work(150, 12, 20, dag="ml", queue="gpu"), faults={"scheduler": (20, 90)}, end=260, major=3),
    }  # fmt: skip


def more() -> dict[str, Maker]:
    """Every incident by name."""
    groups = {
        "broker": broker,
        "keda": keda,
        "database": database,
        "pods": pods,
        "beside": limits,
        "shared": shared,
        "beyond": beyond_workers,
        "after": one_after_the_other,
    }
    return {f"{group}.{name}": maker for group, makers in groups.items() for name, maker in makers().items()}


if __name__ == "__main__":
    sys.exit(write(more()))
