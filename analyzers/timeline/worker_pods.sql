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
life AS (
    SELECT
        target, uid, arg_max(namespace, seen_at) AS namespace, arg_max(name, seen_at) AS name,
        arg_max(node, seen_at) AS node,
        coalesce(min(created_at), min(ts)) AS created_at,
        min(coalesce(scheduled_at, ts)) FILTER (WHERE scheduled_status = 'True') AS scheduled_at,
        min(started_at) AS started_at,
        min(coalesce(ready_at, ts)) FILTER (WHERE ready) AS ready_at,
        -- the cluster's clock may be ahead: nothing happens after it was seen
        min(least(deletion_at - to_seconds(coalesce(deletion_grace_s, 0)), seen_at)) FILTER (WHERE deletion_at IS NOT NULL) AS stopping_at,
        min(seen_at) FILTER (WHERE change = 'DELETED' OR phase IN ('Failed', 'Succeeded')) AS gone_at,
        max(coalesce(ready_at, ts)) FILTER (WHERE ready) AS last_ready_at, max(last_terminated_at) AS last_exit_at,
        max(restart_count) AS restarts, max(worker_concurrency) AS env_slots
    FROM mine GROUP BY target, uid
),
-- a StatefulSet gives the names of its pods again: only what was said in a pod's own life is its own
banner AS (
    SELECT life.uid, min(l.ts) FILTER (WHERE l.pattern = 'worker.ready') AS ready_at,
        max(try_cast(json_extract_string(l.fields, '$.concurrency') AS INTEGER)) FILTER (WHERE l.pattern = 'worker.concurrency') AS slots,
        list_distinct(list(json_extract_string(l.fields, '$.queue')) FILTER (WHERE l.pattern = 'worker.queues')) AS queues
    FROM life JOIN log_lines l ON l.pod = life.name AND l.ts >= life.created_at AND l.ts <= coalesce(life.gone_at, 'infinity')
    WHERE l.pattern IN ('worker.ready', 'worker.concurrency', 'worker.queues') GROUP BY life.uid
),
first_task AS (
    SELECT life.uid, min(a.running_at) AS first_task_at, list_distinct(list(a.queue)) AS queues
    FROM life JOIN attempts a ON a.host = life.name AND a.running_at >= life.created_at AND a.running_at <= coalesce(life.gone_at, 'infinity')
    WHERE life.name <> '' GROUP BY life.uid
)
SELECT
    life.target, life.uid, life.namespace, life.name, life.node, life.created_at, life.scheduled_at, life.started_at,
    -- Celery says when it consumes, and a task that it ran proves it; else the readiness of the pod does, but a
    -- container that restarts may look ready for a moment: there only readiness after its last exit counts
    least(f.first_task_at, coalesce(b.ready_at, CASE WHEN coalesce(life.restarts, 0) = 0 THEN life.ready_at WHEN life.last_ready_at > life.last_exit_at THEN life.last_ready_at END)) AS consuming_at,
    life.ready_at, f.first_task_at, life.stopping_at, life.gone_at, life.restarts,
    coalesce(b.slots, life.env_slots, t.worker_concurrency) AS slots,
    -- a banner that lost a line must not deny a queue whose tasks the worker ran
    CASE WHEN len(b.queues) > 0 THEN list_distinct(list_concat(b.queues, coalesce(f.queues, []))) END AS queues
FROM life
JOIN targets t ON t.target = life.target
LEFT JOIN banner b ON b.uid = life.uid
LEFT JOIN first_task f ON f.uid = life.uid
