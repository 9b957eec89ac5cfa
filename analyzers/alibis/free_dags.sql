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
WITH mine AS (SELECT DISTINCT dag_id FROM waiting),
rows AS (SELECT d.* FROM dags d JOIN mine USING (dag_id) WHERE d.change <> 'DELETED')
SELECT '' AS target, {'dags': count(DISTINCT dag_id)} AS params,
    list(DISTINCT {'table': 'dags', 'ts': ts, 'key': dag_id, 'text': 'is_paused = false, max_active_runs = ' || coalesce(max_active_runs, -1) || ', max_active_tasks = ' || coalesce(max_active_tasks, -1)})[1:3] AS evidence
FROM rows HAVING count(*) > 0 AND NOT bool_or(is_paused) AND bool_and(coalesce(is_active, true))
