-- ---
-- id = "attempts"
-- group = "timeline"
-- doc = "One row per attempt of a task instance: when it was scheduled, queued, running, over, and where it ran."
-- needs = ["task_instances"]
-- ---
-- Columns of the attempt before linger in scheduled and queued rows, so each time is taken only from states that
-- write it: queued_dttm from queued on, start_date from running on and never from before the queueing (5 s of
-- clock offset between scheduler and worker are granted).
SELECT
    dag_id, run_id, task_id, coalesce(map_index, -1) AS map_index, attempt,
    arg_max(queue, seen_at) AS queue,
    arg_max(pool, seen_at) AS pool,
    coalesce(arg_max(pool_slots, seen_at), 1) AS pool_slots,
    arg_max(executor, seen_at) AS executor,
    arg_max(operator, seen_at) AS operator,
    arg_max(priority_weight, seen_at) AS priority_weight,
    arg_max(queued_by_job_id, seen_at) AS queued_by_job_id,
    arg_max(external_executor_id, seen_at) AS external_executor_id,
    split_part(arg_max(hostname, seen_at) FILTER (WHERE hostname <> '' AND state NOT IN ('scheduled', 'queued')), '.', 1)
        AS host,
    min(seen_at) AS first_seen_at,
    coalesce(
        min(scheduled_dttm) FILTER (WHERE state IS NOT NULL),
        min(ts) FILTER (WHERE state = 'scheduled')
    ) AS scheduled_at,
    coalesce(
        min(queued_dttm) FILTER (WHERE state IS NOT NULL AND state <> 'scheduled'),
        min(ts) FILTER (WHERE state = 'queued')
    ) AS queued_at,
    min(start_date) FILTER (
        WHERE state IN ('running', 'restarting', 'deferred', 'up_for_reschedule', 'success', 'failed', 'up_for_retry')
        AND (queued_dttm IS NULL OR start_date >= queued_dttm - INTERVAL 5 SECOND)
    ) AS running_at,
    max(end_date) FILTER (
        WHERE state IN ('success', 'failed', 'up_for_retry', 'skipped', 'upstream_failed', 'removed')
    ) AS ended_at,
    max(ts) FILTER (WHERE state IN ('failed', 'up_for_retry')) AS failed_seen_at,
    arg_max(coalesce(state, 'none'), seen_at) AS last_state
FROM task_instances
WHERE attempt IS NOT NULL AND change <> 'DELETED'
GROUP BY ALL
