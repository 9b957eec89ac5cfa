-- Changes of DAG runs, without those that only say that the scheduler looked at them.
SELECT ts, state, dag_id, run_type AS type, run_id, queued_at, start_date AS started_at, end_date AS ended_at,
    dag_id || '/' || run_id AS key
FROM dag_runs
WHERE change <> 'STATE'
QUALIFY state IS DISTINCT FROM lag(state) OVER (PARTITION BY dag_id, run_id ORDER BY seen_at)
