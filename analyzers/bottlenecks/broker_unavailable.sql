-- ---
-- id = "broker_unavailable"
-- stage = "consume"
-- holds = ["start", "consume"]
-- binds = "all"
-- component = "broker"
-- severity = "critical"
-- needs = ["task_instances", "dag_runs", "log_lines"]
-- uses = ["scaledobjects", "workloads", "pods", "polls", "jobs"]
-- explains = ["tasks_waiting", "tasks_stuck_in_queued", "worker_disconnected", "probe_failures", "metric_zero_with_demand", "workers_idle"]
-- params.end = "1970-01-01"
-- params.pause_s = 40
-- params.min_s = 10
-- params.given_up = 3
-- [text.en]
-- title = "The Celery broker was out of reach for {seconds} s: no task anywhere went from queued to running"
-- detail = "{why}"
-- remedy = "Find out what became of Redis or RabbitMQ (eviction, OOM, restart, network policy, a changed broker_url). Give it resources.requests, a PodDisruptionBudget, persistence (redis.persistence.enabled in the chart) or run it outside the cluster."
-- variants.why-logs = "{lines} log lines of {pods} pods say that the connection to the broker failed, from {from} to {to}, and no task started on any worker in that time. {unsent} attempt(s) failed because their message could not be sent."
-- variants.why-standstill = "From {from} to {to} free slots of {pods} workers stood before queued tasks and none was taken; then {tasks} tasks began on {pods} workers in one moment. Scheduler and metadata DB answered all the time, and these workers brought running tasks to a good end: what they share and what did not answer is the broker. No log says so."
-- [text.zh]
-- name = "broker 不可用"
-- title = "Celery broker 有 {seconds} 秒无法连接：没有任何任务从 queued 变为 running"
-- detail = "{why}"
-- remedy = "查明 Redis 或 RabbitMQ 发生了什么（驱逐、OOM、重启、网络策略、broker_url 变更）。为其配置 resources.requests、PodDisruptionBudget、持久化（chart 的 redis.persistence.enabled），或在集群外运行。"
-- variants.why-logs = "从 {from} 到 {to}，{pods} 个 Pod 的 {lines} 行日志显示与 broker 的连接失败，且这段时间没有任务在任何 worker 上启动。{unsent} 次尝试因消息无法发送而失败。"
-- variants.why-standstill = "从 {from} 到 {to}，{pods} 个 worker 有空闲槽位，任务却一直停在 queued；随后 {tasks} 个任务在同一时刻于 {pods} 个 worker 上开始。期间调度器和元数据库一直正常响应，这些 worker 上正在运行的任务也正常结束：它们共用而没有响应的是 broker。没有日志说明这一点。"
-- ---
-- Celery retries every 2 s to 32 s and logs each attempt: a longer silence, a worker that is connected again, or a task
-- that starts, ends the outage. What the scheduler cannot send reaches no worker at all, so there one pod is enough; of
-- workers two are asked for, or all that consume. After three tries the executor gives a message up: the attempt fails
-- without ever having started (airflow.md S28). A broker that hangs while nobody sends is in no log: then the standstill
-- of all, and its end in one moment, must tell.
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
),
told AS (
    SELECT from_at, to_at, lines, pods, unsent, 0 AS tasks, 'why-logs' AS why, CASE WHEN pods >= 2 OR unsent > 0 THEN 0.9 ELSE 0.75 END AS confidence, unsent_s,
        [{'table': 'log_lines', 'ts': from_at, 'key': pod, 'text': text}] AS evidence
    FROM bounded
    -- one of several that loses its connection is that pod's trouble; a connection lost once and found again is nobody's;
    -- a scheduler that is short of CPU times out as well, but what it sends in the end arrives
    WHERE ((pods >= 2 OR unsent > 0 OR all_workers) AND last_at >= from_at + to_seconds($min_s)) OR unsent >= $given_up
),
found AS (
    FROM told
    UNION ALL
    SELECT from_at, to_at, 0, workers, 0, tasks, 'why-standstill', 0.75, 0,
        [{'table': 'task_instances', 'ts': last_at, 'key': last_key, 'text': 'the last start of any task'},
         {'table': 'task_instances', 'ts': done_at, 'key': done_key, 'text': 'ran on one of these workers, success at ' || strftime(done_at, '%H:%M:%S')},
         {'table': 'task_instances', 'ts': to_at, 'key': key, 'text': 'begins with ' || (tasks - 1) || ' others on ' || workers || ' workers'}]
    FROM standstills s WHERE NOT EXISTS (FROM told t WHERE t.from_at < s.to_at AND t.to_at > s.from_at)
)
SELECT from_at AS started_at, to_at AS ended_at, '' AS target, 'broker' AS subject,
    {'seconds': CAST(round(date_diff('millisecond', from_at, to_at) / 1000.0) AS BIGINT), 'lines': lines, 'pods': pods,
     'from': strftime(from_at, '%H:%M:%S'), 'to': strftime(to_at, '%H:%M:%S'), 'unsent': unsent, 'tasks': tasks, 'why': why} AS params,
    confidence, evidence, unsent_s AS lost_task_seconds
FROM found
