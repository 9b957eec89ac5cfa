-- ---
-- id = "broker_unavailable"
-- stage = "consume"
-- holds = ["start", "consume"]
-- binds = "all"
-- component = "broker"
-- severity = "critical"
-- needs = ["task_instances", "dag_runs", "log_lines"]
-- uses = ["scaledobjects", "workloads", "pods"]
-- explains = ["tasks_waiting", "tasks_stuck_in_queued", "worker_disconnected", "probe_failures", "metric_zero_with_demand", "workers_idle"]
-- params.end = "1970-01-01"
-- params.pause_s = 40
-- params.min_s = 10
-- [text.en]
-- title = "The Celery broker was out of reach for {seconds} s: no task anywhere went from queued to running"
-- detail = "{lines} log lines of {pods} pods say that the connection to the broker failed, from {from} to {to}, and no task started on any worker in that time."
-- remedy = "Find out what became of Redis or RabbitMQ (eviction, OOM, restart, network policy, a changed broker_url). Give it resources.requests, a PodDisruptionBudget, persistence (redis.persistence.enabled in the chart) or run it outside the cluster."
-- [text.zh]
-- name = "broker 不可用"
-- title = "Celery broker 有 {seconds} 秒无法连接：没有任何任务从 queued 变为 running"
-- detail = "从 {from} 到 {to}，{pods} 个 Pod 的 {lines} 行日志显示与 broker 的连接失败，且这段时间没有任务在任何 worker 上启动。"
-- remedy = "查明 Redis 或 RabbitMQ 发生了什么（驱逐、OOM、重启、网络策略、broker_url 变更）。为其配置 resources.requests、PodDisruptionBudget、持久化（chart 的 redis.persistence.enabled），或在集群外运行。"
-- ---
-- Celery retries every 2 s to 32 s and logs each attempt: a longer silence, or a task that starts, ends the outage.
WITH lines AS (
    SELECT pod, pattern, ts, text, (SELECT count(*) FROM attempts a WHERE a.running_at <= l.ts) AS begun, lag(ts) OVER (ORDER BY ts) AS before_at
    FROM log_lines l
    WHERE pattern IN ('worker.broker_lost', 'worker.broker_connect', 'celery.publish_timeout') AND ts BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP
),
islands AS (
    SELECT *, sum(CASE WHEN before_at IS NULL OR ts > before_at + to_seconds($pause_s) THEN 1 ELSE 0 END) OVER (ORDER BY ts) AS island FROM lines
),
outage AS (
    SELECT island, begun, min(ts) AS from_at, max(ts) AS last_at, count(*) AS lines, count(DISTINCT pod) AS pods, arg_min(pod, ts) AS pod, arg_min(text, ts) AS text
    FROM islands GROUP BY island, begun
),
bounded AS (
    SELECT o.*, least(last_at + to_seconds($pause_s), $end::TIMESTAMP,
        coalesce((SELECT min(a.running_at) FROM attempts a WHERE a.running_at > o.last_at), $end::TIMESTAMP)) AS to_at
    FROM outage o
)
SELECT from_at AS started_at, to_at AS ended_at, '' AS target, 'broker' AS subject,
    {'seconds': CAST(round(date_diff('millisecond', from_at, to_at) / 1000.0) AS BIGINT), 'lines': lines, 'pods': pods,
     'from': strftime(from_at, '%H:%M:%S'), 'to': strftime(to_at, '%H:%M:%S')} AS params,
    0.9 AS confidence,
    [{'table': 'log_lines', 'ts': from_at, 'key': pod, 'text': text}] AS evidence
FROM bounded
-- one pod that loses its connection is that pod's trouble; a connection lost once and found again is nobody's
WHERE pods >= 2 AND last_at >= from_at + to_seconds($min_s)
