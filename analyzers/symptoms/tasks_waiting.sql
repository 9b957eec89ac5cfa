-- ---
-- id = "tasks_waiting"
-- group = "symptom"
-- stage = "unknown"
-- component = "worker"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects"]
-- params.min_s = 60
-- [text.en]
-- title = "{tasks} task(s) waited {seconds} task-seconds beyond what ordinary timers explain"
-- detail = "The longest wait was {longest} s ({task}). Of all this {unknown} task-seconds have no cause that could be proven."
-- remedy = "afscope waits CAPTURE shows each of them, stage by stage; what explains the rest is named with this symptom."
-- [text.zh]
-- name = "任务在等待"
-- title = "{tasks} 个任务的等待超出正常计时器可解释的范围，共 {seconds} 任务秒"
-- detail = "最长等待 {longest} 秒（{task}）。其中 {unknown} 任务秒找不到可以证明的原因。"
-- remedy = "afscope waits CAPTURE 逐阶段列出每个任务；其余部分的解释见此症状旁列出的原因。"
-- ---
WITH beyond AS (
    SELECT target, dag_id, run_id, task_id, map_index, attempt, sum(seconds) AS seconds, coalesce(sum(seconds) FILTER (WHERE cause = 'unknown'), 0) AS unknown
    FROM waits WHERE cause NOT IN ('scheduler_latency', 'activation_latency', 'pickup_latency') GROUP BY ALL
)
SELECT min(w.runnable_at) AS started_at, max(w.wait_ended_at) AS ended_at, b.target, b.target AS subject,
    {'tasks': count(*), 'seconds': CAST(round(sum(b.seconds)) AS BIGINT), 'longest': CAST(round(max(b.seconds)) AS BIGINT),
     'task': arg_max(b.dag_id || '/' || b.run_id || '/' || b.task_id, b.seconds), 'unknown': CAST(round(sum(b.unknown)) AS BIGINT)} AS params, 0.95 AS confidence,
    list({'table': 'task_instances', 'ts': w.runnable_at, 'key': b.dag_id || '/' || b.run_id || '/' || b.task_id, 'text': 'waited ' || CAST(round(b.seconds) AS BIGINT) || ' s'} ORDER BY b.seconds DESC, b.task_id)[1:3] AS evidence
FROM beyond b JOIN waiting w USING (dag_id, run_id, task_id, map_index, attempt)
GROUP BY b.target HAVING sum(b.seconds) >= $min_s
