-- ---
-- id = "no_consumer_for_queue"
-- stage = "consume"
-- binds = "queue"
-- component = "worker"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods", "log_lines"]
-- uses = ["broker_queues"]
-- explains = ["tasks_waiting", "tasks_stuck_in_queued", "max_replicas_ceiling", "workers_idle"]
-- params.end = "1970-01-01"
-- params.min_s = 30
-- [text.en]
-- title = "No worker listens to queue {queue}: {tasks} tasks that the trigger counts waited in it"
-- detail = "The trigger of {target} counts queue {queue}, and its workers consume, but their banners list only {listens}. Workers that it adds for this queue stay idle."
-- remedy = "Let workers listen to it (workers.celery.sets[].queue in the chart, airflow celery worker -q {queue}), or correct the task's queue or [operators] default_queue; then count in each trigger only what its own workers take."
-- [text.zh]
-- name = "队列无人消费"
-- title = "没有 worker 监听队列 {queue}：触发器统计到的 {tasks} 个任务在其中等待"
-- detail = "{target} 的触发器统计队列 {queue}，其 worker 也在消费，但启动信息只列出 {listens}。为该队列增加的 worker 会一直空闲。"
-- remedy = "让 worker 监听该队列（chart 的 workers.celery.sets[].queue，airflow celery worker -q {queue}），或更正任务的 queue 或 [operators] default_queue；并让每个触发器只统计自己的 worker 会取走的队列。"
-- ---
-- Workers of every target count: one that listens, or of which nobody knows to what, clears the queue.
WITH consuming AS (
    SELECT target, name, queues, consuming_at AS from_at, least(coalesce(stopping_at, $end::TIMESTAMP), coalesce(gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM worker_pods WHERE consuming_at IS NOT NULL
),
waited AS (SELECT * FROM queued_spans WHERE counted AND coalesce(executor, '') NOT ILIKE '%kubernetes%'),
alone AS (
    SELECT w.target, w.queue, c.name AS pod, c.queues, greatest(w.from_at, c.from_at) AS from_at, least(w.to_at, c.to_at) AS to_at,
        w.from_at AS queued_at, w.dag_id || '/' || w.run_id || '/' || w.task_id AS task
    FROM waited w JOIN consuming c ON c.target = w.target AND c.from_at < w.to_at AND c.to_at > w.from_at
    WHERE len(c.queues) > 0 AND NOT list_contains(c.queues, w.queue)
        AND NOT EXISTS (FROM consuming o WHERE o.from_at < w.to_at AND o.to_at > w.from_at
            AND (coalesce(len(o.queues), 0) = 0 OR list_contains(o.queues, w.queue)))
        AND NOT EXISTS (FROM attempts a WHERE a.queue = w.queue AND a.running_at BETWEEN w.from_at AND w.to_at)
        -- workers that no ScaledObject scales
        AND NOT EXISTS (FROM log_lines l WHERE l.pattern = 'worker.queues' AND json_extract_string(l.fields, '$.queue') = w.queue)
        AND NOT EXISTS (FROM broker_queues b WHERE b.queue = w.queue AND b.consumers > 0 AND b.ts BETWEEN w.from_at AND w.to_at)
),
banner AS (
    SELECT pod, min(ts) AS ts, arg_min(text, ts) AS text FROM log_lines WHERE pattern = 'worker.queues' GROUP BY pod
),
found AS (
    SELECT target, queue, min(from_at) AS from_at, max(to_at) AS to_at, count(DISTINCT task) AS tasks, min(queued_at) AS queued_at,
        arg_min(task, queued_at) AS task, min(pod) AS pod, arg_min(queues, pod) AS queues
    FROM alone WHERE to_at > from_at GROUP BY target, queue
)
SELECT f.from_at AS started_at, f.to_at AS ended_at, f.target, f.queue AS subject,
    {'queue': f.queue, 'tasks': f.tasks, 'target': f.target, 'listens': array_to_string(list_sort(f.queues), ', ')} AS params,
    0.95 AS confidence,
    [{'table': 'task_instances', 'ts': f.queued_at, 'key': f.task, 'text': 'state = queued, queue = ' || f.queue},
     {'table': 'log_lines', 'ts': b.ts, 'key': f.pod, 'text': coalesce(b.text, 'banner of ' || f.pod)}] AS evidence
FROM found f JOIN banner b ON b.pod = f.pod
WHERE f.to_at >= f.from_at + to_seconds($min_s)
