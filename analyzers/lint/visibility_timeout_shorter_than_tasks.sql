-- ---
-- id = "visibility_timeout_shorter_than_tasks"
-- group = "lint"
-- stage = "execute"
-- component = "airflow-config"
-- severity = "medium"
-- needs = ["task_instances", "airflow_config"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "visibility_timeout is {limit} s and {task} ran {longest} s"
-- detail = "Redis and SQS give a message that is not acknowledged within visibility_timeout to another worker; with task_acks_late it is acknowledged when the task ends. The same task then runs, or fails, twice."
-- remedy = "[celery_broker_transport_options] visibility_timeout above the longest task (the default is 86400 s since provider 3.12.4)."
-- [text.zh]
-- name = "visibility_timeout 短于任务"
-- title = "visibility_timeout 为 {limit} 秒，而 {task} 运行了 {longest} 秒"
-- detail = "Redis 与 SQS 会把在 visibility_timeout 内未确认的消息交给另一个 worker；启用 task_acks_late 时任务结束才确认。于是同一任务会再次运行或失败。"
-- remedy = "让 [celery_broker_transport_options] visibility_timeout 大于最长的任务（provider 3.12.4 起默认为 86400 秒）。"
-- ---
WITH ran AS (
    SELECT dag_id || '/' || run_id || '/' || task_id AS task, from_at AS ts, date_diff('millisecond', from_at, coalesce(to_at, $end::TIMESTAMP)) / 1000.0 AS seconds FROM running_spans
),
longest AS (SELECT max(seconds) AS seconds, arg_max(task, seconds) AS task, arg_max(ts, seconds) AS ts FROM ran),
setting AS (SELECT try_cast(value AS DOUBLE) AS limit_s, ts, scope FROM airflow_config WHERE key = 'celery_broker_transport_options.visibility_timeout' ORDER BY seen_at DESC LIMIT 1)
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, '' AS target, 'visibility_timeout' AS subject,
    {'limit': CAST(limit_s AS BIGINT), 'task': task, 'longest': CAST(round(seconds) AS BIGINT)} AS params, 0.95 AS confidence,
    [{'table': 'airflow_config', 'ts': s.ts, 'key': s.scope, 'text': 'visibility_timeout = ' || CAST(limit_s AS BIGINT)}, {'table': 'task_instances', 'ts': l.ts, 'key': l.task, 'text': 'ran ' || CAST(round(seconds) AS BIGINT) || ' s'}] AS evidence
FROM setting s CROSS JOIN longest l WHERE l.seconds > s.limit_s
