-- ---
-- id = "waiting"
-- group = "timeline"
-- doc = "Attempts that were runnable: since when, and the bounds of the phases run, schedule, limits and worker of their wait."
-- needs = ["task_instances", "dag_runs"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- ---
-- Nobody records the graph of a DAG, so upstream is inferred: a task that left state none after another task of
-- its run had ended waited for that one; a first task waited since its run was queued. A task that never left none
-- while others of its run still work, or wait to be tried again, waits for them, and is no business of the autoscaler.
WITH left_none AS (
    SELECT a.*, coalesce(a.scheduled_at, a.queued_at, a.running_at) AS left_none_at FROM attempts a
),
run_facts AS (
    SELECT dag_id, run_id, min(left_none_at) AS first_pass_at, max(ended_at) AS last_end_at,
        bool_or((left_none_at IS NOT NULL AND ended_at IS NULL) OR (last_state = 'up_for_retry' AND latest)) AS busy
    FROM (SELECT *, attempt = max(attempt) OVER (PARTITION BY dag_id, run_id, task_id, map_index) AS latest FROM left_none) GROUP BY dag_id, run_id
),
ends AS (SELECT dag_id, run_id, ended_at FROM left_none WHERE ended_at IS NOT NULL AND left_none_at IS NOT NULL),
after_end AS (
    SELECT l.dag_id, l.run_id, l.task_id, l.map_index, l.attempt, e.ended_at AS upstream_ended_at
    FROM left_none l ASOF JOIN ends e
        ON l.dag_id = e.dag_id AND l.run_id = e.run_id AND l.left_none_at >= e.ended_at
),
known AS (
    SELECT l.*, r.queued_at AS run_queued_at, r.started_at AS run_started_at, r.ended_at AS run_ended_at,
        f.busy, f.first_pass_at,
        CASE
            WHEN l.attempt > 1 AND l.left_none_at IS NOT NULL THEN l.left_none_at
            WHEN l.attempt > 1 THEN l.first_seen_at
            WHEN l.left_none_at IS NOT NULL THEN coalesce(u.upstream_ended_at, r.queued_at)
            WHEN r.started_at IS NULL OR f.first_pass_at IS NULL THEN r.queued_at
            WHEN NOT f.busy THEN f.last_end_at
        END AS runnable_at
    FROM left_none l
    JOIN runs r USING (dag_id, run_id)
    JOIN run_facts f USING (dag_id, run_id)
    LEFT JOIN after_end u USING (dag_id, run_id, task_id, map_index, attempt)
),
clipped AS (
    SELECT *,
        greatest(runnable_at, $start::TIMESTAMP) AS from_at,
        least(coalesce(running_at, ended_at, run_ended_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM known
    WHERE runnable_at IS NOT NULL
        AND NOT (queued_at IS NULL AND last_state IN ('skipped', 'upstream_failed', 'removed', 'success'))
)
SELECT
    dag_id, run_id, task_id, map_index, attempt, queue, pool, pool_slots, executor, priority_weight, queued_by_job_id,
    external_executor_id, host, last_state, running_at, ended_at,
    from_at AS runnable_at,
    greatest(from_at, to_at) AS wait_ended_at,
    -- how long it was already in the phase in which the recording found it
    CASE WHEN runnable_at < from_at THEN date_diff('microsecond', CASE
        WHEN queued_at <= from_at THEN greatest(queued_at, runnable_at)
        WHEN scheduled_at <= from_at THEN greatest(scheduled_at, runnable_at)
        WHEN run_started_at <= from_at THEN greatest(run_started_at, runnable_at)
        ELSE runnable_at END, from_at) ELSE 0 END AS before_us,
    -- the phases follow each other whatever the clocks of scheduler and workers say
    greatest(from_at, coalesce(run_started_at, 'infinity'::TIMESTAMP)) AS run_started_at,
    greatest(from_at, run_started_at, coalesce(scheduled_at, queued_at, 'infinity'::TIMESTAMP)) AS scheduled_at,
    greatest(from_at, run_started_at, coalesce(queued_at, 'infinity'::TIMESTAMP)) AS queued_at
FROM clipped
WHERE to_at >= $start::TIMESTAMP AND from_at <= $end::TIMESTAMP
