-- ---
-- id = "tasks_killed"
-- group = "symptom"
-- stage = "drain"
-- component = "worker"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["hpas", "events", "nodes", "objects", "log_lines", "airflow_config"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{killed} running attempt(s) of {target} died with {pods} worker(s) that were taken away; {lost} s of work lost"
-- detail = "First {pod} at {at}: {example}."
-- remedy = "Who took the workers, and why their tasks could not end, is named with this symptom."
-- [text.zh]
-- name = "任务被终止"
-- title = "{target} 的 {killed} 个运行中的任务随 {pods} 个被带走的 worker 一起终止，损失 {lost} 秒的工作"
-- detail = "最早的是 {at} 的 {pod}：{example}。"
-- remedy = "是谁带走了 worker、任务为何来不及结束，见此症状旁列出的原因。"
-- ---
SELECT min(stopping_at) AS started_at, max(ended_at) AS ended_at, target, target AS subject,
    {'target': target, 'killed': count(*), 'pods': count(DISTINCT uid), 'lost': CAST(round(sum(lost_seconds + grace_seconds)) AS BIGINT), 'pod': arg_min(pod, stopping_at), 'at': strftime(min(stopping_at), '%H:%M:%S'),
     'example': arg_min(dag_id || '/' || run_id || '/' || task_id, stopping_at)} AS params, 0.95 AS confidence,
    list({'table': 'task_instances', 'ts': ended_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'state ' || last_state || ', its worker ' || pod || ' was told to stop at ' || strftime(stopping_at, '%H:%M:%S')} ORDER BY stopping_at, task_id)[1:4] AS evidence
FROM kills WHERE stopping_at BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP GROUP BY target
