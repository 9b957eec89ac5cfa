-- ---
-- id = "demand_spans"
-- group = "timeline"
-- doc = "Attempts while they are demand for workers, queued or running; to_at is NULL while they are at the end."
-- needs = ["task_instances"]
-- ---
WITH spans AS (
    SELECT dag_id, run_id, task_id, map_index, attempt, queued_at AS from_at,
        CASE WHEN ended_at IS NOT NULL OR last_state IN ('failed', 'up_for_retry')
            THEN greatest(queued_at, coalesce(ended_at, failed_seen_at)) END AS to_at
    FROM attempts a WHERE queued_at IS NOT NULL
        AND NOT EXISTS (FROM stays s WHERE s.dag_id = a.dag_id AND s.run_id = a.run_id AND s.task_id = a.task_id AND s.map_index = a.map_index AND s.attempt = a.attempt)
    UNION ALL
    -- deferred and rescheduled tasks are no demand meanwhile
    SELECT dag_id, run_id, task_id, map_index, attempt, from_at, to_at FROM stays WHERE state IN ('queued', 'running', 'restarting')
)
SELECT s.target, x.*
FROM spans x
JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
