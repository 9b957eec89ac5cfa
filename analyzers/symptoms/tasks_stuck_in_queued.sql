-- ---
-- id = "tasks_stuck_in_queued"
-- group = "symptom"
-- stage = "consume"
-- component = "scheduler"
-- severity = "high"
-- uses = ["task_instances", "db_log", "log_lines"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.min_s = 120
-- [text.en]
-- title = "Tasks stuck in queued: the scheduler took {again} back to queue them anew and gave up on {failed}"
-- detail = "A task that no worker takes within [scheduler] task_queued_timeout (600 s) is queued again, twice at most, then failed (Airflow before 2.10.4 fails it at once). Each time a stale message stays in the broker. First: {first}."
-- remedy = "Find why no worker took them (what explains this symptom); only then raise task_queued_timeout above the longest scale-up."
-- [text.zh]
-- name = "任务卡在 queued"
-- title = "任务卡在 queued：调度器收回并重新排队 {again} 次，放弃 {failed} 次"
-- detail = "超过 [scheduler] task_queued_timeout（600 秒）仍无 worker 取走的任务会重新排队，最多两次，之后判为失败（2.10.4 之前立即失败）。每次都会在 broker 中留下一条过期消息。最早一次：{first}。"
-- remedy = "先查明为什么没有 worker 取走（见解释此症状的原因），再考虑把 task_queued_timeout 提高到超过最长的扩容时间。"
-- ---
WITH said AS (
    SELECT 'db_log' AS source, ts, dag_id || '/' || run_id || '/' || task_id AS key, event AS text, event LIKE '%exceeded' AS gave_up, 1 AS rank FROM db_log WHERE event LIKE 'stuck in queued%'
    UNION ALL
    SELECT 'log_lines', ts, coalesce(pod, component), text, pattern <> 'stuck.requeue', 2 FROM log_lines WHERE pattern IN ('stuck.requeue', 'stuck.failed', 'stuck.failed_old')
    UNION ALL
    -- the same attempt goes back without having run
    SELECT 'task_instances', ts, dag_id || '/' || run_id || '/' || task_id, 'queued -> scheduled', false, 3
    FROM (SELECT *, lag(state) OVER w AS before, lag(ts) OVER w AS before_ts FROM task_instances WINDOW w AS (PARTITION BY dag_id, run_id, task_id, map_index, attempt ORDER BY seen_at))
    WHERE state = 'scheduled' AND before = 'queued' AND ts >= before_ts + to_seconds($min_s)
),
-- one thing, told by several sources: the best one counts
best AS (FROM said WHERE rank = (SELECT min(rank) FROM said) AND ts BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP)
SELECT min(ts) AS started_at, max(ts) AS ended_at, '' AS target, 'queued' AS subject,
    {'again': count(*) FILTER (WHERE NOT gave_up), 'failed': count(*) FILTER (WHERE gave_up), 'first': arg_min(key, ts)} AS params, 0.95 AS confidence,
    list({'table': source, 'ts': ts, 'key': key, 'text': text} ORDER BY ts)[1:4] AS evidence
FROM best HAVING count(*) > 0
