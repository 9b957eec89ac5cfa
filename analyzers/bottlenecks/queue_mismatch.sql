-- ---
-- id = "queue_mismatch"
-- stage = "trigger"
-- holds = ["trigger"]
-- binds = "queue"
-- component = "trigger"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects"]
-- explains = ["tasks_waiting", "metric_zero_with_demand", "tasks_stuck_in_queued", "workers_idle"]
-- [text.en]
-- title = "{tasks} queued tasks of queue {queue} are counted by no trigger"
-- detail = "The trigger query of {filtering} leaves them out{executor}: re-run over the recorded rows it counts {counted} of these {tasks} tasks. KEDA and the HPA acted on what the query said."
-- remedy = "Let a ScaledObject count queue {queue} (workers.celery.sets[].queue in the chart, or the query's queue filter) and let its workers listen to it (airflow celery worker -q {queue}); or send the tasks to a queue that is served."
-- [text.zh]
-- name = "队列无人统计"
-- title = "队列 {queue} 的 {tasks} 个排队任务没有被任何触发器统计"
-- detail = "{filtering} 的触发器查询没有包含它们{executor}：在记录的行上重新执行，该查询在这 {tasks} 个任务中统计到 {counted} 个。KEDA 和 HPA 只是按查询结果行事。"
-- remedy = "让某个 ScaledObject 统计队列 {queue}（chart 的 workers.celery.sets[].queue，或查询中的 queue 条件），并让其 worker 监听该队列（airflow celery worker -q {queue}）；或把任务发送到有人服务的队列。"
-- ---
-- Only where every trigger's query could be re-run: a query nobody can read proves nothing.
WITH readable AS (SELECT count(*) FILTER (WHERE NOT translated) AS unread, count(*) AS n, list(target ORDER BY target) AS targets, arg_min(ts, target) AS ts, arg_min(target, target) AS first_target, arg_min(query, target) AS query FROM trigger_queries),
missed AS (
    SELECT queue, executor, min(from_at) AS from_at, max(to_at) AS to_at, count(*) AS tasks,
        arg_min(dag_id || '/' || run_id || '/' || task_id, from_at) AS example
    FROM queued_spans
    WHERE NOT counted AND coalesce(executor, '') NOT ILIKE '%kubernetes%'
    GROUP BY ALL
)
SELECT m.from_at AS started_at, m.to_at AS ended_at, r.first_target AS target, m.queue AS subject,
    {'queue': m.queue, 'tasks': m.tasks, 'counted': 0, 'filtering': array_to_string(r.targets, ', '),
     'executor': CASE WHEN m.executor IS NULL THEN '' ELSE ' (executor ' || m.executor || ')' END} AS params,
    0.97 AS confidence,
    [{'table': 'task_instances', 'ts': m.from_at, 'key': m.example, 'text': 'state = queued, queue = ' || m.queue || coalesce(', executor = ' || m.executor, '')},
     {'table': 'scaledobjects', 'ts': r.ts, 'key': r.first_target, 'text': r.query}] AS evidence
FROM missed m CROSS JOIN readable r
WHERE r.n > 0 AND r.unread = 0
