-- ---
-- id = "redelivered_task"
-- stage = "execute"
-- component = "airflow-config"
-- severity = "high"
-- needs = ["task_instances", "log_lines"]
-- uses = ["airflow_config"]
-- explains = ["tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "The broker delivered {n} task message(s) a second time while the task still ran, {after} s after the first"
-- detail = "{example}: received by {first} and again by {second}. Redis gives an unacknowledged message to somebody else after visibility_timeout, and Airflow acknowledges at the end. {failed} attempt(s) failed through it, {lost} s of work lost."
-- remedy = "celery_broker_transport_options.visibility_timeout above the longest task (and the same in result_backend_transport_options); apache-airflow-providers-celery 3.18 or later ignores the copy while the first one runs."
-- [text.zh]
-- name = "任务重复投递"
-- title = "{n} 个任务消息在任务仍在运行时被 broker 再次投递，间隔 {after} 秒"
-- detail = "{example}：先由 {first} 接收，又由 {second} 接收。Redis 在 visibility_timeout 之后把未确认的消息交给别人，而 Airflow 在任务结束时才确认。{failed} 个任务尝试因此失败，损失 {lost} 秒的工作。"
-- remedy = "celery_broker_transport_options.visibility_timeout 大于最长的任务（result_backend_transport_options 中保持一致）；apache-airflow-providers-celery 3.18 及以上会在第一份仍在运行时忽略重复消息。"
-- ---
WITH received AS (
    SELECT json_extract_string(fields, '$.celery_id') AS celery_id, coalesce(pod, source) AS pod, ts FROM log_lines WHERE pattern = 'worker.received'
),
twice AS (
    SELECT r.celery_id, r.ts, r.pod, lag(r.ts) OVER w AS first_at, lag(r.pod) OVER w AS first_pod FROM received r WHERE celery_id IS NOT NULL
    WINDOW w AS (PARTITION BY r.celery_id ORDER BY r.ts)
),
-- a worker that stops gives back what it had not begun: only a task that ran at that moment was doubled
hit AS (
    SELECT t.*, a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.running_at, coalesce(a.ended_at, a.failed_seen_at) AS over_at,
        a.last_state IN ('failed', 'up_for_retry') AND coalesce(a.ended_at, a.failed_seen_at) BETWEEN t.ts AND t.ts + INTERVAL 60 SECOND AS failed
    FROM twice t JOIN attempts a ON a.external_executor_id = t.celery_id AND a.running_at < t.ts - INTERVAL 1 SECOND AND coalesce(a.ended_at, a.failed_seen_at, 'infinity') > t.ts
    WHERE t.first_at IS NOT NULL AND t.ts >= t.first_at + INTERVAL 60 SECOND AND t.ts BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP
        AND NOT EXISTS (FROM kills k WHERE k.dag_id = a.dag_id AND k.run_id = a.run_id AND k.task_id = a.task_id AND k.map_index = a.map_index AND k.attempt = a.attempt)
    QUALIFY row_number() OVER (PARTITION BY a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt ORDER BY t.ts) = 1
)
SELECT min(ts) AS started_at, max(coalesce(over_at, $end::TIMESTAMP)) AS ended_at, '' AS target, 'visibility_timeout' AS subject,
    {'n': count(*), 'after': CAST(round(median(date_diff('millisecond', first_at, ts) / 1000.0)) AS BIGINT), 'example': arg_min(dag_id || '/' || task_id, ts), 'first': arg_min(first_pod, ts),
     'second': arg_min(pod, ts), 'failed': count(*) FILTER (WHERE failed), 'lost': CAST(round(coalesce(sum(date_diff('millisecond', running_at, over_at) / 1000.0) FILTER (WHERE failed), 0)) AS BIGINT)} AS params,
    0.93 AS confidence,
    list({'table': 'log_lines', 'ts': ts, 'key': pod, 'text': 'received ' || celery_id || ' again, first at ' || strftime(first_at, '%H:%M:%S') || ' by ' || first_pod} ORDER BY ts)[1:3]
    || list({'table': 'task_instances', 'ts': over_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'failed right after the second delivery'} ORDER BY ts) FILTER (WHERE failed)[1:2] AS evidence,
    coalesce(sum(date_diff('millisecond', running_at, over_at) / 1000.0) FILTER (WHERE failed), 0) AS lost_task_seconds
FROM hit HAVING count(*) > 0
