-- ---
-- id = "assignments"
-- group = "timeline"
-- doc = "Each attempt's target: whose query counts it, else whose workers consume its queue, else nobody's (empty)."
-- needs = ["task_instances", "scaledobjects"]
-- uses = ["pods", "workloads", "log_lines"]
-- ---
WITH by_query AS (
    SELECT dag_id, run_id, task_id, map_index, attempt, min(target) AS target FROM counted WHERE in_queued GROUP BY ALL
),
by_workers AS (SELECT DISTINCT target, unnest(queues) AS queue FROM worker_pods WHERE queues IS NOT NULL),
-- a query that nobody can read may count anything: what no other target counts is taken to be meant
unreadable AS (SELECT min(target) AS target FROM trigger_queries WHERE NOT translated)
SELECT
    a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt,
    coalesce(any_value(q.target), min(w.target), (SELECT target FROM unreadable), '') AS target,
    count(q.target) > 0 AS counted
FROM attempts a
LEFT JOIN by_query q USING (dag_id, run_id, task_id, map_index, attempt)
LEFT JOIN by_workers w ON q.target IS NULL AND w.queue = a.queue
GROUP BY a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt
