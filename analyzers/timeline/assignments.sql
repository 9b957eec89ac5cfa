-- ---
-- id = "assignments"
-- group = "timeline"
-- doc = "Each attempt's target: whose query counts it, else whose workers consume its queue, else nobody's (empty)."
-- needs = ["task_instances", "scaledobjects"]
-- uses = ["pods", "workloads", "log_lines"]
-- ---
-- Several may count it: then it is whose worker ran it, else whose workers run tasks of its queue.
WITH hosted AS (
    SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.queue, w.target
    FROM attempts a JOIN worker_pods w ON w.name = a.host AND a.running_at >= w.created_at AND a.running_at <= coalesce(w.gone_at, 'infinity')
),
serving AS (SELECT DISTINCT queue, target FROM hosted),
by_query AS (
    SELECT c.dag_id, c.run_id, c.task_id, c.map_index, c.attempt, arg_min(c.target, (h.target IS NULL, s.target IS NULL, c.target)) AS target
    FROM counted c JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt)
    LEFT JOIN hosted h ON h.dag_id = c.dag_id AND h.run_id = c.run_id AND h.task_id = c.task_id AND h.map_index = c.map_index AND h.attempt = c.attempt AND h.target = c.target
    LEFT JOIN serving s ON s.queue = a.queue AND s.target = c.target
    WHERE c.in_queued GROUP BY ALL
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
