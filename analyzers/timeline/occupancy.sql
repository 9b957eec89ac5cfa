-- ---
-- id = "occupancy"
-- group = "timeline"
-- doc = "Step function per DAG, run, pool and overall: slots held (queued and running) and tasks scheduled but not queued."
-- needs = ["task_instances", "dag_runs"]
-- uses = ["pools"]
-- params.end = "1970-01-01"
-- ---
-- Queued and running tasks hold their places; a deferred or rescheduled one gives them back meanwhile, but for pools
-- that include deferred tasks.
WITH whole AS (
    SELECT dag_id, run_id, pool, pool_slots, queued_at AS from_at,
        coalesce(ended_at, CASE WHEN last_state IN ('failed', 'up_for_retry') THEN failed_seen_at END, $end::TIMESTAMP) AS to_at
    FROM attempts a WHERE queued_at IS NOT NULL
        AND NOT EXISTS (FROM stays s WHERE s.dag_id = a.dag_id AND s.run_id = a.run_id AND s.task_id = a.task_id AND s.map_index = a.map_index AND s.attempt = a.attempt)
),
parts AS (
    SELECT s.dag_id, s.run_id, a.pool, a.pool_slots, s.from_at, s.to_at, s.state = 'deferred' AS deferred
    FROM stays s JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt)
    WHERE s.state IN ('queued', 'running', 'restarting')
        OR (s.state = 'deferred' AND EXISTS (FROM pools p WHERE p.pool = a.pool AND p.include_deferred))
),
spans AS (
    SELECT dag_id, run_id, pool, pool_slots, from_at, 1 AS held, 0 AS waiting, to_at, false AS deferred FROM whole
    UNION ALL SELECT dag_id, run_id, pool, pool_slots, from_at, 1, 0, to_at, deferred FROM parts
    UNION ALL
    SELECT dag_id, run_id, pool, pool_slots, scheduled_at, 0, 1, coalesce(queued_at, ended_at, $end::TIMESTAMP), false
    FROM attempts WHERE scheduled_at IS NOT NULL
),
real AS (SELECT * FROM spans WHERE to_at > from_at),
scoped AS (
    SELECT 'dag' AS scope, dag_id AS subject, NULL AS run_id, * EXCLUDE (dag_id, run_id, pool) FROM real WHERE NOT deferred
    UNION ALL SELECT 'run', dag_id, run_id, * EXCLUDE (dag_id, run_id, pool) FROM real WHERE NOT deferred
    UNION ALL SELECT 'pool', pool, NULL, * EXCLUDE (dag_id, run_id, pool) FROM real
    UNION ALL SELECT 'all', '', NULL, * EXCLUDE (dag_id, run_id, pool) FROM real WHERE NOT deferred
),
deltas AS (
    SELECT scope, subject, run_id, from_at AS moment, held, held * pool_slots AS slots, waiting FROM scoped
    UNION ALL SELECT scope, subject, run_id, to_at, -held, -held * pool_slots, -waiting FROM scoped
),
steps AS (
    SELECT scope, subject, run_id, moment, sum(held) AS held, sum(slots) AS slots, sum(waiting) AS waiting
    FROM deltas GROUP BY ALL
)
SELECT scope, subject, run_id, moment,
    lead(moment, 1, $end::TIMESTAMP) OVER w AS until,
    sum(held) OVER w AS held, sum(slots) OVER w AS slots_held, sum(waiting) OVER w AS waiting
FROM steps
WINDOW w AS (PARTITION BY scope, subject, run_id ORDER BY moment)
