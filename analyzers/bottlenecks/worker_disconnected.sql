-- ---
-- id = "worker_disconnected"
-- stage = "consume"
-- binds = "target"
-- component = "worker"
-- severity = "critical"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods", "log_lines"]
-- uses = ["broker_queues", "airflow_config"]
-- explains = ["tasks_waiting", "tasks_stuck_in_queued", "workers_idle"]
-- params.end = "1970-01-01"
-- params.silence_s = 60
-- params.waited_s = 30
-- [text.en]
-- title = "{pods} worker(s) of {target} take nothing since they lost the broker, with free slots"
-- detail = "{pod} lost its connection to the broker at {lost}, with nothing more said of it after {last}. The broker answered again, yet none of these pods started a task for up to {seconds} s while tasks waited."
-- remedy = "Restart the workers (kubectl rollout restart). Keep workers.livenessProbe.enabled in the chart, upgrade celery and kombu (reconnection bugs of Redis consumers), and set [celery_broker_transport_options] socket_keepalive and health_check_interval."
-- [text.zh]
-- name = "worker 断连"
-- title = "{target} 的 worker 在断开 broker 之后不再取任务：{pods} 个就绪 Pod 有空闲槽位"
-- detail = "{pod} 在 {lost} 断开与 broker 的连接，{last} 之后不再有相关日志。broker 已恢复应答，但 {target} 的 worker 在任务等待期间有 {seconds} 秒没有启动任何任务。"
-- remedy = "重启 worker（kubectl rollout restart）。保持 chart 的 workers.livenessProbe.enabled，升级 celery 与 kombu（Redis 消费者重连缺陷），并设置 [celery_broker_transport_options] 的 socket_keepalive 与 health_check_interval。"
-- ---
-- The broker is up again when a worker says that it is connected, a task starts anywhere else, the recorder reads a
-- queue, or (up to Airflow 3.1) the scheduler is given the id of a message, which it is only once the broker took it.
WITH alive AS (
    SELECT target, uid, name, slots, queues, consuming_at, least(coalesce(stopping_at, $end::TIMESTAMP), coalesce(gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM worker_pods WHERE consuming_at IS NOT NULL
),
lost AS (
    SELECT p.*, min(l.ts) AS lost_at, max(l.ts) AS last_at, arg_min(l.text, l.ts) AS text
    FROM alive p JOIN log_lines l ON l.pod = p.name AND l.pattern IN ('worker.broker_lost', 'worker.broker_connect') AND l.ts >= p.consuming_at AND l.ts < p.to_at
    GROUP BY ALL
),
up AS (
    SELECT l.uid, min(x.ts) AS up_at
    FROM lost l JOIN (
        SELECT a.running_at AS ts, a.host AS pod FROM attempts a WHERE a.running_at IS NOT NULL
        UNION ALL SELECT ts, NULL FROM broker_queues WHERE change IN ('ADDED', 'MODIFIED')
        UNION ALL SELECT ts, NULL FROM log_lines WHERE pattern = 'worker.connected'
        UNION ALL SELECT a.queued_at, NULL FROM attempts a CROSS JOIN airflow f WHERE a.external_executor_id IS NOT NULL AND (f.major = 2 OR f.release <= 301)
    ) x ON x.ts > l.last_at AND x.pod IS DISTINCT FROM l.name
    GROUP BY l.uid
),
silent AS (
    SELECT l.*, u.up_at, greatest(l.last_at, u.up_at) AS from_at,
        least(l.to_at, coalesce((SELECT min(a.running_at) FROM attempts a WHERE a.host = l.name AND a.running_at > l.last_at), $end::TIMESTAMP)) AS until
    FROM lost l JOIN up u USING (uid)
),
-- a full worker takes nothing either; nobody misses a worker for which nothing waits; and what was sent before the loss may
-- have been lost with the broker (message_lost)
idle AS (
    SELECT s.*, (SELECT max(date_diff('millisecond', greatest(q.from_at, s.from_at), least(q.to_at, s.until))) / 1000.0 FROM queued_spans q
            WHERE q.target = s.target AND q.from_at < s.until AND q.to_at > s.from_at AND q.from_at >= s.last_at AND (coalesce(len(s.queues), 0) = 0 OR list_contains(s.queues, q.queue))) AS waited_s
    FROM silent s
    WHERE s.until >= s.from_at + to_seconds($silence_s)
        AND s.slots > (SELECT count(*) FROM running_spans r WHERE r.host = s.name AND r.from_at < s.until AND coalesce(r.to_at, $end::TIMESTAMP) > s.from_at)
)
SELECT min(from_at) AS started_at, max(until) AS ended_at, target, target AS subject,
    {'target': target, 'pods': count(*), 'pod': arg_min(name, lost_at), 'lost': strftime(min(lost_at), '%H:%M:%S'), 'last': strftime(max(last_at), '%H:%M:%S'),
     'seconds': CAST(round(max(date_diff('millisecond', from_at, until)) / 1000.0) AS BIGINT)} AS params,
    0.85 AS confidence,
    list({'table': 'log_lines', 'ts': lost_at, 'key': name, 'text': text} ORDER BY lost_at)[1:3] AS evidence
FROM idle WHERE waited_s >= $waited_s GROUP BY target
