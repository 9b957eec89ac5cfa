-- ---
-- id = "query_overcounts"
-- stage = "decide"
-- component = "trigger"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods"]
-- uses = ["airflow_config", "log_lines"]
-- explains = ["workers_idle"]
-- params.end = "1970-01-01"
-- params.min_s = 60
-- [text.en]
-- title = "The trigger of {target} counts up to {foreign} task(s) that its workers never run: {what}"
-- detail = "{why}. They keep up to {surplus} idle worker(s) alive; what the others need is {needed}."
-- remedy = "{fix}"
-- variants.what-executor = "they belong to {executor}"
-- variants.what-zombie = "their workers are gone"
-- variants.why-executor = "Re-run over the recorded rows, the query counts {example}, which {executor} runs in a pod of its own"
-- variants.why-zombie = "Rows of {example} and others stay running after their pod has gone, until the heartbeat timeout fails them"
-- variants.fix-executor = "Filter them out in workers.keda.query (AND executor IS DISTINCT FROM 'KubernetesExecutor', for CeleryKubernetesExecutor AND queue != 'kubernetes'); the Airflow chart does so from 1.18 on. Where the default executor is not Celery, rows with executor NULL are not Celery's either."
-- variants.fix-zombie = "Lower AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT (SCHEDULER_ZOMBIE_TASK_THRESHOLD before Airflow 3), and find what took the workers away."
-- [text.zh]
-- name = "查询多计"
-- title = "{target} 的触发器多计了最多 {foreign} 个其 worker 永远不会运行的任务：{what}"
-- detail = "{why}。它们使最多 {surplus} 个空闲 worker 一直存活；其余任务实际需要 {needed} 个。"
-- remedy = "{fix}"
-- variants.what-executor = "它们属于 {executor}"
-- variants.what-zombie = "它们的 worker 已不存在"
-- variants.why-executor = "在记录的行上重新执行，查询统计到 {example}，而它由 {executor} 在自己的 Pod 中运行"
-- variants.why-zombie = "{example} 等任务的行在 Pod 消失后仍为 running，直到心跳超时才被置为失败"
-- variants.fix-executor = "在 workers.keda.query 中过滤它们（AND executor IS DISTINCT FROM 'KubernetesExecutor'；CeleryKubernetesExecutor 用 AND queue != 'kubernetes'）；Airflow chart 自 1.18 起已如此。如果默认执行器不是 Celery，executor 为 NULL 的行也不属于 Celery。"
-- variants.fix-zombie = "降低 AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT（Airflow 3 之前为 SCHEDULER_ZOMBIE_TASK_THRESHOLD），并查明是谁带走了 worker。"
-- ---
-- The cost is idle pods, never waiting: tasks that run elsewhere take nothing from those that wait.
WITH configured AS (SELECT arg_max(value, seen_at) AS executor FROM airflow_config WHERE key = 'core.executor'),
elsewhere AS (SELECT DISTINCT name FROM pods WHERE json_extract_string(labels, '$.kubernetes_executor') = 'True'),
spans AS (
    SELECT d.target, d.dag_id || '/' || d.run_id || '/' || d.task_id AS task, d.from_at, coalesce(d.to_at, $end::TIMESTAMP) AS to_at,
        CASE
            WHEN a.executor ILIKE '%kubernetes%' OR a.executor ILIKE '%edge%' OR a.executor ILIKE '%localexecutor%' OR a.executor ILIKE '%ecs%' OR a.executor ILIKE '%batchexecutor%' THEN a.executor
            WHEN a.host IN (FROM elsewhere) THEN 'KubernetesExecutor'
            WHEN c.executor ILIKE '%CeleryKubernetesExecutor%' AND a.queue = 'kubernetes' THEN 'KubernetesExecutor'
            WHEN a.executor IS NULL AND c.executor LIKE '%,%' AND NOT split_part(c.executor, ',', 1) ILIKE '%celery%' THEN split_part(c.executor, ',', 1)
        END AS executor,
        (SELECT min(w.gone_at) FROM worker_pods w WHERE w.name = a.host AND w.created_at <= a.running_at AND coalesce(w.gone_at, 'infinity') >= a.running_at) AS gone_at
    FROM demand_spans d JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt) 
    JOIN counted s ON s.target = d.target AND s.dag_id = d.dag_id AND s.run_id = d.run_id AND s.task_id = d.task_id AND s.map_index = d.map_index AND s.attempt = d.attempt
    CROSS JOIN configured c WHERE s.in_queued AND s.in_running AND d.target <> ''
),
foreign_spans AS (
    SELECT target, task, 'executor' AS kind, executor, from_at, to_at FROM spans WHERE executor IS NOT NULL
    UNION ALL
    SELECT target, task, 'zombie', NULL, greatest(gone_at, from_at), to_at FROM spans WHERE executor IS NULL AND gone_at < to_at - INTERVAL 10 SECOND
),
pods_up AS (SELECT target, consuming_at AS from_at, least(coalesce(stopping_at, $end::TIMESTAMP), coalesce(gone_at, $end::TIMESTAMP)) AS to_at FROM worker_pods WHERE consuming_at IS NOT NULL),
changes AS (
    SELECT target, from_at AS moment, 1 AS tasks, 0 AS outside, 0 AS pods FROM spans UNION ALL SELECT target, to_at, -1, 0, 0 FROM spans
    UNION ALL SELECT target, from_at, 0, 1, 0 FROM foreign_spans UNION ALL SELECT target, to_at, 0, -1, 0 FROM foreign_spans
    UNION ALL SELECT target, from_at, 0, 0, 1 FROM pods_up UNION ALL SELECT target, to_at, 0, 0, -1 FROM pods_up
),
steps AS (
    SELECT target, moment, lead(moment, 1, $end::TIMESTAMP) OVER w AS until, sum(tasks) OVER w AS tasks, sum(outside) OVER w AS outside, sum(pods) OVER w AS pods
    FROM (SELECT target, moment, sum(tasks) AS tasks, sum(outside) AS outside, sum(pods) AS pods FROM changes GROUP BY ALL) WINDOW w AS (PARTITION BY target ORDER BY moment)
),
slots AS (SELECT t.target, coalesce((SELECT max(w.slots) FROM worker_pods w WHERE w.target = t.target), t.worker_concurrency, 16) AS n, t.min_replica_count FROM targets t),
wasted AS (
    SELECT s.*, greatest(ceil((s.tasks - s.outside) / z.n), z.min_replica_count) AS needed, least(s.pods, ceil(s.tasks / z.n)) - greatest(ceil((s.tasks - s.outside) / z.n), z.min_replica_count) AS surplus
    FROM steps s JOIN slots z ON z.target = s.target WHERE s.outside > 0 AND s.until > s.moment
),
totals AS (
    SELECT target, min(moment) AS from_at, max(until) AS to_at, max(outside) AS outside, max(surplus) AS surplus, arg_max(needed, surplus) AS needed,
        sum(surplus * date_diff('millisecond', moment, until) / 1000.0) AS idle, sum(date_diff('millisecond', moment, until) / 1000.0) AS seconds
    FROM wasted WHERE surplus >= 1 GROUP BY target
)
SELECT t.from_at AS started_at, t.to_at AS ended_at, t.target, t.target AS subject,
    {'target': t.target, 'foreign': t.outside, 'surplus': t.surplus, 'needed': t.needed, 'executor': f.executor, 'example': f.task,
     'what': 'what-' || f.kind, 'why': 'why-' || f.kind, 'fix': 'fix-' || f.kind} AS params, 0.9 AS confidence, t.idle AS idle_pod_seconds,
    [{'table': 'scaledobjects', 'ts': q.ts, 'key': t.target, 'text': q.query}, {'table': 'task_instances', 'ts': f.from_at, 'key': f.task, 'text': coalesce('executor ' || f.executor, 'running, its worker pod is gone')}] AS evidence
FROM totals t JOIN trigger_queries q ON q.target = t.target
JOIN (SELECT target, kind, arg_min(task, from_at) AS task, any_value(executor) AS executor, min(from_at) AS from_at FROM foreign_spans GROUP BY target, kind
    QUALIFY row_number() OVER (PARTITION BY target ORDER BY kind) = 1) f ON f.target = t.target
WHERE t.seconds >= $min_s
