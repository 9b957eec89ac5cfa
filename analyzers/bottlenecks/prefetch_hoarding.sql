-- ---
-- id = "prefetch_hoarding"
-- stage = "consume"
-- binds = "target"
-- component = "airflow-config"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods", "log_lines"]
-- uses = ["airflow_config"]
-- explains = ["tasks_waiting", "workers_idle", "tasks_stuck_in_queued"]
-- params.end = "1970-01-01"
-- params.min_s = 30
-- [text.en]
-- title = "{pod} held {tasks} message(s) that it could not run for up to {longest} s, while {idle} had free slots"
-- detail = "A full worker of {target} had received tasks ahead of its slots. Nobody else can take a received message, so workers that are free, or were added for these tasks, bring nothing."
-- remedy = "[celery] worker_prefetch_multiplier = 1 with task_acks_late = True (both are Airflow's defaults), and no worker_autoscale: then a worker reserves no more than it has slots for."
-- [text.zh]
-- name = "预取囤积"
-- title = "{pod} 预取了 {tasks} 条无法立即运行的消息，最长 {longest} 秒，而 {idle} 有空闲槽位"
-- detail = "{target} 的一个已满的 worker 领取了超出其槽位的任务。已领取的消息其他 worker 无法取走，因此空闲的或为这些任务新增的 worker 毫无帮助。"
-- remedy = "设置 [celery] worker_prefetch_multiplier = 1 与 task_acks_late = True（均为 Airflow 默认值），并且不使用 worker_autoscale：这样 worker 预留的消息不会超过其槽位。"
-- ---
-- airflow.md S29. A worker that is not full and still does not begin is stuck, not hoarding.
WITH waiting AS (
    SELECT m.*, least(coalesce(m.executing_at, m.running_at, $end::TIMESTAMP), coalesce(m.pod_over_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM messages m WHERE m.queued_at <= m.received_at + INTERVAL 5 SECOND
),
beside AS (
    SELECT w.*, o.name AS idle, greatest(w.received_at, o.consuming_at) AS from_at, least(w.to_at, coalesce(o.stopping_at, $end::TIMESTAMP), coalesce(o.gone_at, $end::TIMESTAMP)) AS until,
        o.slots AS idle_slots
    FROM waiting w JOIN worker_pods o ON o.target = w.target AND o.uid <> w.pod_uid AND o.consuming_at < w.to_at
        AND (coalesce(len(o.queues), 0) = 0 OR list_contains(o.queues, w.queue))
),
hoarded AS (
    SELECT b.* FROM beside b
    WHERE b.until >= b.from_at + to_seconds($min_s)
        AND (SELECT count(*) FROM running_spans r WHERE r.host = b.pod AND r.from_at <= b.from_at AND coalesce(r.to_at, $end::TIMESTAMP) > b.from_at) >= b.slots
        AND (SELECT count(*) FROM running_spans r WHERE r.host = b.idle AND r.from_at < b.until AND coalesce(r.to_at, $end::TIMESTAMP) > b.from_at) < b.idle_slots
),
setting AS (
    SELECT min(ts) AS ts, any_value(scope) AS scope, any_value(value) AS value FROM airflow_config WHERE key = 'celery.worker_prefetch_multiplier'
)
SELECT min(h.from_at) AS started_at, max(h.until) AS ended_at, h.target, h.target AS subject,
    {'target': h.target, 'tasks': count(DISTINCT h.celery_id), 'pod': arg_max(h.pod, h.until - h.from_at), 'idle': arg_max(h.idle, h.until - h.from_at),
     'longest': CAST(round(max(date_diff('millisecond', h.from_at, h.until)) / 1000.0) AS BIGINT)} AS params,
    0.9 AS confidence,
    list_distinct(list({'table': 'log_lines', 'ts': h.received_at, 'key': h.pod, 'text': h.text} ORDER BY h.received_at))[1:3]
    || list_distinct(list({'table': 'task_instances', 'ts': h.queued_at, 'key': h.dag_id || '/' || h.run_id || '/' || h.task_id, 'text': 'queued, received by ' || h.pod || ' and not begun for ' || CAST(round(date_diff('millisecond', h.received_at, h.to_at) / 1000.0) AS BIGINT) || ' s'} ORDER BY h.queued_at))[1:2]
    || CASE WHEN any_value(s.ts) IS NULL THEN [] ELSE [{'table': 'airflow_config', 'ts': any_value(s.ts), 'key': any_value(s.scope), 'text': 'worker_prefetch_multiplier = ' || any_value(s.value)}] END AS evidence
FROM hoarded h CROSS JOIN setting s GROUP BY h.target
