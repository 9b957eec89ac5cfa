"""Allow-lists of redaction: names whose literal values stay in a capture because a diagnosis needs them.

Whatever is not named here is masked. A name may join a list when its values are numbers, words of an enumeration,
durations or queue names, and when some cause or remedy reads it.
"""


def _names(section: str, *keys: str) -> frozenset[str]:
    return frozenset(f"AIRFLOW__{section}__{key}" for key in keys)


ENV_KEPT = (
    _names(
        "CELERY", "WORKER_CONCURRENCY", "WORKER_AUTOSCALE", "TASK_ACKS_LATE", "WORKER_PREFETCH_MULTIPLIER", "POOL",
        "SYNC_PARALLELISM", "OPERATION_TIMEOUT", "STALLED_TASK_TIMEOUT", "TASK_ADOPTION_TIMEOUT",
        "TASK_PUBLISH_MAX_RETRIES", "WORKER_ENABLE_REMOTE_CONTROL",
    )
    | _names("CELERY_BROKER_TRANSPORT_OPTIONS", "VISIBILITY_TIMEOUT")
    | _names(
        "CORE", "PARALLELISM", "EXECUTOR", "DAG_CONCURRENCY", "MAX_ACTIVE_TASKS_PER_DAG", "MAX_ACTIVE_RUNS_PER_DAG",
        "DEFAULT_POOL_TASK_SLOT_COUNT", "NON_POOLED_TASK_SLOT_COUNT", "DEFAULT_TASK_EXECUTION_TIMEOUT",
        "DEFAULT_TASK_RETRIES", "DEFAULT_TASK_RETRY_DELAY", "MAX_MAP_LENGTH", "KILLED_TASK_CLEANUP_TIME",
        "DAGS_ARE_PAUSED_AT_CREATION", "DAG_FILE_PROCESSOR_TIMEOUT", "DAGBAG_IMPORT_TIMEOUT",
    )
    | _names("OPERATORS", "DEFAULT_QUEUE", "DEFAULT_DEFERRABLE")
    | _names(
        "SCHEDULER", "MAX_TIS_PER_QUERY", "MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE", "MAX_DAGRUNS_TO_CREATE_PER_LOOP",
        "SCHEDULER_HEARTBEAT_SEC", "JOB_HEARTBEAT_SEC", "SCHEDULER_HEALTH_CHECK_THRESHOLD", "TASK_QUEUED_TIMEOUT",
        "SCHEDULER_ZOMBIE_TASK_THRESHOLD", "TASK_INSTANCE_HEARTBEAT_TIMEOUT", "TASK_INSTANCE_HEARTBEAT_SEC",
        "SCHEDULER_IDLE_SLEEP_TIME", "ORPHANED_TASKS_CHECK_INTERVAL", "ZOMBIE_DETECTION_INTERVAL",
        "SCHEDULE_AFTER_TASK_EXECUTION", "PARSING_PROCESSES", "MIN_FILE_PROCESS_INTERVAL", "CATCHUP_BY_DEFAULT",
        "USE_ROW_LEVEL_LOCKING", "NUM_RUNS",
    )
    | _names("DAG_PROCESSOR", "PARSING_PROCESSES", "MIN_FILE_PROCESS_INTERVAL", "DAG_FILE_PROCESSOR_TIMEOUT")
    | _names("DATABASE", "SQL_ALCHEMY_POOL_SIZE", "SQL_ALCHEMY_MAX_OVERFLOW", "SQL_ALCHEMY_POOL_ENABLED")
    | _names("TRIGGERER", "DEFAULT_CAPACITY", "CAPACITY")
    | _names("WORKERS", "MIN_HEARTBEAT_INTERVAL", "MAX_FAILED_HEARTBEATS", "EXECUTION_API_RETRIES",
             "EXECUTION_API_TIMEOUT")
    | _names("EXECUTION_API", "JWT_EXPIRATION_TIME")
    | _names("API", "WORKERS", "WORKER_TIMEOUT")
    | _names("LOGGING", "LOGGING_LEVEL")
    | _names("KUBERNETES_EXECUTOR", "WORKER_PODS_PENDING_TIMEOUT", "WORKER_PODS_CREATION_BATCH_SIZE",
             "WORKER_PODS_QUEUED_CHECK_INTERVAL")
    | {
        "DUMB_INIT_SETSID", "REMAP_SIGTERM", "PGCONNECT_TIMEOUT", "KEDA_HTTP_DEFAULT_TIMEOUT",
        "KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES", "KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION",
        "KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE", "KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD",
    }
)  # fmt: skip
"""Names of env variables whose literal value stays."""

TRIGGER_KEPT = frozenset(
    {
        "query", "targetQueryValue", "activationTargetQueryValue", "queryValue", "activationQueryValue", "targetValue",
        "activationTargetValue", "value", "activationValue", "queueName", "listName", "listLength",
        "activationListLength", "queueLength", "mode", "databaseIndex", "metricName", "timezone", "start", "end",
        "desiredReplicas", "threshold", "activationThreshold", "excludeUnacknowledged", "useRegex", "operation",
        "enableTLS", "tls", "unsafeSsl", "metricType", "sslmode", "timeout", "type", "protocol", "pageSize",
        "ignoreNullValues",
    }
)  # fmt: skip
"""Keys of a trigger's metadata whose value stays; keys that end in FromEnv name a variable and stay as well."""

ANNOTATIONS_KEPT = (
    "autoscaling.keda.sh/", "scaledobject.keda.sh/", "validations.keda.sh/", "autoscaling.alpha.kubernetes.io/",
    "deployment.kubernetes.io/", "controller.kubernetes.io/", "cluster-autoscaler.kubernetes.io/", "karpenter.sh/",
    "batch.kubernetes.io/", "kubectl.kubernetes.io/restartedAt", "kubectl.kubernetes.io/default-container",
    "meta.helm.sh/", "helm.sh/", "argocd.argoproj.io/tracking-id", "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/", "kubernetes.io/config.", "airflow.apache.org/",
)  # fmt: skip
"""Prefixes of annotations whose value stays (still cleaned as text)."""

AIRFLOW_ANNOTATIONS = frozenset(
    {"dag_id", "task_id", "run_id", "try_number", "map_index", "logical_date", "execution_date"}
)
"""What Airflow writes on the pods of a task."""

ANNOTATIONS_DROPPED = ("kubectl.kubernetes.io/last-applied-configuration", "checksum/")
"""Prefixes of annotations that go whole: a manifest with all its literals, and hashes of Secrets."""
