-- ---
-- id = "workload_token_rejected"
-- stage = "consume"
-- component = "airflow-config"
-- severity = "critical"
-- needs = ["task_instances"]
-- uses = ["celery_results", "log_lines"]
-- explains = ["tasks_killed", "zombie_tasks"]
-- params.near_s = 15
-- [text.en]
-- title = "The api-server rejects the token of every task: {tasks} failed at pick-up, none started"
-- detail = "Workers took them at once and the execution API refused what they showed: {text}. Signer and verifier do not share a secret, or their clocks differ by more than the leeway (10 s)."
-- remedy = "Give scheduler and api-server one [api_auth] jwt_secret (the chart: jwtSecretName; restart both), check [core] execution_api_server_url and the clocks of the nodes."
-- [text.zh]
-- name = "任务令牌被拒"
-- title = "api-server 拒绝每个任务的令牌：{tasks} 个任务在被取走时失败，没有一个启动"
-- detail = "worker 立即取走了任务，但执行 API 拒绝了其令牌：{text}。签发方与验证方的密钥不同，或时钟相差超过容差（10 秒）。"
-- remedy = "让调度器与 api-server 使用同一个 [api_auth] jwt_secret（chart：jwtSecretName；重启两者），并检查 [core] execution_api_server_url 和节点时钟。"
-- ---
-- airflow.md S61: every task, waits short. One that starts in between clears the secret.
WITH failed AS (
    SELECT a.*, coalesce(a.ended_at, a.failed_seen_at) AS over_at FROM attempts a CROSS JOIN airflow
    WHERE airflow.major >= 3 AND a.last_state IN ('failed', 'up_for_retry') AND a.running_at IS NULL AND a.queued_at IS NOT NULL
),
said AS (
    SELECT f.*, 'celery_results' AS source, c.ts, c.task_id AS key, c.failure AS text
    FROM failed f JOIN celery_results c ON c.task_id = f.external_executor_id AND contains(c.failure, 'Invalid auth token')
    UNION ALL
    SELECT f.*, 'log_lines', l.ts, l.pod, l.text
    FROM failed f JOIN log_lines l ON l.pattern = 'worker.jwt_bad' AND l.ts BETWEEN f.over_at - to_seconds($near_s) AND f.over_at + to_seconds($near_s)
),
proven AS (
    SELECT dag_id, run_id, task_id, map_index, attempt, queued_at, over_at, arg_min(source, ts) AS source, min(ts) AS ts, arg_min(key, ts) AS key, arg_min(text, ts) AS text
    FROM said WHERE NOT contains(text, 'Signature has expired') GROUP BY ALL
),
span AS (SELECT min(queued_at) AS from_at, max(over_at) AS to_at, count(*) AS n FROM proven)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, 'token' AS subject,
    {'tasks': s.n, 'text': (SELECT arg_min(text, ts) FROM proven)} AS params, 0.95 AS confidence,
    (SELECT list({'table': source, 'ts': ts, 'key': key, 'text': text} ORDER BY ts)[1:2]
        || list({'table': 'task_instances', 'ts': over_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'failed without a start'} ORDER BY over_at)[1:2] FROM proven) AS evidence,
    (SELECT sum(date_diff('millisecond', queued_at, over_at)) / 1000.0 FROM proven) AS lost_task_seconds
FROM span s
WHERE s.n >= 2 AND NOT EXISTS (FROM attempts a WHERE a.running_at BETWEEN s.from_at AND s.to_at)
