-- ---
-- id = "running_spans"
-- group = "timeline"
-- doc = "Attempts while they run: target, host, pool; to_at is NULL while they do at the end of the capture."
-- needs = ["task_instances"]
-- ---
SELECT
    a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, coalesce(s.target, '') AS target,
    coalesce(a.host, '') AS host, coalesce(a.pool, '') AS pool, a.running_at AS from_at,
    CASE WHEN a.ended_at IS NOT NULL OR a.last_state IN ('failed', 'up_for_retry')
        THEN greatest(a.running_at, coalesce(a.ended_at, a.failed_seen_at)) END AS to_at
FROM attempts a
LEFT JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
WHERE a.running_at IS NOT NULL
