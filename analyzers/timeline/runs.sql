-- ---
-- id = "runs"
-- group = "timeline"
-- doc = "One row per DAG run: queued, running and over, clipped to nothing; NULL where it did not happen in the capture."
-- needs = ["dag_runs"]
-- ---
SELECT
    dag_id, run_id,
    arg_max(run_type, seen_at) AS run_type,
    -- a run cannot start before its run_after (3.x); before that it did not wait for anybody
    greatest(coalesce(min(queued_at), min(start_date), min(ts)), coalesce(min(run_after), min(queued_at), min(ts)))
        AS queued_at,
    min(start_date) AS started_at,
    max(end_date) FILTER (WHERE state IN ('success', 'failed')) AS ended_at,
    arg_max(backfill_id, seen_at) AS backfill_id,
    arg_max(state, seen_at) AS last_state
FROM dag_runs
WHERE change <> 'DELETED'
GROUP BY ALL
