-- ---
-- id = "free_executor"
-- group = "alibi"
-- component = "airflow-config"
-- needs = ["task_instances", "dag_runs"]
-- uses = ["airflow_config"]
-- [text.en]
-- because = "at most {held} of {cap} executor slots were held ([core] parallelism)"
-- [text.zh]
-- because = "执行器槽位最多占用 {held} 个，上限 {cap}（[core] parallelism）"
-- ---
SELECT '' AS target, {'held': max(o.held), 'cap': any_value(airflow.parallelism)} AS params,
    [{'table': 'task_instances', 'ts': arg_max(o.moment, o.held), 'key': 'state', 'text': max(o.held) || ' queued or running at most'}] AS evidence
FROM occupancy o CROSS JOIN airflow WHERE o.scope = 'all'
HAVING count(*) > 0 AND max(o.held) < any_value(airflow.parallelism)
