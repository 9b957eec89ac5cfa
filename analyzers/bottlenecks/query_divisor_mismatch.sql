-- ---
-- id = "query_divisor_mismatch"
-- stage = "decide"
-- holds = ["trigger", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["pods", "log_lines"]
-- explains = ["replicas_below_demand", "tasks_waiting", "scale_down_kills_tasks", "grace_period_too_short", "sigterm_broadcast", "tasks_killed"]
-- [text.en]
-- title = "The trigger of {target} reckons with {per_worker} tasks a worker, a worker has {slots} slots"
-- detail = "For {tasks} tasks the query asks for {asked} worker(s); it takes {needed} to hold them. KEDA and the HPA gave all that was asked ({desired}), and the rest waits although the maximum is {most}."
-- remedy = "Divide by the real slots: workers.keda.query and config.celery.worker_concurrency must agree (query ... / {slots}), or raise worker_concurrency (AIRFLOW__CELERY__WORKER_CONCURRENCY, --autoscale) to {per_worker}; targetQueryValue multiplies the divisor."
-- [text.zh]
-- name = "查询除数不符"
-- title = "{target} 的触发器按每个 worker {per_worker} 个任务计算，而 worker 只有 {slots} 个槽位"
-- detail = "{tasks} 个任务时查询只要求 {asked} 个 worker，实际需要 {needed} 个。KEDA 和 HPA 已给足所要求的数量（{desired}），其余任务只能等待，尽管上限是 {most}。"
-- remedy = "按真实槽位数相除：workers.keda.query 与 config.celery.worker_concurrency 必须一致（查询 … / {slots}），或把 worker_concurrency（AIRFLOW__CELERY__WORKER_CONCURRENCY、--autoscale）提高到 {per_worker}；targetQueryValue 会与除数相乘。"
-- ---
-- Shortage only: where the size is what the query asks for, and less than its tasks need.
WITH pods_slots AS (SELECT target, max(slots) AS slots FROM worker_pods GROUP BY target),
held AS (
    SELECT v.*, t.max_replica_count, v.divisor * t.trigger_target AS per_worker, coalesce(p.slots, t.worker_concurrency) AS slots,
        ceil(v.value / t.trigger_target) AS asked
    FROM query_steps v JOIN targets t ON t.target = v.target LEFT JOIN pods_slots p ON p.target = v.target
    WHERE t.trigger_target > 0 AND v.desired > 0 AND v.until > v.moment
)
SELECT h.moment AS started_at, h.until AS ended_at, h.target, h.target AS subject,
    {'target': h.target, 'per_worker': h.per_worker, 'slots': h.slots, 'tasks': h.tasks, 'asked': h.asked, 'desired': h.desired,
     'needed': ceil(h.tasks / h.slots), 'most': h.max_replica_count} AS params, 0.95 AS confidence,
    [{'table': 'scaledobjects', 'ts': h.query_ts, 'key': h.target, 'text': h.query}] AS evidence
FROM held h
WHERE h.per_worker > h.slots AND h.desired >= h.asked AND h.tasks > h.desired * h.slots AND h.desired < h.max_replica_count
