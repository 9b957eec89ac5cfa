-- ---
-- id = "standstills"
-- group = "timeline"
-- doc = "Spans in which no task started anywhere though free slots stood before queued tasks, and which several workers ended in one moment."
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods", "polls", "jobs"]
-- uses = ["log_lines"]
-- params.end = "1970-01-01"
-- params.min_s = 40
-- params.moment_s = 3
-- params.beat_s = 35
-- ---
-- What several workers share is the broker, the database, the scheduler, maybe a node and, in Airflow 3, the execution
-- API. The database answered, the scheduler's heart beat, and a task of these workers came to a good end: well within the
-- standstill where they stand on one node, which may have been frozen as a whole, or on nodes that nobody knows.
WITH starts AS (
    SELECT a.host, a.running_at, a.queued_at, a.dag_id || '/' || a.run_id || '/' || a.task_id AS key
    FROM attempts a SEMI JOIN worker_pods w ON w.name = a.host WHERE a.running_at IS NOT NULL
),
breaks AS (
    SELECT last_at, last_key, back_at FROM (SELECT lag(running_at) OVER w AS last_at, lag(key) OVER w AS last_key, running_at AS back_at FROM starts WINDOW w AS (ORDER BY running_at, key))
    WHERE back_at >= last_at + to_seconds($min_s)
),
taken AS (
    SELECT b.last_at, b.last_key, b.back_at, s.host AS name, count(*) AS tasks, min(s.queued_at) AS queued_at, arg_min(s.key, (s.running_at, s.key)) AS key
    FROM breaks b JOIN starts s ON s.running_at BETWEEN b.back_at AND b.back_at + to_seconds($moment_s) AND s.queued_at <= b.back_at - to_seconds($min_s)
    GROUP BY b.last_at, b.last_key, b.back_at, s.host
    QUALIFY count(*) OVER (PARTITION BY b.back_at) >= 2
),
-- nothing starts in a break, so a worker's slots only become free in it: from its slots-th latest end on one is
free AS (
    SELECT t.*, w.node, greatest(t.last_at, w.consuming_at, (
        SELECT list(coalesce(a.ended_at, 'infinity'::TIMESTAMP) ORDER BY coalesce(a.ended_at, 'infinity'::TIMESTAMP) DESC)[CAST(w.slots AS INTEGER)]
        FROM attempts a WHERE a.host = t.name AND a.running_at <= t.last_at)) AS free_at
    FROM taken t JOIN worker_pods w ON w.name = t.name AND w.consuming_at < t.back_at AND coalesce(w.stopping_at, w.gone_at, 'infinity') > t.back_at
),
-- from the second worker on it is no single worker's trouble
ended AS (
    SELECT last_at, last_key, back_at, greatest(list(free_at ORDER BY free_at)[2], min(queued_at)) AS from_at, count(*) AS workers, count(DISTINCT node) AS nodes, sum(tasks) AS tasks,
        list(name) AS names, arg_min(key, (name, key)) AS key
    FROM free WHERE free_at <= back_at - to_seconds($min_s) GROUP BY last_at, last_key, back_at HAVING count(*) >= 2 AND sum(tasks) >= 3
)
SELECT e.from_at, e.back_at AS to_at, e.last_at, e.last_key, e.workers, e.tasks, e.names, e.key,
    arg_max(d.dag_id || '/' || d.run_id || '/' || d.task_id, (d.ended_at, d.task_id)) AS done_key, max(d.ended_at) AS done_at
FROM ended e CROSS JOIN airflow
JOIN attempts d ON list_contains(e.names, d.host) AND d.last_state = 'success' AND d.ended_at > e.from_at - INTERVAL 10 SECOND AND d.running_at < e.from_at
    AND (e.nodes > 1 OR d.ended_at > e.from_at + INTERVAL 10 SECOND)
    -- without the execution API a task of Airflow 3 cannot end, and does not outlive three heartbeats
    AND (airflow.major < 3 OR d.ended_at > e.back_at - to_seconds($min_s))
WHERE e.back_at >= e.from_at + to_seconds($min_s)
    AND (SELECT count(*) >= 3 AND bool_and(p.outcome = 'ok') FROM polls p WHERE p.source = 'airflow_db' AND p.ts BETWEEN e.from_at AND e.back_at)
    AND EXISTS (FROM jobs j WHERE j.job_type = 'SchedulerJob' AND j.latest_heartbeat BETWEEN e.back_at - to_seconds($beat_s) AND e.back_at - INTERVAL 5 SECOND)
GROUP BY ALL
