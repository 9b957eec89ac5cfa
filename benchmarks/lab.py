"""A small rig on paper: KEDA's poll, the HPA's sync, controllers, kubelets and Celery workers, and a recorder.

It writes recordings of incidents that nobody has made for real yet, in the format of the real ones. Decisions come
from `afscope.control`, the rules of which are checked against real decisions; what each component says comes from
real recordings. Faults are switches with a start and an end (seconds from the beginning).
"""

import json
import math
from collections.abc import Callable

from afscope.control.fallback import fallback_from
from afscope.control.hpa import HpaSpec, Metric, Observed, behavior_from
from afscope.control.keda import Polled, Row, Trigger, poll
from afscope.control.scaledobject import ScaledObject
from afscope.control.sync import Decision, sync
from afscope.model.clock import from_seconds
from benchmarks import lab_objects as obj
from benchmarks.lab_pods import Workers
from benchmarks.lab_recorder import TICK, Plan
from benchmarks.recorded import DB, Line, Recording

SYNC_S = 15.0


class Lab(Workers):
    """Runs a plan tick by tick; `hooks` are what somebody does to it, at seconds from the beginning."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.hooks: list[tuple[float, Callable[[Lab], None]]] = []

    def run(self) -> Recording:
        """The recording."""
        db: list[Line] = []
        self._background()
        work = sorted(self.plan.work, key=lambda w: w.at)
        hooks = sorted(self.hooks, key=lambda hook: hook[0])
        while self.at() < self.plan.end:
            while work and work[0].at <= self.at():
                self.airflow.trigger(work.pop(0), self.now)
            while hooks and hooks[0][0] <= self.at():
                hooks.pop(0)[1](self)
            if self.every(self.plan.loop, 0.4) and not self.broken("scheduler") and not self.database():
                self._schedules()
            if not self.broken("triggerer") and not self.database():
                self.airflow.triggerer(self.now)
            self.airflow.own_pods(self.now)
            if (
                self.every(self.plan.polling, 2.8)
                and not self.broken("keda")
                and not self.broken("keda_restart")
                and not self.broken("paused")
            ):
                self._poll()
            if self.every(SYNC_S, 7.3):
                self._sync()
            self._controllers()
            for pod in self.pods:
                self._kubelet(pod)
            self._consume()
            self._status()
            if self.every(1, 0.9):
                db += self._reads()
            self.now = round(self.now + TICK, 2)
        return Recording("lab", {"root_causes": [], **self.plan.label}, {**self.streams, DB: db}, dict(self.logs))

    def broken(self, fault: str) -> bool:
        """Whether a fault holds now, by itself or because of the database."""
        because = {"keda": "db_locked", "connect": "db_down"}.get(fault)
        return super().broken(fault) or (because is not None and super().broken(because))

    # -- Airflow's scheduler, and the recorder's polls

    def broker(self) -> str:
        """What is wrong with the broker: refused, hung or nothing."""
        return next((kind for kind in ("refused", "hung") if self.broken(f"broker_{kind}")), "")

    def database(self) -> str:
        """What is wrong with the metadata database: locked, down or nothing."""
        return next((kind for kind in ("locked", "down") if self.broken(f"db_{kind}")), "")

    def _schedules(self) -> None:
        kind = self.broker()
        for task in self.airflow.loop(self.now, kind):
            key = f"TaskInstanceKey(dag_id='{task.run.work.dag}', task_id='{task.task_id}', run_id='{task.run.run_id}', try_number={task.attempt}, map_index=-1)"
            if kind == "hung":
                for n in (1, 2, 3):
                    self.scheduler_says(f"INFO - [Try {n} of 3] Task Timeout Error for Task: ({key}).", later=n)
            why = "Timeout, PID: 7" if kind == "hung" else "Error 111 connecting to redis:6379. Connection refused."
            self.scheduler_says(f"ERROR - Error sending Celery task: {why}", later=3.5 if kind == "hung" else 0.2)

    def scheduler_says(self, text: str, later: float = 0.0) -> None:
        """A line of the scheduler's log."""
        at = obj.stamp(self.now + later)[:-1]
        line = f"[{at}.{int((self.now + later) % 1 * 1000):03}+0000] {{celery_executor.py:290}} {text}"
        self.log(f"pod.{self.plan.release}-scheduler-0.log.gz", line)

    def _reads(self) -> list[Line]:
        if self.database() == "down":
            return [
                {
                    "t": self.now,
                    "poll": "failed",
                    "took": 0.01,
                    "error": "connection to server failed: Connection refused",
                }
            ]
        if self.database() == "locked":
            # the poll hangs until its own statement_timeout
            if self.every(5, 0.9):
                return [
                    {
                        "t": self.now,
                        "poll": "failed",
                        "took": 5.0,
                        "error": "canceling statement due to statement timeout",
                    }
                ]
            return []
        return self.airflow.poll(self.now)

    # -- KEDA

    def value(self) -> float:
        """What the trigger's query returns."""
        n = sum(t.state in self.plan.states and t.run.work.queue in self.plan.counts_queues for t in self.airflow.tasks)
        return math.ceil(n / (self.plan.divisor or self.plan.concurrency))

    def _spec(self) -> ScaledObject:
        p = self.plan
        return ScaledObject(min_replicas=p.low, max_replicas=p.high, polling_s=p.polling, cooldown_s=p.cooldown,
                            idle_replicas=p.idle, fallback=fallback_from(p.fallback))  # fmt: skip

    def _poll(self) -> None:
        broken = self.broken("query") or self.broken("connect")
        reading = Trigger(self.metric, None if broken else self.value(), activation=self.plan.activation)
        seen = Polled(self.replicas, [reading], built=not self.broken("connect"))
        before = self.replicas
        self.keda, action = poll(self.keda, self._spec(), seen, from_seconds(self.now))
        if broken:
            self.event(
                "ScaledObject", self.worker, "KEDAScalerFailed", self.plan.error, kind="Warning", by="keda-operator"
            )
            self._operator_failed()
        if not action.frozen:
            self.stands_in = bool(action.fallback)
            ready = "TriggerError" if action.row is Row.TRIGGER_ERROR else "ScaledObjectReady"
            active = (
                "ScalerActive"
                if action.active
                else "ScalerCooldown"
                if action.row is Row.COOLDOWN
                else "ScalerNotActive"
            )
            self.conditions = ready, active
        if action.after is not None and action.after != before:
            self._keda_wrote(before, action.after)

    def _operator_failed(self) -> None:
        scaler = "mysql_scaler" if self.plan.mysql else "postgresql_scaler"
        where = json.dumps(
            {"type": "ScaledObject", "namespace": self.plan.namespace, "name": self.worker, "error": self.plan.error}
        )
        self.log("keda-operator.log.gz", f"{obj.stamp(self.now)}\tERROR\t{scaler}\t{self.plan.error}\t{where}")

    def _keda_wrote(self, before: int, after: int) -> None:
        what = f"apps/v1.{self.plan.kind} {self.plan.namespace}/{self.worker}"
        if after > before:
            self.event("ScaledObject", self.worker, "KEDAScaleTargetActivated",
                       f"Scaled {what} from {before} to {after}, triggered by {self.metric}", by="keda-operator")  # fmt: skip
        else:
            self.event(
                "ScaledObject",
                self.worker,
                "KEDAScaleTargetDeactivated",
                f"Deactivated {what} from {before} to {after}",
                by="keda-operator",
            )
        said = (
            "Successfully updated ScaleTarget"
            if after > before
            else "Successfully set ScaleTarget replicas count to ScaledObject minReplicaCount"
        )
        where = {"scaledobject.Name": self.worker, "scaledObject.Namespace": self.plan.namespace, "scaleTarget.Name": self.worker,
                 "Original Replicas Count": before, "New Replicas Count": after}  # fmt: skip
        self.log("keda-operator.log.gz", f"{obj.stamp(self.now)}\tINFO\tscaleexecutor\t{said}\t{json.dumps(where)}")
        self.write(after, "keda", scale=True)

    def write(self, size: int, manager: str, *, scale: bool) -> None:
        """Somebody sets spec.replicas."""
        self.replicas, self.writer = size, obj.wrote_replicas(manager, self.now, scale=scale)

    # -- the HPA

    def _sync(self) -> None:
        if self.broken("paused") or self.broken("hpa"):
            return
        if self.hpa_asked is not None and self.now < self.hpa_asked:
            return
        p = self.plan
        hung = self.broken("metrics") or (self.broken("keda") and self.replicas > 0)
        failed = (
            hung
            or (self.broken("query") and not self.stands_in)
            or self.broken("connect")
            or self.broken("api")
            or self.broken("keda_restart")
        )
        metric = Metric(self.metric, 1000, labels=(("scaledobject.keda.sh/name", self.worker),))
        spec = HpaSpec(p.high, (metric,), max(1, p.low), behavior_from(p.behavior))
        status = len(self._alive())
        usage = None if failed else round(self.value() * 1000)
        if self.stands_in and p.fallback:
            usage = p.fallback["replicas"] * 1000
        seen = Observed(self.replicas, status, [usage])
        self.history, decision = sync(self.history, spec, seen, from_seconds(self.now))
        if failed and self.replicas:
            self._metric_failed(hung=hung)
            return
        self.hpa["currentMetrics"] = None if usage is None or not self.replicas else [
            {"type": "External", "external": {"metric": {"name": self.metric}, "current": {"averageValue": self._average(usage, status)}}}
        ]  # fmt: skip
        self._decided(decision, metric, status)

    @staticmethod
    def _average(usage: int, status: int) -> str:
        if not status:
            return "-9223372036854775808m"
        milli = math.ceil(usage / status)
        return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"

    def _decided(self, decision: Decision, metric: Metric, status: int) -> None:
        size = decision.desired or 0
        self._condition("AbleToScale", "True", decision.able, obj.ABLE[decision.able].format(size=size))
        if decision.active:
            ok = "True" if decision.active == "ValidMetricFound" else "False"
            self._condition(
                "ScalingActive", ok, decision.active, obj.ACTIVE[decision.active].format(metric=metric.described())
            )
        if decision.limited:
            ok = "False" if decision.limited == "DesiredWithinRange" else "True"
            self._condition("ScalingLimited", ok, decision.limited, obj.LIMITED[decision.limited])
        self.hpa |= {"currentReplicas": status, "desiredReplicas": size}
        if decision.writes:
            self.hpa["lastScaleTime"] = obj.stamp(self.now)
            name = f"keda-hpa-{self.worker}"
            self.event(
                "HorizontalPodAutoscaler",
                name,
                "SuccessfulRescale",
                f"New size: {size}; reason: {decision.reason}",
                by="horizontal-pod-autoscaler",
            )
            self.klog(
                f'"Successfully rescaled" HPA="{self.plan.namespace}/{name}" currentReplicas={decision.current} desiredReplicas={size} reason="{decision.reason}"'
            )
            self.write(size, "kube-controller-manager", scale=True)

    def _metric_failed(self, *, hung: bool) -> None:
        selector = f"&LabelSelector{{MatchLabels:map[string]string{{scaledobject.keda.sh/name: {self.worker},}},MatchExpressions:[]LabelSelectorRequirement{{}},}}"
        if self.broken("api"):
            http = f"the server could not find the requested resource (get {self.metric}.external.metrics.k8s.io)"
        elif self.broken("keda_restart"):
            http = 'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.0.9.2:9666: connect: connection refused"'
        elif hung:
            http = f"the server was unable to return a response in the time allotted, but may still be processing the request (get {self.metric}.external.metrics.k8s.io)"
            self.hpa_asked = self.now + 60
        elif self.broken("connect"):
            http = f"rpc error: code = Unknown desc = error when getting metric values error getting scalers {self.plan.error}"
        else:
            http = f"rpc error: code = Unknown desc = error when getting metric values metric:{self.metric} encountered error"
        text = f"unable to get external metric {self.plan.namespace}/{self.metric}/{selector}: unable to fetch metrics from external metrics API: {http}"
        self._condition("AbleToScale", "True", "SucceededGetScale", obj.ABLE["SucceededGetScale"])
        self._condition(
            "ScalingActive",
            "False",
            "FailedGetExternalMetric",
            f"the HPA was unable to compute the replica count: {text}",
        )
        name = f"keda-hpa-{self.worker}"
        self.event(
            "HorizontalPodAutoscaler",
            name,
            "FailedGetExternalMetric",
            text,
            kind="Warning",
            by="horizontal-pod-autoscaler",
        )
        first = f"invalid metrics (1 invalid out of 1), first error is: failed to get {self.metric} external metric value: failed to get {self.metric} external metric: {text}"
        self.event(
            "HorizontalPodAutoscaler",
            name,
            "FailedComputeMetricsReplicas",
            first,
            kind="Warning",
            by="horizontal-pod-autoscaler",
        )

    def _condition(self, kind: str, status: str, reason: str, message: str) -> None:
        was, since = self.hpa_since.get(kind, ("", self.now))
        self.hpa_since[kind] = status, since if was == status else self.now
        others = [c for c in self.hpa.get("conditions", []) if c["type"] != kind]
        self.hpa["conditions"] = [*others, obj.condition(kind, status, reason, message, self.hpa_since[kind][1])]
