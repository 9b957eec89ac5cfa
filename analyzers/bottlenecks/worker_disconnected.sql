-- ---
-- id = "worker_disconnected"
-- stage = "consume"
-- binds = "target"
-- component = "worker"
-- severity = "critical"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods", "log_lines"]
-- uses = ["broker_queues"]
-- explains = ["tasks_waiting", "tasks_stuck_in_queued", "workers_idle"]
-- params.end = "1970-01-01"
-- params.silence_s = 60
-- [text.en]
-- title = "Workers of {target} take nothing since they lost the broker: {pods} ready pod(s) with free slots"
-- detail = "{pod} lost its connection to the broker at {lost}, with nothing more said of it after {last}. The broker answered again, yet no worker of {target} started a task for {seconds} s while tasks waited."
-- remedy = "Restart the workers (kubectl rollout restart). Keep workers.livenessProbe.enabled in the chart, upgrade celery and kombu (reconnection bugs of Redis consumers), and set [celery_broker_transport_options] socket_keepalive and health_check_interval."
-- [text.zh]
-- name = "worker 断连"
-- title = "{target} 的 worker 在断开 broker 之后不再取任务：{pods} 个就绪 Pod 有空闲槽位"
-- detail = "{pod} 在 {lost} 断开与 broker 的连接，{last} 之后不再有相关日志。broker 已恢复应答，但 {target} 的 worker 在任务等待期间有 {seconds} 秒没有启动任何任务。"
-- remedy = "重启 worker（kubectl rollout restart）。保持 chart 的 workers.livenessProbe.enabled，升级 celery 与 kombu（Redis 消费者重连缺陷），并设置 [celery_broker_transport_options] 的 socket_keepalive 与 health_check_interval。"
-- ---
WITH alive AS (
    SELECT target, name, slots, consuming_at, least(coalesce(stopping_at, $end::TIMESTAMP), coalesce(gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM worker_pods WHERE consuming_at IS NOT NULL
),
lost AS (
    SELECT p.target, p.name, p.slots, p.to_at, min(l.ts) AS lost_at, max(l.ts) AS last_at, arg_min(l.text, l.ts) AS text
    FROM alive p JOIN log_lines l ON l.pod = p.name AND l.pattern IN ('worker.broker_lost', 'worker.broker_connect') AND l.ts >= p.consuming_at AND l.ts < p.to_at
    GROUP BY ALL
),
groups AS (
    SELECT target, min(lost_at) AS lost_at, max(last_at) AS last_at, count(*) AS pods, arg_min(name, lost_at) AS pod, arg_min(text, lost_at) AS text, sum(slots) AS slots, max(to_at) AS to_at
    FROM lost GROUP BY target
),
-- the broker is up: somebody else's worker was given a task, or the recorder read it
proof AS (
    SELECT g.target, min(x.ts) AS up_at
    FROM groups g JOIN (
        SELECT a.running_at AS ts, p.target FROM attempts a JOIN alive p ON p.name = a.host WHERE a.running_at IS NOT NULL
        UNION ALL SELECT ts, NULL FROM broker_queues WHERE change IN ('ADDED', 'MODIFIED')
    ) x ON x.ts > g.last_at AND x.target IS DISTINCT FROM g.target
    GROUP BY g.target
),
spans AS (
    SELECT g.*, x.up_at, greatest(g.last_at, x.up_at) AS from_at,
        least(g.to_at, coalesce((SELECT min(a.running_at) FROM attempts a JOIN alive p ON p.name = a.host WHERE p.target = g.target AND a.running_at > g.last_at), $end::TIMESTAMP)) AS until
    FROM groups g JOIN proof x USING (target)
)
SELECT s.from_at AS started_at, s.until AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'pods': s.pods, 'pod': s.pod, 'lost': strftime(s.lost_at, '%H:%M:%S'), 'last': strftime(s.last_at, '%H:%M:%S'),
     'seconds': CAST(round(date_diff('millisecond', s.from_at, s.until) / 1000.0) AS BIGINT)} AS params,
    0.85 AS confidence,
    [{'table': 'log_lines', 'ts': s.lost_at, 'key': s.pod, 'text': s.text}] AS evidence
FROM spans s
WHERE s.until >= s.from_at + to_seconds($silence_s)
    -- each worker of the target lost it, and had free slots
    AND NOT EXISTS (FROM alive p WHERE p.target = s.target AND p.consuming_at < s.until AND p.to_at > s.from_at AND p.name NOT IN (SELECT name FROM lost))
    AND s.slots > (SELECT count(*) FROM running_spans r WHERE r.target = s.target AND r.from_at < s.until AND coalesce(r.to_at, $end::TIMESTAMP) > s.from_at)
    AND EXISTS (FROM queued_spans q WHERE q.target = s.target AND q.from_at < s.until AND q.to_at > s.from_at)
