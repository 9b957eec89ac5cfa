"""The recorder of the lab, and what stands around: time, faults, frames, events, logs, and every object as it is told."""

import json
import math
import random
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from afscope.control.history import History
from afscope.control.keda import KedaState
from benchmarks import lab_objects as obj
from benchmarks.lab_airflow import Airflow, Task, Work
from benchmarks.recorded import Line

TICK = 0.25
NODES = ("node-a", "node-b", "node-c")
KINDS = ("apiservices", "deployments", "events", "horizontalpodautoscalers", "nodes", "pods", "replicasets",
         "resourcequotas", "scaledobjects", "statefulsets")  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What is set up, what is asked of it, and what breaks: fault name to spans of seconds."""

    work: tuple[Work, ...]
    end: float = 150
    faults: dict[str, tuple[float, float]] = field(default_factory=dict)
    label: dict[str, Any] = field(default_factory=dict)
    namespace: str = "data"
    release: str = "orbit"
    major: int = 2
    mysql: bool = False
    kind: str = "Deployment"
    ordered: bool = True
    concurrency: int = 4
    divisor: int = 0
    low: int = 0
    high: int = 8
    idle: int | None = None
    fallback: dict[str, int] | None = None
    polling: int = 5
    cooldown: int = 30
    behavior: dict[str, Any] | None = None
    activation: float = 0
    states: tuple[str, ...] = ("running", "queued")
    counts_queues: tuple[str, ...] = ("default",)
    listens: tuple[str, ...] = ("default",)
    parallelism: int = 32
    loop: float = 1
    candidates: int = 16
    retry_delay: float = 10
    pools: dict[str, int] = field(default_factory=dict)
    dags: dict[str, dict[str, Any]] = field(default_factory=dict)
    boot: float = 3
    ready: float = 8
    pull: float = 2
    grace: int = 600
    setsid: bool = False
    capacity: int = 1000
    error: str = ""
    start: float = 1_801_000_000.0
    seed: int = 1


@dataclass
class Pod:
    """One worker pod; what did not happen yet is None."""

    name: str
    uid: str
    created: float
    scheduled: float | None = None
    started: float | None = None
    consuming: float | None = None
    ready_at: float | None = None
    stopping: float | None = None
    gone: float | None = None
    node: str = ""
    restarts: int = 0
    waiting: str = "ContainerCreating"
    last: obj.Body = field(default_factory=dict)
    condition: obj.Body | None = None
    pull_tries: int = 0
    frozen: bool = False
    deaf: bool = False
    """It lost the broker and never took up its queue again."""
    calls: int = 0
    calls_at: float = 0.0
    """Attempts to reach the broker, and when the next one is due."""
    next_at: float = 0.0
    tasks: list[tuple[Task, int]] = field(default_factory=list)


class Recorder:
    """The state of a lab, and a watch on it that writes down what is new."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.dice = plan, random.Random(plan.seed)
        self.now = plan.start
        self.worker = f"{plan.release}-worker"
        self.metric = "s0-mysql" if plan.mysql else "s0-postgresql"
        dags = {w.dag: {"is_paused": False, "max_active_tasks": 32, "max_active_runs": 16} for w in plan.work}
        self.airflow = Airflow(
            plan.major, self.dice, "" if plan.mysql else "+00:00",
            {name: {**dag, **plan.dags.get(name, {})} for name, dag in dags.items()},
            {"default_pool": 128, **plan.pools}, plan.parallelism, started_at=plan.start, candidates=plan.candidates, retry_delay=plan.retry_delay,
        )  # fmt: skip
        self.streams: dict[str, list[Line]] = {f"k8s/{kind}.jsonl.gz": [] for kind in KINDS}
        self.logs: dict[str, list[str]] = defaultdict(list)
        self.pods: list[Pod] = []
        self.replicas, self.writer = plan.low, obj.wrote_replicas("helm", plan.start, scale=False)
        self.keda, self.history = KedaState(), History()
        self.conditions = ("ScaledObjectReady", "ScalerNotActive")
        self.stands_in = False
        self.hpa: obj.Body = {"desiredReplicas": 0, "currentMetrics": None}
        self.hpa_since: dict[str, tuple[str, float]] = {}
        self.hpa_asked: float | None = None
        self._told: dict[str, str] = {}
        self._version = 1000
        self._hash = f"{self.dice.getrandbits(36):x}"

    def at(self) -> float:
        """Seconds since the beginning."""
        return self.now - self.plan.start

    def broken(self, fault: str) -> bool:
        """Whether a fault holds now."""
        span = self.plan.faults.get(fault)
        return span is not None and span[0] <= self.at() < span[1]

    def every(self, period: float, phase: float = 0.0) -> bool:
        """Whether a loop with this period turns in this tick."""
        return math.floor((self.at() - phase) / period) > math.floor((self.at() - phase - TICK) / period)

    def emit(self, plural: str, body: obj.Body, change: str = "MODIFIED") -> None:
        """A frame of a watch, if it tells anything new."""
        key = f"{plural}/{body['metadata']['uid']}"
        said = obj.dumps(body)
        if change != "DELETED" and self._told.get(key) == said:
            return
        change = "ADDED" if key not in self._told and change == "MODIFIED" else change
        self._told[key] = said
        self._version += 1
        body = json.loads(said)
        body["metadata"]["resourceVersion"] = str(self._version)
        self.streams[f"k8s/{plural}.jsonl.gz"].append({"t": self.now + 0.05, "type": change, "object": body})

    def event(
        self, about: str, name: str, reason: str, message: str, *, kind: str = "Normal", by: str = "", uid: str = ""
    ) -> None:
        """An event, counted up where it is a repetition, as the recorders of Kubernetes do."""
        key = f"{name}.{reason}.{zlib.crc32(message.encode()):x}"
        known = self._told.get(f"first/{key}")
        first, count = json.loads(known) if known else (self.now, 0)
        self._told[f"first/{key}"] = json.dumps([first, count + 1])
        body = {"kind": "Event", "apiVersion": "v1", "metadata": obj.meta(self.plan.namespace, key, f"event-{key}", first),
                "involvedObject": {"kind": about, "name": name, "namespace": self.plan.namespace, "uid": uid or f"{about}-{name}"},
                "reason": reason, "message": message, "type": kind, "source": {"component": by}, "reportingComponent": by,
                "count": count + 1, "firstTimestamp": obj.stamp(first), "lastTimestamp": obj.stamp(self.now), "eventTime": None}  # fmt: skip
        self.emit("events", body)

    def log(self, name: str, line: str) -> None:
        """A line of a log."""
        self.logs[name].append(line)

    def klog(self, text: str) -> None:
        """A line of the controller manager."""
        day = obj.stamp(self.now)
        self.log(
            "kube-controller-manager.log.gz",
            f"I{day[5:7]}{day[8:10]} {day[11:19]}.{int(self.now % 1 * 1e6):06}       1 horizontal.go:981] {text}",
        )

    def _background(self) -> None:
        for name in NODES:
            self.emit("nodes", obj.node(name, self.now - 86400), "LIST")
        self.emit("apiservices", obj.api_service(self.now - 86400), "LIST")
        self._scheduler()
        for name in (
            "keda-operator.log.gz",
            "keda-metrics-apiserver.log.gz",
            "kube-controller-manager.log.gz",
            "kube-scheduler.log.gz",
        ):
            self.logs[name] = []

    def _scheduler(self) -> None:
        p = self.plan
        name, image = f"{p.release}-scheduler-0", "apache/airflow:3.3.2" if p.major == 3 else "apache/airflow:2.10.5"
        env = {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor", "AIRFLOW__CORE__PARALLELISM": p.parallelism}
        spec = obj.template("scheduler", p.release, image, env, 10)["spec"]
        labels = {"component": "scheduler", "release": p.release, "tier": "airflow"}
        owner = ("StatefulSet", f"{p.release}-scheduler", f"sts-{p.release}-scheduler")
        head = obj.meta(p.namespace, name, f"uid-{name}", self.now - 3600, owner, labels)
        self.emit(
            "pods",
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": head,
                "spec": {**spec, "nodeName": NODES[0]},
                "status": {"phase": "Running"},
            },
            "LIST",
        )

    def _status(self) -> None:
        self._workload()
        self._scaledobject()
        if not self.broken("paused"):
            self.emit("horizontalpodautoscalers", self._hpa_body())
        for pod in self.pods:
            self._pod(pod)

    def _alive(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.stopping is None and pod.gone is None]

    def _workload(self) -> None:
        p = self.plan
        env = {"AIRFLOW__CELERY__WORKER_CONCURRENCY": p.concurrency}
        if p.setsid:
            env["DUMB_INIT_SETSID"] = 0
        labels = {"component": "worker", "release": p.release, "tier": "airflow"}
        uid = f"workload-{self.worker}"
        head = obj.meta(p.namespace, self.worker, uid, p.start - 3600, labels=labels)
        ready = sum(pod.ready_at is not None for pod in self._alive())
        status = {"replicas": len(self._alive()), "readyReplicas": ready}
        spec: obj.Body = {"replicas": self.replicas, "selector": {"matchLabels": labels},
                          "template": obj.template("worker", p.release, "apache/airflow:2.10.5", env, p.grace)}  # fmt: skip
        body = {
            "kind": p.kind,
            "apiVersion": "apps/v1",
            "metadata": {**head, "managedFields": self.writer},
            "spec": spec,
            "status": status,
        }
        if p.kind == "StatefulSet":
            spec["podManagementPolicy"] = "OrderedReady" if p.ordered else "Parallel"
            self.emit("statefulsets", body)
            return
        self.emit("deployments", body)
        name = f"{self.worker}-{self._hash}"
        own = obj.meta(p.namespace, name, f"rs-{name}", p.start - 3600, ("Deployment", self.worker, uid), labels)
        self.emit(
            "replicasets",
            {
                **body,
                "kind": "ReplicaSet",
                "metadata": {
                    **own,
                    "managedFields": obj.wrote_replicas("kube-controller-manager", p.start, scale=False),
                },
            },
        )

    def _scaledobject(self) -> None:
        p = self.plan
        states = " OR ".join(f"state='{state}'" for state in p.states)
        queues = ", ".join(f"'{queue}'" for queue in p.counts_queues)
        cast = "" if p.mysql else "::decimal"
        query = f"SELECT ceil(COUNT(*){cast} / {p.divisor or p.concurrency}) FROM task_instance WHERE ({states}) AND queue IN ({queues})"
        meta = (
            {"connectionStringFromEnv": "KEDA_DB_CONN", "queryValue": "1"}
            if p.mysql
            else {"connectionFromEnv": "KEDA_DB_CONN", "targetQueryValue": "1"}
        )
        if p.activation:
            meta["activationQueryValue" if p.mysql else "activationTargetQueryValue"] = str(p.activation)
        head = obj.meta(
            p.namespace,
            self.worker,
            f"so-{self.worker}",
            p.start - 3600,
            labels={"component": "worker", "release": p.release},
        )
        if self.broken("paused"):
            head["annotations"] = {"autoscaling.keda.sh/paused": "true"}
        spec: obj.Body = {"scaleTargetRef": {"kind": p.kind, "name": self.worker}, "minReplicaCount": p.low, "maxReplicaCount": p.high,
                          "pollingInterval": p.polling, "cooldownPeriod": p.cooldown,
                          "triggers": [{"type": "mysql" if p.mysql else "postgresql", "metadata": {**meta, "query": query}}]}  # fmt: skip
        if p.idle is not None:
            spec["idleReplicaCount"] = p.idle
        if p.fallback:
            spec["fallback"] = p.fallback
        if p.behavior:
            spec["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": p.behavior}}
        status: obj.Body = {"conditions": obj.scaled_conditions(*self.conditions, paused=self.broken("paused"), fallback=self.stands_in),
                            "hpaName": f"keda-hpa-{self.worker}", "externalMetricNames": [self.metric]}  # fmt: skip
        if self.keda.last_active:
            status["lastActiveTime"] = obj.stamp(self.keda.last_active / 1e6)
        self.emit(
            "scaledobjects",
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "ScaledObject",
                "metadata": head,
                "spec": spec,
                "status": status,
            },
        )

    def _hpa_body(self) -> obj.Body:
        p = self.plan
        name = f"keda-hpa-{self.worker}"
        labels = {"app.kubernetes.io/managed-by": "keda-operator", "scaledobject.keda.sh/name": self.worker}
        head = obj.meta(
            p.namespace, name, f"hpa-{name}", p.start - 3600, ("ScaledObject", self.worker, f"so-{self.worker}"), labels
        )
        spec = obj.hpa_spec((p.kind, self.worker), max(1, p.low), p.high, self.worker, self.metric, p.behavior)
        return {
            "kind": "HorizontalPodAutoscaler",
            "apiVersion": "autoscaling/v2",
            "metadata": head,
            "spec": spec,
            "status": dict(self.hpa),
        }

    def _pod(self, pod: Pod) -> None:
        if f"gone/{pod.uid}" in self._told:
            return
        body = self._pod_body(pod)
        self.emit("pods", body, "DELETED" if pod.gone is not None and self.now >= pod.gone else "MODIFIED")
        if pod.gone is not None and self.now >= pod.gone:
            self._told[f"gone/{pod.uid}"] = ""

    def _pod_body(self, pod: Pod) -> obj.Body:
        p = self.plan
        owner = ("StatefulSet", self.worker, f"workload-{self.worker}")
        if p.kind != "StatefulSet":
            owner = ("ReplicaSet", f"{self.worker}-{self._hash}", f"rs-{self.worker}-{self._hash}")
        head = obj.meta(
            p.namespace, pod.name, pod.uid, pod.created, owner, {"component": "worker", "release": p.release}
        )
        if pod.stopping is not None:
            head |= {"deletionTimestamp": obj.stamp(pod.stopping + p.grace), "deletionGracePeriodSeconds": p.grace}
        template = obj.template(
            "worker",
            p.release,
            "apache/airflow:2.10.5",
            {"AIRFLOW__CELERY__WORKER_CONCURRENCY": p.concurrency},
            p.grace,
        )
        conditions = [pod.condition] if pod.condition else []
        if pod.scheduled is not None:
            conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": obj.stamp(pod.scheduled)}]
            ready = pod.ready_at is not None
            conditions.append(
                {"type": "Ready", "status": str(ready), "lastTransitionTime": obj.stamp(pod.ready_at or pod.scheduled)}
            )
        state: obj.Body = (
            {"running": {"startedAt": obj.stamp(pod.started)}} if pod.started else {"waiting": {"reason": pod.waiting}}
        )
        if pod.gone is not None and pod.last and pod.stopping is not None:
            state = pod.last
        status: obj.Body = {"phase": "Running" if pod.started or pod.restarts else "Pending", "conditions": conditions}
        if pod.scheduled is not None:
            status["containerStatuses"] = [{"name": "worker", "state": state, "lastState": pod.last, "ready": pod.ready_at is not None,
                                            "restartCount": pod.restarts, "image": "apache/airflow:2.10.5", "started": bool(pod.started)}]  # fmt: skip
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": head,
            "spec": {**template["spec"], "nodeName": pod.node},
            "status": status,
        }
