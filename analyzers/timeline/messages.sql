-- ---
-- id = "messages"
-- group = "timeline"
-- doc = "Each time a worker took an attempt's message from the broker, by its log: when it was received, when its slot began with it, when the worker went away."
-- needs = ["task_instances", "scaledobjects", "workloads", "pods", "log_lines"]
-- ---
-- external_executor_id is Celery's id of the message; a message that comes twice is two rows.
WITH taken AS (
    SELECT pod, json_extract_string(fields, '$.celery_id') AS celery_id, ts, text FROM log_lines WHERE pattern = 'worker.received'
),
begun AS (
    SELECT pod, json_extract_string(fields, '$.celery_id') AS celery_id, min(ts) AS ts FROM log_lines
    WHERE pattern IN ('worker.executing2', 'worker.executing3') GROUP BY ALL
)
SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.queue, a.queued_at, a.running_at, p.target, p.name AS pod, p.uid AS pod_uid, p.slots,
    t.celery_id, t.ts AS received_at, b.ts AS executing_at, least(p.stopping_at, p.gone_at) AS pod_over_at, t.text
FROM taken t
JOIN attempts a ON a.external_executor_id = t.celery_id
JOIN worker_pods p ON p.name = t.pod AND t.ts >= p.created_at AND t.ts <= coalesce(p.gone_at, 'infinity')
LEFT JOIN begun b ON b.pod = t.pod AND b.celery_id = t.celery_id AND b.ts >= t.ts
WHERE t.celery_id IS NOT NULL
