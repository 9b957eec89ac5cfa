-- Airflow's own audit log: who cleared, paused or marked what.
SELECT ts, event, owner, dag_id, task_id, run_id, coalesce(dag_id, '') || '/' || coalesce(run_id, '') AS key
FROM db_log
