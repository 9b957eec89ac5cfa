-- ---
-- id = "worker_pods"
-- group = "timeline"
-- doc = "Life of each worker pod of a target: created, scheduled, started, consuming, told to stop, gone."
-- needs = ["scaledobjects", "workloads", "pods"]
-- uses = ["log_lines", "task_instances"]
-- ---
WITH owned AS (
    SELECT t.target, rs.uid AS owner_uid, NULL AS owner_prefix FROM targets t JOIN workloads rs ON rs.owner_uid = t.workload_uid
    UNION
    SELECT target, workload_uid, NULL FROM targets
),
mine AS (
    SELECT p.*, coalesce(o.target, t.target) AS target
    FROM pods p
    LEFT JOIN owned o ON p.owner_uid = o.owner_uid
    -- without ReplicaSets on record: <workload>-<hash>
    LEFT JOIN targets t ON o.target IS NULL AND p.namespace = t.namespace AND p.owner_kind = 'ReplicaSet'
        AND regexp_replace(p.owner_name, '-[a-z0-9]+$', '') = t.workload_name
    WHERE coalesce(o.target, t.target) IS NOT NULL
),
banner AS (
    SELECT pod, min(ts) FILTER (WHERE pattern = 'worker.ready') AS ready_at,
        max(try_cast(json_extract_string(fields, '$.concurrency') AS INTEGER)) FILTER (WHERE pattern = 'worker.concurrency') AS slots,
        list_distinct(list(json_extract_string(fields, '$.queue')) FILTER (WHERE pattern = 'worker.queues')) AS queues
    FROM log_lines WHERE pattern IN ('worker.ready', 'worker.concurrency', 'worker.queues') GROUP BY pod
),
first_task AS (SELECT host, min(running_at) AS first_task_at FROM attempts WHERE host <> '' GROUP BY host),
life AS (
    SELECT
        target, uid, arg_max(namespace, seen_at) AS namespace, arg_max(name, seen_at) AS name,
        arg_max(node, seen_at) AS node,
        coalesce(min(created_at), min(ts)) AS created_at,
        min(coalesce(scheduled_at, ts)) FILTER (WHERE scheduled_status = 'True') AS scheduled_at,
        min(started_at) AS started_at,
        min(coalesce(ready_at, ts)) FILTER (WHERE ready) AS ready_at,
        min(deletion_at - to_seconds(coalesce(deletion_grace_s, 0))) AS stopping_at,
        min(seen_at) FILTER (WHERE change = 'DELETED' OR phase IN ('Failed', 'Succeeded')) AS gone_at,
        max(restart_count) AS restarts, max(worker_concurrency) AS env_slots
    FROM mine GROUP BY target, uid
)
SELECT
    life.target, life.uid, life.namespace, life.name, life.node, life.created_at, life.scheduled_at, life.started_at,
    -- Celery says when it consumes; else the first task that it ran or the readiness of the pod proves it, but a
    -- container that restarts may look ready for a moment
    coalesce(b.ready_at, least(f.first_task_at, CASE WHEN coalesce(life.restarts, 0) = 0 THEN life.ready_at END)) AS consuming_at,
    life.ready_at, f.first_task_at, life.stopping_at, life.gone_at, life.restarts,
    coalesce(b.slots, life.env_slots, t.worker_concurrency) AS slots,
    b.queues
FROM life
JOIN targets t ON t.target = life.target
LEFT JOIN banner b ON b.pod = life.name
LEFT JOIN first_task f ON f.host = life.name
