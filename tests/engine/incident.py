"""Builds incidents by hand: the rows that a recorder would have written, second by second.

`Incident` starts as a cluster in which everything works: a live scheduler, a database that answers, one ScaledObject
`air/worker` (4 slots a worker, poll 5 s, max 5) whose HPA gets its metric. Tests add work and break one thing.
Times are seconds from the start.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from afscope.engine.catalog import Catalog
from afscope.engine.investigation import Investigation
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros
from afscope.model.finding import Finding, Ruling
from afscope.model.row import STATE, Row
from afscope.store.options import WriterOptions
from afscope.store.reader import Capture
from afscope.store.schema import TABLES
from afscope.store.writer import CaptureWriter

ZERO: Micros = 1_795_000_000 * SECOND
TARGET = "air/worker"
QUERY = (
    "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance "
    "WHERE (state='running' OR state='queued') AND queue IN ('default')"
)
SLOTS = 4


def at(second: float) -> Micros:
    """A second of the incident as a time."""
    return ZERO + round(second * SECOND)


class Incident:
    """Rows of one incident; `open` turns them into a capture and investigates it."""

    def __init__(
        self, end: float = 120.0, *, query: str = QUERY, max_replicas: int = 5, airflow3: bool = False
    ) -> None:
        self.end, self.max_replicas, self.airflow3 = end, max_replicas, airflow3
        self.rows: list[Row] = []
        self.missing: set[str] = set()
        self.query = query
        self.scheduler_dead: tuple[float, float] | None = None
        self.triggerer_dead: tuple[float, float] | None = None
        self.db_dead: tuple[float, float] | None = None
        self.keda_dead: tuple[float, float] | None = None
        self.api_down: tuple[float, float] | None = None
        self.active_from: float | None = None
        self.always_active = False
        """Whether KEDA finds its trigger active although nothing is queued or running."""
        self.triggers: str | None = None
        self.min_replicas = 0
        self.begins: float | None = None
        """When the recorder was started, if not at once: then it finds what there is by that time."""
        self.dag("etl")
        self.pool("default_pool", 128)

    # Airflow

    def dag(
        self,
        dag_id: str,
        second: float = 0,
        *,
        paused: bool = False,
        active: bool = True,
        tasks: int = 100,
        runs: int = 16,
        parsed: float | None = None,
        capped: bool = False,
    ) -> None:
        """A DAG's row; `capped`: one of its tasks has a cap of its own."""
        values = {"dag_id": dag_id, "is_paused": paused, "is_active": active, "has_task_concurrency_limits": capped}
        values |= {"max_active_tasks": tasks, "max_active_runs": runs}
        self.rows = [r for r in self.rows if r.values.get("ts") != at(second) or not _same(r, "dags", dag_id)]
        self._add("dags", second, **values, last_parsed_time=None if parsed is None else at(parsed))

    def pool(self, pool: str, slots: int, second: float = 0) -> None:
        self._add("pools", second, pool=pool, slots=slots, include_deferred=False)

    def run(
        self,
        run_id: str,
        queued: float,
        started: float | None,
        ended: float | None = None,
        dag: str = "etl",
        *,
        date: float | None = None,
        looks: Sequence[float] = (),
        state: str = "success",
        backfill: int | None = None,
    ) -> None:
        """A DAG run of a date (when it was queued unless given); `looks` are the scheduler's decisions on it."""
        due = at(queued if date is None else date)
        row: dict[str, Any] = {"dag_id": dag, "run_id": run_id, "queued_at": at(queued), "backfill_id": backfill}
        row |= {"run_after": due} if self.airflow3 else {"logical_date": due}
        self._add("dag_runs", queued, **row, state="queued")
        if started is not None:
            row["start_date"] = at(started)
            self._add("dag_runs", started, **row, state="running")
        for look in looks:
            row["last_scheduling_decision"] = at(look)
            self._add("dag_runs", look, **row, state="running")
        if ended is not None:
            self._add("dag_runs", ended, **row, state=state, end_date=at(ended))

    def job(self, kind: str, seconds: Sequence[float], number: int = 7) -> None:
        """Heartbeats of a job: DagProcessorJob, TriggererJob."""
        for second in seconds:
            self._add("jobs", second, id=number, job_type=kind, state="running", latest_heartbeat=at(second))

    def deferral(self, task_id: str, run_id: str, *, running: float, deferred: float, resumed: float | None,
                 ended: float | None = None, host: str = "w0") -> None:  # fmt: skip
        """A task that runs, waits for its trigger, and, if that comes, is scheduled, queued and run again."""
        row: dict[str, Any] = {
            "dag_id": "etl", "run_id": run_id, "task_id": task_id, "map_index": -1, "attempt": 1, "try_number": 1,
            "pool": "default_pool", "pool_slots": 1, "queue": "default", "hostname": host,
            "queued_dttm": at(running - 1), "start_date": at(running),
        }  # fmt: skip
        states = [(running - 2, "scheduled"), (running - 1, "queued"), (running, "running"), (deferred, "deferred")]
        if resumed is not None:
            states += [(resumed, "scheduled"), (resumed + 0.5, "queued"), (resumed + 1, "running")]
        for second, state in states:
            self._add("task_instances", second, **row, state=state)
        if ended is not None:
            self._add("task_instances", ended, **row, state="success", end_date=at(ended))

    def release(self, head: str) -> None:
        """The alembic head of the metadata DB."""
        self._add("airflow_config", 0, scope="database", component="metadata-db", key="alembic_version", value=head)

    def task(
        self,
        task_id: str,
        run_id: str,
        *,
        none: float = 0,
        scheduled: float | None = None,
        queued: float | None = None,
        running: float | None = None,
        ended: float | None = None,
        state: str = "success",
        host: str = "",
        dag: str = "etl",
        pool: str = "default_pool",
        queue: str = "default",
        slots: int = 1,
        executor: str | None = None,
        attempt: int = 1,
        celery: str | None = None,
        beat: float | None = None,
        index: int = -1,
    ) -> None:
        """One attempt, as it goes through its states; later states may be missing."""
        row: dict[str, Any] = {
            "dag_id": dag, "run_id": run_id, "task_id": task_id, "map_index": index, "attempt": attempt,
            "try_number": attempt, "pool": pool, "pool_slots": slots, "queue": queue, "executor": executor,
            "hostname": "", "external_executor_id": celery, "ti_id": f"{run_id}-{task_id}-{attempt}" if self.airflow3 else None,
        }  # fmt: skip
        self._add("task_instances", none, **row, state=None)
        if scheduled is not None:
            row["scheduled_dttm"] = at(scheduled) if self.airflow3 else None
            self._add("task_instances", scheduled, **row, state="scheduled")
        if queued is not None:
            row["queued_dttm"] = at(queued)
            self._add("task_instances", queued, **row, state="queued")
        if running is not None:
            row |= {"start_date": at(running), "hostname": host}
            self._add("task_instances", running, **row, state="running")
        if ended is not None:
            row["last_heartbeat_at"] = None if beat is None else at(beat)
            self._add("task_instances", ended, **row, state=state, end_date=at(ended))

    # Kubernetes

    def replicas(self, second: float, desired: int, current: int, by: str = "hpa", **values: Any) -> None:
        """The Deployment at a moment; `by` is keda, hpa, or the name of a manager."""
        manager = {"hpa": "kube-controller-manager", "keda": "keda-operator"}.get(by, by)
        self._add(
            "workloads", second, uid="deploy", kind="Deployment", namespace="air", name="worker", spec_replicas=desired,
            status_replicas=current, ready_replicas=current, replicas_manager=manager, worker_concurrency=SLOTS,
            grace_period_s=600, **values,
        )  # fmt: skip

    def hpa(self, second: float, *, active: str = "ValidMetricFound", metric: float | None = None, replicas: int = 1,
            desired: int = 1, limited: str = "DesiredWithinRange", message: str = "") -> None:  # fmt: skip
        """The HPA's status; `metric` in workers."""
        ok = active == "ValidMetricFound"
        self._add(
            "hpas", second, uid="hpa", namespace="air", name="keda-hpa-worker", owner_kind="ScaledObject",
            owner_name="worker", owner_uid="so", min_replicas=1, max_replicas=self.max_replicas, target_milli=1000,
            metric_type="AverageValue", current_replicas=replicas, desired_replicas=desired,
            current_milli=None if metric is None else round(1000 * metric / max(replicas, 1)),
            active_status="True" if ok else "False", active_reason=active, active_message=message,
            limited_status="True", limited_reason=limited, limited_message=limited, able_reason="ReadyForNewScale",
        )  # fmt: skip

    def pod(self, name: str, created: float, *, scheduled: float | None = None, started: float | None = None,
            ready: float | None = None, stopped: float | None = None, gone: float | None = None, grace: int = 600,
            exit_code: int | None = None, node: str = "n1", **values: Any) -> None:  # fmt: skip
        """A worker pod on its way; what is None did not happen. `gone` is a second after `stopped` unless given."""
        row: dict[str, Any] = {
            "uid": name, "namespace": "air", "name": name, "owner_kind": "Deployment", "owner_name": "worker",
            "owner_uid": "deploy", "created_at": at(created), "phase": "Pending", "worker_concurrency": SLOTS,
            "restart_count": 0, "ready": False,
        }  # fmt: skip
        self._add("pods", created, **{**row, **(values if scheduled is None else {})})
        if scheduled is not None:
            row |= {"scheduled_status": "True", "scheduled_at": at(scheduled), "node": node}
            self._add("pods", scheduled, **{**row, **(values if started is None else {})})
        if started is not None:
            row |= {"started_at": at(started), "phase": "Running"}
            self._add("pods", started, **{**row, **(values if ready is None else {})})
        if ready is not None:
            row |= {"ready": True, "ready_at": at(ready)}
            self._add("pods", ready, **{**row, **values})
        if stopped is not None:
            over = stopped + 1 if gone is None else gone
            row |= values | {"deletion_at": at(stopped + grace), "deletion_grace_s": grace}
            self._add("pods", stopped, **row)
            if exit_code is not None:
                row |= {"finished_at": at(over), "exit_code": exit_code}
            self._add("pods", over, change="DELETED", **row)

    def disrupted(self, pod: str, second: float, reason: str, message: str = "") -> None:
        """A pod's own condition DisruptionTarget, in its whole body."""
        told = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        self._add("objects", second, kind="Pod", namespace="air", name=pod, uid=pod, full=False,
                  body=json.dumps({"status": {"conditions": [told]}}))  # fmt: skip

    def setting(self, key: str, value: str) -> None:
        """A setting that a container's environment showed."""
        self._add("airflow_config", 0, scope="air/scheduler", component="scheduler", key=key, value=value)

    def node(self, second: float, *, name: str = "n1", ready: str = "True", cordoned: bool = False) -> None:
        self._add("nodes", second, uid=name, name=name, ready=ready, unschedulable=cordoned)

    def log(
        self, second: float, pattern: str, *, pod: str | None = None, source: str = "", text: str = "", **fields: Any
    ) -> None:
        """A known log line."""
        self._add("log_lines", second, pattern=pattern, pod=pod, source=source, text=text, fields=json.dumps(fields))

    def workers(self, *, activated: float = 12, boot: float = 5, names: Sequence[str] = ("w0",),
                nodes: Sequence[str] = ("n1",)) -> None:  # fmt: skip
        """An ordinary cold start: KEDA activates, the HPA goes to len(names), all pods come up."""
        self.active_from = activated
        self.replicas(activated, 1, 0, "keda")
        self.replicas(activated + 0.2, 1, 1, "keda")
        if len(names) > 1:
            self.replicas(activated + 1, len(names), 1)
            self.replicas(activated + 1.2, len(names), len(names))
        self.hpa(activated + 1, metric=len(names), replicas=1, desired=len(names))
        if len(names) > 1:  # the sync after a rescale finds the size that it wrote
            self.hpa(activated + 16, metric=len(names), replicas=len(names), desired=len(names))
        for number, name in enumerate(names):
            born = activated + (0 if number == 0 else 1)
            node = nodes[number % len(nodes)]
            self.pod(name, born, scheduled=born, started=born + boot / 2, ready=born + boot, node=node)

    def sidecar(
        self, task_id: str, second: float, *, reason: str = "ImagePullBackOff", base: str = "terminated"
    ) -> None:
        """A KubernetesPodOperator pod whose XCom sidecar waits; `base` is the state of the container that works."""
        containers = [{"name": "base", "state": base}, {"name": "airflow-xcom-sidecar", "state": "waiting"}]
        self._add(
            "pods", second, uid=f"pod-{task_id}", namespace="air", name=f"pod-{task_id}", phase="Pending",
            labels=json.dumps({"dag_id": "etl", "task_id": task_id}), containers=json.dumps(containers),
            waiting_container="airflow-xcom-sidecar", waiting_reason=reason, waiting_message="not found",
        )  # fmt: skip

    def api_server(self, second: float, ready: int) -> None:
        """The Deployment of Airflow 3's api-server."""
        self._add(
            "workloads", second, uid="api", kind="Deployment", namespace="air", name="air-api-server", spec_replicas=1,
            status_replicas=ready, ready_replicas=ready, template_labels=json.dumps({"component": "api-server"}),
        )  # fmt: skip

    def no_metric(self, second: float, message: str) -> None:
        """The HPA slept at zero, and from its first question on gets no answer."""
        self.rows = [row for row in self.rows if row.table != "hpas"]
        self.hpa(0, active="ScalingDisabled", replicas=0, desired=0)
        self.hpa(second, active="FailedGetExternalMetric", message=message)
        self.event(second, "FailedGetExternalMetric", "HorizontalPodAutoscaler", "keda-hpa-worker", message)

    def event(self, second: float, reason: str, kind: str, name: str, message: str, **values: Any) -> None:
        row = {"type": "Warning", "reason": reason, "message": message, "count": 1, "count_delta": 1}
        about = {"object_kind": kind, "object_namespace": "air", "object_name": name}
        self._add("events", second, namespace="air", uid=f"{reason}-{second}", **{**row, **about, **values},
                  first_ts=at(second), last_ts=at(second))  # fmt: skip

    def amend(self, **values: Any) -> None:
        """Changes columns of the last row."""
        row = self.rows[-1]
        self.rows[-1] = Row(row.table, {**row.values, **values})

    # The capture

    def open(self, folder: Path, *, lang: str = "en") -> Investigation:
        """Writes the capture and investigates it."""
        self._background()
        path = folder / "incident.afscope"
        rows = sorted(self.rows, key=lambda row: row.values["seen_at"])
        if self.begins is not None:
            rows = sorted(found(rows, at(self.begins)), key=lambda row: row.values["seen_at"])
        with CaptureWriter.create(path, options=WriterOptions.bulk()) as writer:
            for row in rows:
                if row.table not in self.missing:
                    writer.append(row)
            for table in TABLES:
                absent = table in self.missing or table in ("leases", "gaps")
                writer.set_source(table, SourceState.NOT_RECORDED if absent else SourceState.OK)
        return Investigation(Capture.open(path), Catalog.load(), lang=lang)

    def _background(self) -> None:
        """What goes on all the time: heartbeats, polls, KEDA's beats, the APIService."""
        self.replicas(0, 0, 0, "kubectl")
        for second in range(0, int(self.end) + 1, 5):
            if not _within(second, self.scheduler_dead):
                self._add("jobs", second, id=1, job_type="SchedulerJob", state="running", latest_heartbeat=at(second))
            if not _within(second, self.triggerer_dead):
                self.job("TriggererJob", [second], 2)
        for second in range(0, int(self.end) + 1, 10):
            self._add("samples", second, metric="cpu_s", value=second / 100)
        for second in range(int(self.end) + 1):
            dead = _within(second, self.db_dead)
            self._add("polls", second, source="airflow_db", duration_ms=5000.0 if dead else 3.0,
                      outcome="failed" if dead else "ok", error="statement timeout" if dead else None)  # fmt: skip
        self._scaledobject(0, None)
        if self.active_from is not None:
            demand = self._demand()
            for second in range(int(self.active_from), int(self.end) + 1, 5):
                # a poll is 5 s old at most, and what was queued by the activation counts whenever it came
                known = max(second - 5, self.active_from)
                n = next((n for moment, n in reversed(demand) if moment <= at(known)), 1)
                if not _within(second, self.keda_dead) and (self.always_active or n):
                    self._scaledobject(second, second)
        self._api(0, up=True)
        if self.api_down:
            self._api(self.api_down[0], up=False)
            self._api(self.api_down[1], up=True)

    def _demand(self) -> list[tuple[Micros, int]]:
        """How many tasks were queued or running, at each change; empty where a test has no tasks."""
        states: dict[tuple[Any, ...], Any] = {}
        steps: list[tuple[Micros, int]] = []
        rows = [r.values for r in self.rows if r.table == "task_instances"]
        for row in sorted(rows, key=lambda values: values["ts"]):
            key = tuple(row[column] for column in ("dag_id", "run_id", "task_id", "map_index"))
            before, after = (state in ("queued", "running") for state in (states.get(key), row["state"]))
            states[key] = row["state"]
            steps.append((row["ts"], (steps[-1][1] if steps else 0) + after - before))
        return steps

    def _scaledobject(self, second: float, active: float | None) -> None:
        self._add(
            "scaledobjects", second, uid="so", namespace="air", name="worker", target_kind="Deployment",
            target_name="worker", trigger_type="postgresql", query=self.query, trigger_target=1.0,
            min_replica_count=self.min_replicas,
            max_replica_count=self.max_replicas, polling_interval_s=5, cooldown_period_s=30, hpa_name="keda-hpa-worker",
            active_status="False" if active is None else "True", ready_status="True",
            active_reason="ScalerNotActive" if active is None else "ScalerActive",
            last_active_time=None if active is None else at(active), triggers=self.triggers,
        )  # fmt: skip

    def _api(self, second: float, *, up: bool) -> None:
        self._add(
            "apiservices", second, uid="api", name="v1beta1.external.metrics.k8s.io",
            available_status="True" if up else "False", available_reason="Passed" if up else "FailedDiscoveryCheck",
        )  # fmt: skip

    def _add(self, table: str, second: float, **values: Any) -> None:
        self.rows.append(Row(table, {"ts": at(second), "seen_at": at(second), "change": "MODIFIED", **values}))


