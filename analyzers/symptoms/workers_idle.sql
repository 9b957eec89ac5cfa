-- ---
-- id = "workers_idle"
-- group = "symptom"
-- stage = "consume"
-- component = "worker"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods"]
-- uses = ["log_lines"]
-- params.end = "1970-01-01"
-- params.min_s = 60
-- [text.en]
-- title = "Workers of {target} had free slots for {seconds} s while up to {waiting} task(s) waited"
-- detail = "{task} waited {longest} s of that time, and some consuming worker always had a slot for it."
-- remedy = "More workers would not help. What keeps the tasks from the free slots is named with this symptom."
-- [text.zh]
-- name = "worker 空闲"
-- title = "{target} 的 worker 有空闲槽位达 {seconds} 秒，同时最多有 {waiting} 个任务在等待"
-- detail = "{task} 在其间等待了 {longest} 秒，而始终有正在消费的 worker 有空位。"
-- remedy = "增加 worker 无济于事。是什么让任务够不到空闲槽位，见此症状旁列出的原因。"
-- ---
-- A pod with fewer tasks in the whole time than it has slots had one free at every moment of it.
WITH pods AS (
    SELECT target, uid, namespace || '/' || name AS key, name, slots, created_at, consuming_at AS from_at, least(coalesce(stopping_at, $end::TIMESTAMP), coalesce(gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM worker_pods WHERE consuming_at IS NOT NULL AND $end::TIMESTAMP >= consuming_at + to_seconds($min_s)
),
beside AS (
    SELECT p.target, p.uid, p.key, p.created_at, w.dag_id || '/' || w.run_id || '/' || w.task_id AS task, greatest(p.from_at, w.runnable_at) AS from_at, least(p.to_at, w.wait_ended_at) AS to_at, p.name, p.slots
    FROM waiting w JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt) JOIN pods p ON p.target = s.target AND p.from_at < w.wait_ended_at AND p.to_at > w.runnable_at
    WHERE w.wait_ended_at >= w.runnable_at + to_seconds($min_s)
),
idle AS (
    SELECT b.* FROM beside b
    WHERE b.to_at >= b.from_at + to_seconds($min_s)
        AND (SELECT count(*) FROM running_spans r WHERE r.host = b.name AND r.from_at < b.to_at AND coalesce(r.to_at, $end::TIMESTAMP) > b.from_at) < b.slots
        AND NOT EXISTS (FROM outages o WHERE o.uid = b.uid AND o.from_at < b.to_at AND o.to_at > b.from_at)
)
SELECT min(from_at) AS started_at, max(to_at) AS ended_at, target, target AS subject,
    {'target': target, 'seconds': CAST(round(date_diff('millisecond', min(from_at), max(to_at)) / 1000.0) AS BIGINT), 'waiting': count(DISTINCT task), 'task': arg_max(task, to_at - from_at),
     'longest': CAST(round(max(date_diff('millisecond', from_at, to_at)) / 1000.0) AS BIGINT)} AS params, 0.9 AS confidence,
    list_distinct(list({'table': 'pods', 'ts': created_at, 'key': key, 'text': 'consumes, fewer tasks than its ' || slots || ' slots'}))[1:2]
    || [{'table': 'task_instances', 'ts': arg_max(from_at, to_at - from_at), 'key': arg_max(task, to_at - from_at), 'text': 'waits'}] AS evidence
FROM idle GROUP BY target
