-- ---
-- id = "workload_token_expired"
-- stage = "consume"
-- component = "airflow-config"
-- severity = "critical"
-- needs = ["task_instances"]
-- uses = ["celery_results", "log_lines", "airflow_config"]
-- explains = ["tasks_killed", "zombie_tasks"]
-- params.default_s = 600
-- params.near_s = 15
-- [text.en]
-- title = "{tasks} task(s) failed at pick-up: their token had expired after up to {waited} s in the queue"
-- detail = "The workload that a worker takes from Celery carries a token that was made when it was queued and is good for {valid} s. Workers came later than that; no task started, and each retry waits anew."
-- remedy = "Bring workers sooner (that wait has a cause of its own), and raise [execution_api] jwt_expiration_time on scheduler and api-server (Airflow before 3.2.2) or [scheduler] task_queued_timeout (from 3.2.2) above the longest scale-up."
-- [text.zh]
-- name = "任务令牌过期"
-- title = "{tasks} 个任务在被取走时失败：在队列中等待最长 {waited} 秒后令牌已过期"
-- detail = "worker 从 Celery 取到的工作负载带有入队时签发的令牌，有效期 {valid} 秒。worker 来得比这更晚；任务没有启动，每次重试都要重新等待。"
-- remedy = "让 worker 更早到位（等待本身另有原因），并把调度器和 api-server 的 [execution_api] jwt_expiration_time（Airflow 3.2.2 之前）或 [scheduler] task_queued_timeout（3.2.2 起）提高到超过最长的扩容时间。"
-- ---
-- airflow.md S60. Without the words that name the token a failure after a long wait may be task_queued_timeout's.
WITH valid AS (
    SELECT coalesce(max(try_cast(value AS DOUBLE)), $default_s) AS s FROM airflow_config WHERE key = 'execution_api.jwt_expiration_time'
),
failed AS (
    SELECT a.*, coalesce(a.ended_at, a.failed_seen_at) AS over_at FROM attempts a CROSS JOIN airflow
    WHERE airflow.major >= 3 AND a.last_state IN ('failed', 'up_for_retry') AND a.running_at IS NULL AND a.queued_at IS NOT NULL
),
said AS (
    SELECT f.*, 'celery_results' AS source, c.ts, c.task_id AS key, c.failure AS text
    FROM failed f JOIN celery_results c ON c.task_id = f.external_executor_id AND contains(c.failure, 'Signature has expired')
    UNION ALL
    SELECT f.*, 'log_lines', l.ts, l.pod, l.text
    FROM failed f JOIN log_lines l ON l.pattern = 'worker.jwt_expired' AND l.ts BETWEEN f.over_at - to_seconds($near_s) AND f.over_at + to_seconds($near_s)
),
proven AS (
    SELECT dag_id, run_id, task_id, map_index, attempt, queued_at, over_at, arg_min(source, ts) AS source, min(ts) AS ts, arg_min(key, ts) AS key, arg_min(text, ts) AS text
    FROM said CROSS JOIN valid WHERE over_at - queued_at >= to_seconds(valid.s - 10) GROUP BY ALL
)
SELECT min(queued_at) AS started_at, max(over_at) AS ended_at, '' AS target, 'token' AS subject,
    {'tasks': count(*), 'waited': CAST(round(max(date_diff('millisecond', queued_at, over_at)) / 1000.0) AS BIGINT), 'valid': CAST(any_value(valid.s) AS BIGINT)} AS params,
    0.97 AS confidence,
    list({'table': source, 'ts': ts, 'key': key, 'text': text} ORDER BY ts)[1:2]
    || list({'table': 'task_instances', 'ts': over_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'failed without a start ' || CAST(round(date_diff('second', queued_at, over_at)) AS VARCHAR) || ' s after it was queued'} ORDER BY over_at)[1:2] AS evidence,
    sum(date_diff('millisecond', queued_at, over_at)) / 1000.0 AS lost_task_seconds
FROM proven CROSS JOIN valid HAVING count(*) > 0
