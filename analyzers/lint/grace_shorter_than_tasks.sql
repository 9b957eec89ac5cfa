-- ---
-- id = "grace_shorter_than_tasks"
-- group = "lint"
-- stage = "drain"
-- component = "worker"
-- severity = "medium"
-- needs = ["task_instances", "scaledobjects", "workloads"]
-- uses = ["pods"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "Workers of {target} get {grace} s to end, and tasks ran up to {longest} s"
-- detail = "{task} ran {longest} s. A worker that is scaled in waits for its tasks, but no longer than terminationGracePeriodSeconds; then they are killed."
-- remedy = "workers.terminationGracePeriodSeconds above the longest ordinary task, or such tasks deferrable or on workers of their own that are not scaled in."
-- [text.zh]
-- name = "宽限期短于任务"
-- title = "{target} 的 worker 有 {grace} 秒用于退出，而任务运行长达 {longest} 秒"
-- detail = "{task} 运行了 {longest} 秒。被缩容的 worker 会等待其任务，但不会超过 terminationGracePeriodSeconds，之后任务被强行终止。"
-- remedy = "让 workers.terminationGracePeriodSeconds 大于通常最长的任务，或把这类任务改为 deferrable，或放到不会被缩容的专用 worker 上。"
-- ---
WITH ran AS (
    SELECT target, dag_id || '/' || run_id || '/' || task_id AS task, from_at, date_diff('millisecond', from_at, coalesce(to_at, $end::TIMESTAMP)) / 1000.0 AS seconds
    FROM running_spans WHERE target <> ''
),
longest AS (SELECT target, max(seconds) AS seconds, arg_max(task, seconds) AS task, arg_max(from_at, seconds) AS ts FROM ran GROUP BY target)
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, t.target, t.target AS subject,
    {'target': t.target, 'grace': t.grace_period_s, 'longest': CAST(round(l.seconds) AS BIGINT), 'task': l.task} AS params, 0.95 AS confidence,
    [{'table': 'task_instances', 'ts': l.ts, 'key': l.task, 'text': 'ran ' || CAST(round(l.seconds) AS BIGINT) || ' s'},
     {'table': 'workloads', 'ts': (SELECT min(r.ts) FROM replicas r WHERE r.target = t.target), 'key': t.namespace || '/' || t.workload_name, 'text': 'terminationGracePeriodSeconds = ' || t.grace_period_s}] AS evidence
FROM targets t JOIN longest l ON l.target = t.target
-- minReplicaCount = maxReplicaCount is never scaled in
WHERE t.grace_period_s IS NOT NULL AND l.seconds > t.grace_period_s AND t.min_replica_count < t.max_replica_count