def found(rows: Sequence[Row], begin: Micros) -> Iterator[Row]:
    """What a recorder writes that begins late: first the last row of each key, Airflow's small tables a bit later."""
    known: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        if row.values["seen_at"] >= begin:
            yield row
        elif key := TABLES[row.table].key:
            known[row.table, *(row.values.get(column) for column in key)] = row
    for row in known.values():
        seen_at = begin + (SECOND // 10 if row.table in ("dags", "pools") else 0)
        yield Row(row.table, {**row.values, "seen_at": seen_at, "change": STATE})


def _same(row: Row, table: str, dag_id: str) -> bool:
    return row.table == table and row.values["dag_id"] == dag_id


def _within(second: float, span: tuple[float, float] | None) -> bool:
    return span is not None and span[0] <= second < span[1]


def roots(case: Investigation) -> list[str]:
    """Causes of the verdict."""
    return list(case.analysis.verdict.root_causes)


def finding(case: Investigation, cause: str) -> Finding | None:
    """The first finding of a cause."""
    return next((f for f in case.analysis.findings if f.cause == cause), None)


def ruling(case: Investigation, component: str) -> Ruling:
    """What the verdict says of a component."""
    return next(c.ruling for c in case.analysis.verdict.components if c.component == component)


def seconds(case: Investigation, cause: str, stage: str = "") -> float:
    """Task-seconds of a cause, in a stage or in all."""
    return sum(
        s.seconds for w in case.waits() for s in w.stages if s.cause == cause and (not stage or s.stage == stage)
    )
