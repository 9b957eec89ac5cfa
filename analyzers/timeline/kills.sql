-- ---
-- id = "kills"
-- group = "timeline"
-- doc = "Running attempts whose worker pod was told to stop and that did not end well: pod, when, what was lost."
-- needs = ["task_instances", "pods", "scaledobjects", "workloads"]
-- params.end = "1970-01-01"
-- ---
-- 330 s: a zombie is found by the sweep up to task_instance_heartbeat_timeout (300 s) after its last heartbeat.
SELECT
    p.target, p.name AS pod, p.namespace, p.stopping_at,
    a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.running_at,
    coalesce(a.ended_at, a.failed_seen_at, $end::TIMESTAMP) AS ended_at, a.last_state,
    greatest(0, date_diff('millisecond', a.running_at, p.stopping_at) / 1000.0) AS lost_seconds
FROM attempts a
JOIN worker_pods p ON p.name = a.host
WHERE p.stopping_at IS NOT NULL
    AND a.running_at < p.stopping_at
    AND (
        (a.last_state IN ('failed', 'up_for_retry', 'none', 'scheduled', 'queued')
            AND coalesce(a.ended_at, a.failed_seen_at) >= p.stopping_at - INTERVAL 1 SECOND
            AND coalesce(a.ended_at, a.failed_seen_at) <= p.stopping_at + INTERVAL 330 SECOND)
        OR (a.last_state = 'running' AND a.ended_at IS NULL AND p.gone_at IS NOT NULL)
    )
