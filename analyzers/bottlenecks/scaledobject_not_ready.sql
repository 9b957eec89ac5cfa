-- ---
-- id = "scaledobject_not_ready"
-- stage = "trigger"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "autoscaler-settings"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects"]
-- uses = ["workloads", "hpas", "events"]
-- explains = ["replicas_below_demand", "tasks_waiting", "metric_zero_with_demand"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "KEDA refuses ScaledObject {target}: {reason}"
-- detail = "Ready=False {reason}: {message}. Until that is repaired KEDA does not scale it: no poll was active and no size was written."
-- remedy = "Read kubectl -n {namespace} describe scaledobject {name} and repair what it names: spec.scaleTargetRef (name, kind), a second HPA or ScaledObject on the same workload, minReplicaCount above maxReplicaCount, duplicate trigger names."
-- [text.zh]
-- name = "ScaledObject 未就绪"
-- title = "KEDA 不接受 ScaledObject {target}：{reason}"
-- detail = "Ready=False {reason}：{message}。修复之前 KEDA 不会对其伸缩：没有有效轮询，也没有写过副本数。"
-- remedy = "查看 kubectl -n {namespace} describe scaledobject {name} 并修正其指出的问题：spec.scaleTargetRef（名称、类型）、同一工作负载上的第二个 HPA 或 ScaledObject、minReplicaCount 大于 maxReplicaCount、触发器重名。"
-- ---
-- TriggerError and what KEDA 2.20 says of the HPA's health are other causes; they say nothing against the object itself.
WITH looks AS (
    SELECT t.target, t.namespace, t.name, o.ts, greatest(o.seen_at, $start::TIMESTAMP) AS moment, o.ready_reason, o.ready_message, o.active_status,
        o.change <> 'DELETED' AND o.ready_status = 'False' AND o.ready_reason IN ('ScaledObjectCheckFailed', 'ErrorGettingCurrentReplicas') AS bad
    FROM scaledobjects o JOIN targets t ON t.scaledobject_uid = o.uid
),
judged AS (
    SELECT *, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment, ts) AS until,
        sum(CASE WHEN bad THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment, ts) AS island
    FROM looks
),
spans AS (
    SELECT target, namespace, name, min(moment) AS from_at, max(until) AS to_at, min(ts) AS ts, arg_min(ready_reason, moment) AS reason, arg_min(ready_message, moment) AS message
    FROM judged WHERE bad GROUP BY target, namespace, name, island
),
-- whoever still scales it is not held up by the condition
signs AS (
    SELECT target, moment FROM decisions WHERE author IN ('keda', 'hpa')
    UNION ALL
    SELECT target, moment FROM metric_seen WHERE answered
    UNION ALL
    SELECT t.target, o.last_active_time FROM scaledobjects o JOIN targets t ON t.scaledobject_uid = o.uid WHERE o.last_active_time IS NOT NULL
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'namespace': s.namespace, 'name': s.name, 'reason': s.reason, 'message': coalesce(s.message, '-')} AS params,
    0.95 AS confidence,
    [{'table': 'scaledobjects', 'ts': s.ts, 'key': s.target, 'text': 'Ready=False ' || s.reason || coalesce(': ' || s.message, '')}] AS evidence
FROM spans s
WHERE NOT EXISTS (FROM signs x WHERE x.target = s.target AND x.moment > s.from_at + INTERVAL 1 SECOND AND x.moment < s.to_at)
