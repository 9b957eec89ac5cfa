-- ---
-- id = "fallback_active"
-- stage = "decide"
-- holds = ["metric", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads"]
-- explains = ["replicas_below_demand", "tasks_waiting", "scale_down_kills_tasks", "grace_period_too_short", "sigterm_broadcast", "tasks_killed", "metric_zero_with_demand"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "KEDA serves the fallback for {target}: {desired} worker(s), whatever the queue says"
-- detail = "The source of the trigger failed more often than failureThreshold allows (Fallback=True); the metric is the fallback's replicas times the target, not the demand."
-- remedy = "Repair the trigger's source first (KEDAScalerFailed events name it); raise spec.fallback.replicas, or use fallback.behavior: currentReplicasIfHigher, if that size is too small for your load."
-- [text.zh]
-- name = "正在使用 fallback"
-- title = "KEDA 对 {target} 提供的是 fallback 值：{desired} 个 worker，与队列无关"
-- detail = "触发器数据源的失败次数超过 failureThreshold（Fallback=True）；指标等于 fallback 副本数乘以目标值，而不是实际需求。"
-- remedy = "先修复触发器的数据源（见 KEDAScalerFailed 事件）；若该规模不够，提高 spec.fallback.replicas，或使用 fallback.behavior: currentReplicasIfHigher。"
-- ---
WITH looks AS (
    SELECT t.target, t.max_replica_count, o.ts, greatest(o.seen_at, $start::TIMESTAMP) AS moment, o.fallback, o.fallback_status = 'True' AND o.change <> 'DELETED' AS serves,
        lead(o.seen_at, 1, $end::TIMESTAMP) OVER (PARTITION BY t.target ORDER BY o.seen_at, o.ts) AS until
    FROM scaledobjects o JOIN targets t ON t.scaledobject_uid = o.uid
),
sizes AS (SELECT target, moment, desired, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment) AS until FROM replicas)
SELECT greatest(l.moment, s.moment) AS started_at, least(l.until, s.until) AS ended_at, l.target, l.target AS subject,
    {'target': l.target, 'desired': s.desired} AS params, 0.9 AS confidence,
    [{'table': 'scaledobjects', 'ts': l.ts, 'key': l.target, 'text': 'Fallback=True ' || coalesce(l.fallback::VARCHAR, '')}] AS evidence
FROM looks l JOIN sizes s ON s.target = l.target AND s.moment < l.until AND s.until > l.moment
-- what it asks for was given, and is not the maximum
WHERE l.serves AND s.desired < l.max_replica_count AND s.desired >= coalesce(try_cast(json_extract_string(l.fallback, '$.replicas') AS BIGINT), s.desired + 1)
