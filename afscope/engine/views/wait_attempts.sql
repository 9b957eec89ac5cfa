-- The attempts of one group, longest wait first.
WITH mine AS (
    SELECT w.*, k.runnable_at, k.wait_ended_at, k.ended_at, k.host, k.last_state
    FROM waits w JOIN waiting k USING (dag_id, run_id, task_id, map_index, attempt)
    WHERE k.runnable_at <= $end AND k.wait_ended_at >= $start AND ($target = '' OR w.target IN ($target, ''))
)
SELECT dag_id || '/' || run_id || '/' || task_id || CASE WHEN map_index >= 0 THEN '/' || map_index ELSE '' END AS key,
    attempt AS try_number, queue, pool, target, host, last_state AS state, runnable_at, wait_ended_at, ended_at,
    list({'stage': stage, 'cause': cause, 'seconds': seconds}) AS stages
FROM mine
GROUP BY dag_id, run_id, task_id, map_index, attempt, queue, pool, target, host, last_state, runnable_at, wait_ended_at, ended_at
HAVING CASE $by WHEN 'dag' THEN dag_id = $name WHEN 'queue' THEN coalesce(queue, '') = $name WHEN 'pool' THEN coalesce(pool, '') = $name
    WHEN 'cause' THEN list_contains(list(cause), $name) WHEN 'run' THEN dag_id || ' / ' || run_id = $name
    ELSE dag_id || ' / ' || task_id = $name END
ORDER BY sum(seconds) DESC, key, try_number
LIMIT $limit
