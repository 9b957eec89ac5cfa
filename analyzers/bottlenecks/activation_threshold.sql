-- ---
-- id = "activation_threshold"
-- stage = "trigger"
-- binds = "target"
-- component = "trigger"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["pods", "log_lines"]
-- explains = ["replicas_below_demand", "tasks_waiting", "metric_zero_with_demand"]
-- [text.en]
-- title = "The demand of {target} stays at or below its activation value {activation}: no worker is started"
-- detail = "At zero workers KEDA only activates above the activation value; {tasks} task(s) make the query say at most {value}. Active stayed False: KEDA did as it was told."
-- remedy = "Remove activationTargetQueryValue (postgresql; mysql: activationQueryValue, mssql: activationTargetValue) from the trigger's metadata, or set it to 0."
-- [text.zh]
-- name = "激活阈值"
-- title = "{target} 的需求没有超过激活值 {activation}：不会启动任何 worker"
-- detail = "副本为零时，只有超过激活值 KEDA 才会激活；{tasks} 个任务使查询结果最多为 {value}。Active 一直为 False：KEDA 只是按配置行事。"
-- remedy = "从触发器 metadata 中移除 activationTargetQueryValue（postgresql；mysql 为 activationQueryValue，mssql 为 activationTargetValue），或设为 0。"
-- ---
-- Several triggers may each activate: only an object with one trigger is judged.
WITH held AS (
    SELECT v.*, t.activation_target
    FROM query_steps v JOIN targets t ON t.target = v.target
    WHERE v.tasks > 0 AND v.desired = 0 AND v.until > v.moment AND t.activation_target > 0 AND v.value <= t.activation_target
        AND NOT EXISTS (FROM scaledobjects o WHERE o.uid = t.scaledobject_uid AND (json_array_length(o.triggers) > 1
            OR (o.active_status = 'True' AND o.seen_at > v.moment AND o.seen_at < v.until)))
)
SELECT h.moment AS started_at, h.until AS ended_at, h.target, h.target AS subject,
    {'target': h.target, 'activation': h.activation_target, 'tasks': h.tasks, 'value': h.value} AS params, 0.95 AS confidence,
    [{'table': 'scaledobjects', 'ts': h.query_ts, 'key': h.target, 'text': 'activation value ' || h.activation_target || ': ' || h.query}] AS evidence
FROM held h
