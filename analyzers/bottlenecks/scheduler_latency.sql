-- ---
-- id = "scheduler_latency"
-- stage = "schedule"
-- component = "scheduler"
-- severity = "info"
-- ordinary = true
-- needs = ["task_instances", "dag_runs"]
-- [text.en]
-- title = "The scheduler's own loop took {seconds} task-seconds of {tasks} tasks"
-- detail = "From runnable to queued with no limit in the way: {median} s in the median. Each loop looks at 20 runs and queues at most max_tis_per_query tasks."
-- remedy = "Nothing to do unless this is much of the wait; then max_tis_per_query, max_dagruns_per_loop_to_schedule, CPU, a second scheduler."
-- [text.zh]
-- name = "调度器循环"
-- title = "调度器自身的循环占用了 {tasks} 个任务共 {seconds} 任务秒"
-- detail = "从可运行到排队，中间没有任何限制：中位数 {median} 秒。每个循环检查 20 个运行，最多把 max_tis_per_query 个任务排队。"
-- remedy = "占比不大时无需处理；否则调整 max_tis_per_query、max_dagruns_per_loop_to_schedule、CPU 或增加调度器。"
-- ---
WITH paid AS (
    SELECT dag_id, run_id, task_id, map_index, attempt, sum(seconds) AS seconds FROM waits WHERE cause = 'scheduler_latency' GROUP BY ALL
),
span AS (SELECT min(runnable_at) AS from_at, max(least(queued_at, wait_ended_at)) AS to_at, arg_min(dag_id || '/' || run_id, runnable_at) AS key FROM waiting)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, 'scheduler' AS subject,
    {'seconds': CAST(round(sum(p.seconds)) AS BIGINT), 'tasks': count(*), 'median': round(median(p.seconds), 1)} AS params, 0.9 AS confidence, sum(p.seconds) AS waiting_task_seconds,
    [{'table': 'dag_runs', 'ts': s.from_at, 'key': s.key, 'text': 'first runnable task'}] AS evidence
FROM paid p CROSS JOIN span s GROUP BY s.from_at, s.to_at, s.key
HAVING sum(p.seconds) >= 1
