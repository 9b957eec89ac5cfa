-- The chain of each worker group as it stands at the end: ScaledObject, trigger, external metrics API, HPA, and how many
-- workers Airflow's own caps can ever make the trigger ask for (airflow.md 3.4).
WITH so AS (
    FROM scaledobjects WHERE change <> 'DELETED' QUALIFY row_number() OVER (PARTITION BY uid ORDER BY seen_at DESC, ts DESC) = 1
),
hpa AS (
    FROM hpas QUALIFY row_number() OVER (PARTITION BY uid ORDER BY seen_at DESC, ts DESC) = 1
),
api AS (
    FROM apiservices WHERE name = 'v1beta1.external.metrics.k8s.io' QUALIFY row_number() OVER (ORDER BY seen_at DESC, ts DESC) = 1
),
schedulers AS (
    SELECT greatest(1, count(*)) AS n FROM (
        FROM jobs WHERE job_type = 'SchedulerJob' QUALIFY row_number() OVER (PARTITION BY id ORDER BY seen_at DESC, ts DESC) = 1
    ) WHERE state = 'running'
),
slots AS (
    -- a pool with a negative number of slots has no limit
    SELECT CASE WHEN bool_or(slots < 0) THEN NULL ELSE sum(slots) END AS n FROM (
        FROM pools WHERE change <> 'DELETED' QUALIFY row_number() OVER (PARTITION BY pool ORDER BY seen_at DESC, ts DESC) = 1
    )
)
SELECT t.target, t.trigger_type, t.query, t.trigger_target, t.polling_interval_s, t.min_replica_count, t.max_replica_count,
    so.name AS scaledobject, so.ready_status, so.ready_reason, so.ready_message, so.active_status, so.active_reason,
    so.paused_status, so.pause_annotations, so.fallback_status,
    coalesce(hpa.name, so.hpa_name) AS hpa, coalesce(hpa.change <> 'DELETED', FALSE) AS hpa_exists,
    hpa.able_status, hpa.able_reason, hpa.active_status AS scaling_status, hpa.active_reason AS scaling_reason,
    hpa.active_message AS scaling_message, hpa.limited_status, hpa.limited_reason,
    hpa.metric_name, hpa.metric_type, hpa.current_milli, hpa.target_milli, hpa.current_replicas, hpa.desired_replicas,
    api.available_status, api.available_reason, api.available_message,
    coalesce(t.worker_concurrency, 16) AS worker_slots, t.worker_concurrency IS NOT NULL AS worker_slots_known,
    airflow.parallelism, airflow.parallelism_known, schedulers.n AS schedulers, slots.n AS pool_slots,
    least(airflow.parallelism * schedulers.n, coalesce(slots.n, 2147483647)) AS task_cap
FROM targets t JOIN so ON so.uid = t.scaledobject_uid LEFT JOIN hpa ON hpa.uid = t.hpa_uid LEFT JOIN api ON TRUE
CROSS JOIN airflow CROSS JOIN schedulers CROSS JOIN slots ORDER BY t.target
