-- ---
-- id = "message_lost"
-- stage = "consume"
-- binds = "run"
-- component = "worker"
-- also = ["broker"]
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods", "log_lines"]
-- uses = ["broker_queues"]
-- explains = ["tasks_waiting", "tasks_stuck_in_queued", "workers_idle"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.min_s = 60
-- [text.en]
-- title = "{tasks} queued task(s) of run {run} have no message any more: {how}"
-- detail = "{proof}. No worker can take them; the table still says queued, so the trigger keeps counting them, until task_queued_timeout (600 s) queues them anew."
-- remedy = "Clear or wait for [scheduler] task_queued_timeout. Then keep messages alive: task_acks_late = True, a grace period longer than the tasks, a broker with persistence (redis.persistence.enabled) that is not evicted; visibility_timeout decides when an unacknowledged message comes back."
-- variants.holder = "{pod}, which had received them, went away"
-- variants.restart = "the broker ({pod}) restarted after they were sent"
-- variants.reset = "the broker dropped the connections of {pod} and all others after they were sent, and came back without them"
-- variants.empty = "The broker's queue {queue} was empty while they waited in it"
-- variants.idle = "{idle} came up after that, with free slots, and received nothing"
-- variants.overtaken = "Tasks that were queued in {queue} after them have started"
-- [text.zh]
-- name = "消息丢失"
-- title = "运行 {run} 的 {tasks} 个排队任务已没有对应的消息：{how}"
-- detail = "{proof}。没有 worker 能取走它们；表中仍为 queued，触发器继续统计，直到 task_queued_timeout（600 秒）让其重新排队。"
-- remedy = "清除任务，或等待 [scheduler] task_queued_timeout。之后要保住消息：task_acks_late = True、宽限期长于任务、启用持久化（redis.persistence.enabled）且不会被驱逐的 broker；visibility_timeout 决定未确认的消息何时返回。"
-- variants.holder = "已领取它们的 {pod} 消失了"
-- variants.restart = "发送之后 broker（{pod}）重启过"
-- variants.reset = "发送之后 broker 断开了 {pod} 等所有连接，恢复时已没有这些消息"
-- variants.idle = "{idle} 在那之后才启动，有空闲槽位，却什么也没有收到"
-- variants.empty = "任务等待期间 broker 的队列 {queue} 是空的"
-- variants.overtaken = "在 {queue} 中排在其后的任务已经启动"
-- ---
-- Two proofs are needed: who lost it, and that the broker does not hold it.
WITH brokers AS (
    SELECT namespace || '/' || name AS pod, started_at AS restarted_at, min(ts) AS ts FROM pods
    WHERE (json_extract_string(labels, '$.component') IN ('redis', 'rabbitmq') OR regexp_matches(name, '(^|-)(redis|rabbitmq)(-|$)')) AND started_at > $start::TIMESTAMP AND change <> 'DELETED'
    GROUP BY ALL
),
-- all workers of a target that consumed lost the broker within seconds
lost AS (
    SELECT w.target, w.name, w.consuming_at, min(l.ts) AS lost_at, arg_min(l.text, l.ts) AS text FROM worker_pods w JOIN log_lines l ON l.pod = w.name AND l.pattern = 'worker.broker_lost' AND l.ts >= w.consuming_at
    GROUP BY ALL
),
resets AS (
    SELECT target, min(lost_at) AS lost_at, arg_min(name, lost_at) AS pod, arg_min(text, lost_at) AS text FROM lost GROUP BY target
    HAVING max(lost_at) <= min(lost_at) + INTERVAL 30 SECOND
        AND NOT EXISTS (FROM worker_pods w WHERE w.target = lost.target AND w.consuming_at < min(lost.lost_at) AND coalesce(w.stopping_at, 'infinity') > min(lost.lost_at) AND w.name NOT IN (SELECT name FROM lost))
),
suspects AS (
    -- the last worker that received it, gone before it began
    SELECT q.target, q.dag_id, q.run_id, q.task_id, q.queue, q.from_at AS queued_at, q.to_at, 'worker' AS component, 'holder' AS how, m.pod, m.pod_over_at AS lost_at,
        'log_lines' AS source, m.received_at AS ts, m.pod AS key, m.text
    FROM queued_spans q JOIN messages m USING (dag_id, run_id, task_id, map_index, attempt)
    WHERE m.executing_at IS NULL AND m.pod_over_at IS NOT NULL AND m.pod_over_at < q.to_at
        AND NOT EXISTS (FROM messages o WHERE o.celery_id = m.celery_id AND o.received_at > m.received_at)
    UNION ALL
    -- sent before the broker began anew, received by nobody
    SELECT q.target, q.dag_id, q.run_id, q.task_id, q.queue, q.from_at, q.to_at, 'broker', 'restart', b.pod, b.restarted_at, 'pods', b.ts, b.pod, 'started at ' || strftime(b.restarted_at, '%H:%M:%S')
    FROM queued_spans q JOIN brokers b ON b.restarted_at > q.from_at AND b.restarted_at < q.to_at
    WHERE NOT EXISTS (FROM messages o WHERE o.dag_id = q.dag_id AND o.run_id = q.run_id AND o.task_id = q.task_id AND o.map_index = q.map_index AND o.attempt = q.attempt)
    UNION ALL
    -- sent before all workers lost the broker at once, received by nobody
    SELECT q.target, q.dag_id, q.run_id, q.task_id, q.queue, q.from_at, q.to_at, 'broker', 'reset', r.pod, r.lost_at, 'log_lines', r.lost_at, r.pod, r.text
    FROM queued_spans q JOIN resets r ON r.target = q.target AND r.lost_at > q.from_at AND r.lost_at < q.to_at
    WHERE NOT EXISTS (FROM messages o WHERE o.dag_id = q.dag_id AND o.run_id = q.run_id AND o.task_id = q.task_id AND o.map_index = q.map_index AND o.attempt = q.attempt)
        AND NOT EXISTS (FROM brokers b WHERE b.restarted_at > q.from_at AND b.restarted_at < q.to_at)
),
-- a worker that came up afterwards, could take it, and was given nothing at all
idlers AS (
    SELECT s.target, s.dag_id, s.run_id, s.task_id, s.lost_at, min(w.name) AS idle, min(w.consuming_at) AS idle_at
    FROM suspects s JOIN worker_pods w ON w.target = s.target AND w.consuming_at > s.lost_at AND w.consuming_at < s.to_at - to_seconds($min_s)
        AND coalesce(w.stopping_at, 'infinity') >= s.to_at AND (coalesce(len(w.queues), 0) = 0 OR list_contains(w.queues, s.queue))
        AND EXISTS (FROM log_lines l WHERE l.pod = w.name AND l.pattern IN ('worker.ready', 'worker.connected') AND l.ts > s.lost_at)
        AND NOT EXISTS (FROM attempts a WHERE a.host = w.name AND a.running_at > s.lost_at AND a.running_at < s.to_at)
        AND NOT EXISTS (FROM log_lines l WHERE l.pod = w.name AND l.pattern = 'worker.received' AND l.ts < s.to_at)
    WHERE s.how = 'reset' GROUP BY ALL
),
-- the recorder read a queue that it had seen in use, and there was nothing in it nor in anybody's hands
depths AS (
    SELECT b.queue, b.ts, b.depth, coalesce(b.unacked, 0) AS unacked,
        lead(b.ts, 1, $end::TIMESTAMP) OVER (PARTITION BY b.broker, b.queue ORDER BY b.seen_at) AS until
    FROM broker_queues b WHERE b.change <> 'DELETED' AND EXISTS (FROM broker_queues u WHERE u.broker = b.broker AND u.queue = b.queue AND u.depth > 0)
),
proven AS (
    SELECT s.*, e.ts AS empty_at, i.idle, i.idle_at, o.task AS overtaker, o.started_at
    FROM suspects s
    LEFT JOIN LATERAL (SELECT min(d.ts) AS ts FROM depths d WHERE d.queue = s.queue AND d.depth = 0 AND d.unacked = 0 AND d.until >= s.lost_at + to_seconds($min_s) AND d.ts <= s.to_at AND least(d.until, s.to_at) >= greatest(d.ts, s.lost_at) + to_seconds($min_s)) e ON true
    LEFT JOIN LATERAL (SELECT min(a.running_at) AS started_at, arg_min(a.dag_id || '/' || a.run_id || '/' || a.task_id, a.running_at) AS task FROM attempts a
        WHERE a.queue = s.queue AND a.queued_at > greatest(s.queued_at, s.lost_at) AND a.running_at > s.lost_at AND a.running_at < s.to_at) o ON true
    LEFT JOIN idlers i ON i.target = s.target AND i.dag_id = s.dag_id AND i.run_id = s.run_id AND i.task_id = s.task_id AND i.lost_at = s.lost_at AND s.how = 'reset'
    WHERE s.to_at >= s.lost_at + to_seconds($min_s) AND (e.ts IS NOT NULL OR o.started_at IS NOT NULL OR i.idle IS NOT NULL)
)
SELECT min(lost_at) AS started_at, max(to_at) AS ended_at, target, run_id AS subject, component,
    {'run': run_id, 'tasks': count(DISTINCT dag_id || '/' || task_id), 'how': any_value(how), 'pod': arg_min(pod, lost_at), 'queue': any_value(queue),
     'idle': any_value(idle), 'proof': CASE WHEN count(empty_at) > 0 THEN 'empty' WHEN count(started_at) > 0 THEN 'overtaken' ELSE 'idle' END} AS params,
    CASE WHEN count(empty_at) > 0 THEN 0.95 ELSE 0.85 END AS confidence,
    list_distinct(list({'table': 'task_instances', 'ts': queued_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'state = queued for ' || CAST(round(date_diff('second', queued_at, to_at)) AS BIGINT) || ' s'} ORDER BY queued_at))[1:2]
    || list_distinct(list({'table': source, 'ts': ts, 'key': key, 'text': text} ORDER BY ts))[1:2]
    || CASE WHEN count(empty_at) > 0 THEN [{'table': 'broker_queues', 'ts': min(empty_at), 'key': any_value(queue), 'text': 'depth = 0'}]
        WHEN count(started_at) = 0 THEN [{'table': 'pods', 'ts': min(idle_at), 'key': any_value(idle), 'text': 'consumes, receives nothing'}]
        ELSE [{'table': 'task_instances', 'ts': min(started_at), 'key': arg_min(overtaker, started_at), 'text': 'queued later, started'}] END AS evidence
FROM proven GROUP BY target, run_id, component
