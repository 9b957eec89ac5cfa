-- ---
-- id = "pickup_latency"
-- stage = "consume"
-- component = "worker"
-- severity = "info"
-- ordinary = true
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods"]
-- uses = ["log_lines"]
-- [text.en]
-- title = "Picking tasks up took {seconds} task-seconds with a free slot at hand"
-- detail = "From a free slot to running: {median} s in the median of {tasks} tasks (message, process start, import of the DAG)."
-- remedy = "Nothing to do unless this is much of the wait; then DAG import time and CPU of the workers."
-- [text.zh]
-- name = "取任务延迟"
-- title = "有空闲槽位时，取任务共用去 {seconds} 任务秒"
-- detail = "从空闲槽位到运行：{tasks} 个任务的中位数 {median} 秒（取消息、启动进程、导入 DAG）。"
-- remedy = "占比不大时无需处理；否则检查 DAG 导入时间和 worker 的 CPU。"
-- ---
WITH paid AS (
    SELECT target, dag_id, run_id, task_id, map_index, attempt, sum(seconds) AS seconds FROM waits WHERE cause = 'pickup_latency' GROUP BY ALL
),
span AS (SELECT target, min(from_at) AS from_at, max(to_at) AS to_at, arg_min(dag_id || '/' || run_id || '/' || task_id, from_at) AS key FROM queued_spans GROUP BY target)
SELECT s.from_at AS started_at, s.to_at AS ended_at, p.target, p.target AS subject,
    {'seconds': CAST(round(sum(p.seconds)) AS BIGINT), 'tasks': count(*), 'median': round(median(p.seconds), 1)} AS params, 0.9 AS confidence, sum(p.seconds) AS waiting_task_seconds,
    [{'table': 'task_instances', 'ts': s.from_at, 'key': s.key, 'text': 'first queued task'}] AS evidence
FROM paid p JOIN span s ON s.target = p.target GROUP BY p.target, s.from_at, s.to_at, s.key
HAVING sum(p.seconds) >= 1
