-- ---
-- id = "hung_runs"
-- group = "timeline"
-- doc = "Spans in which a run had tasks left, none alive, and the scheduler looked at it again and again without scheduling any; and what of the run before may hold it."
-- needs = ["task_instances", "dag_runs"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.min_s = 30
-- params.seen_s = 65
-- ---
-- A recorder writes a run of which only last_scheduling_decision moved every 30 s at most.
WITH passed AS (SELECT *, coalesce(scheduled_at, queued_at, running_at) AS left_none_at FROM attempts),
points AS (
    SELECT DISTINCT r.dag_id, r.run_id, greatest(r.started_at, coalesce(p.ended_at, r.started_at), $start::TIMESTAMP) AS from_at
    FROM runs r LEFT JOIN passed p ON p.dag_id = r.dag_id AND p.run_id = r.run_id AND p.ended_at IS NOT NULL
    WHERE r.started_at IS NOT NULL
),
spans AS (
    SELECT x.*, least(coalesce(r.ended_at, $end::TIMESTAMP), $end::TIMESTAMP,
        coalesce((SELECT min(p.left_none_at) FROM passed p WHERE p.dag_id = x.dag_id AND p.run_id = x.run_id AND p.left_none_at > x.from_at), 'infinity')) AS to_at
    FROM points x JOIN runs r USING (dag_id, run_id)
),
-- tasks that were in state none all the while, and nothing of the run that still works or waits to be tried again
still AS (
    SELECT s.dag_id, s.run_id, s.from_at, s.to_at, count(*) AS tasks, min(p.task_id) AS task_id, list(DISTINCT p.task_id) AS task_ids
    FROM spans s JOIN passed p ON p.dag_id = s.dag_id AND p.run_id = s.run_id AND p.first_seen_at < s.to_at AND coalesce(p.left_none_at, 'infinity') >= s.to_at AND (p.ended_at IS NULL OR p.ended_at >= s.to_at)
    WHERE s.to_at >= s.from_at + to_seconds($min_s)
        AND NOT EXISTS (FROM passed o WHERE o.dag_id = s.dag_id AND o.run_id = s.run_id AND o.left_none_at < s.to_at
            AND (coalesce(o.ended_at, 'infinity') > s.from_at OR (o.last_state = 'up_for_retry'
                AND NOT EXISTS (FROM passed n WHERE n.dag_id = o.dag_id AND n.run_id = o.run_id AND n.task_id = o.task_id AND n.map_index = o.map_index AND n.attempt > o.attempt))))
    GROUP BY ALL
),
looked AS (
    SELECT s.*, count(DISTINCT r.last_scheduling_decision) AS looks, max(r.last_scheduling_decision) AS looked_at, arg_max(r.ts, r.last_scheduling_decision) AS looked_ts,
        any_value(coalesce(r.logical_date, r.run_after, r.queued_at)) AS date
    FROM still s JOIN dag_runs r ON r.dag_id = s.dag_id AND r.run_id = s.run_id AND r.last_scheduling_decision BETWEEN s.from_at AND s.to_at + INTERVAL 2 SECOND
    GROUP BY ALL HAVING count(DISTINCT r.last_scheduling_decision) >= 2 AND max(r.last_scheduling_decision) >= s.to_at - to_seconds($seen_s)
),
dates AS (SELECT dag_id, run_id, any_value(coalesce(logical_date, run_after, queued_at)) AS date FROM dag_runs GROUP BY ALL),
-- the run before: an unfinished one holds depends_on_past and wait_for_downstream, a failed task holds depends_on_past for ever
prior AS (
    SELECT l.dag_id, l.run_id, l.from_at, p.run_id AS prior_run
    FROM looked l JOIN dates p ON p.dag_id = l.dag_id AND p.date < l.date AND p.run_id <> l.run_id
    QUALIFY row_number() OVER (PARTITION BY l.dag_id, l.run_id, l.from_at ORDER BY p.date DESC) = 1
),
blockers AS (
    SELECT l.dag_id, l.run_id, l.from_at, a.run_id AS prior_run, a.task_id AS prior_task, a.last_state AS prior_state, a.first_seen_at AS prior_ts,
        CASE WHEN a.last_state IN ('failed', 'upstream_failed') THEN 'failed' ELSE 'unfinished' END AS kind
    FROM looked l JOIN prior p ON p.dag_id = l.dag_id AND p.run_id = l.run_id AND p.from_at = l.from_at
    JOIN attempts a ON a.dag_id = p.dag_id AND a.run_id = p.prior_run
    WHERE (a.last_state IN ('failed', 'upstream_failed') AND list_contains(l.task_ids, a.task_id)) OR coalesce(a.ended_at, 'infinity') >= l.to_at - INTERVAL 5 SECOND
    QUALIFY row_number() OVER (PARTITION BY l.dag_id, l.run_id, l.from_at
        ORDER BY kind = 'failed', NOT list_contains(l.task_ids, a.task_id), a.last_state = 'none', a.task_id) = 1
)
SELECT l.dag_id, l.run_id, l.from_at, l.to_at, l.tasks, l.task_id, l.looks, l.looked_at, l.looked_ts, coalesce(b.kind, 'stuck') AS kind, b.prior_run, b.prior_task, b.prior_state, b.prior_ts
FROM looked l LEFT JOIN blockers b USING (dag_id, run_id, from_at)
