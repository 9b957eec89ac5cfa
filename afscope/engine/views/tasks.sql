-- Changes of task instances.
SELECT ts, coalesce(state, 'none') AS state, dag_id, task_id, CASE WHEN map_index >= 0 THEN map_index END AS map, attempt AS try,
    queue, pool, split_part(hostname, '.', 1) AS host, run_id, dag_id || '/' || run_id || '/' || task_id AS key
FROM task_instances
WHERE change <> 'STATE'
