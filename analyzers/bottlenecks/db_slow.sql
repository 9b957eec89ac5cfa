-- ---
-- id = "db_slow"
-- stage = "schedule"
-- holds = ["run", "schedule", "limits", "trigger", "metric", "decide", "consume"]
-- binds = "all"
-- component = "metadata-db"
-- severity = "critical"
-- needs = ["task_instances", "polls"]
-- uses = ["jobs", "log_lines"]
-- explains = ["trigger_query_slow", "trigger_db_unreachable", "external_metric_timeout", "scheduler_down", "scheduler_slow", "metric_unavailable", "tasks_waiting", "metric_zero_with_demand", "workers_idle"]
-- params.slow_ms = 2000
-- params.min_s = 10
-- [text.en]
-- title = "The metadata DB did not answer for {seconds} s: everybody who needs it stood still"
-- detail = "{bad} of our own read-only polls in a row failed or took more than {slow} s ({error}). Scheduler, workers and KEDA read the same database; their silence in that time is its silence."
-- remedy = "Find the blocker (pg_stat_activity with wait_event_type Lock, pg_locks; SHOW PROCESSLIST): long transactions, DDL, a hung migration, full disks, failover. Set lock_timeout and statement_timeout for clients."
-- [text.zh]
-- name = "元数据库无应答"
-- title = "元数据库有 {seconds} 秒没有应答：依赖它的组件全部停住"
-- detail = "我们自己的只读轮询连续 {bad} 次失败或超过 {slow} 秒（{error}）。调度器、worker 和 KEDA 读取的是同一个数据库，它们在这段时间的沉默就是它的沉默。"
-- remedy = "找出阻塞者（pg_stat_activity 中 wait_event_type 为 Lock 的会话、pg_locks；SHOW PROCESSLIST）：长事务、DDL、卡住的迁移、磁盘写满、主从切换。为客户端设置 lock_timeout 和 statement_timeout。"
-- ---
WITH judged AS (
    SELECT ts, duration_ms, error, NOT (outcome = 'ok' AND duration_ms < $slow_ms) AS bad,
        lead(ts) OVER (ORDER BY ts) AS next_at
    FROM polls
),
islands AS (SELECT *, sum(CASE WHEN bad THEN 0 ELSE 1 END) OVER (ORDER BY ts) AS island FROM judged),
spans AS (
    SELECT min(ts) AS from_at, max(coalesce(next_at, ts + to_milliseconds(CAST(duration_ms AS BIGINT)))) AS to_at,
        count(*) AS bad, arg_min(error, ts) AS error, max(duration_ms) AS slowest
    FROM islands WHERE bad GROUP BY island
)
SELECT from_at AS started_at, to_at AS ended_at, '' AS target, 'metadata DB' AS subject,
    {'seconds': CAST(round(date_diff('millisecond', from_at, to_at) / 1000.0) AS BIGINT), 'bad': bad, 'slow': $slow_ms / 1000.0,
     'error': coalesce(error, 'slowest ' || round(slowest) || ' ms')} AS params,
    CASE WHEN bad >= 3 THEN 0.95 ELSE 0.7 END AS confidence,
    [{'table': 'polls', 'ts': from_at, 'key': 'metadata DB', 'text': bad || ' polls in a row failed or slow: ' || coalesce(error, 'slowest ' || round(slowest) || ' ms')}] AS evidence
FROM spans WHERE to_at >= from_at + to_seconds($min_s)
