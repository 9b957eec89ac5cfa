-- ---
-- id = "targets"
-- group = "timeline"
-- doc = "One row per scaled worker group: ScaledObject, HPA, workload, its trigger and the slots of one worker."
-- needs = ["scaledobjects"]
-- uses = ["hpas", "workloads"]
-- ---
WITH so AS (
    SELECT * FROM scaledobjects WHERE change <> 'DELETED'
    QUALIFY row_number() OVER (PARTITION BY uid ORDER BY seen_at DESC, ts DESC) = 1
),
hpa AS (
    SELECT * FROM hpas WHERE change <> 'DELETED'
    QUALIFY row_number() OVER (PARTITION BY uid ORDER BY seen_at DESC, ts DESC) = 1
),
wl AS (
    SELECT * FROM workloads WHERE kind <> 'ReplicaSet' AND change <> 'DELETED'
    QUALIFY row_number() OVER (PARTITION BY uid ORDER BY seen_at DESC, ts DESC) = 1
)
SELECT
    so.namespace || '/' || so.name AS target,
    so.namespace, so.name, so.uid AS scaledobject_uid, so.created_at,
    hpa.uid AS hpa_uid, hpa.name AS hpa_name, hpa.behavior,
    wl.uid AS workload_uid, wl.kind AS workload_kind, coalesce(wl.name, so.target_name) AS workload_name,
    so.trigger_type, so.query, coalesce(so.trigger_target, 1.0) AS trigger_target,
    coalesce(so.activation_target, 0.0) AS activation_target,
    coalesce(so.polling_interval_s, 30) AS polling_interval_s,
    coalesce(so.cooldown_period_s, 300) AS cooldown_period_s,
    coalesce(so.min_replica_count, 0) AS min_replica_count,
    coalesce(so.max_replica_count, 100) AS max_replica_count,
    wl.worker_concurrency, wl.grace_period_s, wl.pod_management_policy
FROM so
LEFT JOIN hpa ON hpa.owner_uid = so.uid OR (hpa.owner_uid IS NULL AND hpa.namespace = so.namespace AND hpa.name = so.hpa_name)
LEFT JOIN wl ON wl.namespace = so.namespace AND wl.name = so.target_name AND wl.kind = coalesce(so.target_kind, 'Deployment')
WHERE so.query ILIKE '%task_instance%'
    OR (so.query IS NULL AND (wl.worker_concurrency IS NOT NULL OR json_extract_string(wl.template_labels, '$.component') = 'worker'))
QUALIFY row_number() OVER (PARTITION BY so.namespace, so.name ORDER BY so.seen_at DESC, hpa.seen_at DESC) = 1
