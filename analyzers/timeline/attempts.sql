-- ---
-- id = "attempts"
-- group = "timeline"
-- doc = "One row per attempt of a task instance: when it was scheduled, queued, running, over, and where it ran."
-- needs = ["task_instances"]
-- uses = ["dag_runs", "task_counts"]
-- ---
-- Columns of the attempt before linger in scheduled and queued rows, so each time is taken only from states that
-- write it: queued_dttm from queued on, start_date from running on and never from before the queueing (5 s of
-- clock offset between scheduler and worker are granted). A recorder that was blind for a while may have missed the end
-- of an attempt: no task of a run that is a success runs, nor one of a queue and pool in which none is counted.
WITH seen AS (
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
    arg_max(coalesce(state, 'none'), seen_at) AS last_state, 
    -- a keyframe repeats what was known
    coalesce(max(seen_at) FILTER (WHERE change <> 'STATE'), min(seen_at)) AS last_seen_at
FROM task_instances
WHERE attempt IS NOT NULL AND change <> 'DELETED'
GROUP BY ALL
),
good_runs AS (
    SELECT dag_id, run_id, max(end_date) AS ended_at FROM dag_runs WHERE change <> 'DELETED'
    GROUP BY dag_id, run_id HAVING arg_max(state, seen_at) = 'success'
),
emptied AS (SELECT queue, pool, seen_at FROM task_counts WHERE state = 'running' AND n = 0),
missed AS (
    SELECT s.dag_id, s.run_id, s.task_id, s.map_index, s.attempt, least(any_value(r.ended_at), min(e.seen_at)) AS over_at
    FROM seen s
    LEFT JOIN good_runs r ON r.dag_id = s.dag_id AND r.run_id = s.run_id AND r.ended_at >= s.last_seen_at
    LEFT JOIN emptied e ON e.queue IS NOT DISTINCT FROM s.queue AND e.pool IS NOT DISTINCT FROM s.pool AND e.seen_at > s.last_seen_at
    WHERE s.last_state = 'running' AND s.ended_at IS NULL
    GROUP BY ALL
)
SELECT s.* EXCLUDE (last_seen_at) REPLACE (coalesce(s.ended_at, m.over_at) AS ended_at)
FROM seen s LEFT JOIN missed m USING (dag_id, run_id, task_id, map_index, attempt)
