-- ---
-- id = "two_autoscalers"
-- group = "lint"
-- stage = "decide"
-- component = "autoscaler-settings"
-- severity = "medium"
-- needs = ["scaledobjects", "hpas"]
-- uses = ["workloads"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{n} autoscalers scale {workload}: {names}"
-- detail = "Each writes the size that it thinks right; the last one wins until the next sync of the other."
-- remedy = "Keep the one that KEDA made for its ScaledObject; workers.hpa.enabled=false in the chart; CPU and memory go into the ScaledObject's triggers."
-- [text.zh]
-- name = "两个自动伸缩器"
-- title = "{n} 个自动伸缩器同时伸缩 {workload}：{names}"
-- detail = "每一个都写入它认为正确的规模；在另一个下次同步之前，以最后写入者为准。"
-- remedy = "只保留 KEDA 为其 ScaledObject 创建的那一个；chart 中设 workers.hpa.enabled=false；CPU 与内存目标写入 ScaledObject 的 triggers。"
-- ---
WITH views AS (
    SELECT 'hpas' AS source, uid, namespace, name, target_kind, target_name, ts, seen_at AS from_at, change, lead(seen_at, 1, $end::TIMESTAMP) OVER (PARTITION BY uid ORDER BY seen_at) AS to_at FROM hpas
    UNION ALL
    SELECT 'scaledobjects', uid, namespace, name, coalesce(target_kind, 'Deployment'), target_name, ts, seen_at, change, lead(seen_at, 1, $end::TIMESTAMP) OVER (PARTITION BY uid ORDER BY seen_at) FROM scaledobjects
),
life AS (
    SELECT source, uid, namespace, name, target_kind, target_name, min(ts) AS ts, min(from_at) AS from_at, max(to_at) AS to_at FROM views WHERE change <> 'DELETED' GROUP BY ALL
),
-- one HPA belongs to one ScaledObject: two of a kind at the same time are one too many
pairs AS (
    SELECT DISTINCT a.* FROM life a JOIN life b ON b.source = a.source AND b.uid <> a.uid AND b.namespace = a.namespace AND b.target_name = a.target_name AND b.target_kind = a.target_kind AND b.from_at < a.to_at AND b.to_at > a.from_at
)
SELECT min(p.from_at) AS started_at, max(p.to_at) AS ended_at, t.target, p.namespace || '/' || p.target_name AS subject,
    {'workload': any_value(p.target_kind) || ' ' || p.namespace || '/' || p.target_name, 'n': count(DISTINCT p.uid), 'names': string_agg(DISTINCT p.name, ', ' ORDER BY p.name)} AS params, 0.95 AS confidence,
    list_distinct(list({'table': p.source, 'ts': p.ts, 'key': p.namespace || '/' || p.name, 'text': 'scaleTargetRef ' || p.target_kind || ' ' || p.target_name} ORDER BY p.name))[1:4] AS evidence
FROM pairs p JOIN targets t ON t.namespace = p.namespace AND t.workload_name = p.target_name
WHERE p.source = (SELECT min(x.source) FROM pairs x WHERE x.namespace = p.namespace AND x.target_name = p.target_name)
GROUP BY t.target, p.namespace, p.target_name
