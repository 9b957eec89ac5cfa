-- ---
-- id = "dag_settings"
-- group = "timeline"
-- doc = "Caps and pause of each DAG and since when: what was found at first held before, unless it was seen to be made."
-- needs = ["dags"]
-- ---
SELECT dag_id, is_paused, is_active, max_active_tasks, max_active_runs, ts, seen_at,
    CASE WHEN row_number() OVER (PARTITION BY dag_id ORDER BY seen_at) = 1 AND change <> 'ADDED'
        THEN '-infinity'::TIMESTAMP ELSE seen_at END AS since
FROM dags WHERE change <> 'DELETED'
