-- ---
-- id = "divisor_differs_from_slots"
-- group = "lint"
-- stage = "decide"
-- component = "trigger"
-- severity = "low"
-- needs = ["scaledobjects", "workloads"]
-- uses = ["task_instances", "pods", "log_lines"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "The trigger of {target} reckons with {per_worker} tasks a worker, a worker runs {slots}"
-- detail = "The query's constant times the trigger's target says how many tasks one worker is asked for; {what}."
-- remedy = "Divide by config.celery.worker_concurrency in workers.keda.query; an override (env, -c, worker_autoscale) is invisible to the chart's query."
-- variants.shortage = "with more tasks a worker than it has slots, a queue remains that nobody is asked for"
-- variants.excess = "with fewer, more workers are asked for than the tasks can fill"
-- [text.zh]
-- name = "除数与槽位数不符"
-- title = "{target} 的触发器按每个 worker {per_worker} 个任务计算，而一个 worker 运行 {slots} 个"
-- detail = "查询中的常数乘以触发器目标值，即每请求一个 worker 所对应的任务数；{what}。"
-- remedy = "在 workers.keda.query 中除以 config.celery.worker_concurrency；环境变量、-c 或 worker_autoscale 的覆盖对 chart 的查询不可见。"
-- variants.shortage = "大于槽位数时，总有一截队列没有 worker 被请求"
-- variants.excess = "小于槽位数时，请求的 worker 比任务能填满的多"
-- ---
WITH divisors AS (
    SELECT q.target, q.query, q.ts, t.trigger_target, t.worker_concurrency,
        CASE WHEN len(regexp_extract_all(q.query, '/')) = 0 THEN 1.0
            WHEN len(regexp_extract_all(q.query, '/')) = 1 THEN try_cast(regexp_extract(q.query, '/\s*\(?\s*([0-9]+(?:\.[0-9]+)?)', 1) AS DOUBLE) END AS divisor
    FROM trigger_queries q JOIN targets t ON t.target = q.target WHERE q.translated
),
slots AS (SELECT target, max(slots) AS slots, arg_max(namespace || '/' || name, created_at) AS key, max(created_at) AS ts FROM worker_pods GROUP BY target),
both_known AS (
    SELECT d.*, d.divisor * d.trigger_target AS per_worker, coalesce(s.slots, d.worker_concurrency) AS slots, s.key, s.ts AS pod_ts
    FROM divisors d LEFT JOIN slots s ON s.target = d.target
)
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, target, target AS subject,
    {'target': target, 'per_worker': per_worker, 'slots': slots, 'what': CASE WHEN per_worker > slots THEN 'shortage' ELSE 'excess' END} AS params, 0.95 AS confidence,
    [{'table': 'scaledobjects', 'ts': ts, 'key': target, 'text': query}]
    || CASE WHEN pod_ts IS NULL THEN [] ELSE [{'table': 'pods', 'ts': pod_ts, 'key': key, 'text': slots || ' slots'}] END AS evidence
FROM both_known WHERE per_worker <> slots
