-- Waiting seconds per group, stage and cause of the attempts whose wait touches [$start, $end].
WITH mine AS (
    SELECT w.*, CASE $by WHEN 'dag' THEN w.dag_id WHEN 'queue' THEN w.queue WHEN 'pool' THEN w.pool
            WHEN 'cause' THEN w.cause WHEN 'run' THEN w.dag_id || ' / ' || w.run_id
            ELSE w.dag_id || ' / ' || w.task_id END AS name
    FROM waits w JOIN waiting k USING (dag_id, run_id, task_id, map_index, attempt)
    WHERE k.runnable_at <= $end AND k.wait_ended_at >= $start AND ($target = '' OR w.target IN ($target, ''))
),
totals AS (
    SELECT name, dag_id, run_id, task_id, map_index, attempt, sum(seconds) AS seconds FROM mine GROUP BY ALL
),
summed AS (
    SELECT name, count(*) AS attempts, sum(seconds) AS seconds, quantile_cont(seconds, 0.5) AS p50_s,
        quantile_cont(seconds, 0.95) AS p95_s, max(seconds) AS longest_s
    FROM totals GROUP BY ALL
),
staged AS (SELECT name, stage, cause, sum(seconds) AS seconds FROM mine GROUP BY ALL)
SELECT s.*, list({'stage': g.stage, 'cause': g.cause, 'seconds': g.seconds} ORDER BY g.seconds DESC, g.stage, g.cause) AS stages
FROM summed s JOIN staged g USING (name)
GROUP BY ALL
ORDER BY s.seconds DESC, s.name
LIMIT $limit
