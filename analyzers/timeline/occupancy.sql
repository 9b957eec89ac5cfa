-- ---
-- id = "occupancy"
-- group = "timeline"
-- doc = "Step function per DAG, run, pool and overall: slots held (queued and running) and tasks scheduled but not queued."
-- needs = ["task_instances", "dag_runs"]
-- params.end = "1970-01-01"
-- ---
WITH spans AS (
    SELECT dag_id, run_id, pool, pool_slots, queued_at AS from_at, 1 AS held, 0 AS waiting,
        coalesce(ended_at, CASE WHEN last_state IN ('failed', 'up_for_retry') THEN failed_seen_at END, $end::TIMESTAMP) AS to_at
    FROM attempts WHERE queued_at IS NOT NULL
    UNION ALL
    SELECT dag_id, run_id, pool, pool_slots, scheduled_at, 0, 1, coalesce(queued_at, ended_at, $end::TIMESTAMP)
    FROM attempts WHERE scheduled_at IS NOT NULL
),
real AS (SELECT * FROM spans WHERE to_at > from_at),
scoped AS (
    SELECT 'dag' AS scope, dag_id AS subject, NULL AS run_id, * EXCLUDE (dag_id, run_id, pool) FROM real
    UNION ALL SELECT 'run', dag_id, run_id, * EXCLUDE (dag_id, run_id, pool) FROM real
    UNION ALL SELECT 'pool', pool, NULL, * EXCLUDE (dag_id, run_id, pool) FROM real
    UNION ALL SELECT 'all', '', NULL, * EXCLUDE (dag_id, run_id, pool) FROM real
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
