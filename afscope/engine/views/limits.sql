-- Every cap at the instant $at: pools, DAGs, executor slots, schedulers, queues of the broker.
WITH held AS (FROM occupancy WHERE moment <= $at AND until > $at),
pool AS (
    SELECT 'pool' AS kind, s.pool AS name, coalesce(h.slots_held, 0) AS used, s.slots AS cap, coalesce(h.waiting, 0) AS waiting, '' AS note
    FROM pool_settings s LEFT JOIN held h ON h.scope = 'pool' AND h.subject = s.pool
    WHERE s.since <= $at QUALIFY row_number() OVER (PARTITION BY s.pool ORDER BY s.since DESC) = 1
),
active AS (SELECT dag_id, count(*) FILTER (WHERE started_at <= $at) AS runs, count(*) FILTER (WHERE started_at IS NULL OR started_at > $at) AS queued
    FROM runs WHERE queued_at <= $at AND coalesce(ended_at, 'infinity') > $at GROUP BY dag_id),
dag AS (
    SELECT s.*, coalesce(h.held, 0) AS held, coalesce(h.waiting, 0) AS waiting, coalesce(a.runs, 0) AS runs, coalesce(a.queued, 0) AS queued
    FROM dag_settings s LEFT JOIN held h ON h.scope = 'dag' AND h.subject = s.dag_id LEFT JOIN active a USING (dag_id)
    WHERE s.since <= $at QUALIFY row_number() OVER (PARTITION BY s.dag_id ORDER BY s.since DESC) = 1
),
beat AS (
    SELECT id, hostname, job_type, state, latest_heartbeat FROM jobs WHERE seen_at <= $at
        AND job_type IN ('SchedulerJob', 'TriggererJob', 'DagProcessorJob')
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY seen_at DESC) = 1
),
queue AS (
    SELECT broker, queue, depth, unacked, consumers, change FROM broker_queues WHERE seen_at <= $at
    QUALIFY row_number() OVER (PARTITION BY broker, queue ORDER BY seen_at DESC) = 1
)
SELECT kind, name, used, cap, waiting, note FROM (
    SELECT 0 AS place, 'executor' AS kind, 'core.parallelism' AS name, coalesce((SELECT sum(held) FROM held WHERE scope = 'all'), 0)::DOUBLE AS used,
        parallelism::DOUBLE AS cap, (SELECT sum(waiting) FROM held WHERE scope = 'all')::BIGINT AS waiting,
        CASE WHEN parallelism_known THEN '' ELSE 'default' END AS note FROM airflow
    UNION ALL SELECT 1, kind, name, used, cap, waiting, note FROM pool
    UNION ALL SELECT 2, 'dag tasks', dag_id, held, max_active_tasks, waiting, CASE WHEN is_paused THEN 'paused' ELSE '' END FROM dag
    UNION ALL SELECT 3, 'dag runs', dag_id, runs, max_active_runs, queued, CASE WHEN is_paused THEN 'paused' ELSE '' END FROM dag
    UNION ALL SELECT 4, 'heartbeat', job_type || ' ' || coalesce(hostname, '') || ' #' || id,
        date_diff('millisecond', latest_heartbeat, $at) / 1000.0, NULL, NULL, state FROM beat
    UNION ALL SELECT 5, 'broker', broker || ' ' || queue, unacked, NULL, depth, CASE WHEN consumers IS NOT NULL THEN consumers || ' consumers' ELSE '' END
        FROM queue WHERE change <> 'DELETED'
)
ORDER BY place, kind, (cap IS NOT NULL AND used >= cap) DESC, waiting DESC NULLS LAST, name
LIMIT $limit
