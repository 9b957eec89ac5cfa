-- ---
-- id = "execution_api_unavailable"
-- stage = "consume"
-- binds = "all"
-- component = "api-server"
-- severity = "critical"
-- needs = ["task_instances", "workloads"]
-- uses = ["dag_runs", "pods", "log_lines"]
-- explains = ["tasks_killed", "zombie_tasks", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.notice_s = 60
-- [text.en]
-- title = "No api-server was ready for {seconds} s: {failed} attempt(s) that had to report to it failed"
-- detail = "From Airflow 3 on workers talk to the api-server instead of the database: to start a task, to heartbeat, to end it. {workload} had no ready replica from {from} to {to}; {lost} s of running work died with it."
-- remedy = "Find out who or what took {workload} down (deploy, scale, OOM, probe). Run two replicas with a PodDisruptionBudget; [workers] execution_api_retries and max_failed_heartbeats decide how long a task outlives it."
-- [text.zh]
-- name = "api-server 不可用"
-- title = "api-server 有 {seconds} 秒没有就绪副本：{failed} 个需要向它汇报的任务尝试失败"
-- detail = "从 Airflow 3 起，worker 通过 api-server 而不是数据库启动任务、发送心跳、结束任务。{workload} 从 {from} 到 {to} 没有就绪副本；随之损失 {lost} 秒正在运行的工作。"
-- remedy = "查明是谁或什么让 {workload} 下线（发布、缩容、OOM、探针）。使用两个副本并配置 PodDisruptionBudget；[workers] execution_api_retries 与 max_failed_heartbeats 决定任务能撑多久。"
-- ---
WITH states AS (
    SELECT uid, namespace || '/' || name AS workload, ts, seen_at AS moment, coalesce(ready_replicas, 0) > 0 AS up, replicas_manager, spec_replicas,
        lead(seen_at, 1, $end::TIMESTAMP) OVER (PARTITION BY uid ORDER BY seen_at) AS until,
        max(coalesce(ready_replicas, 0)) OVER (PARTITION BY uid ORDER BY seen_at ROWS UNBOUNDED PRECEDING) AS ever
    FROM workloads
    WHERE kind IN ('Deployment', 'StatefulSet') AND change <> 'DELETED'
        AND (json_extract_string(template_labels, '$.component') = 'api-server' OR regexp_matches(name, '(^|-)api-server$'))
),
down AS (
    SELECT uid, workload, min(moment) AS from_at, max(until) AS to_at, min(ts) AS ts, arg_min(spec_replicas, moment) AS spec, arg_min(replicas_manager, moment) AS manager
    FROM (SELECT *, sum(CASE WHEN up THEN 1 ELSE 0 END) OVER (PARTITION BY uid ORDER BY moment) AS island FROM states)
    WHERE NOT up AND ever > 0 GROUP BY uid, workload, island
),
hit AS (
    SELECT d.workload, d.from_at, count(*) AS failed,
        sum(CASE WHEN a.running_at < d.to_at THEN greatest(0, date_diff('millisecond', a.running_at, coalesce(a.ended_at, a.failed_seen_at)) / 1000.0) ELSE 0 END) AS lost,
        min(coalesce(a.ended_at, a.failed_seen_at)) AS first_at,
        arg_min(a.dag_id || '/' || a.run_id || '/' || a.task_id, coalesce(a.ended_at, a.failed_seen_at)) AS example
    FROM down d JOIN attempts a ON a.last_state IN ('failed', 'up_for_retry')
        AND coalesce(a.ended_at, a.failed_seen_at) BETWEEN d.from_at AND d.to_at + to_seconds($notice_s)
    GROUP BY ALL
)
SELECT d.from_at AS started_at, d.to_at AS ended_at, '' AS target, d.workload AS subject,
    {'seconds': CAST(round(date_diff('millisecond', d.from_at, d.to_at) / 1000.0) AS BIGINT), 'failed': h.failed, 'workload': d.workload, 'lost': CAST(round(coalesce(h.lost, 0)) AS BIGINT),
     'from': strftime(d.from_at, '%H:%M:%S'), 'to': strftime(d.to_at, '%H:%M:%S')} AS params,
    CASE WHEN h.failed >= 3 THEN 0.95 ELSE 0.8 END AS confidence,
    [{'table': 'workloads', 'ts': d.ts, 'key': d.workload, 'text': 'no ready replica, spec.replicas = ' || coalesce(d.spec, -1) || coalesce(', last written by ' || d.manager, '')},
     {'table': 'task_instances', 'ts': h.first_at, 'key': h.example, 'text': 'the first of ' || h.failed || ' attempts that failed in this time'}] AS evidence,
    coalesce(h.lost, 0) AS lost_task_seconds
FROM down d JOIN hit h ON h.workload = d.workload AND h.from_at = d.from_at
CROSS JOIN airflow WHERE airflow.major >= 3
