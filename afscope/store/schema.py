"""The only list of tables. Everything that writes or reads a capture takes names, types and units from here.

Every table starts with three columns: `ts`, when it happened by the source's own clock; `seen_at`, when the
recorder saw it; `change`, one of STATE (keyframe or first listing), ADDED, MODIFIED, DELETED. Rows are changes.

Kinds of tables: `state` tables hold the history of keyed things, the live set is the last row of each key unless
that is DELETED, and keyframes repeat it; `point` tables hold what happened once and are never repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Type(StrEnum):
    """Column types; `time` is UTC microseconds, `json` is text that holds a JSON document."""

    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TIME = "time"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its unit (empty where it has none) and, where the name does not say it all, a note."""

    name: str
    type: Type
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the capture. `key` is empty for point tables."""

    name: str
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def is_state(self) -> bool:
        """Whether keyframes repeat the live rows of this table."""
        return bool(self.key)

    def column_names(self) -> tuple[str, ...]:
        """Names in storage order."""
        return tuple(column.name for column in self.columns)


_UNITS = {"_s": "s", "_ms": "ms", "_us": "us", "_m": "milli-cores", "_b": "bytes", "_milli": "milli-units"}
_HEAD = (
    Column("ts", Type.TIME, "us UTC", "when it happened, by the source's clock"),
    Column("seen_at", Type.TIME, "us UTC", "when the recorder saw it"),
    Column("change", Type.TEXT, "", "STATE, ADDED, MODIFIED or DELETED"),
)


def _column(spec: str, notes: Mapping[str, str]) -> Column:
    name, _, kind = spec.partition(":")
    type_ = Type(kind or "text")
    suffix = next((unit for tail, unit in _UNITS.items() if name.endswith(tail)), "")
    unit = "us UTC" if type_ is Type.TIME else suffix if type_ in (Type.INT, Type.FLOAT) else ""
    return Column(name, type_, unit, notes.get(name, ""))


def _table(name: str, doc: str, columns: str, key: str = "", **notes: str) -> Table:
    """Columns are written `name:type`, text by default; `key` names the columns that identify a row's thing."""
    return Table(name, doc, tuple(key.split()), _HEAD + tuple(_column(spec, notes) for spec in columns.split()))


