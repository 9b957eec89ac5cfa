-- ---
-- id = "running_spans"
-- group = "timeline"
-- doc = "Attempts while they run: target, host, pool; to_at is NULL while they do at the end of the capture."
-- needs = ["task_instances"]
-- ---
WITH whole AS (
    SELECT dag_id, run_id, task_id, map_index, attempt, running_at AS from_at,
        CASE WHEN ended_at IS NOT NULL OR last_state IN ('failed', 'up_for_retry')
            THEN greatest(running_at, coalesce(ended_at, failed_seen_at)) END AS to_at
    FROM attempts a WHERE running_at IS NOT NULL
        AND NOT EXISTS (FROM stays s WHERE s.dag_id = a.dag_id AND s.run_id = a.run_id AND s.task_id = a.task_id AND s.map_index = a.map_index AND s.attempt = a.attempt)
),
spans AS (
    FROM whole
    UNION ALL
    SELECT dag_id, run_id, task_id, map_index, attempt, from_at, to_at FROM stays WHERE state IN ('running', 'restarting')
)
SELECT
    x.dag_id, x.run_id, x.task_id, x.map_index, x.attempt, coalesce(s.target, '') AS target,
    coalesce(a.host, '') AS host, coalesce(a.pool, '') AS pool, x.from_at, x.to_at
FROM spans x
JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt)
LEFT JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
