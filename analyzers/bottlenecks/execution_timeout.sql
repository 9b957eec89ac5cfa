-- ---
-- id = "execution_timeout"
-- stage = "execute"
-- component = "dag"
-- severity = "medium"
-- needs = ["task_instances"]
-- uses = ["log_lines", "airflow_config", "pods"]
-- explains = ["tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.tight_s = 15
-- [text.en]
-- title = "{attempts} attempt(s) of {task} hit their execution_timeout after {after} s"
-- detail = "{said}. The limit counts from the start on the worker, so no waiting is in it; the work was not done in time. {lost} s of work lost."
-- remedy = "execution_timeout of the task (or core.default_task_execution_timeout) above its real duration, or make it faster: look at what it waits for; a deferrable operator where it only waits."
-- variants.logged = "The task's log says that it timed out"
-- variants.limit = "It failed exactly at core.default_task_execution_timeout"
-- [text.zh]
-- name = "执行超时"
-- title = "{task} 的 {attempts} 个任务尝试在 {after} 秒后触发 execution_timeout"
-- detail = "{said}。该限制从在 worker 上开始运行算起，不含等待时间；工作没有按时完成。损失 {lost} 秒的工作。"
-- remedy = "把任务的 execution_timeout（或 core.default_task_execution_timeout）调到实际时长以上，或让它更快：查看它在等什么；只是等待的任务改用 deferrable 算子。"
-- variants.logged = "任务日志写明超时"
-- variants.limit = "它恰好在 core.default_task_execution_timeout 时失败"
-- ---
WITH general AS (
    SELECT coalesce(max(try_cast(value AS DOUBLE)) FILTER (WHERE component IS DISTINCT FROM 'airflow.cfg'), max(try_cast(value AS DOUBLE))) AS s, any_value(ts) AS ts
    FROM airflow_config WHERE key = 'core.default_task_execution_timeout'
),
failed AS (
    SELECT *, coalesce(ended_at, failed_seen_at) AS over_at, date_diff('millisecond', running_at, coalesce(ended_at, failed_seen_at)) / 1000.0 AS ran
    FROM attempts WHERE running_at IS NOT NULL AND last_state IN ('failed', 'up_for_retry') AND coalesce(ended_at, failed_seen_at) BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP
),
-- the import of a DAG file has a timeout of its own, with the same words
logged AS (
    SELECT f.*, min(l.ts) AS said_at, arg_min(l.text, l.ts) AS words FROM failed f JOIN log_lines l ON l.pattern = 'task.timeout' AND contains(l.source, f.task_id) AND contains(l.source, f.dag_id)
        AND contains(l.source, 'attempt=' || f.attempt || '.') AND l.ts BETWEEN f.running_at AND f.over_at + INTERVAL 2 SECOND AND l.ts >= f.over_at - to_seconds($tight_s)
    WHERE NOT EXISTS (FROM log_lines x WHERE x.source = l.source AND x.text ILIKE '%DagBag import timeout%')
    GROUP BY ALL
),
hit AS (
    SELECT dag_id, run_id, task_id, map_index, attempt, running_at, over_at, ran, 'logged' AS how, 'log_lines' AS source, said_at AS ts, coalesce(words, 'Process timed out') AS text FROM logged
    UNION ALL
    SELECT f.dag_id, f.run_id, f.task_id, f.map_index, f.attempt, f.running_at, f.over_at, f.ran, 'limit', 'task_instances', f.over_at, 'failed after ' || round(f.ran, 1) || ' s'
    FROM failed f CROSS JOIN general g ANTI JOIN logged l ON l.dag_id = f.dag_id AND l.run_id = f.run_id AND l.task_id = f.task_id AND l.map_index = f.map_index AND l.attempt = f.attempt
    WHERE g.s > 0 AND f.ran BETWEEN g.s AND g.s + 5
),
-- what a pod that never started used up is that pod's cause
own AS (
    FROM hit h ANTI JOIN kpo_pods k ON k.dag_id = h.dag_id AND k.run_id = h.run_id AND k.task_id = h.task_id AND k.map_index = h.map_index AND k.attempt = h.attempt AND (k.base_started_at IS NULL OR k.sidecar_stuck)
)
SELECT min(running_at) AS started_at, max(over_at) AS ended_at, '' AS target, dag_id || '/' || task_id AS subject,
    {'task': dag_id || '/' || task_id, 'attempts': count(*), 'after': CAST(round(median(ran)) AS BIGINT), 'said': any_value(how), 'lost': CAST(round(sum(ran)) AS BIGINT)} AS params,
    CASE WHEN bool_or(how = 'logged') THEN 0.93 ELSE 0.7 END AS confidence,
    list({'table': source, 'ts': ts, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': text} ORDER BY ts)[1:4] AS evidence,
    sum(ran) AS lost_task_seconds
FROM own GROUP BY dag_id, task_id
