-- ---
-- id = "stays"
-- group = "timeline"
-- doc = "Stays in each state of attempts that were deferred or rescheduled: in between they hold neither slot nor place."
-- needs = ["task_instances"]
-- params.end = "1970-01-01"
-- ---
WITH away AS (
    SELECT DISTINCT dag_id, run_id, task_id, map_index, attempt FROM task_instances
    WHERE state IN ('deferred', 'up_for_reschedule') AND change <> 'DELETED'
),
changes AS (
    SELECT t.dag_id, t.run_id, t.task_id, coalesce(t.map_index, -1) AS map_index, t.attempt, t.state, t.ts, t.seen_at,
        lag(t.state) OVER w IS DISTINCT FROM t.state OR row_number() OVER w = 1 AS entered
    FROM task_instances t JOIN away USING (dag_id, run_id, task_id, map_index, attempt)
    WHERE t.change <> 'DELETED'
    WINDOW w AS (PARTITION BY t.dag_id, t.run_id, t.task_id, t.map_index, t.attempt ORDER BY t.seen_at)
)
SELECT dag_id, run_id, task_id, map_index, attempt, state, ts AS from_at,
    greatest(ts, coalesce(lead(ts) OVER (PARTITION BY dag_id, run_id, task_id, map_index, attempt ORDER BY seen_at), $end::TIMESTAMP)) AS to_at
FROM changes WHERE entered