_ALL = (
    _table(
        "task_instances",
        "One row per change of an Airflow task instance, as the metadata DB held it.",
        "dag_id run_id task_id map_index:int attempt:int try_number:int state ti_id max_tries:int hostname "
        "pool pool_slots:int queue priority_weight:int operator executor scheduled_dttm:time queued_dttm:time "
        "queued_by_job_id:int start_date:time end_date:time duration:float updated_at:time "
        "last_heartbeat_at:time job_id:int external_executor_id pid:int trigger_id:int dag_version_id",
        key="dag_id run_id task_id map_index",
        attempt="1-based and the same in every Airflow version, while try_number changed its meaning in 2.10",
        state="NULL is Airflow's 'none'",
        hostname="empty until the attempt runs; its first label is the pod name",
        queued_dttm="overwritten at every queueing; scheduler's clock",
        start_date="in scheduled and queued rows of a retry it still belongs to the attempt before; worker's clock",
        external_executor_id="the Celery message id",
    ),
    _table(
        "dag_runs",
        "One row per change of a DAG run.",
        "id:int dag_id run_id state run_type triggered_by queued_at:time logical_date:time run_after:time "
        "data_interval_start:time data_interval_end:time start_date:time end_date:time creating_job_id:int "
        "last_scheduling_decision:time clear_number:int backfill_id:int",
        key="dag_id run_id",
        logical_date="execution_date before Airflow 3",
        last_scheduling_decision="rewritten in every scheduler loop over running runs: proof that the loop lives",
    ),
    _table(
        "dags",
        "One row per change of a DAG's row.",
        "dag_id is_paused:bool is_active:bool max_active_tasks:int max_active_runs:int "
        "has_task_concurrency_limits:bool has_import_errors:bool next_dagrun_create_after:time "
        "last_parsed_time:time exceeds_max_non_backfill:bool bundle_name",
        key="dag_id",
        is_active="NOT is_stale in Airflow 3",
    ),
    _table(
        "pools",
        "One row per change of a slot pool.",
        "pool slots:int include_deferred:bool",
        key="pool",
    ),
    _table(
        "jobs",
        "One row per change of a job row; heartbeats are changes.",
        "id:int dag_id job_type state hostname latest_heartbeat:time start_date:time end_date:time executor_class",
        key="id",
    ),
    _table(
        "task_counts",
        "Counts of task instances; a change rewrites the whole set, groups that vanished come as n = 0.",
        "state queue pool executor n:int",
        key="state queue pool executor",
    ),
    _table(
        "db_log",
        "Airflow's own audit log.",
        "id:int dag_id task_id map_index:int run_id try_number:int event owner",
    ),
    _table(
        "celery_results",
        "Rows of celery_taskmeta; task_id equals task_instances.external_executor_id.",
        "id:int task_id status date_done:time failure",
        key="task_id",
    ),
    _table(
        "airflow_config",
        "Airflow settings that were visible: container env on the allow-list, airflow.cfg, alembic_version.",
        "scope component key value",
        key="scope key",
        scope="namespace/workload, namespace/ConfigMap or path for airflow.cfg, 'database' for alembic_version",
        component="'airflow.cfg' for what stands there: the environment of a container beats it",
    ),
    _table(
        "events",
        "Kubernetes events, on ADDED and MODIFIED, with the delta of their count.",
        "uid resource_version namespace type reason message count:int count_delta:int first_ts:time "
        "last_ts:time component host action object_kind object_namespace object_name object_uid field_path",
        count="total so far: series.count, else count, else 1",
        count_delta="occurrences since this event was last seen; 0 for what happened before the recording",
        component="reportingComponent, else source.component",
    ),
    _table(
        "pods",
        "One row per change of a pod.",
        "uid resource_version namespace name owner_kind owner_name owner_uid labels:json created_at:time "
        "phase reason message node scheduled_status scheduled_reason scheduled_message scheduled_at:time "
        "initialized_at:time ready:bool ready_at:time main_container started_at:time finished_at:time "
        "exit_code:int restart_count:int waiting_container waiting_reason waiting_message "
        "last_terminated_reason last_terminated_exit_code:int last_terminated_at:time containers:json "
        "deletion_at:time deletion_grace_s:int grace_period_s:int cpu_request_m:int memory_request_b:int "
        "worker_concurrency:int args:json",
        key="uid",
        main_container="the container that does the pod's work: named as its component label or as Airflow's charts "
        "do, else kubectl's default container, the one that calls Airflow or Celery, the first",
        waiting_container="first container (init ones first) that waits with an error reason, else that waits at all",
        deletion_at="deletionTimestamp, the deadline; termination was requested deletion_grace_s before it",
        containers="[{name, init, image, state, reason, message, started_at, finished_at, exit_code, ready, "
        "restart_count, last_reason, last_exit_code, last_finished_at}]",
        worker_concurrency="most tasks at once: --autoscale, -c or AIRFLOW__CELERY__WORKER_CONCURRENCY",
    ),
    _table(
        "workloads",
        "Deployments, StatefulSets and ReplicaSets.",
        "uid resource_version kind namespace name owner_kind owner_name owner_uid labels:json selector:json "
        "template_labels:json created_at:time generation:int observed_generation:int spec_replicas:int "
        "status_replicas:int ready_replicas:int available_replicas:int updated_replicas:int "
        "terminating_replicas:int replicas_manager replicas_operation replicas_subresource "
        "replicas_written_at:time failure_reason failure_message conditions:json pod_management_policy "
        "grace_period_s:int worker_concurrency:int args:json deletion_at:time",
        key="uid",
        replicas_manager="who wrote spec.replicas last: keda-operator, kube-controller-manager, or someone else",
    ),
    _table(
        "hpas",
        "HorizontalPodAutoscalers (autoscaling/v2).",
        "uid resource_version namespace name labels:json owner_kind owner_name owner_uid created_at:time "
        "generation:int target_kind target_name min_replicas:int max_replicas:int behavior:json metrics:json "
        "metric_name metric_type target_milli:int current_milli:int current_replicas:int desired_replicas:int "
        "last_scale_time:time able_status able_reason able_message active_status active_reason active_message "
        "active_since:time limited_status limited_reason limited_message current_metrics:json",
        key="uid",
        behavior="NULL when absent: the HPA's rules differ from an empty one",
        current_milli="averageValue or value; NULL when absent or the saturated int64 of a target without pods",
        desired_replicas="0 while no metric was ever valid",
    ),
    _table(
        "scaledobjects",
        "KEDA ScaledObjects.",
        "uid resource_version namespace name labels:json created_at:time generation:int target_kind "
        "target_name min_replica_count:int max_replica_count:int idle_replica_count:int "
        "polling_interval_s:int cooldown_period_s:int initial_cooldown_period_s:int fallback:json "
        "behavior:json triggers:json trigger_type query trigger_target:float activation_target:float "
        "pause_annotations:json hpa_name last_active_time:time original_replica_count:int "
        "paused_replica_count:int ready_status ready_reason ready_message active_status active_reason "
        "fallback_status paused_status hpa_active_status health:json external_metric_names:json "
        "deletion_at:time",
        key="uid",
        query="the first trigger's SQL; its connection is never recorded",
        last_active_time="moves at each active, error-free poll: KEDA's heartbeat",
    ),
    _table(
        "nodes",
        "Nodes.",
        "uid resource_version name labels:json created_at:time ready ready_reason ready_since:time "
        "unschedulable:bool taints:json allocatable_cpu_m:int allocatable_memory_b:int allocatable_pods:int "
        "conditions:json deletion_at:time",
        key="uid",
    ),
    _table(
        "quotas",
        "ResourceQuotas and LimitRanges.",
        "uid resource_version kind namespace name hard:json used:json limits:json",
        key="uid",
    ),
    _table(
        "apiservices",
        "APIServices; the external metrics one matters most.",
        "uid resource_version name service_namespace service_name available_status available_reason "
        "available_message available_since:time",
        key="uid",
        available_since="lastTransitionTime of Available",
    ),
    _table(
        "leases",
        "Leader election leases.",
        "uid resource_version namespace name holder acquire_time:time renew_time:time transitions:int duration_s:int",
        key="uid",
    ),
    _table(
        "objects",
        "Redacted JSON of every recorded object: full at first sight and keyframes, RFC 7386 merge patches between.",
        "kind api_version namespace name uid resource_version full:bool body:json",
    ),
    _table(
        "trigger_metrics",
        "Values of the trigger's metric: source is hpa_status, rerun, live_query or KEDA's own keda_metrics.",
        "source namespace scaledobject metric value_milli:int low_milli:int high_milli:int error",
    ),
    _table(
        "metrics",
        "Samples of Prometheus that an import found, where their value changed.",
        "name labels:json value:float",
    ),
    _table(
        "broker_queues",
        "Depths of broker queues; never message bodies.",
        "broker queue depth:int unacked:int consumers:int",
        key="broker queue",
        queue="'*' is all queues of the broker together",
        depth="messages that wait, of all priorities",
        unacked="given to a worker and not acknowledged; Redis only counts them for all queues together",
        consumers="RabbitMQ only",
    ),
    _table(
        "log_lines",
        "Diagnostic log lines whose pattern is known. `ts` is the line's own time.",
        "component pod container source line:int level pattern fields:json text",
        pattern="id of the known pattern, e.g. limit.parallelism",
    ),
    _table(
        "polls",
        "Each poll of the metadata DB.",
        "source duration_ms:float rows:int outcome error",
    ),
    _table(
        "gaps",
        "What could not be recorded; `ts` is when that was noticed.",
        "source from_ts:time to_ts:time reason",
    ),
    _table(
        "samples",
        "The recorder's own cost.",
        "metric value:float",
    ),
)

TABLES: Mapping[str, Table] = {table.name: table for table in _ALL}


def check_row(table: str, values: Mapping[str, Any]) -> None:
    """Raises KeyError for an unknown table or column: a normalizer that invents one is a bug, never data."""
    known = TABLES[table].column_names()
    for name in values:
        if name not in known:
            raise KeyError(f"{table} has no column {name!r}")
