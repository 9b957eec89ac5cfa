-- ---
-- id = "@id@"
-- group = "@group@"
-- stage = "run"
-- component = "airflow-config"
-- severity = "low"
-- needs = ["task_instances"]
-- params.longest_s = 3600
-- [text.en]
-- title = "{task} of {dag} ran for {seconds} s"
-- detail = "Say what this means for tasks that wait."
-- remedy = "Say which setting to change, and where."
-- ---
-- A row per window in which it held; this one finds attempts that ran for too long. Put your own question here:
-- `afscope sql CAPTURE "DESCRIBE attempts"` shows the columns of a fact.
SELECT running_at AS started_at, ended_at,
    '' AS target, -- namespace/scaledobject; empty when it concerns no single one
    dag_id || '.' || task_id AS subject,
    {'dag': dag_id, 'task': task_id, 'seconds': epoch(ended_at - running_at)} AS params,
    0.9 AS confidence,
    -- rows of the capture that a person can look up
    [{'table': 'task_instances', 'ts': running_at, 'key': dag_id || '/' || run_id || '/' || task_id,
        'text': 'ran on ' || coalesce(host, 'an unknown worker')}] AS evidence
FROM attempts
WHERE ended_at - running_at > to_seconds($longest_s)
