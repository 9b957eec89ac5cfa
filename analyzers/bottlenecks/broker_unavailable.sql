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
-- params.given_up = 3
-- [text.en]
-- title = "The Celery broker was out of reach for {seconds} s: no task anywhere went from queued to running"
-- detail = "{lines} log lines of {pods} pods say that the connection to the broker failed, from {from} to {to}, and no task started on any worker in that time. {unsent} attempt(s) failed because their message could not be sent."
-- remedy = "Find out what became of Redis or RabbitMQ (eviction, OOM, restart, network policy, a changed broker_url). Give it resources.requests, a PodDisruptionBudget, persistence (redis.persistence.enabled in the chart) or run it outside the cluster."
-- [text.zh]
-- name = "broker 不可用"
-- title = "Celery broker 有 {seconds} 秒无法连接：没有任何任务从 queued 变为 running"
-- detail = "从 {from} 到 {to}，{pods} 个 Pod 的 {lines} 行日志显示与 broker 的连接失败，且这段时间没有任务在任何 worker 上启动。{unsent} 次尝试因消息无法发送而失败。"
-- remedy = "查明 Redis 或 RabbitMQ 发生了什么（驱逐、OOM、重启、网络策略、broker_url 变更）。为其配置 resources.requests、PodDisruptionBudget、持久化（chart 的 redis.persistence.enabled），或在集群外运行。"
-- ---
-- Celery retries every 2 s to 32 s and logs each attempt: a longer silence, a worker that is connected again, or a task
-- that starts, ends the outage. What the scheduler cannot send reaches no worker at all, so there one pod is enough; of
-- workers two are asked for, or all that consume. After three tries the executor gives a message up: the attempt fails
-- without ever having started (airflow.md S28).
WITH lines AS (
    SELECT coalesce(pod, component) AS pod, ts, text, pattern LIKE 'celery.%' AS sending, lag(ts) OVER (ORDER BY ts) AS before_at,
        (SELECT count(*) FROM attempts a WHERE a.running_at <= l.ts) + (SELECT count(*) FROM log_lines c WHERE c.pattern = 'worker.connected' AND c.ts <= l.ts) AS begun
    FROM log_lines l
    WHERE pattern IN ('worker.broker_lost', 'worker.broker_connect', 'celery.publish_timeout', 'celery.send_error') AND ts BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP
),
islands AS (
    SELECT *, sum(CASE WHEN before_at IS NULL OR ts > before_at + to_seconds($pause_s) THEN 1 ELSE 0 END) OVER (ORDER BY ts) AS island FROM lines
),
outage AS (
    SELECT island, begun, min(ts) AS from_at, max(ts) AS last_at, count(*) AS lines, count(DISTINCT pod) AS pods, arg_min(pod, ts) AS pod, arg_min(text, ts) AS text,
        count(*) FILTER (WHERE sending) AS unsent_lines, list(DISTINCT pod) AS names
    FROM islands GROUP BY island, begun
),
unsent AS (
    SELECT o.island, o.begun, count(*) AS tasks, sum(date_diff('millisecond', a.queued_at, coalesce(a.ended_at, a.failed_seen_at))) / 1000.0 AS seconds
    FROM outage o JOIN attempts a ON a.running_at IS NULL AND a.last_state IN ('failed', 'up_for_retry') AND a.queued_at IS NOT NULL
        AND coalesce(a.ended_at, a.failed_seen_at) BETWEEN o.from_at - INTERVAL 5 SECOND AND o.last_at + INTERVAL 5 SECOND
    WHERE o.unsent_lines > 0 GROUP BY ALL
),
bounded AS (
    SELECT o.*, coalesce(u.tasks, 0) AS unsent, coalesce(u.seconds, 0) AS unsent_s, least(last_at + to_seconds($pause_s), $end::TIMESTAMP,
        coalesce((SELECT min(a.running_at) FROM attempts a WHERE a.running_at > o.last_at), $end::TIMESTAMP),
        coalesce((SELECT min(c.ts) FROM log_lines c WHERE c.pattern = 'worker.connected' AND c.ts > o.last_at), $end::TIMESTAMP)) AS to_at,
        EXISTS (FROM worker_pods w WHERE list_contains(o.names, w.name)) AND NOT EXISTS (FROM worker_pods w WHERE w.consuming_at <= o.last_at AND coalesce(w.stopping_at, 'infinity') > o.from_at AND coalesce(w.gone_at, 'infinity') > o.from_at
            AND NOT list_contains(o.names, w.name)) AS all_workers
    FROM outage o LEFT JOIN unsent u ON u.island = o.island AND u.begun = o.begun
)
SELECT from_at AS started_at, to_at AS ended_at, '' AS target, 'broker' AS subject,
    {'seconds': CAST(round(date_diff('millisecond', from_at, to_at) / 1000.0) AS BIGINT), 'lines': lines, 'pods': pods,
     'from': strftime(from_at, '%H:%M:%S'), 'to': strftime(to_at, '%H:%M:%S'), 'unsent': unsent} AS params,
    CASE WHEN pods >= 2 OR unsent > 0 THEN 0.9 ELSE 0.75 END AS confidence,
    [{'table': 'log_lines', 'ts': from_at, 'key': pod, 'text': text}] AS evidence,
    unsent_s AS lost_task_seconds
FROM bounded
-- one of several that loses its connection is that pod's trouble; a connection lost once and found again is nobody's; a
-- scheduler that is short of CPU times out as well, but what it sends in the end arrives
WHERE ((pods >= 2 OR unsent > 0 OR all_workers) AND last_at >= from_at + to_seconds($min_s)) OR unsent >= $given_up
