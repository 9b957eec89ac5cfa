-- Worker pods of a target (all without one) by creation, each with the tasks that it held.
WITH held AS (
    SELECT p.uid, list({'start': r.from_at, 'end': r.to_at, 'key': r.dag_id || '/' || r.task_id, 'lost': k.pod IS NOT NULL}
        ORDER BY r.from_at, r.dag_id, r.task_id) AS held
    FROM worker_pods p
    JOIN running_spans r ON r.host = p.name AND r.from_at >= p.created_at AND r.from_at <= coalesce(p.gone_at, 'infinity')
    LEFT JOIN kills k ON k.uid = p.uid AND k.dag_id = r.dag_id AND k.run_id = r.run_id AND k.task_id = r.task_id
        AND k.map_index = r.map_index AND k.attempt = r.attempt
    GROUP BY p.uid
),
crashes AS (
    SELECT uid, list(DISTINCT last_terminated_at ORDER BY last_terminated_at) AS crashed FROM pods
    WHERE last_terminated_at IS NOT NULL GROUP BY uid
)
SELECT p.target, p.name, p.node, p.slots, p.restarts, p.created_at, p.scheduled_at, p.started_at, p.consuming_at,
    p.stopping_at, p.gone_at, h.held, c.crashed
FROM worker_pods p LEFT JOIN held h USING (uid) LEFT JOIN crashes c USING (uid)
WHERE $target = '' OR p.target = $target
ORDER BY p.created_at, p.name
LIMIT $limit
