-- ---
-- id = "cooldown_before_window"
-- group = "lint"
-- stage = "drain"
-- component = "autoscaler-settings"
-- severity = "info"
-- needs = ["scaledobjects", "hpas"]
-- uses = ["workloads"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{target} goes to zero {cooldown} s after its last task, though the HPA would keep its workers for {window} s"
-- detail = "KEDA's cooldownPeriod and the HPA's scale-down window run side by side: the shorter one ends everything at once. After a pause shorter than {window} s the HPA's memory of the old size then lifts replicas without demand."
-- remedy = "cooldownPeriod (workers.keda.cooldownPeriod) at least as long as behavior.scaleDown.stabilizationWindowSeconds, or that window set explicitly to what is wanted."
-- [text.zh]
-- name = "cooldown 短于稳定窗口"
-- title = "{target} 在最后一个任务之后 {cooldown} 秒就缩到零，而 HPA 本会把 worker 保留 {window} 秒"
-- detail = "KEDA 的 cooldownPeriod 与 HPA 的缩容窗口并行计时：较短的一个会一次性结束所有 worker。若停顿短于 {window} 秒，HPA 记住的旧规模随后会在没有需求时抬高副本数。"
-- remedy = "让 cooldownPeriod（workers.keda.cooldownPeriod）不短于 behavior.scaleDown.stabilizationWindowSeconds，或把该窗口显式设为想要的值。"
-- ---
-- keda-hpa.md 1.3 and signature 31 (phantom scale-up after zero).
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, t.target, t.target AS subject,
    {'target': t.target, 'cooldown': s.cooldown_period_s, 'window': w.window_s} AS params, 0.9 AS confidence,
    [{'table': 'scaledobjects', 'ts': s.ts, 'key': t.target, 'text': 'cooldownPeriod = ' || s.cooldown_period_s},
     {'table': 'hpas', 'ts': h.ts, 'key': h.namespace || '/' || h.name, 'text': 'behavior.scaleDown.stabilizationWindowSeconds = ' || w.window_s || CASE WHEN json_extract_string(t.behavior, '$.scaleDown.stabilizationWindowSeconds') IS NULL THEN ' (the default)' ELSE '' END}] AS evidence
FROM targets t
JOIN LATERAL (SELECT * FROM scaledobjects x WHERE x.uid = t.scaledobject_uid AND x.change <> 'DELETED' ORDER BY x.seen_at DESC LIMIT 1) s ON true
JOIN LATERAL (SELECT * FROM hpas x WHERE x.uid = t.hpa_uid AND x.change <> 'DELETED' ORDER BY x.seen_at DESC LIMIT 1) h ON true
CROSS JOIN LATERAL (SELECT coalesce(try_cast(json_extract_string(t.behavior, '$.scaleDown.stabilizationWindowSeconds') AS INTEGER), 300) AS window_s) w
WHERE t.min_replica_count = 0 AND s.cooldown_period_s < w.window_s AND t.max_replica_count > 1
