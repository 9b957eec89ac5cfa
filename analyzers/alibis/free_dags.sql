-- ---
-- id = "free_dags"
-- group = "alibi"
-- component = "dag"
-- needs = ["dags", "dag_runs", "task_instances"]
-- [text.en]
-- because = "none of the {dags} DAGs with waiting tasks was paused; their caps were not reached or not binding"
-- [text.zh]
-- because = "有任务等待的 {dags} 个 DAG 均未暂停；其上限未达到或不构成约束"
-- ---
WITH states AS (
    SELECT *, lead(seen_at, 1, 'infinity'::TIMESTAMP) OVER (PARTITION BY dag_id ORDER BY seen_at) AS until
    FROM dags WHERE change <> 'DELETED'
),
-- only what held while tasks of the DAG waited for it
held AS (
    SELECT DISTINCT s.dag_id, s.ts, s.is_paused, s.is_active, s.max_active_runs, s.max_active_tasks
    FROM states s ASOF JOIN (
        SELECT dag_id, runnable_at, max(least(queued_at, wait_ended_at)) OVER (PARTITION BY dag_id ORDER BY runnable_at) AS to_at FROM waiting
    ) w ON w.dag_id = s.dag_id AND s.until > w.runnable_at WHERE s.seen_at <= w.to_at
)
SELECT '' AS target, {'dags': count(DISTINCT dag_id)} AS params,
    list({'table': 'dags', 'ts': ts, 'key': dag_id, 'text': 'is_paused = false, max_active_runs = ' || coalesce(max_active_runs, -1) || ', max_active_tasks = ' || coalesce(max_active_tasks, -1)} ORDER BY ts, dag_id)[1:3] AS evidence
FROM held HAVING count(*) > 0 AND NOT bool_or(is_paused) AND bool_and(coalesce(is_active, true))
    -- whether a cap held them, nobody saw
    AND NOT EXISTS (FROM unseen_scheduling)
