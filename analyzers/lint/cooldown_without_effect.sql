-- ---
-- id = "cooldown_without_effect"
-- group = "lint"
-- stage = "drain"
-- component = "autoscaler-settings"
-- severity = "info"
-- needs = ["scaledobjects"]
-- uses = ["hpas", "workloads"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "cooldownPeriod {cooldown} s of {target} has no effect: minReplicaCount is {min}"
-- detail = "cooldownPeriod only delays the step to zero (or to idleReplicaCount). Between minReplicaCount and maxReplicaCount the HPA scales in by behavior.scaleDown, by default after {window} s."
-- remedy = "Set advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds for what was meant, or minReplicaCount 0."
-- [text.zh]
-- name = "cooldownPeriod 不起作用"
-- title = "{target} 的 cooldownPeriod {cooldown} 秒不起作用：minReplicaCount 为 {min}"
-- detail = "cooldownPeriod 只推迟缩到零（或 idleReplicaCount）那一步。在 minReplicaCount 与 maxReplicaCount 之间由 HPA 按 behavior.scaleDown 缩容，默认等待 {window} 秒。"
-- remedy = "若想要的是推迟缩容，请设置 advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds；否则把 minReplicaCount 设为 0。"
-- ---
-- keda-hpa.md 1: with minReplicaCount >= 1 and no idleReplicaCount neither pollingInterval nor cooldownPeriod
-- scale anything; KEDA's webhook warns as well. The default of 300 s was nobody's decision.
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, t.target, t.target AS subject,
    {'target': t.target, 'cooldown': s.cooldown_period_s, 'min': s.min_replica_count, 'window': coalesce(json_extract_string(t.behavior, '$.scaleDown.stabilizationWindowSeconds'), '300')} AS params, 0.95 AS confidence,
    [{'table': 'scaledobjects', 'ts': s.ts, 'key': t.target, 'text': 'cooldownPeriod = ' || s.cooldown_period_s || ', minReplicaCount = ' || s.min_replica_count}] AS evidence
FROM targets t JOIN LATERAL (SELECT * FROM scaledobjects x WHERE x.uid = t.scaledobject_uid AND x.change <> 'DELETED' ORDER BY x.seen_at DESC LIMIT 1) s ON true
WHERE s.cooldown_period_s IS NOT NULL AND s.cooldown_period_s <> 300 AND s.min_replica_count >= 1 AND s.idle_replica_count IS NULL
