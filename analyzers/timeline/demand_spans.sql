-- ---
-- id = "demand_spans"
-- group = "timeline"
-- doc = "Attempts while they are demand for workers, queued or running; to_at is NULL while they are at the end."
-- needs = ["task_instances"]
-- ---
SELECT
    s.target, a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.queued_at AS from_at,
    CASE WHEN a.ended_at IS NOT NULL OR a.last_state IN ('failed', 'up_for_retry')
        THEN greatest(a.queued_at, coalesce(a.ended_at, a.failed_seen_at)) END AS to_at
FROM attempts a
JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
WHERE a.queued_at IS NOT NULL
