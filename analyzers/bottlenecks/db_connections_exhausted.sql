-- ---
-- id = "db_connections_exhausted"
-- stage = "schedule"
-- holds = ["run", "schedule", "limits", "trigger", "metric", "decide", "consume"]
-- binds = "all"
-- component = "metadata-db"
-- severity = "critical"
-- needs = ["task_instances", "log_lines"]
-- uses = ["polls"]
-- explains = ["db_slow", "scheduler_down", "scheduler_slow", "external_metric_timeout", "trigger_db_unreachable", "trigger_query_slow", "metric_unavailable", "tasks_waiting", "metric_zero_with_demand", "workers_idle"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.pause_s = 30
-- params.min_s = 5
-- [text.en]
-- title = "The metadata DB had no connection left for {seconds} s: {lines} refusals in {pods} pod(s)"
-- detail = "{text}. No task started in that time. Connections grow with the workers: each process of Airflow 2 that runs a task holds up to two."
-- remedy = "Put PgBouncer before the DB (pgbouncer.enabled) and size it: pgbouncer.maxClientConn and metadataPoolSize above workers x worker_concurrency x 2 plus schedulers and api-servers; or raise max_connections; or lower maxReplicaCount x worker_concurrency. Give KEDA a way of its own (workers.keda.usePgbouncer=false)."
-- [text.zh]
-- name = "数据库连接耗尽"
-- title = "元数据库有 {seconds} 秒没有可用连接：{pods} 个 Pod 被拒绝 {lines} 次"
-- detail = "{text}。这段时间没有任务启动。连接数随 worker 增长：Airflow 2 中每个运行任务的进程最多占用两个连接。"
-- remedy = "在数据库前部署 PgBouncer（pgbouncer.enabled）并给足容量：pgbouncer.maxClientConn 与 metadataPoolSize 大于 worker 数 × worker_concurrency × 2 再加调度器和 api-server；或提高 max_connections；或降低 maxReplicaCount × worker_concurrency。让 KEDA 走单独的连接（workers.keda.usePgbouncer=false）。"
-- ---
-- Prepared statements that PgBouncer forgot are noise of another kind. A task that starts shows that there was one left.
WITH refusals AS (
    SELECT ts, pod, text, (SELECT count(*) FROM attempts a WHERE a.running_at <= l.ts) AS begun, lag(ts) OVER (ORDER BY ts) AS before_at
    FROM log_lines l
    WHERE pattern IN ('db.pg_max_conn', 'db.my_max_conn', 'db.queuepool', 'db.pgbouncer') AND NOT contains(text, 'prepared statement')
        AND ts BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP
),
islands AS (
    SELECT *, sum(CASE WHEN before_at IS NULL OR ts > before_at + to_seconds($pause_s) THEN 1 ELSE 0 END) OVER (ORDER BY ts) AS island FROM refusals
),
spans AS (
    SELECT min(ts) AS from_at, max(ts) AS last_at, count(*) AS lines, count(DISTINCT pod) AS pods, arg_min(pod, ts) AS pod, arg_min(text, ts) AS text
    FROM islands GROUP BY island, begun
),
bounded AS (
    SELECT s.*, least($end::TIMESTAMP, last_at + to_seconds($pause_s), coalesce((SELECT min(a.running_at) FROM attempts a WHERE a.running_at > s.last_at), $end::TIMESTAMP)) AS to_at FROM spans s
)
SELECT from_at AS started_at, to_at AS ended_at, '' AS target, 'connections' AS subject,
    {'seconds': CAST(round(date_diff('millisecond', from_at, to_at) / 1000.0) AS BIGINT), 'lines': lines, 'pods': pods, 'text': text} AS params,
    0.9 AS confidence, [{'table': 'log_lines', 'ts': from_at, 'key': pod, 'text': text}] AS evidence
FROM bounded WHERE lines >= 3 AND last_at >= from_at + to_seconds($min_s)
